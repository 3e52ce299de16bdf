package api

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// changed is a bench with ann, who owns room 1, bob in it, and ann's message 2.
func changed(t *testing.T, change ...func(*Options, *Ports)) (b *bench, ann, bob string) {
	t.Helper()
	b = newBench(t, change...)
	ann, bob = b.join("ann"), b.join("bob")
	b.do(201, "POST", "rooms", ann, `{"name":"one","member_ids":[2]}`)
	b.do(201, "POST", "rooms/1/messages", ann, `{"content":"hello","client_msg_id":"c-1"}`)
	return b, ann, bob
}

// keyed sends a request with an Idempotency-Key.
func (b *bench) keyed(key, method, path, token, body string) answer {
	b.Helper()
	ct := ""
	if body != "" {
		ct = "application/json"
	}
	return b.raw(method, path, token, ct, body, "Idempotency-Key", key)
}

func TestEdit(t *testing.T) {
	b, ann, bob := changed(t)
	b.pass(time.Minute)
	a := b.do(200, "PATCH", "rooms/1/messages/2", ann, `{"content":"hello again","data":{"b":1,"a":2}}`)
	want := map[string]any{
		"room_id": 1.0, "seq": 2.0, "id": "1:2", "kind": "text", "sender_id": 1.0, "client_msg_id": "c-1", "content": "hello again",
		"created_at": "2026-03-01T12:00:00.000Z", "data": map[string]any{"a": 2.0, "b": 1.0}, "change_seq": 1.0, "version": 2.0,
		"edited_at": "2026-03-01T12:01:00.000Z",
	}
	if d := cmp.Diff(want, a.body); d != "" {
		t.Errorf("edited:\n%s", d)
	}
	if d := cmp.Diff(want, b.do(200, "GET", "rooms/1/messages/2", bob, "").body); d != "" {
		t.Errorf("the other one sees:\n%s", d)
	}
	if a = b.do(200, "PATCH", "rooms/1/messages/2", ann, `{"content":null,"if_version":2}`); a.body["kind"] != "custom" || a.body["content"] != "" || a.body["version"] != 3.0 {
		t.Errorf("without a text: %s", a.raw)
	}
	b.problem(b.raw("PATCH", "rooms/1/messages/2", ann, "application/json", `{"data":null}`), 422, "invalid")
	b.problem(b.raw("PATCH", "rooms/1/messages/2", ann, "application/json", `{"content":"x","if_version":2}`), 409, "version_conflict")
	b.problem(b.raw("PATCH", "rooms/1/messages/2", bob, "application/json", `{"content":"x"}`), 403, "forbidden")
	if a = b.do(200, "GET", "rooms/1/messages/2/versions", ann, ""); len(a.list("versions", "version")) != 2 || a.list("versions", "content")[1] != "hello" {
		t.Errorf("versions %s", a.raw)
	}
	b.problem(b.raw("GET", "rooms/1/messages/2/versions", bob, "", ""), 403, "forbidden")
	b.pass(25 * time.Hour)
	ann = b.do(200, "POST", "auth/login", "", `{"username":"ann","password":"123456"}`).body["access_token"].(string)
	b.problem(b.raw("PATCH", "rooms/1/messages/2", ann, "application/json", `{"content":"late"}`), 403, "forbidden")
}

func TestRecall(t *testing.T) {
	b, ann, bob := changed(t)
	b.do(200, "PUT", "rooms/1/messages/2/reactions/x", bob, "")
	if a := b.do(200, "GET", "unread", bob, ""); string(a.raw) != `{"total":1,"rooms":{"1":1}}` {
		t.Errorf("unread %s", a.raw)
	}
	a := b.do(200, "DELETE", "rooms/1/messages/2", ann, "")
	if d := cmp.Diff(map[string]any{"by": 1.0, "at": "2026-03-01T12:00:00.000Z"}, a.body["recalled"]); d != "" || a.body["content"] != "" || a.body["reactions"] != nil {
		t.Errorf("recalled: %s\n%s", a.raw, d)
	}
	if a := b.do(200, "GET", "unread", bob, ""); string(a.raw) != `{"total":0,"rooms":{}}` {
		t.Errorf("unread %s", a.raw)
	}
	b.problem(b.raw("PATCH", "rooms/1/messages/2", ann, "application/json", `{"content":"x"}`), 409, "conflict")
	b.problem(b.raw("PUT", "rooms/1/messages/2/reactions/x", bob, "", ""), 409, "conflict")
	b.problem(b.raw("PUT", "rooms/1/messages/2/pin", ann, "", ""), 409, "conflict")
	b.problem(b.raw("DELETE", "rooms/1/messages/1", ann, "", ""), 403, "forbidden")
	if a = b.do(200, "GET", "rooms/1/messages/2/versions", ann, ""); len(a.list("versions", "version")) != 0 {
		t.Errorf("a recalled message has versions: %s", a.raw)
	}
	// A retry of the send can't bring it back.
	if a = b.do(200, "POST", "rooms/1/messages", ann, `{"content":"hello","client_msg_id":"c-1"}`); a.body["content"] != "" || a.body["recalled"] == nil {
		t.Errorf("a retried send finds %s", a.raw)
	}
	b.do(201, "POST", "rooms/1/messages", bob, `{"content":"mine"}`)
	if a = b.do(200, "DELETE", "rooms/1/messages/3", ann, ""); a.body["recalled"] == nil {
		t.Errorf("the owner recalls %s", a.raw)
	}
}

// TestChangesOnce: a change is done once per key; a retry undoes nothing, and a key of something else is a conflict.
func TestChangesOnce(t *testing.T) {
	b, ann, _ := changed(t)
	first := b.keyed("k-1", "PATCH", "rooms/1/messages/2", ann, `{"content":"one"}`)
	b.keyed("k-2", "PATCH", "rooms/1/messages/2", ann, `{"content":"two"}`)
	again := b.keyed("k-1", "PATCH", "rooms/1/messages/2", ann, `{"content":"one"}`)
	if first.status != 200 || again.status != 200 || first.body["content"] != "one" || again.body["content"] != "two" || again.body["version"] != 3.0 {
		t.Errorf("first %s, again %s", first.raw, again.raw)
	}
	b.problem(b.keyed("k-1", "PATCH", "rooms/1/messages/2", ann, `{"content":"three"}`), 409, "idempotency_conflict")
	b.problem(b.keyed("k-1", "PUT", "rooms/1/messages/2/reactions/x", ann, ""), 409, "idempotency_conflict")
	for _, bad := range []string{"", "a b", "ü", "0123456789012345678901234567890123456"} {
		a := b.keyed(bad, "DELETE", "rooms/1/messages/2", ann, "")
		b.problem(a, 422, "invalid")
		if got := a.fields(); !slices.Equal(got, []string{"Idempotency-Key"}) {
			t.Errorf("%q: blames %v", bad, got)
		}
	}
	a := b.raw("DELETE", "rooms/1/messages/2", ann, "", "", "Idempotency-Key", "a", "Idempotency-Key", "b")
	b.problem(a, 422, "invalid")
	if a = b.do(200, "GET", "rooms/1/messages/2", ann, ""); a.body["recalled"] != nil || a.body["change_seq"] != 2.0 {
		t.Errorf("refused, and done: %s", a.raw)
	}
}

func TestReactions(t *testing.T) {
	b, ann, bob := changed(t)
	others := make([]string, 12)
	for i := range others {
		others[i] = b.join(fmt.Sprintf("user%02d", i))
	}
	b.do(200, "PATCH", "rooms/1", ann, `{"history_all":true}`)
	b.do(200, "POST", "rooms/1/members", ann, `{"member_ids":[3,4,5,6,7,8,9,10,11,12,13,14]}`)
	const thumb, slash = "rooms/1/messages/2/reactions/%F0%9F%91%8D", "rooms/1/messages/2/reactions/a%2Fb"
	for _, token := range others {
		b.do(200, "PUT", thumb, token, "")
	}
	b.do(200, "PUT", slash, ann, "")
	asked := b.store.Calls("MyReactions")
	a := b.do(200, "PUT", thumb, bob, "")
	if d := cmp.Diff([]any{"👍"}, a.body["mine"]); d != "" { // he isn't among the first ten
		t.Errorf("mine:\n%s", d)
	}
	if b.store.Calls("MyReactions") == asked {
		t.Error("the store was not asked, and nobody else can tell")
	}
	want := []any{
		map[string]any{"key": "👍", "count": 13.0, "user_ids": []any{3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0}},
		map[string]any{"key": "a/b", "count": 1.0, "user_ids": []any{1.0}},
	}
	if d := cmp.Diff(want, a.body["reactions"]); d != "" {
		t.Errorf("reactions:\n%s", d)
	}
	if a = b.do(200, "PUT", thumb, bob, ""); a.body["change_seq"] != 14.0 {
		t.Errorf("the same again took a number: %s", a.raw)
	}
	page := b.do(200, "GET", "rooms/1/messages/2/reactions?key=%F0%9F%91%8D&limit=10", ann, "")
	rest := b.do(200, "GET", "rooms/1/messages/2/reactions?key=%F0%9F%91%8D&limit=10&cursor="+page.body["next_cursor"].(string), ann, "")
	if d := cmp.Diff([]any{13.0, 14.0, 2.0}, rest.list("users", "user_id")); d != "" || rest.body["next_cursor"] != nil {
		t.Errorf("the second page:\n%s", d)
	}
	if a = b.do(200, "GET", "rooms/1/messages", bob, ""); a.list("messages", "mine")[1] == nil {
		t.Errorf("a page without one's own reactions: %s", a.raw)
	}
	if a = b.do(200, "GET", "rooms/1/reactions/mine", bob, ""); string(a.raw) != `{"reactions":{"2":["👍"]},"to_seq":1000}` {
		t.Errorf("mine %s", a.raw)
	}
	if a = b.do(200, "DELETE", thumb, bob, ""); a.body["mine"] != nil {
		t.Errorf("taken away: %s", a.raw)
	}
	for i := range 18 {
		b.do(200, "PUT", fmt.Sprintf("rooms/1/messages/2/reactions/k%d", i), ann, "")
	}
	b.problem(b.raw("PUT", "rooms/1/messages/2/reactions/k18", ann, "", ""), 409, "limit_reached")
}

func TestPins(t *testing.T) {
	b, ann, bob := changed(t, func(o *Options, _ *Ports) { o.Limits.UserMessagesPerSecond = 0 })
	b.problem(b.raw("PUT", "rooms/1/messages/2/pin", bob, "", ""), 403, "forbidden")
	for seq := 2; seq <= 102; seq++ {
		b.do(201, "POST", "rooms/1/messages", ann, `{"content":"x"}`)
		b.pass(time.Second)
		a := b.raw("PUT", fmt.Sprintf("rooms/1/messages/%d/pin", seq), ann, "", "")
		if seq == 102 {
			b.problem(a, 409, "limit_reached")
		} else if a.status != 200 || a.body["pinned"] == nil {
			t.Fatalf("pin %d: %s", seq, a.raw)
		}
	}
	a := b.do(200, "GET", "rooms/1/pins", bob, "")
	if seqs := a.list("messages", "seq"); len(seqs) != 100 || seqs[0] != 101.0 || seqs[99] != 2.0 {
		t.Errorf("pins %v", seqs)
	}
	b.do(200, "DELETE", "rooms/1/messages/50/pin", ann, "")
	b.do(200, "PUT", "rooms/1/messages/102/pin", ann, "")
	if a = b.do(200, "GET", "rooms/1/messages/50", bob, ""); a.body["pinned"] != nil {
		t.Errorf("taken off: %s", a.raw)
	}
}

// TestChangesInPages: a page carries the room's change_seq, and the cache serves nothing from before a change.
func TestChangesInPages(t *testing.T) {
	b, ann, bob := changed(t)
	page := func() answer { return b.do(200, "GET", "rooms/1/messages?min_change_seq=1", bob, "") }
	b.do(200, "GET", "rooms/1/messages", bob, "") // warms
	b.do(200, "PATCH", "rooms/1/messages/2", ann, `{"content":"one"}`)
	for range 2 {
		if a := page(); a.body["change_seq"] != 1.0 || a.list("messages", "content")[1] != "one" {
			t.Errorf("page %s", a.raw)
		}
	}
	b.do(200, "DELETE", "rooms/1/messages/2", ann, "")
	if a := page(); a.body["change_seq"] != 2.0 || a.list("messages", "content")[1] != "" {
		t.Errorf("page %s", a.raw)
	}
	if a := b.do(200, "GET", "rooms", bob, ""); a.list("rooms", "change_seq")[0] != 2.0 {
		t.Errorf("rooms %s", a.raw)
	}
}

// TestChangesArePaced: changes and messages share one allowance.
func TestChangesArePaced(t *testing.T) {
	b, ann, _ := changed(t, func(o *Options, _ *Ports) { o.Limits.UserMessagesPerSecond, o.Limits.UserMessageBurst = 1, 4 })
	for i := range 3 {
		b.do(200, "PATCH", "rooms/1/messages/2", ann, fmt.Sprintf(`{"content":"x%d"}`, i))
	}
	b.problem(b.raw("PUT", "rooms/1/messages/2/pin", ann, "", ""), 429, "rate_limited")
}

func TestDataAndReplies(t *testing.T) {
	b, ann, bob := changed(t)
	a := b.do(201, "POST", "rooms/1/messages", bob, `{"data":{"z":1.0,"a":"é"},"reply_to":2,"client_msg_id":"d-1"}`)
	if d := cmp.Diff(map[string]any{"z": 1.0, "a": "é"}, a.body["data"]); d != "" || a.body["kind"] != "custom" || a.body["content"] != "" || a.body["reply_to"] != 2.0 {
		t.Errorf("sent %s\n%s", a.raw, d)
	}
	if a = b.do(200, "POST", "rooms/1/messages", bob, `{"reply_to":2,"data":{"a":"\u00e9","z":1},"client_msg_id":"d-1"}`); a.body["seq"] != 3.0 {
		t.Errorf("the same in other spelling: %s", a.raw)
	}
	b.problem(b.raw("POST", "rooms/1/messages", bob, "application/json", `{"data":{"a":"é","z":1},"client_msg_id":"d-1"}`), 409, "idempotency_conflict")
	if a = b.do(200, "GET", "rooms/1/messages/3", ann, ""); a.body["reply_to"] != 2.0 || a.body["data"] == nil {
		t.Errorf("read %s", a.raw)
	}
}
