//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/test/testkit"
	"chat-service/internal/webhook"
)

// TestBackendsEndpoints does with webhooks what an application does, by nothing but a key and the example receiver: it makes an endpoint, is
// told of what a user does by a socket, misses nothing while it is down, replaces its secret, and has it told again.
func TestBackendsEndpoints(t *testing.T) {
	t.Parallel()
	env := calm()
	hooked(env)
	env["CHAT_LOG_LEVEL"] = "debug"
	fleet := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 2, APIs: 2, Env: env, EnvOf: func(process string, env map[string]string) {
		if process == "api-2" {
			delete(env, "CHAT_WEBHOOKS_ALLOW_PRIVATE")
		}
	}})
	w := &world{Fleet: fleet, api: fleet.API(1), strict: fleet.API(2)}
	key, keyID := newKey(t, fleet, "webhooks")
	good(t, "POST /server/webhooks", "GET /server/webhooks", "GET /server/webhooks/{webhook_id}", "PATCH /server/webhooks/{webhook_id}", "DELETE /server/webhooks/{webhook_id}",
		"POST /server/webhooks/{webhook_id}/secret", "GET /server/webhooks/{webhook_id}/attempts", "POST /server/webhooks/{webhook_id}/replay")
	secret := webhook.Endpoints{}.NewSecret()
	command := goReceiver(t, "127.0.0.1:0")
	x, stop := startExample(t, "", [][]byte{secret}, command...)
	made := w.api.Must(t, 201, "POST", "/server/webhooks", key, obj{"url": x.url, "allow_private": true, "secret": chat.WebhookSecretText(secret)})
	if made.Str("secret") != chat.WebhookSecretText(secret) || !made.Bool("enabled") {
		t.Errorf("made %s", made)
	}
	path := fmt.Sprintf("/server/webhooks/%d", made.Num("id"))

	u := w.api.User(t)
	s := w.dial(t, 1, u)
	room := w.api.CreateRoom(t, u)
	s.Expect(t, is("joined"))
	seq := w.chat(t, s, room, "as it was sent")
	change(t, s, "edit", room, seq, obj{"content": "as it was edited"})
	change(t, s, "react", room, seq, obj{"key": "👍", "on": true})
	change(t, s, "recall", room, seq, nil)
	lines := x.ofRoom(t, room, 5)
	wantTypes(t, lines, "room.created", "message.sent", "message.edited", "reaction.added", "message.recalled")
	if e := lines[4].Event.Obj("data"); e.Num("seq") != seq || e.Num("change_seq") != 3 || e.Num("by") != u.ID || e.Obj("message").Str("content") != "" {
		t.Errorf("the recall: %s", lines[4].Event)
	}

	// It is down. What happens waits, and comes when it is up again, in order, without what was recalled.
	stop()
	missed := []uint64{w.chat(t, s, room, "1"), w.chat(t, s, room, "2"), w.chat(t, s, room, "3")}
	change(t, s, "recall", room, missed[1], nil)
	testkit.Eventually(t, patience, func() (bool, string) {
		as := w.api.Must(t, 200, "GET", path+"/attempts?failed=true&limit=1", key, nil).List("attempts")
		return len(as) == 1 && as[0].Str("refusal") == "the connection was refused" && as[0].Num("status") == 0, fmt.Sprint("failed attempts: ", as)
	})
	if v := w.api.Must(t, 200, "GET", path, key, nil); v.Str("failing_since") == "" || !v.Bool("enabled") || v.Has("secret") {
		t.Errorf("while it is down: %s", v)
	}
	listen := strings.TrimPrefix(x.url, "http://")
	x, stop = startExample(t, "", [][]byte{secret}, append(command[:1:1], "-listen", listen)...)
	lines = x.ofRoom(t, room, 4)
	wantTypes(t, lines, "message.sent", "message.sent", "message.sent", "message.recalled")
	for i, n := range missed {
		if e := lines[i].Event.Obj("data"); e.Num("seq") != n || (e.Obj("message").Str("content") == "") != (i == 1) {
			t.Errorf("after it was down, event %d is %s", i, lines[i].Event)
		}
	}

	// Its secret is replaced: the receiver with the old one goes on, and so does one with the new one.
	fresh, err := chat.ParseWebhookSecret(w.api.Must(t, 200, "POST", path+"/secret", key, nil).Str("secret"))
	if err != nil {
		t.Fatal(err)
	}
	w.chat(t, s, room, "signed by both")
	x.ofRoom(t, room, 5)
	stop()
	x, _ = startExample(t, "", [][]byte{fresh}, append(command[:1:1], "-listen", listen)...)
	w.chat(t, s, room, "signed by both, too")
	wantTypes(t, x.ofRoom(t, room, 1), "message.sent")

	// It is told again: from an event on, and of all.
	all := len(x.ofRoom(t, room, 1))
	w.api.Must(t, 200, "POST", path+"/replay", key, obj{"event": fmt.Sprintf("msg_%d_1_%d_0", room, missed[0])})
	wantTypes(t, x.ofRoom(t, room, all+6)[all:], "message.sent", "message.sent", "message.sent", "message.recalled", "message.sent", "message.sent")
	all += 6
	if v := w.api.Must(t, 200, "POST", path+"/replay", key, obj{"since": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)}); v.Num("rooms") != 1 || v.Str("next_cursor") != "" {
		t.Errorf("replay: %s", v)
	}
	lines = x.ofRoom(t, room, all+11)[all:]
	for _, l := range lines {
		if again := l.Event.Obj("data").Num("seq") >= missed[0]; l.Repeat != again {
			t.Errorf("this receiver took it before: %t, it says %t: %s", again, l.Repeat, l.Event)
		}
	}

	w.choosesEvents(t, key, path, s, room, x)
	w.goneAndBack(t, key, s, room)
	w.badEndpoints(t, key, path)
	w.privateIsRefused(t, key, s, room)

	w.api.Must(t, 204, "DELETE", path, key, nil)
	refused(t, w.api, want{404, "not_found", ""}, "GET", path, key, nil)
	trail := fleet.Chatctl(t, "audit", "--limit", "500", "--kind", "webhook_created,webhook_changed,webhook_disabled,webhook_enabled,webhook_deleted,webhook_replayed")
	for _, part := range []string{"key:" + keyID, "webhook_created", "webhook_changed", "webhook_disabled", "webhook_enabled", "webhook_deleted", "webhook_replayed"} {
		if !strings.Contains(trail, part) {
			t.Errorf("no %s in the trail:\n%s", part, trail)
		}
	}
	for _, process := range fleet.Names() {
		for _, s := range [][]byte{secret, fresh} {
			if text := chat.WebhookSecretText(s); strings.Contains(fleet.Log(process, 100_000), text[len("whsec_"):]) {
				t.Errorf("a secret is in the log of %s", process)
			}
		}
	}
}

// ofRoom waits until a receiver has printed as many events of a room, and returns them.
func (x *example) ofRoom(t *testing.T, room uint64, n int) (lines []exampleLine) {
	t.Helper()
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		lines = nil
		for _, l := range x.events() {
			if l.Event.Obj("data").Num("room_id") == room {
				lines = append(lines, l)
			}
		}
		return len(lines) >= n, fmt.Sprintf("%d of %d events arrived", len(lines), n)
	})
	return lines
}

// upTo waits until a receiver has printed that a message was sent, and returns all that it has printed of the room.
func (x *example) upTo(t *testing.T, room, seq uint64) (lines []exampleLine) {
	t.Helper()
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		lines = x.ofRoom(t, room, 0)
		return slices.ContainsFunc(lines, func(l exampleLine) bool {
			return l.Event.Str("type") == "message.sent" && l.Event.Obj("data").Num("seq") == seq
		}), fmt.Sprintf("message %d isn't told", seq)
	})
	return lines
}

func wantTypes(t *testing.T, lines []exampleLine, want ...string) {
	t.Helper()
	var got []string
	for _, l := range lines {
		got = append(got, l.Event.Str("type"))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("told %v, want %v", got, want)
	}
}

// choosesEvents: an endpoint is told of what it wants, as soon as the workers know, and of what happened while it was disabled.
func (w *world) choosesEvents(t *testing.T, key, path string, s *sock, room uint64, x *example) {
	t.Helper()
	w.api.Must(t, 200, "PATCH", path, key, obj{"events": []string{"message.sent"}, "name": "search"})
	testkit.Eventually(t, patience, func() (bool, string) {
		had := len(x.ofRoom(t, room, 0))
		change(t, s, "edit", room, w.chat(t, s, room, "probe"), obj{"content": "edited"})
		lines := x.upTo(t, room, w.chat(t, s, room, "after the edit"))[had:]
		return len(lines) == 2, "edits are told, too"
	})
	had := len(x.ofRoom(t, room, 0))
	w.api.Must(t, 200, "PATCH", path, key, obj{"enabled": false})
	last := w.chat(t, s, room, "while it is disabled")
	if v := w.api.Must(t, 200, "PATCH", path, key, obj{"enabled": true}); !v.Bool("enabled") || v.Str("name") != "search" {
		t.Errorf("enabled: %s", v)
	}
	lines := x.ofRoom(t, room, had+1)[had:]
	if wantTypes(t, lines, "message.sent"); lines[0].Event.Obj("data").Num("seq") != last {
		t.Errorf("told %v", lines)
	}
	if list := w.api.Must(t, 200, "GET", "/server/webhooks", key, nil).List("webhooks"); len(list) != 1 || list[0].Str("name") != "search" || list[0].Has("secret") {
		t.Errorf("listed %v", list)
	}
}

// goneAndBack: an endpoint that answers 410 is disabled, and says so; enabled again it is told of what it missed.
func (w *world) goneAndBack(t *testing.T, key string, s *sock, room uint64) {
	t.Helper()
	r := testkit.StartReceiver(t)
	r.Answer(func(testkit.Received) int { return http.StatusGone })
	made := w.api.Must(t, 201, "POST", "/server/webhooks", key, obj{"url": r.URL, "allow_private": true, "secret": chat.WebhookSecretText(r.Secret)})
	path := fmt.Sprintf("/server/webhooks/%d", made.Num("id"))
	seq := w.chat(t, s, room, "to one that is gone")
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		v := w.api.Must(t, 200, "GET", path, key, nil)
		return !v.Bool("enabled") && strings.Contains(v.Str("disabled_why"), "410"), "after 410 it is " + v.String()
	})
	if list := w.Chatctl(t, "webhook", "list"); !strings.Contains(list, "disabled: it answered 410") {
		t.Errorf("listed\n%s", list)
	}
	r.Answer(func(testkit.Received) int { return http.StatusOK })
	w.api.Must(t, 200, "PATCH", path, key, obj{"enabled": true})
	es := told(t, r, room, 1)
	if got := es[0].Event.Obj("data"); got.Num("seq") != seq {
		t.Errorf("the first that it takes is %s", es[0].Event)
	}
	w.api.Must(t, 204, "DELETE", path, key, nil)
}

// badEndpoints: wrong ids, bodies and queries, each with its answer; of thirty that are made at once at two apis there is room for some.
func (w *world) badEndpoints(t *testing.T, key, path string) {
	t.Helper()
	bad(t, "POST /server/webhooks", "GET /server/webhooks", "GET /server/webhooks/{webhook_id}", "PATCH /server/webhooks/{webhook_id}", "DELETE /server/webhooks/{webhook_id}",
		"POST /server/webhooks/{webhook_id}/secret", "GET /server/webhooks/{webhook_id}/attempts", "POST /server/webhooks/{webhook_id}/replay")
	other, _ := newKey(t, w.Fleet, "users,tokens,rooms,messages,moderation,read")
	for _, call := range []string{"POST ", "GET ", "GET /1", "PATCH /1", "DELETE /1", "POST /1/secret", "GET /1/attempts", "POST /1/replay"} {
		method, rest, _ := strings.Cut(call, " ")
		refused(t, w.api, want{403, "forbidden", ""}, method, "/server/webhooks"+rest, other, nil)
		if strings.HasPrefix(rest, "/1") {
			var body any
			switch rest {
			case "/1/replay":
				body = obj{"event": "msg_1_1_1_0"}
			case "/1":
				body = map[string]any{"PATCH": obj{}}[method]
			}
			refused(t, w.api, want{404, "not_found", ""}, method, "/server/webhooks/9007199254740991"+rest[2:], key, body)
			refused(t, w.api, want{400, "invalid", "webhook_id"}, method, "/server/webhooks/x"+rest[2:], key, nil)
		}
	}
	for field, body := range map[string]obj{
		"url": {"url": "http://app.example.com/"}, "events[0]": {"url": "https://app.example.com/", "events": []string{"x"}}, "secret": {"url": "https://app.example.com/", "secret": "x"},
	} {
		refused(t, w.api, want{422, "invalid", field}, "POST", "/server/webhooks", key, body)
	}
	refused(t, w.api, want{422, "invalid", "url"}, "PATCH", path, key, obj{"url": "https://169.254.169.254/latest"})
	refused(t, w.api, want{422, "invalid", "secret"}, "POST", path+"/secret", key, obj{"secret": "whsec_AA=="})
	refused(t, w.api, want{422, "invalid", "since"}, "POST", path+"/replay", key, obj{"since": "yesterday"})
	refused(t, w.api, want{404, "not_found", ""}, "POST", path+"/replay", key, obj{"event": "msg_999_1_1_0"})
	refused(t, w.api, want{422, "invalid", "limit"}, "GET", path+"/attempts?limit=1000", key, nil)

	status := make(chan int)
	for i := range 30 {
		go func() {
			n, _ := []testkit.API{w.api, w.strict}[i%2].Do(t, "POST", "/server/webhooks", key, obj{"url": "https://hooks.invalid/", "enabled": false})
			status <- n
		}()
	}
	count := map[int]int{}
	for range 30 {
		count[<-status]++
	}
	if count[201] != chat.MaxWebhooks-1 || count[409] != 30-count[201] {
		t.Errorf("thirty at once are answered %v, want %d made", count, chat.MaxWebhooks-1)
	}
	for _, v := range w.api.Must(t, 200, "GET", "/server/webhooks", key, nil).List("webhooks") {
		if v.Str("url") == "https://hooks.invalid/" {
			w.api.Must(t, 204, "DELETE", fmt.Sprintf("/server/webhooks/%d", v.Num("id")), key, nil)
		}
	}
}

// privateIsRefused: where the operator doesn't allow it, an endpoint at a private address isn't made; one that came to be there all the same
// is never dialled, and its attempts say why.
func (w *world) privateIsRefused(t *testing.T, key string, s *sock, room uint64) {
	t.Helper()
	refused(t, w.strict, want{422, "invalid", "allow_private"}, "POST", "/server/webhooks", key, obj{"url": "http://127.0.0.1:1/", "allow_private": true})
	refused(t, w.strict, want{422, "invalid", "url"}, "POST", "/server/webhooks", key, obj{"url": "https://127.0.0.1/"})
	refused(t, w.api, want{422, "invalid", "url"}, "POST", "/server/webhooks", key, obj{"url": "https://10.0.0.1/", "allow_private": true})
	id := w.api.Must(t, 201, "POST", "/server/webhooks", key, obj{"url": "https://hooks.invalid/"}).Num("id")
	w.exec(t, "UPDATE webhooks SET url = 'https://10.0.0.1/' WHERE id = ?", id)
	w.chat(t, s, room, "to nobody")
	path := fmt.Sprintf("/server/webhooks/%d", id)
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		as := w.api.Must(t, 200, "GET", path+"/attempts?failed=true", key, nil).List("attempts")
		return len(as) > 0 && strings.Contains(as[0].Str("refusal"), "10.0.0.1 is a private address"), fmt.Sprint("attempts: ", as)
	})
	w.api.Must(t, 204, "DELETE", path, key, nil)
}
