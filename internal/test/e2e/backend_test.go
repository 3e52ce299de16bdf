//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

// newKey has the operator make a key, and returns it with its id.
func newKey(t *testing.T, f *testkit.Fleet, scopes string, more ...string) (key, id string) {
	t.Helper()
	out := f.Chatctl(t, append([]string{"key", "create", "--name", "e2e", "--scope", scopes}, more...)...)
	for _, word := range strings.Fields(out) {
		if strings.HasPrefix(word, "sk_") {
			id, _, _ = strings.Cut(word[len("sk_"):], "_")
			return word, id
		}
	}
	t.Fatalf("no key in %q", out)
	return "", ""
}

// TestBackend does what an application's backend does with nothing but HTTP: users, a room, tokens, messages, the end of them, in the
// real processes; and a user who comes by such a token sees it all by a socket.
func TestBackend(t *testing.T) {
	t.Parallel()
	env := calm()
	env["CHAT_LOG_LEVEL"] = "debug"
	fleet := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 1, APIs: 2, Env: env})
	w := &world{Fleet: fleet, api: fleet.API(1), strict: fleet.API(2)}
	key, id := newKey(t, fleet, "users,tokens,rooms,messages,moderation,read")
	good(t, "keys and scopes", "own ids", "PUT /server/users/{user}", "GET /server/users/{user}", "POST /server/users", "POST /server/users/{user}/tokens",
		"PUT /server/rooms/{room}", "GET /server/rooms/{room}", "PUT /server/rooms/{room}/members/{user}", "POST /server/rooms/{room}/messages")
	ann := w.api.Must(t, 201, "PUT", "/server/users/ext:ann", key, obj{"nickname": "Ann"})
	w.api.Must(t, 200, "POST", "/server/users", key, obj{"users": []obj{{"id": "ext:bob"}, {"id": "ext64:" + base64.RawURLEncoding.EncodeToString([]byte("cem/ü"))}}})
	room := w.strict.Must(t, 201, "PUT", "/server/rooms/ext:team:1", key, obj{"name": "Team", "owner": "ext:ann"}).Num("id")
	login := func(who string, body obj) user {
		f := w.api.Must(t, 200, "POST", "/server/users/"+who+"/tokens", key, body)
		return user{ID: f.Obj("user").Num("id"), Token: f.Str("access_token"), Refresh: f.Str("refresh_token")}
	}
	bob, owner := login("ext:bob", obj{"ttl_seconds": 600, "device": "phone"}), login(fmt.Sprint(ann.Num("id")), obj{})
	if bob.Refresh != "" || owner.Refresh == "" {
		t.Errorf("refresh tokens %q and %q", bob.Refresh, owner.Refresh)
	}
	w.api.Must(t, 200, "POST", "/auth/refresh", "", obj{"refresh_token": owner.Refresh})
	one, two := w.dial(t, 1, bob), w.dial(t, 1, owner)
	w.api.Must(t, 200, "PUT", "/server/rooms/ext:team:1/members/ext:bob", key, nil)
	if r := one.Expect(t, is("joined")).Obj("room"); r.Num("id") != room || r.Str("name") != "Team" {
		t.Errorf("joined: %s", r)
	}
	w.routed(t, room, 1)
	said := obj{"as": "ext:ann", "content": "welcome", "client_msg_id": "hello-1", "data": obj{"kind": "greeting"}}
	m := w.strict.Must(t, 201, "POST", "/server/rooms/ext:team:1/messages", key, said)
	if again := w.api.Must(t, 200, "POST", fmt.Sprintf("/server/rooms/%d/messages", room), key, said); again.Num("seq") != m.Num("seq") {
		t.Errorf("a retry is %s", again)
	}
	one.Expect(t, is("message", "room_id", room, "seq", m.Num("seq"), "content", "welcome", "sender_id", ann.Num("id")))
	w.api.Must(t, 200, "PUT", "/server/users/ext:ann", key, obj{"nickname": "Anna"})
	one.Expect(t, is("user"))
	w.api.Must(t, 200, "PUT", "/server/rooms/ext:team:1", key, obj{"name": "Crew"})
	one.Expect(t, is("room", "change", "updated"))
	seq := w.chat(t, one, room, "rude")
	good(t, "GET /server/rooms/{room}/messages", "DELETE /server/rooms/{room}/messages/{seq}")
	w.api.Must(t, 200, "DELETE", fmt.Sprintf("/server/rooms/ext:team:1/messages/%d", seq), key, nil)
	if c := two.Expect(t, is("change", "room_id", room)); c.Obj("message").Num("seq") != seq {
		t.Errorf("the change is %s", c)
	}
	whole := w.strict.Must(t, 200, "GET", "/server/rooms/ext:team:1/messages", key, nil)
	if ms := whole.List("messages"); len(ms) != int(seq) || ms[seq-1].Str("content") != "" || whole.Num("last_seq") != seq {
		t.Errorf("history: %s", whole)
	}
	w.saidBySystem(t, key, room, one)
	w.madeOnce(t, key)
	w.badCalls(t, key, bob)
	w.ends(t, key, bob, one, room)

	testkit.Eventually(t, patience, func() (bool, string) { // it is written behind
		trail := fleet.Chatctl(t, "audit", "--limit", "500")
		for _, part := range []string{"key:" + id, "PUT /server/users/{user} 201", "POST /server/rooms/{room}/messages 200", "user_disabled"} {
			if !strings.Contains(trail, part) {
				return false, "no " + part + " in the trail:\n" + trail
			}
		}
		return true, ""
	})
	good(t, "GET /server/audit")
	page := w.api.Must(t, 200, "GET", "/server/audit?kind=user_disabled&user=ext:bob&limit=1", key, nil)
	if as := page.List("acts"); len(as) != 1 || as[0].Str("by") != "key:"+id || as[0].Num("user_id") != bob.ID || as[0].Str("ip") == "" {
		t.Errorf("the trail by the key: %s", page)
	}
	bad(t, "GET /server/audit")
	refused(t, w.api, want{422, "invalid", "kind"}, "GET", "/server/audit?kind=rumour", key, nil)
	fleet.Chatctl(t, "key", "revoke", id)
	begun := time.Now()
	testkit.Eventually(t, 3*time.Second, func() (bool, string) {
		one, _ := w.api.Do(t, "GET", "/server/users/ext:ann", key, nil)
		two, _ := w.strict.Do(t, "GET", "/server/users/ext:ann", key, nil)
		return one == 401 && two == 401, fmt.Sprintf("%v after its end a revoked key is answered %d and %d", time.Since(begun), one, two)
	})
	secret := key[strings.LastIndex(key, "_")+1:]
	if log := fleet.Log("api-1", 10_000) + fleet.Log("api-2", 10_000); strings.Contains(log, secret) || strings.Contains(fleet.Chatctl(t, "key", "list"), secret) {
		t.Error("a key's secret is in a log, or listed")
	}
}

// saidBySystem: the application speaks in nobody's name, once however often it calls, and takes it back; a client without news of such an
// event gets a system message like any other.
func (w *world) saidBySystem(t *testing.T, key string, room uint64, one *sock) {
	t.Helper()
	const path = "/server/rooms/ext:team:1/messages"
	body := obj{"as": "system", "content": "back at 5", "client_msg_id": "notice-1"}
	var all sync.WaitGroup
	seqs, made := make([]uint64, 20), make([]int, 20)
	for i := range seqs {
		all.Go(func() {
			status, f := []testkit.API{w.api, w.strict}[i%2].Do(t, "POST", path, key, body)
			made[i], seqs[i] = status, f.Num("seq")
		})
	}
	all.Wait()
	first := 0
	for i := range seqs {
		if made[i] == 201 {
			first++
		}
		if seqs[i] != seqs[0] || seqs[i] == 0 {
			t.Fatalf("twenty calls write %v (%v)", seqs, made)
		}
	}
	m := one.Expect(t, is("message", "room_id", room, "seq", seqs[0], "kind", "system", "sender_id", 0))
	if first != 1 || m.Str("content") != `{"event":"said","by":0,"text":"back at 5"}` {
		t.Errorf("%d calls wrote %s", first, m)
	}
	w.api.Must(t, 200, "DELETE", fmt.Sprintf("%s/%d", path, seqs[0]), key, nil)
	c := one.Expect(t, func(f testkit.Frame) bool { return f.Type() == "change" && f.Obj("message").Num("seq") == seqs[0] })
	if c.Obj("cause").Str("kind") != "recall" || c.Obj("cause").Num("by") != 0 {
		t.Errorf("the change is %s", c)
	}
}

// madeOnce: users and rooms of the application's own ids are made once, by twenty calls at two apis.
func (w *world) madeOnce(t *testing.T, key string) {
	t.Helper()
	for _, at := range []struct {
		path string
		body obj
	}{{"/server/users/ext:raced", obj{}}, {"/server/rooms/ext:raced", obj{"name": "Raced", "owner": "ext:ann"}}} {
		var all sync.WaitGroup
		ids, made := make([]uint64, 20), make([]int, 20)
		for i := range ids {
			all.Go(func() {
				status, f := []testkit.API{w.api, w.strict}[i%2].Do(t, "PUT", at.path, key, at.body)
				made[i], ids[i] = status, f.Num("id")
			})
		}
		all.Wait()
		n := 0
		for i := range ids {
			if made[i] == 201 {
				n++
			}
			if ids[i] != ids[0] || ids[i] == 0 {
				t.Fatalf("%s: twenty calls make %v (%v)", at.path, ids, made)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d calls say that they made it", at.path, n)
		}
	}
	if n := w.number(t, "SELECT COUNT(*) FROM rooms WHERE name = 'Raced'"); n != 1 {
		t.Errorf("%d rooms are there", n)
	}
}

// badCalls: wrong keys, wrong ids and wrong bodies, each with its answer.
func (w *world) badCalls(t *testing.T, key string, bob user) {
	t.Helper()
	bad(t, "PUT /server/users/{user}", "GET /server/users/{user}", "POST /server/users", "POST /server/users/{user}/tokens", "POST /server/users/{user}/tokens/revoke",
		"PUT /server/users/{user}/disabled", "DELETE /server/users/{user}/disabled", "PUT /server/rooms/{room}", "GET /server/rooms/{room}",
		"PUT /server/rooms/{room}/members/{user}", "DELETE /server/rooms/{room}/members/{user}", "GET /server/rooms/{room}/messages",
		"POST /server/rooms/{room}/messages", "DELETE /server/rooms/{room}/messages/{seq}")
	narrow, _ := newKey(t, w.Fleet, "read")
	short, _ := newKey(t, w.Fleet, "read", "--expires", "1ms")
	for name, token := range map[string]string{"none": "", "a token": bob.Token, "cut": key[:40], "expired": short, "wrong": key[:len(key)-4] + "AAAA"} {
		t.Run(name, func(t *testing.T) { refused(t, w.api, want401, "GET", "/server/users/ext:ann", token, nil) })
	}
	refused(t, w.api, want401, "GET", "/me", key, nil)
	forbidden, missing := want{403, "forbidden", ""}, want{404, "not_found", ""}
	for _, call := range []string{
		"PUT /server/users/ext:x", "POST /server/users", "POST /server/users/ext:ann/tokens", "POST /server/users/ext:ann/tokens/revoke", "PUT /server/users/ext:ann/disabled",
		"DELETE /server/users/ext:ann/disabled", "PUT /server/rooms/ext:x", "PUT /server/rooms/ext:team:1/members/ext:ann", "DELETE /server/rooms/ext:team:1/members/ext:bob",
		"POST /server/rooms/ext:team:1/messages", "DELETE /server/rooms/ext:team:1/messages/2",
	} {
		method, path, _ := strings.Cut(call, " ")
		refused(t, w.api, forbidden, method, path, narrow, obj{})
	}
	for _, id := range []string{"ext:", "me", "ext:" + strings.Repeat("x", 129), "ext:%2e%2e%2f", "ext:a%00", "ext64:AA", "ext64:YQ==", "01"} {
		refused(t, w.api, want{400, "invalid", "user"}, "GET", "/server/users/"+id, narrow, nil)
		refused(t, w.api, want{400, "invalid", "room"}, "GET", "/server/rooms/"+id+"/messages", narrow, nil)
	}
	for _, path := range []string{"/server/users/ext:nobody", "/server/users/9007199254740991", "/server/rooms/ext:none", "/server/rooms/ext:none/messages"} {
		refused(t, w.api, missing, "GET", path, narrow, nil)
	}
	refused(t, w.api, want{400, "unknown_field", "email"}, "PUT", "/server/users/ext:x", key, obj{"email": "a@example.com"})
	refused(t, w.api, want{422, "invalid", "ttl_seconds"}, "POST", "/server/users/ext:ann/tokens", key, obj{"ttl_seconds": 86401})
	refused(t, w.api, want{422, "invalid", "users"}, "POST", "/server/users", key, obj{"users": make([]obj, 101)})
	refused(t, w.api, want{422, "invalid", "as"}, "POST", "/server/rooms/ext:team:1/messages", key, obj{"as": "System", "content": "x"})
	refused(t, w.api, want{422, "invalid", "as"}, "POST", "/server/rooms/ext:team:1/messages", key, obj{"as": "ext:a\x00", "content": "x"})
	refused(t, w.api, want{409, "conflict", ""}, "DELETE", "/server/rooms/ext:team:1/members/ext:ann", key, nil)
}

// ends: members are removed, sessions ended, accounts shut and opened again, as sockets see it.
func (w *world) ends(t *testing.T, key string, bob user, s *sock, room uint64) {
	t.Helper()
	good(t, "DELETE /server/rooms/{room}/members/{user}", "PUT /server/users/{user}/disabled", "DELETE /server/users/{user}/disabled", "POST /server/users/{user}/tokens/revoke")
	w.api.Must(t, 204, "DELETE", "/server/rooms/ext:team:1/members/ext:bob", key, nil)
	s.Expect(t, is("left", "room_id", room, "reason", "kicked"))
	w.api.Must(t, 200, "PUT", "/server/users/ext:bob/disabled", key, nil)
	closed(t, s, 4504)
	refused(t, w.api, want401, "GET", "/me", bob.Token, nil)
	refused(t, w.api, want{403, "blocked", ""}, "POST", "/server/users/ext:bob/tokens", key, obj{})
	w.api.Must(t, 204, "DELETE", "/server/users/ext:bob/disabled", key, nil)
	again := w.api.Must(t, 200, "POST", "/server/users/ext:bob/tokens", key, obj{})
	s = w.dial(t, 1, user{ID: bob.ID, Token: again.Str("access_token")})
	w.strict.Must(t, 200, "POST", "/server/users/ext:bob/tokens/revoke", key, nil)
	closed(t, s, 4502)
}
