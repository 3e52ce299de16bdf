//go:build integration

package store_test

import (
	"testing"

	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/store/storetest"
	"chat-service/internal/store/storetest/backend"
	"chat-service/internal/store/storetest/identities"
	"chat-service/internal/store/storetest/webhooks"
)

// TestConforms: the store keeps the rules that its fake keeps, on both servers.
func TestConforms(t *testing.T) {
	set := func(o *db.Options) { o.Partitions, o.Limits = 8, storetest.ConformLimits() }
	onBoth(t, set, func(t *testing.T, d *store.Store) {
		storetest.Conform(t, storetest.SubjectOf(d))
		identities.Conform(t, storetest.SubjectOf(d))
		backend.Conform(t, storetest.SubjectOf(d), d.Accounts, d.Rooms, d.Messages)
		backend.ConformJobs(t, storetest.SubjectOf(d), d.Jobs)
		webhooks.Conform(t, storetest.SubjectOf(d), d.Webhooks, d.Webhooks)
	})
}
