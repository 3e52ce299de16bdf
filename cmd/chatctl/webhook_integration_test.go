//go:build integration

package main

import (
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/ops/hooks"
)

// TestWebhooks: an endpoint is made, listed without its secret, gets another one, is disabled, enabled and deleted; its attempts are shown;
// what isn't there is said, and all is in the trail.
func TestWebhooks(t *testing.T) {
	db := settle(t).populate(t)
	_, _, room := people(t, db)
	t.Setenv("CHAT_WEBHOOKS_ALLOW_PRIVATE", "127.0.0.0/8")
	text := strings.TrimSpace(must(t, "webhook", "create", "--url", "http://127.0.0.1:9000/hooks", "--allow-private", "--name", " Search ", "--event", "message.sent,room.created,message.sent"))
	secret, err := chat.ParseWebhookSecret(text)
	if err != nil {
		t.Fatalf("printed %q: %v", text, err)
	}
	ws, err := db.Webhooks.Webhooks(t.Context())
	if err != nil || len(ws) != 1 || ws[0].Name != "Search" || len(ws[0].Kinds) != 2 || string(ws[0].Secret) != string(secret) || !ws[0].AllowPrivate || !strings.HasPrefix(ws[0].CreatedBy, "operator:") {
		t.Fatalf("kept %+v, %v", ws, err)
	}
	id := "1"
	fresh := strings.TrimSpace(must(t, "webhook", "secret", id))
	if w, err := db.Webhooks.Webhook(t.Context(), ws[0].ID); err != nil || chat.WebhookSecretText(w.Secret) != fresh || string(w.Previous) != string(secret) || time.Until(w.PreviousUntil) < 23*time.Hour {
		t.Errorf("replaced: %+v, %v", w, err)
	}
	must(t, "webhook", "create", "--url", "https://app.example.com")
	type list struct{ Webhooks []hooks.View }
	must(t, "webhook", "disable", id, "--why", "moves")
	out := must(t, "webhook", "list", "--json")
	v := fromJSON[list](t, out).Webhooks
	if len(v) != 2 || v[0].Enabled || v[0].DisabledWhy != "moves" || v[0].OldUntil.IsZero() || !v[1].Enabled || len(v[1].Events) != 0 || v[1].Events == nil {
		t.Errorf("listed %s", out)
	}
	if rows := must(t, "webhook", "list"); !strings.Contains(rows, "disabled: moves") || !strings.Contains(rows, "message.sent,room.created") || strings.Contains(rows+out, "whsec_") {
		t.Errorf("listed\n%s", rows)
	}
	must(t, "webhook", "enable", id)

	claim := chat.WebhookClaim{WebhookPlace: chat.WebhookPlace{Webhook: ws[0].ID, Room: room}, Token: "one", Now: time.Now(), Until: time.Now().Add(time.Minute)}
	cur, err := db.Webhooks.ClaimWebhook(t.Context(), claim)
	if err != nil {
		t.Fatal(err)
	}
	settled := chat.WebhookSettled{
		WebhookPlace: cur.WebhookPlace, Token: "one", Seq: cur.Seq, Changes: cur.Changes, Tries: 1, Next: time.Now().Add(time.Hour), Health: chat.WebhookFailing, Now: time.Now(),
		Attempts: []chat.WebhookAttempt{
			{Webhook: ws[0].ID, Event: "msg_1_1_1_0", Kind: chat.WebhookSent, Room: room, Seq: 1, At: time.Now(), Try: 1, Status: 204, Took: 12 * time.Millisecond},
			{Webhook: ws[0].ID, Event: "msg_1_1_2_0", Kind: chat.WebhookSent, Room: room, Seq: 2, At: time.Now(), Try: 1, Took: 15 * time.Second, Refusal: "no answer within 15s"},
		},
	}
	if err := db.Webhooks.SettleWebhook(t.Context(), settled); err != nil {
		t.Fatal(err)
	}
	if rows := must(t, "webhook", "list"); !strings.Contains(rows, "failing since") {
		t.Errorf("listed\n%s", rows)
	}
	if v := fromJSON[list](t, must(t, "webhook", "list", "--json")).Webhooks; v[0].Waiting != 1 || v[1].Waiting != 0 {
		t.Errorf("waiting: %+v", v)
	}
	type tries struct{ Attempts []hooks.Attempt }
	if all := fromJSON[tries](t, must(t, "webhook", "attempts", id, "--json")).Attempts; len(all) != 2 || all[0].Status != 0 || all[0].TookMS != 15000 || all[1].Status != 204 {
		t.Errorf("attempts %+v", all)
	}
	if rows := must(t, "webhook", "attempts", id, "--failed"); !strings.Contains(rows, "no answer within 15s") || strings.Contains(rows, "204") {
		t.Errorf("failed:\n%s", rows)
	}
	if rows := must(t, "webhook", "replay", id, "--since", "1h"); !strings.Contains(rows, "rooms") {
		t.Errorf("replay: %s", rows)
	}
	must(t, "webhook", "delete", id, "--yes")
	for _, args := range [][]string{
		{"webhook", "secret", id},
		{"webhook", "disable", id},
		{"webhook", "enable", id},
		{"webhook", "delete", id, "--yes"},
		{"webhook", "attempts", id},
		{"webhook", "replay", id, "--since", "1h"},
		{"webhook", "replay", "2", "--event", "msg_9_1_1_0"},
		{"webhook", "replay", "2", "--event", "nonsense"},
		{"webhook", "create", "--url", "http://10.1.2.3/", "--allow-private"},
		{"webhook", "create", "--url", "https://127.0.0.1/"},
	} {
		if _, _, err := chatctl(t, args...); err == nil {
			t.Errorf("%v succeeds", args)
		}
	}
	type trail struct{ Acts []actView }
	out = must(t, "audit", "--json")
	for _, a := range fromJSON[trail](t, out).Acts {
		if !strings.HasPrefix(a.By, "operator:") {
			t.Errorf("%+v", a)
		}
	}
	for _, kind := range []string{"webhook_created", "webhook_changed", "webhook_disabled", "webhook_enabled", "webhook_deleted", "webhook_replayed"} {
		if !strings.Contains(out, kind) {
			t.Errorf("no %s in the trail", kind)
		}
	}
	if strings.Contains(out, text) || strings.Contains(out, fresh) {
		t.Error("a secret is in the trail")
	}
}
