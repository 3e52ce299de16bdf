package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-service/internal/api/backend"
	"chat-service/internal/chat"
	"chat-service/internal/webhook"
)

const hookURL = `"url":"https://app.example.com/hooks"`

// hook reads an endpoint out of an answer.
func hook(t *testing.T, a answer) (v backend.WebhookView) {
	t.Helper()
	if err := json.Unmarshal(a.raw, &v); err != nil {
		t.Fatalf("%v in %s", err, a.raw)
	}
	return v
}

// TestWebhooks: an endpoint is made, shown, listed, changed, disabled, enabled and deleted; its secret is shown where it was made or replaced,
// and nowhere else.
func TestWebhooks(t *testing.T) {
	b, _ := keyBench(t)
	key := b.key(chat.ScopeWebhooks)
	a := b.do(201, "POST", "server/webhooks", key, `{`+hookURL+`,"name":" search ","events":["message.sent","room.created"]}`)
	made := hook(t, a)
	secret, err := chat.ParseWebhookSecret(made.Secret)
	kept, kerr := b.hooks.Webhook(t.Context(), made.ID)
	if err != nil || kerr != nil || string(kept.Secret) != string(secret) || kept.CreatedBy != "key:"+keyID(key) {
		t.Fatalf("made %s, kept %+v: %v, %v", a.raw, kept, err, kerr)
	}
	if made.Name != "search" || !made.Enabled || len(made.Events) != 2 || a.head.Get("Location") != fmt.Sprintf("/api/v1/server/webhooks/%d", made.ID) {
		t.Errorf("made %s at %s", a.raw, a.head.Get("Location"))
	}
	path := fmt.Sprintf("server/webhooks/%d", made.ID)
	other := hook(t, b.do(201, "POST", "server/webhooks", key, `{`+hookURL+`,"enabled":false,"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`))
	if other.Secret != "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" || other.Enabled || other.DisabledAt == "" || other.Events == nil || len(other.Events) != 0 {
		t.Errorf("made %+v", other)
	}
	show := b.do(200, "GET", path, key, "")
	list := b.do(200, "GET", "server/webhooks", key, "")
	if v := hook(t, show); v.Secret != "" || v.URL != made.URL || strings.Contains(string(list.raw), "whsec_") || len(list.body["webhooks"].([]any)) != 2 {
		t.Errorf("shown %s, listed %s", show.raw, list.raw)
	}

	v := hook(t, b.do(200, "PATCH", path, key, `{"url":"https://other.example.com/","events":[],"name":"","enabled":false}`))
	if v.URL != "https://other.example.com/" || len(v.Events) != 0 || v.Name != "" || v.Enabled || v.DisabledWhy != "by a key" || v.DisabledAt != chat.FormatTime(b.now()) {
		t.Errorf("changed to %+v", v)
	}
	if v = hook(t, b.do(200, "PATCH", path, key, `{"enabled":true}`)); !v.Enabled || v.DisabledWhy != "" || v.DisabledAt != "" || v.URL != "https://other.example.com/" {
		t.Errorf("enabled: %+v", v)
	}
	if v = hook(t, b.do(200, "PATCH", path, key, `{"events":null}`)); len(v.Events) != 0 {
		t.Errorf("null changes it: %+v", v)
	}

	v = hook(t, b.do(200, "POST", path+"/secret", key, ""))
	if v.Secret == "" || v.Secret == made.Secret || v.OldUntil != chat.FormatTime(b.now().Add(24*time.Hour)) {
		t.Errorf("replaced: %+v", v)
	}
	kept, _ = b.hooks.Webhook(t.Context(), made.ID)
	if s := kept.Secrets(b.now()); len(s) != 2 || chat.WebhookSecretText(s[0]) != v.Secret || chat.WebhookSecretText(s[1]) != made.Secret {
		t.Errorf("signed by %v", s)
	}
	b.pass(24 * time.Hour)
	if v = hook(t, b.do(200, "GET", path, key, "")); v.OldUntil != "" || v.Secret != "" {
		t.Errorf("a day later: %+v", v)
	}
	if v = hook(t, b.do(200, "POST", path+"/secret", key, `{"secret":"`+other.Secret+`"}`)); v.Secret != other.Secret {
		t.Errorf("replaced by one's own: %+v", v)
	}
	b.do(204, "DELETE", path, key, "")
	for _, call := range []string{"GET ", "DELETE ", "PATCH ", "GET /attempts", "POST /secret", "POST /replay"} {
		method, rest, _ := strings.Cut(call, " ")
		body := map[string]string{"PATCH ": `{}`, "POST /replay": `{"event":"msg_1_1_1_0"}`}[call]
		for _, id := range []string{fmt.Sprint(made.ID), "77", "9007199254740992"} {
			a := b.raw(method, "server/webhooks/"+id+rest, key, "application/json", body)
			b.problem(a, 404, "not_found")
		}
		b.problem(b.raw(method, "server/webhooks/x"+rest, key, "application/json", body), 400, "invalid")
	}
}

// TestWebhooksAreRefused: what can't be an endpoint, each with the field at fault.
func TestWebhooksAreRefused(t *testing.T) {
	b, _ := keyBench(t)
	key := b.key(chat.ScopeWebhooks)
	for body, field := range map[string]string{
		`{}`:                                       "url",
		`{"url":""}`:                               "url",
		`{"url":"http://app.example.com"}`:         "url",
		`{"url":"https://127.0.0.1/"}`:             "url",
		`{"url":"https://10.1.2.3/"}`:              "url",
		`{"url":"https://169.254.169.254/"}`:       "url",
		`{"url":"https://a:b@app.example.com/"}`:   "url",
		`{"url":"https://app.example.com:70000/"}`: "url",
		`{"url":"https://app.example.com/` + strings.Repeat("x", 2048) + `"}`: "url",
		`{"url":"http://10.2.0.1/","allow_private":true}`:                     "url",
		`{"url":"http://8.8.8.8/","allow_private":true}`:                      "url",
		`{` + hookURL + `,"events":["message.sent","nothing"]}`:               "events[1]",
		`{` + hookURL + `,"events":["message.sent","message.sent"]}`:          "events[1]",
		`{` + hookURL + `,"events":[""]}`:                                     "events[0]",
		`{` + hookURL + `,"name":"a\u0000b"}`:                                 "name",
		`{` + hookURL + `,"name":"` + strings.Repeat("n", 65) + `"}`:          "name",
		`{` + hookURL + `,"secret":"whsec_short"}`:                            "secret",
	} {
		a := b.raw("POST", "server/webhooks", key, "application/json", body)
		b.problem(a, 422, "invalid")
		if errs, ok := a.body["errors"].([]any); !ok || errs[0].(map[string]any)["field"] != field {
			t.Errorf("%.80s: %s, want field %s", body, a.raw, field)
		}
	}
	b.problem(b.raw("POST", "server/webhooks", key, "application/json", `{`+hookURL+`,"colour":1}`), 400, "unknown_field")
	b.problem(b.raw("POST", "server/webhooks", key, "application/json", `{"url":7}`), 422, "invalid")
	if ws, err := b.hooks.Webhooks(t.Context()); err != nil || len(ws) != 0 {
		t.Errorf("%d are made, %v", len(ws), err)
	}

	id := hook(t, b.do(201, "POST", "server/webhooks", key, `{"url":"http://10.1.2.3:8080/","allow_private":true}`)).ID
	path := fmt.Sprintf("server/webhooks/%d", id)
	for body, field := range map[string]string{
		`{"allow_private":false}`:                            "url", // what it has is private
		`{"url":"https://192.168.0.1/"}`:                     "url",
		`{"url":"https://localhost/","allow_private":false}`: "url",
		`{"events":["x"]}`:                                   "events[0]",
		`{"name":"\u202e"}`:                                  "name",
		`{"events":[` + strings.Repeat(`"a",`, 64) + `"message.sent"` + `]}`: "events",
	} {
		a := b.raw("PATCH", path, key, "application/json", body)
		b.problem(a, 422, "invalid")
		if errs, ok := a.body["errors"].([]any); !ok || errs[0].(map[string]any)["field"] != field {
			t.Errorf("%s: %s, want field %s", body, a.raw, field)
		}
	}
	b.problem(b.raw("POST", path+"/secret", key, "application/json", `{"secret":"whsec_AA=="}`), 422, "invalid")

	none, _ := keyBench(t, func(_ *Options, p *Ports) { p.Endpoints = webhook.Endpoints{} })
	a := none.raw("POST", "server/webhooks", none.every(), "application/json", `{"url":"https://10.1.2.3/","allow_private":true}`)
	if none.problem(a, 422, "invalid"); !strings.Contains(string(a.raw), "webhooks.allow_private") {
		t.Errorf("where nothing private is allowed: %s", a.raw)
	}
}

// TestWebhooksAreFew: of twenty-five at the same time twenty are made.
func TestWebhooksAreFew(t *testing.T) {
	b, _ := keyBench(t)
	key := b.key(chat.ScopeWebhooks)
	var all sync.WaitGroup
	codes := make([]int, 25)
	for i := range codes {
		all.Go(func() { codes[i] = b.raw("POST", "server/webhooks", key, "application/json", `{`+hookURL+`}`).status })
	}
	all.Wait()
	count := map[int]int{}
	for _, c := range codes {
		count[c]++
	}
	if count[201] != chat.MaxWebhooks || count[409] != 5 {
		t.Errorf("answered %v", count)
	}
}

// tried leaves attempts at an endpoint.
func (b *bench) tried(id chat.WebhookID, n int) {
	b.Helper()
	var as []chat.WebhookAttempt
	for i := range n {
		a := chat.WebhookAttempt{Webhook: id, Event: fmt.Sprintf("msg_7_1_%d_0", i+1), Kind: chat.WebhookSent, Room: 7, Seq: chat.Seq(i + 1), At: b.now(), Try: 1, Status: 204, Took: 7 * time.Millisecond}
		if i%10 == 9 {
			a.Status, a.Refusal = 500, "answered 500"
		}
		as = append(as, a)
	}
	_ = b.hooks.SettleWebhook(b.Context(), chat.WebhookSettled{WebhookPlace: chat.WebhookPlace{Webhook: id, Room: 7}, Attempts: as, Now: b.now()}) // nobody holds the claim
}

func TestAttempts(t *testing.T) {
	b, _ := keyBench(t)
	key := b.key(chat.ScopeWebhooks)
	id := hook(t, b.do(201, "POST", "server/webhooks", key, `{`+hookURL+`}`)).ID
	b.tried(id, 25)
	path := fmt.Sprintf("server/webhooks/%d/attempts", id)
	var seen []backend.AttemptView
	cursor := ""
	for pages := 0; ; pages++ {
		var page backend.AttemptsReply
		a := b.do(200, "GET", path+"?limit=10&cursor="+cursor, key, "")
		if err := json.Unmarshal(a.raw, &page); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, page.Attempts...)
		if page.NextCursor == nil {
			if pages != 2 {
				t.Errorf("%d pages", pages+1)
			}
			break
		}
		cursor = *page.NextCursor
	}
	for i, a := range seen {
		if want := uint64(25 - i); a.ID != want || a.Seq != chat.Seq(want) || a.Accepted != (want%10 != 0) || a.Type != "message.sent" || a.Room != 7 || a.TookMS != 7 || a.Try != 1 {
			t.Errorf("place %d: %+v", i, a)
		}
	}
	if len(seen) != 25 {
		t.Errorf("%d attempts", len(seen))
	}
	if a := b.do(200, "GET", path+"?failed=true", key, ""); len(a.body["attempts"].([]any)) != 2 || !strings.Contains(string(a.raw), "answered 500") {
		t.Errorf("failed: %s", a.raw)
	}
	if a := b.do(200, "GET", path+"?event=msg_7_1_3_0", key, ""); len(a.body["attempts"].([]any)) != 1 {
		t.Errorf("of an event: %s", a.raw)
	}
	if a := b.do(200, "GET", path+"?event=none", key, ""); string(a.raw) != `{"attempts":[],"next_cursor":null}` {
		t.Errorf("of none: %s", a.raw)
	}
	b.problem(b.raw("GET", path+"?cursor=c1.x", key, "", ""), 400, "invalid")
	b.problem(b.raw("GET", path+"?failed=maybe", key, "", ""), 422, "invalid")
	b.problem(b.raw("GET", path+"?limit=201", key, "", ""), 422, "invalid")
}

func TestReplayIsAskedFor(t *testing.T) {
	b, _ := keyBench(t)
	key := b.key(chat.ScopeWebhooks)
	id := hook(t, b.do(201, "POST", "server/webhooks", key, `{`+hookURL+`}`)).ID
	path := fmt.Sprintf("server/webhooks/%d/replay", id)
	for body, field := range map[string]string{
		`{}`: "event",
		`{"event":"msg_7_1_3_0","since":"2026-03-01T11:00:00Z"}`: "event",
		`{"event":"msg_7_1_3_0","cursor":"c1.5"}`:                "",
		`{"since":"yesterday"}`:                                  "since",
		`{"since":"2026-03-01T12:00:01Z"}`:                       "since",
		`{"since":"2026-03-01T11:00:00"}`:                        "since",
	} {
		a := b.raw("POST", path, key, "application/json", body)
		if field == "" {
			b.problem(a, 400, "invalid")
			continue
		}
		b.problem(a, 422, "invalid")
		if errs, ok := a.body["errors"].([]any); !ok || errs[0].(map[string]any)["field"] != field {
			t.Errorf("%s: %s, want field %s", body, a.raw, field)
		}
	}
	b.problem(b.raw("POST", path, key, "application/json", `{"event":"msg_7_1_3_0"}`), 404, "not_found")
	b.problem(b.raw("POST", path, key, "application/json", `{"event":"nonsense"}`), 404, "not_found")
	if a := b.do(200, "POST", path, key, `{"since":"2026-03-01T11:00:00+02:00"}`); string(a.raw) != `{"rooms":0,"next_cursor":null}` {
		t.Errorf("answered %s", a.raw)
	}
}

// kept has another name than its method.
type kept = interface{ backend.Webhooks }

// many is a port with more rooms than one call looks at.
type many struct {
	kept
	rooms chat.RoomID
	calls int
}

func (m *many) ReplayWebhook(_ context.Context, _ chat.WebhookID, r chat.WebhookReplay) (rooms int, next chat.RoomID, err error) {
	m.calls++
	to := min(r.After+chat.RoomID(r.Limit), m.rooms)
	if rooms = int(to - r.After); to == m.rooms {
		to = 0
	}
	return rooms, to, nil
}

// TestReplayGoesOn: a call looks at so many rooms, and the next goes on after them.
func TestReplayGoesOn(t *testing.T) {
	m := &many{rooms: 25_001}
	b, _ := keyBench(t, func(_ *Options, p *Ports) { p.Webhooks = m })
	key := b.key(chat.ScopeWebhooks)
	total, cursor, calls := 0, "", 0
	for calls = 1; calls < 10; calls++ {
		a := b.do(200, "POST", "server/webhooks/1/replay", key, fmt.Sprintf(`{"since":"2026-03-01T11:00:00Z","cursor":%q}`, cursor))
		total += int(a.body["rooms"].(float64))
		next, more := a.body["next_cursor"].(string)
		if cursor = next; !more {
			break
		}
	}
	if total != 25_001 || calls != 3 || m.calls != 51 {
		t.Errorf("%d rooms in %d calls, %d steps", total, calls, m.calls)
	}
}
