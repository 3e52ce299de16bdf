package fakestore_test

import (
	"testing"

	"chat-service/internal/store/fakestore"
	"chat-service/internal/store/storetest"
)

// TestConforms: the fake keeps the rules that the store keeps.
func TestConforms(t *testing.T) {
	s := fakestore.New(fakestore.Options{Partitions: 8, Limits: storetest.ConformLimits()})
	storetest.Conform(t, storetest.Subject{
		Messages: s, Changes: s, Views: s, Standing: s, Rooms: s, Members: s, Lists: s, Accounts: s, People: s, Sessions: s, Logins: s, Outbox: s, Fleet: s, Partitions: 8,
	})
}
