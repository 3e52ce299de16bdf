//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	"chat-service/internal/test/testkit"
)

// TestRead: read pointers and unread counts, in step on several devices.
func TestRead(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "> read", "< read", "PUT /rooms/{room_id}/read", "GET /unread", "read reaches own devices with unread", "read reaches peers")
	us := w.users(t, 2)
	author := w.dial(t, 1, us[0])
	phone, laptop := w.dial(t, 1, us[1]), w.dial(t, 2, w.api.Login(t, us[1].Username, us[1].Password, "laptop"))
	room := w.api.CreateRoom(t, us[0], us[1])
	for _, s := range []*sock{author, phone, laptop} {
		s.Expect(t, is("joined"))
	}
	unread := func(u user, n uint64) {
		t.Helper()
		f := w.api.Must(t, 200, "GET", "/unread", u.Token, nil)
		if f.Num("total") != n || f.Obj("rooms").Num(fmt.Sprint(room)) != n {
			t.Errorf("unread of %d: %s, want %d", u.ID, f, n)
		}
	}
	for i := range 5 {
		w.chat(t, author, room, fmt.Sprint("message ", i+2)) // seqs 2 … 6
	}
	unread(us[1], 5)
	unread(us[0], 0)
	phone.Send(t, obj{"type": "read", "room_id": room, "seq": 4})
	r := laptop.Expect(t, is("read", "room_id", room, "user_id", us[1].ID))
	if r.Num("seq") != 4 || r.Num("unread") != 2 {
		t.Errorf("the other device hears %s, want seq 4 and 2 unread", r)
	}
	r = author.Expect(t, is("read", "room_id", room, "user_id", us[1].ID))
	if r.Num("seq") != 4 || r.Has("unread") {
		t.Errorf("the peer hears %s, want seq 4 and no unread", r)
	}
	phone.ExpectNone(t, is("read"))
	unread(us[1], 2)

	f := w.api.Must(t, 200, "PUT", roomPath(room, "/read"), us[1].Token, obj{"seq": 3})
	if f.Num("read_seq") != 4 || f.Num("unread") != 2 {
		t.Errorf("a pointer went back: %s", f)
	}
	f = w.api.Must(t, 200, "PUT", roomPath(room, "/read"), us[1].Token, obj{"seq": 1 << 40})
	if f.Num("read_seq") != 6 || f.Num("unread") != 0 {
		t.Errorf("a pointer above the end: %s, want it at the end", f)
	}
	for _, s := range []*sock{phone, laptop} {
		if r := s.Expect(t, is("read", "seq", 6)); r.Num("unread") != 0 || !r.Has("unread") {
			t.Errorf("a device hears %s", r)
		}
	}
	author.Expect(t, is("read", "seq", 6))
	unread(us[1], 0)

	// Who sends has read up to there; others have one more to read; a system message is nobody's to read.
	w.chat(t, phone, room, "an answer")
	unread(us[1], 0)
	unread(us[0], 1)
	w.api.Must(t, 200, "PATCH", roomPath(room, ""), us[0].Token, obj{"name": "New name"})
	unread(us[0], 1)
	unread(us[1], 0)
	list := w.api.Must(t, 200, "GET", "/rooms", us[0].Token, nil).List("rooms")
	if list[0].Num("unread") != 1 || list[0].Num("read_seq") != 6 || list[0].Num("last_seq") != 8 {
		t.Errorf("the list shows %s", list[0])
	}
	late := testkit.Dial(t, w.WS(2), us[0].Token)
	if hello := late.Welcome(t).List("rooms"); hello[0].Num("unread") != 1 || hello[0].Num("read_seq") != 6 {
		t.Errorf("welcome shows %v", hello)
	}
	other := w.api.CreateRoom(t, us[1], us[0])
	w.post(t, us[1], other, "elsewhere")
	if f := w.api.Must(t, 200, "GET", "/unread", us[0].Token, nil); f.Num("total") != 2 || f.Obj("rooms").Num(fmt.Sprint(other)) != 1 {
		t.Errorf("unread in two rooms: %s", f)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "> read", "PUT /rooms/{room_id}/read")
	us := w.users(t, 2)
	s := w.dial(t, 1, us[0])
	room, hidden := w.api.CreateRoom(t, us[0]), w.api.CreateRoom(t, us[1])
	s.Expect(t, is("joined"))
	refusal(t, s, "not_found", "read", obj{"type": "read", "room_id": hidden, "seq": 1})
	refusal(t, s, "not_found", "read", obj{"type": "read", "room_id": 1 << 40, "seq": 1})
	for _, seq := range []any{-1, "1", 1.5, uint64(1) << 53, nil} {
		refusal(t, s, "invalid", "read", obj{"type": "read", "room_id": room, "seq": seq})
		refused(t, w.api, want{422, "invalid", "seq"}, "PUT", roomPath(room, "/read"), us[0].Token, obj{"seq": seq})
	}
	refusal(t, s, "invalid", "read", obj{"type": "read", "room_id": room})
	refusal(t, s, "unknown_field", "read", obj{"type": "read", "room_id": room, "seq": 1, "content": "x"})
	refused(t, w.api, want{422, "invalid", "seq"}, "PUT", roomPath(room, "/read"), us[0].Token, obj{})
	if n := w.number(t, "SELECT read_seq FROM members WHERE room_id = ?", room); n != 1 {
		t.Errorf("the pointer stands at %d", n)
	}
}

func TestTyping(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "> typing", "< typing", "typing is relayed, never stored")
	bad(t, "> typing")
	us := w.users(t, 3)
	one, own, two := w.dial(t, 1, us[0]), w.dial(t, 2, us[0]), w.dial(t, 2, us[1])
	room, hidden := w.api.CreateRoom(t, us[0], us[1]), w.api.CreateRoom(t, us[2])
	for _, s := range []*sock{one, own, two} {
		s.Expect(t, is("joined"))
	}
	one.Send(t, obj{"type": "typing", "room_id": room})
	if f := two.Expect(t, is("typing")); f.String() != (frame{"type": "typing", "room_id": num(room), "user_id": num(us[0].ID)}).String() {
		t.Errorf("typing: %s", f)
	}
	one.ExpectNone(t, is("typing"))
	own.ExpectNone(t, is("typing"))
	refusal(t, one, "not_found", "typing", obj{"type": "typing", "room_id": hidden})
	refusal(t, one, "not_found", "typing", obj{"type": "typing", "room_id": 1 << 40})
	refusal(t, one, "invalid", "typing", obj{"type": "typing"})
	refusal(t, one, "unknown_field", "typing", obj{"type": "typing", "room_id": room, "content": "x"})
	if n := w.number(t, "SELECT COUNT(*) FROM messages WHERE room_id = ?", room); n != 1 {
		t.Errorf("typing is stored: %d entries", n)
	}
}
