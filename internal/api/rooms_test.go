package api

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRooms(t *testing.T) {
	b := newBench(t)
	ann, bob := b.join("ann"), b.join("bob")
	b.join("eve")
	a := b.do(201, "POST", "rooms", ann, `{"name":"群聊名称","description":"群聊\n描述","type":"group","member_ids":[1,2]}`)
	want := map[string]any{
		"id": 1.0, "type": "group", "name": "群聊名称", "description": "群聊\n描述", "visibility": "private", "owner_id": 1.0,
		"member_count": 2.0, "last_seq": 1.0, "epoch": 1.0, "change_seq": 0.0, "created_at": "2026-03-01T12:00:00.000Z", "role": "owner", "unread": 0.0, "read_seq": 1.0,
		"last_message": map[string]any{
			"room_id": 1.0, "seq": 1.0, "id": "1:1", "kind": "system", "sender_id": 0.0, "client_msg_id": "",
			"content": `{"event":"created","by":1,"user_ids":[1,2]}`, "created_at": "2026-03-01T12:00:00.000Z",
		},
	}
	if d := cmp.Diff(want, a.body); d != "" || a.head.Get("Location") != "/api/v1/rooms/1" {
		t.Errorf("room at %q:\n%s", a.head.Get("Location"), d)
	}
	if d := cmp.Diff(want, b.do(200, "GET", "rooms/1", ann, "").body); d != "" {
		t.Errorf("room:\n%s", d)
	}
	if a = b.do(200, "PATCH", "rooms/1", ann, `{"name":" New "}`); a.body["name"] != "New" {
		t.Errorf("patched %s", a.raw)
	}
	b.problem(b.raw("PATCH", "rooms/1", bob, "application/json", `{"name":"Mine"}`), 403, "forbidden")

	b.pass(time.Second)
	first := b.do(201, "POST", "rooms", ann, `{"type":"direct","member_ids":[2]}`)
	again := b.do(200, "POST", "rooms", bob, `{"type":"direct","member_ids":[2,1]}`)
	if first.body["id"] != again.body["id"] || again.body["owner_id"] != 0.0 {
		t.Errorf("direct rooms %s and %s", first.raw, again.raw)
	}
	page := b.do(200, "GET", "rooms?limit=1", ann, "")
	rest := b.do(200, "GET", "rooms?limit=1&cursor="+page.body["next_cursor"].(string), ann, "")
	if d := cmp.Diff([]any{2.0, 1.0}, append(page.list("rooms", "id"), rest.list("rooms", "id")...)); d != "" || rest.body["next_cursor"] != nil {
		t.Errorf("pages:\n%s", d)
	}
	b.do(201, "POST", "rooms", ann, `{"name":"Lobby","visibility":"public"}`)
	a = b.do(200, "GET", "rooms?visibility=public&q=Lob", bob, "")
	if d := cmp.Diff([]any{3.0}, a.list("rooms", "id")); d != "" || a.list("rooms", "role")[0] != nil {
		t.Errorf("public rooms %s", a.raw)
	}
	if a = b.do(200, "GET", "rooms/3", bob, ""); a.body["role"] != nil {
		t.Errorf("a public room from outside %s", a.raw)
	}
	b.do(200, "POST", "rooms/3/members", bob, `{"member_ids":[2]}`)
	if a = b.do(200, "POST", "rooms/3/owner", ann, `{"user_id":2}`); a.body["owner_id"] != 2.0 {
		t.Errorf("owner %s", a.raw)
	}
	b.problem(b.raw("DELETE", "rooms/3", ann, "", ""), 403, "forbidden")
	b.do(204, "DELETE", "rooms/3", bob, "")
	b.problem(b.raw("GET", "rooms/3", bob, "", ""), 404, "not_found")
}

// TestNotes: a direct room with oneself has one member, is one room, and costs no invitation.
func TestNotes(t *testing.T) {
	b := newBench(t, func(o *Options, _ *Ports) { o.Limits.InvitationsPerHour = 1 })
	ann := b.join("ann")
	b.join("bob")
	pair := b.do(201, "POST", "rooms", ann, `{"type":"direct","member_ids":[2]}`)
	notes := b.do(201, "POST", "rooms", ann, `{"type":"direct","member_ids":[1,1]}`)
	again := b.do(200, "POST", "rooms", ann, `{"type":"direct","member_ids":[1]}`)
	if notes.body["id"] != again.body["id"] || notes.body["id"] == pair.body["id"] || notes.body["member_count"] != 1.0 || notes.body["peer"] != nil {
		t.Errorf("notes %s, again %s, the pair's room %s", notes.raw, again.raw, pair.raw)
	}
	b.do(201, "POST", "rooms/2/messages", ann, `{"content":"buy milk"}`)
	if a := b.do(200, "GET", "unread", ann, ""); a.body["total"] != 0.0 {
		t.Errorf("own notes are unread: %s", a.raw)
	}
}
