package api

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/store/fakestore"
)

func TestMessages(t *testing.T) {
	b := newBench(t)
	ann, bob := b.join("ann"), b.join("bob")
	b.do(201, "POST", "rooms", ann, `{"name":"one","member_ids":[2]}`)
	body := `{"content":"<b>你好</b> & 👋","client_msg_id":"c-1"}`
	a := b.do(201, "POST", "rooms/1/messages", ann, body)
	want := map[string]any{
		"room_id": 1.0, "seq": 2.0, "id": "1:2", "kind": "text", "sender_id": 1.0, "client_msg_id": "c-1",
		"content": "<b>你好</b> & 👋", "created_at": "2026-03-01T12:00:00.000Z",
	}
	if d := cmp.Diff(want, a.body); d != "" {
		t.Errorf("message:\n%s", d)
	}
	if d := cmp.Diff(want, b.do(200, "POST", "rooms/1/messages", ann, body).body); d != "" {
		t.Errorf("retried:\n%s", d)
	}
	b.problem(b.raw("POST", "rooms/1/messages", ann, "application/json", `{"content":"other","client_msg_id":"c-1"}`), 409, "idempotency_conflict")
	one, two := b.do(201, "POST", "rooms/1/messages", ann, `{"content":"x"}`), b.do(201, "POST", "rooms/1/messages", ann, `{"content":"x"}`)
	for _, a := range []answer{one, two} {
		if id := a.body["client_msg_id"].(string); chat.CheckClientMsgID(id) != nil || one.body["client_msg_id"] == two.body["client_msg_id"] {
			t.Errorf("made up the id %q", id)
		}
	}
	if a = b.do(200, "GET", "unread", bob, ""); string(a.raw) != `{"total":3,"rooms":{"1":3}}` {
		t.Errorf("unread %s", a.raw)
	}
	if a = b.do(200, "PUT", "rooms/1/read", bob, `{"seq":3}`); string(a.raw) != `{"read_seq":3,"unread":1}` {
		t.Errorf("read %s", a.raw)
	}
	if a = b.do(200, "PUT", "rooms/1/read", bob, `{"seq":0}`); a.body["read_seq"] != 3.0 {
		t.Errorf("moved backwards: %s", a.raw)
	}
	if a = b.do(200, "PUT", "rooms/1/read", bob, `{"seq":9007199254740991}`); string(a.raw) != `{"read_seq":4,"unread":0}` {
		t.Errorf("read %s", a.raw)
	}
	b.do(200, "PATCH", "rooms/1/members/2", ann, `{"mute_seconds":60}`)
	b.problem(b.raw("POST", "rooms/1/messages", bob, "application/json", `{"content":"x"}`), 403, "muted")
	if a = b.do(200, "GET", "unread", ann, ""); string(a.raw) != `{"total":0,"rooms":{}}` {
		t.Errorf("own messages are unread: %s", a.raw)
	}
}

func TestHistory(t *testing.T) {
	b := newBench(t)
	ann := b.join("ann")
	b.store.AddRoom(chat.Room{ID: 1}, 1) // without the entry that says who made it
	if a := b.do(200, "GET", "rooms/1/messages", ann, ""); string(a.raw) != `{"messages":[],"last_seq":0,"epoch":1,"change_seq":0,"has_more":false,"page":1,"page_size":20}` {
		t.Errorf("empty room %s", a.raw)
	}
	for i := range 45 {
		b.do(201, "POST", "rooms/1/messages", ann, fmt.Sprintf(`{"content":"m%d"}`, i+1))
	}
	for _, tt := range []struct {
		query       string
		first, last float64
		more        bool
	}{
		{"", 26, 45, true},
		{"?page=1&page_size=20", 26, 45, true},
		{"?page=3", 1, 5, false},
		{"?page=4", 0, 0, false},
		{"?page=9007199254740991&page_size=100", 0, 0, false},
		{"?limit=3", 43, 45, true},
		{"?page_size=100", 1, 45, false},
		{"?before_seq=4", 1, 3, false},
		{"?before_seq=4&limit=2", 2, 3, true},
		{"?before_seq=0", 0, 0, false},
		{"?after_seq=0&limit=2", 1, 2, true},
		{"?after_seq=44", 45, 45, false},
		{"?after_seq=45", 0, 0, false},
		{"?min_seq=45", 26, 45, true},
	} {
		a := b.do(200, "GET", "rooms/1/messages"+tt.query, ann, "")
		seqs := a.list("messages", "seq")
		first, last := 0.0, 0.0
		if len(seqs) > 0 {
			first, last = seqs[0].(float64), seqs[len(seqs)-1].(float64)
		}
		if first != tt.first || last != tt.last || a.body["has_more"] != tt.more || a.body["last_seq"] != 45.0 {
			t.Errorf("%s gives %v … %v, more %v", tt.query, first, last, a.body["has_more"])
		}
	}
}

// TestRecent: the cache serves the newest page if it holds exactly that, and never anything else.
func TestRecent(t *testing.T) {
	b := newBench(t)
	ann, bob := b.join("ann"), b.join("bob")
	b.do(201, "POST", "rooms", ann, `{"name":"one","member_ids":[2]}`)
	say := func(n int) {
		for range n {
			b.do(201, "POST", "rooms/1/messages", ann, `{"content":"x"}`)
		}
	}
	newest := func(token string, fromStore bool) answer {
		b.Helper()
		before := b.store.Calls(fakestore.PageRead)
		a := b.do(200, "GET", "rooms/1/messages?page_size=5", token, "")
		if got := b.store.Calls(fakestore.PageRead) > before; got != fromStore {
			b.Errorf("asked the store: %v, want %v", got, fromStore)
		}
		return a
	}
	say(8)
	want := newest(ann, true) // cold
	if d := cmp.Diff(want.body, newest(ann, false).body); d != "" {
		t.Errorf("cache and store differ:\n%s", d)
	}
	say(1)
	newest(ann, true) // behind
	b.state.cached[1] = slices.Delete(b.state.cached[1], 2, 3)
	newest(ann, true) // a gap
	b.state.cached[1] = b.store.Log(1)[8:]
	newest(ann, true) // too short
	b.state.cached[1] = b.store.Log(1)
	a := newest(bob, false)
	if d := cmp.Diff([]any{6.0, 7.0, 8.0, 9.0, 10.0}, a.list("messages", "seq")); d != "" || a.body["has_more"] != true {
		t.Errorf("page:\n%s", d)
	}
	if err := b.store.BumpEpoch(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if a = newest(ann, true); a.body["epoch"] != 2.0 {
		t.Errorf("epoch %v", a.body["epoch"])
	}
	b.state.cached[1] = b.store.Log(1)
	b.store.AddMember(chat.Member{Room: 1, User: 2, VisibleFrom: 1, LeftSeq: 8})
	a = newest(bob, false)
	if d := cmp.Diff([]any{4.0, 5.0, 6.0, 7.0, 8.0}, a.list("messages", "seq")); d != "" || a.body["last_seq"] != 8.0 {
		t.Errorf("someone who left sees:\n%s", d)
	}
	b.store.AddMember(chat.Member{Room: 1, User: 2, VisibleFrom: 7, LeftSeq: 8})
	if a = newest(bob, false); len(a.list("messages", "seq")) != 2 || a.body["has_more"] != false {
		t.Errorf("someone who came late sees %s", a.raw)
	}
	b.state.down = errDown
	newest(ann, true)
}
