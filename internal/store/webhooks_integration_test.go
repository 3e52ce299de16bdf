//go:build integration

package store_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/store"
)

// TestWebhookAttemptsAreBounded: of an endpoint's attempts the newest stay, and of all those of the last days.
func TestWebhookAttemptsAreBounded(t *testing.T) {
	onBothRaw(t, func(t *testing.T, d *store.Store, raw *sql.DB) {
		w, err := d.Webhooks.CreateWebhook(ctx, chat.Webhook{URL: "https://example.org/", Secret: make([]byte, 32)})
		ok(t, err)
		now := time.Now()
		x := chat.WebhookSettled{WebhookPlace: chat.WebhookPlace{Webhook: w.ID, Room: 1}, Now: now}
		add := func(n int, at time.Time) {
			x.Attempts = nil
			for i := range n {
				x.Attempts = append(x.Attempts, chat.WebhookAttempt{Webhook: w.ID, Event: fmt.Sprint(i), Kind: chat.WebhookSent, At: at, Try: 1, Status: 204})
			}
			wantKind(t, d.Webhooks.SettleWebhook(ctx, x), chat.Conflict) // there is no cursor; what was posted is kept all the same
		}
		add(300, now.Add(-8*24*time.Hour))
		sweep := func(at time.Time) int {
			s := chat.WebhookSweep{Webhook: w.ID, By: "p", Now: at, Limit: 100, Pause: time.Second}
			for !s.Done {
				_, next, err := d.Webhooks.SweepWebhook(ctx, s)
				ok(t, err)
				s = next
			}
			var n int
			ok(t, raw.QueryRowContext(ctx, "SELECT COUNT(*) FROM webhook_attempts").Scan(&n))
			return n
		}
		if n := sweep(now); n != 0 {
			t.Errorf("%d attempts of last week are left", n)
		}
		for range 12 {
			add(1000, now)
		}
		if n := sweep(now.Add(time.Minute)); n != 10_000 {
			t.Errorf("%d attempts are left", n)
		}
	})
}

// TestWebhookActs: what is done to an endpoint stands in the trail, with who did it, and without its secret.
func TestWebhookActs(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		by := chat.WithOrigin(ctx, chat.Origin{By: "key:abc"})
		w, err := d.Webhooks.CreateWebhook(by, chat.Webhook{Name: "Orders", URL: "https://example.org/", Secret: make([]byte, 32)})
		ok(t, err)
		name, on, off := "Orders 2", true, false
		for _, p := range []chat.WebhookPatch{
			{Name: &name, Secret: []byte("01234567890123456789012345678901")}, {Name: &name}, {Disabled: &on, Why: "a test"}, {Disabled: &on}, {Disabled: &off},
		} {
			_, err := d.Webhooks.UpdateWebhook(by, w.ID, p)
			ok(t, err)
		}
		_, _, err = d.Webhooks.ReplayWebhook(by, w.ID, chat.WebhookReplay{Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Limit: 10})
		ok(t, err)
		ok(t, d.Webhooks.SettleWebhook(ctx, settledBy(t, d, w.ID)))
		ok(t, d.Webhooks.DeleteWebhook(by, w.ID))
		as, err := d.Audit.Acts(ctx, chat.ActQuery{Limit: 100})
		ok(t, err)
		var got []string
		for i := range as {
			a := as[len(as)-1-i]
			got = append(got, fmt.Sprintf("%s %s %s", a.Kind, a.By, a.Detail))
		}
		id := fmt.Sprint(w.ID)
		want := []string{
			"webhook_created key:abc " + id + " Orders", "webhook_changed key:abc " + id + " name secret", "webhook_disabled key:abc " + id + " a test",
			"webhook_enabled key:abc " + id, "webhook_replayed key:abc " + id + " 2026-01-02T03:04:05.000Z", "webhook_disabled  " + id + " it answered 410 Gone",
			"webhook_deleted key:abc " + id,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// settledBy is a claim that ends with the endpoint's wish to be told nothing any more.
func settledBy(t *testing.T, d *store.Store, id chat.WebhookID) chat.WebhookSettled {
	t.Helper()
	now := time.Now()
	cur, err := d.Webhooks.ClaimWebhook(ctx, chat.WebhookClaim{WebhookPlace: chat.WebhookPlace{Webhook: id}, Token: "t", Now: now, Until: now.Add(time.Minute)})
	ok(t, err)
	return chat.WebhookSettled{WebhookPlace: cur.WebhookPlace, Token: "t", Disable: "it answered 410 Gone", Now: now}
}
