package fakestore_test

import (
	"testing"
	"time"

	"chat-service/internal/store/fakestore"
	fake "chat-service/internal/store/fakestore/webhooks"
	"chat-service/internal/store/storetest"
	"chat-service/internal/store/storetest/backend"
	"chat-service/internal/store/storetest/identities"
	"chat-service/internal/store/storetest/webhooks"
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
	h := fake.New(s, 8, time.Now)
	webhooks.Conform(t, whole, h, h)
}
