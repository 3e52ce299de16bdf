package webhooks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
)

func kept(t *trial) {
	secret, next := []byte(strings.Repeat("s", 24)), []byte("\x00\xff"+strings.Repeat("n", 30))
	want := chat.Webhook{Name: "Backend ✓", URL: "https://example.org/hooks?x=1", Secret: secret, Kinds: []chat.WebhookKind{chat.WebhookSent, chat.WebhookUserCreated}, AllowPrivate: true}
	ctx := chat.WithOrigin(t.ctx, chat.Origin{By: "key:abc"})
	w, err := t.CreateWebhook(ctx, want)
	t.ok(err)
	if w.ID == 0 || time.Since(w.CreatedAt).Abs() > time.Minute || w.CreatedBy != "key:abc" {
		t.Fatalf("made %+v", w)
	}
	want.ID, want.CreatedAt, want.CreatedBy = w.ID, w.CreatedAt, "key:abc"
	read := func() chat.Webhook {
		t.Helper()
		got, err := t.Webhook(t.ctx, w.ID)
		t.ok(err)
		return got
	}
	t.same(read(), want, "what was made")
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	name, url, private, none := "other", "http://10.0.0.1:8080/", false, []chat.WebhookKind(nil)
	got, err := t.UpdateWebhook(t.ctx, w.ID, chat.WebhookPatch{Name: &name, URL: &url, AllowPrivate: &private, Kinds: &none, Secret: next, Overlap: until})
	t.ok(err)
	want.Name, want.URL, want.AllowPrivate, want.Kinds = name, url, private, nil
	want.Secret, want.Previous, want.PreviousUntil = next, secret, until
	t.same(got, want, "what was changed")
	t.same(read(), want, "what was changed and read")
	if n := len(want.Secrets(until.Add(-1))) + 10*len(want.Secrets(until)); n != 12 {
		t.Errorf("secrets: %d", n)
	}
	list, err := t.Webhooks(t.ctx)
	t.ok(err)
	if i := slices.IndexFunc(list, func(x chat.Webhook) bool { return x.ID == w.ID }); i < 0 || cmp.Diff(list[i], want) != "" {
		t.Errorf("listed: %+v", list)
	}
	bad := "ftp://x/"
	_, err = t.UpdateWebhook(t.ctx, w.ID, chat.WebhookPatch{URL: &bad})
	t.fails(err, chat.Invalid)
	t.same(read(), want, "after a change that is refused")
	t.ok(t.DeleteWebhook(t.ctx, w.ID))
	t.fails(t.DeleteWebhook(t.ctx, w.ID), chat.NotFound)
	_, err = t.Webhook(t.ctx, w.ID)
	t.fails(err, chat.NotFound)
	_, err = t.UpdateWebhook(t.ctx, w.ID, chat.WebhookPatch{Name: &name})
	t.fails(err, chat.NotFound)
}

func refused(t *trial) {
	good := chat.Webhook{URL: "https://example.org/", Secret: []byte(strings.Repeat("s", 32))}
	for field, spoil := range map[string]func(*chat.Webhook){
		"url no scheme":  func(w *chat.Webhook) { w.URL = "example.org" },
		"url other":      func(w *chat.Webhook) { w.URL = "file:///etc/passwd" },
		"url user":       func(w *chat.Webhook) { w.URL = "https://a:b@example.org/" },
		"url no host":    func(w *chat.Webhook) { w.URL = "https:///x" },
		"secret short":   func(w *chat.Webhook) { w.Secret = w.Secret[:23] },
		"secret long":    func(w *chat.Webhook) { w.Secret = make([]byte, 65) },
		"events unknown": func(w *chat.Webhook) { w.Kinds = []chat.WebhookKind{"message.nothing"} },
		"name control":   func(w *chat.Webhook) { w.Name = "a\nb" },
	} {
		w := good
		spoil(&w)
		_, err := t.CreateWebhook(t.ctx, w)
		if t.fails(err, chat.Invalid); !strings.HasPrefix(chat.As(err).Fields[0].Field, strings.Fields(field)[0]) {
			t.Errorf("%s: %v", field, err)
		}
	}
	var made []chat.Webhook
	for range chat.MaxWebhooks {
		w, err := t.CreateWebhook(t.ctx, good)
		t.ok(err)
		made = append(made, w)
	}
	_, err := t.CreateWebhook(t.ctx, good)
	for _, w := range made {
		t.ok(t.DeleteWebhook(t.ctx, w.ID))
	}
	t.fails(err, chat.LimitReached)
}

func disabled(t *trial) {
	w, u := t.hook(), t.user()
	now := time.Now().UTC().Truncate(time.Microsecond)
	at := chat.WebhookPlace{Webhook: w.ID, Room: t.room(u)}
	x := free(t.mine(at, now.Add(-time.Hour)), now)
	x.Tries, x.Next, x.Disable, x.Health = 4, now.Add(5*time.Hour), "gone", chat.WebhookFailing
	t.ok(t.cursors.SettleWebhook(t.ctx, x))
	got, err := t.Webhook(t.ctx, w.ID)
	if t.ok(err); !got.DisabledAt.Equal(now) || got.DisabledWhy != "gone" {
		t.Fatalf("disabled: %+v", got)
	}
	if _, s, err := t.cursors.SweepWebhook(t.ctx, chat.WebhookSweep{Webhook: w.ID, By: "p", Now: later(), Limit: 100}); err != nil || !s.Done || !s.Began.IsZero() {
		t.Errorf("it is walked for: %+v %v", s, err)
	}
	off := false
	got, err = t.UpdateWebhook(t.ctx, w.ID, chat.WebhookPatch{Disabled: &off})
	if t.ok(err); !got.DisabledAt.IsZero() || got.DisabledWhy != "" || !got.FailingSince.IsZero() {
		t.Fatalf("enabled: %+v", got)
	}
	t.same(t.due(w.ID, time.Now().Add(time.Second)), []chat.RoomID{at.Room}, "due when it is enabled")
	if c := t.mine(at, time.Now().Add(time.Second)); c.Tries != 0 {
		t.Errorf("tries begin anew: %+v", c)
	}
}

func attempts(t *trial) {
	w, u := t.hook(), t.user()
	cur := t.mine(chat.WebhookPlace{Webhook: w.ID, Room: t.room(u)}, later())
	at := time.Now().UTC().Truncate(time.Microsecond)
	x := free(cur, at)
	for i := range 3 {
		x.Attempts = append(x.Attempts, chat.WebhookAttempt{
			Webhook: w.ID, Event: fmt.Sprintf("msg_%d_1_1_%d", cur.Room, i/2), Kind: chat.WebhookSent, Room: cur.Room, Seq: 1, Change: chat.ChangeSeq(i), At: at.Add(time.Duration(i)),
			Try: i + 1, Status: 500, Took: 1234 * time.Microsecond, Refusal: "answered 500",
		})
		x.Attempts[i].At = at
	}
	x.Attempts[2].Status, x.Attempts[2].Refusal = 204, ""
	t.ok(t.cursors.SettleWebhook(t.ctx, x))
	list := func(q chat.AttemptQuery) []chat.WebhookAttempt {
		t.Helper()
		q.Webhook = w.ID
		as, err := t.WebhookAttempts(t.ctx, q)
		t.ok(err)
		return as
	}
	all := list(chat.AttemptQuery{Limit: 10})
	if len(all) != 3 || all[0].ID <= all[1].ID {
		t.Fatalf("listed: %+v", all)
	}
	for i, a := range all {
		want := x.Attempts[2-i]
		want.ID = a.ID
		t.same(a, want, "an attempt")
	}
	t.same(list(chat.AttemptQuery{Limit: 1, Before: all[0].ID}), all[1:2], "the next page")
	t.same(list(chat.AttemptQuery{Limit: 10, Failed: true}), all[1:], "those that failed")
	t.same(list(chat.AttemptQuery{Limit: 10, Event: all[0].Event}), all[:1], "those of an event")
	_, err := t.WebhookAttempts(t.ctx, chat.AttemptQuery{Webhook: 1 << 40, Limit: 1})
	t.fails(err, chat.NotFound)
}

func deleted(t *trial) {
	w, u := t.hook(), t.user()
	at := chat.WebhookPlace{Webhook: w.ID, Room: t.room(u)}
	cur := t.mine(at, later())
	t.ok(t.DeleteWebhook(t.ctx, w.ID))
	t.fails(t.cursors.SettleWebhook(t.ctx, free(cur, later())), chat.Conflict)
	_, err := t.cursors.ClaimWebhook(t.ctx, chat.WebhookClaim{WebhookPlace: at, Token: "x", Now: later(), Until: later()})
	t.fails(err, chat.NotFound)
	if rooms, ran := t.walk("p", w.ID, later()); ran || len(rooms) > 0 {
		t.Errorf("walked: %v", rooms)
	}
}
