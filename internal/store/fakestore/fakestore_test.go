package fakestore_test

import (
	"testing"

	"chat-service/internal/store/fakestore"
	"chat-service/internal/store/storetest"
	"chat-service/internal/store/storetest/backend"
	"chat-service/internal/store/storetest/identities"
)

// TestConforms: the fake keeps the rules that the store keeps.
func TestConforms(t *testing.T) {
	s := fakestore.New(fakestore.Options{Partitions: 8, Limits: storetest.ConformLimits()})
	whole := storetest.Subject{
		Messages: s, Changes: s, Views: s, Standing: s, Rooms: s, Members: s, Lists: s, Accounts: s, People: s, Sessions: s, Identities: s, Logins: s, Outbox: s, Fleet: s, Partitions: 8,
	}
	storetest.Conform(t, whole)
	identities.Conform(t, whole)
	backend.Conform(t, whole, s, s, s)
	backend.ConformJobs(t, whole, s)
}
