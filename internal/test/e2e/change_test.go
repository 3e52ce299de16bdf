//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"chat-service/internal/test/testkit"
)

// change asks for a change by a socket and returns its `done`.
func change(t *testing.T, s *sock, typ string, room, seq uint64, more obj) frame {
	t.Helper()
	id := fresh()
	f := obj{"type": typ, "room_id": room, "seq": seq, "change_id": id}
	for k, v := range more {
		f[k] = v
	}
	s.Send(t, f)
	return s.Expect(t, is("done", "change_id", f["change_id"]))
}

// changed waits for a change of a message by its number, and returns the message in it.
func changed(t *testing.T, s *sock, room, number uint64) (message, whole frame) {
	t.Helper()
	whole = s.Expect(t, is("change", "room_id", room, "change_seq", number))
	return whole.Obj("message"), whole
}

// TestChanges: two clients at two gateways edit, recall, react and pin; each change is answered by done, and told to everybody, the one
// who asked included.
func TestChanges(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "> edit", "> recall", "> react", "> pin", "< done", "< change", "< mine", "data and reply_to")
	us := w.users(t, 2)
	ann, phone, bob := w.dial(t, 1, us[0]), w.dial(t, 2, us[0]), w.dial(t, 2, us[1])
	room := w.api.CreateRoom(t, us[0], us[1])
	for _, s := range []*sock{ann, phone, bob} {
		s.Expect(t, is("joined"))
	}
	seq := w.chat(t, ann, room, "first")
	bob.Expect(t, is("message", "seq", seq))

	done := change(t, ann, "edit", room, seq, obj{"content": "second", "data": obj{"b": 1, "a": "x"}, "if_version": 1, "ref": "mine"})
	if done.Str("ref") != "mine" || done.Num("change_seq") != 1 || done.Num("version") != 2 || done.Num("seq") != seq {
		t.Errorf("done: %s", done)
	}
	for _, s := range []*sock{ann, phone, bob} {
		m, c := changed(t, s, room, 1)
		if c.Num("prev") != 0 || c.Num("at_seq") != seq || c.Obj("cause").String() != (frame{"kind": "edit", "by": num(us[0].ID)}).String() {
			t.Errorf("change: %s", c)
		}
		if m.Num("seq") != seq || m.Num("version") != 2 || m.Str("content") != "second" || m.Obj("data").String() != `{"a":"x","b":1}` || !m.Has("edited_at") || m.Has("reactions") {
			t.Errorf("message: %s", m)
		}
	}

	done = change(t, bob, "react", room, seq, obj{"key": "👍", "on": true})
	if done.Num("change_seq") != 2 || done.Str("ref") != done.Str("change_id") {
		t.Errorf("done: %s", done)
	}
	m, c := changed(t, ann, room, 2)
	if rs := m.List("reactions"); len(rs) != 1 || rs[0].Str("key") != "👍" || rs[0].Num("count") != 1 || fmt.Sprint(rs[0]["user_ids"]) != fmt.Sprint([]any{num(us[1].ID)}) || c.Obj("cause")["on"] != true {
		t.Errorf("reactions: %s", c)
	}
	change(t, ann, "react", room, seq, obj{"key": "x", "on": true})
	if f := phone.Expect(t, is("mine", "room_id", room, "seq", seq)); fmt.Sprint(f["keys"]) != "[x]" {
		t.Errorf("mine: %s", f)
	}
	change(t, ann, "react", room, seq, obj{"key": "x", "on": false})
	if f := phone.Expect(t, is("mine", "room_id", room, "seq", seq)); fmt.Sprint(f["keys"]) != "[]" {
		t.Errorf("mine: %s", f)
	}

	if done = change(t, ann, "pin", room, seq, obj{"on": true}); done.Num("change_seq") != 5 {
		t.Errorf("done: %s", done)
	}
	if m, _ = changed(t, bob, room, 5); m.Obj("pinned").Num("by") != us[0].ID {
		t.Errorf("pinned: %s", m)
	}
	if done = change(t, ann, "pin", room, seq, obj{"on": true}); done.Num("change_seq") != 5 { // nothing changes
		t.Errorf("pinned again: %s", done)
	}

	bob.Send(t, obj{"type": "message", "room_id": room, "content": "", "data": obj{"k": 1}, "reply_to": seq, "client_msg_id": fresh()})
	if f := ann.Expect(t, is("message", "room_id", room, "kind", "custom")); f.Num("reply_to") != seq || f.Obj("data").String() != `{"k":1}` {
		t.Errorf("with data: %s", f)
	}
	change(t, ann, "recall", room, seq, nil)
	for _, s := range []*sock{ann, phone, bob} {
		m, _ := changed(t, s, room, 6)
		if m["content"] != "" || m.Obj("recalled").Num("by") != us[0].ID || len(m.List("reactions")) != 0 {
			t.Errorf("recalled: %s", m)
		}
	}
	if page := w.api.Must(t, 200, "GET", roomPath(room, "/messages"), us[1].Token, nil); page.Num("change_seq") != 6 || page.List("messages")[seq-1]["content"] != "" {
		t.Errorf("page: %s", page)
	}
}

// TestChangesOnce: a repeat is answered with the first numbers, and undoes nothing; its id for something else is refused.
func TestChangesOnce(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "a change is done once")
	bad(t, "code idempotency_conflict")
	us := w.users(t, 2)
	ann, bob := w.dial(t, 1, us[0]), w.dial(t, 2, us[1])
	room := w.api.CreateRoom(t, us[0], us[1])
	ann.Expect(t, is("joined"))
	bob.Expect(t, is("joined"))
	seq := w.chat(t, ann, room, "first")
	edit := obj{"content": "second", "change_id": "once-" + fresh()}
	first := change(t, ann, "edit", room, seq, edit)
	change(t, ann, "edit", room, seq, obj{"content": "third"})
	changed(t, bob, room, 2)
	if again := change(t, ann, "edit", room, seq, edit); again.String() != first.String() {
		t.Errorf("again: %s, at first %s", again, first)
	}
	if m := w.api.Must(t, 200, "GET", messagePath(room, seq, ""), us[1].Token, nil); m.Str("content") != "third" {
		t.Errorf("the repeat undid what came after: %s", m)
	}
	edit["content"] = "fourth"
	refusal(t, ann, "idempotency_conflict", edit["change_id"].(string), obj{"type": "edit", "room_id": room, "seq": seq, "content": "fourth", "change_id": edit["change_id"]})
}

func TestChangesRefused(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "> edit", "> recall", "> react", "> pin", "data and reply_to", "code conflict", "code forbidden", "code version_conflict", "code limit_reached")
	us := w.users(t, 3)
	ann, bob, stranger := w.dial(t, 1, us[0]), w.dial(t, 2, us[1]), w.dial(t, 1, us[2])
	room := w.api.CreateRoom(t, us[0], us[1])
	ann.Expect(t, is("joined"))
	bob.Expect(t, is("joined"))
	seq, gone := w.chat(t, ann, room, "first"), w.chat(t, ann, room, "gone")
	change(t, ann, "recall", room, gone, nil)
	for i := range 20 {
		change(t, ann, "react", room, seq, obj{"key": fmt.Sprint("key", i), "on": true})
	}
	deep := strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33)
	for i, c := range []struct {
		s    *sock
		code string
		f    obj
	}{
		{bob, "forbidden", obj{"type": "edit", "seq": seq, "content": "x"}},
		{bob, "forbidden", obj{"type": "recall", "seq": seq}},
		{bob, "forbidden", obj{"type": "pin", "seq": seq, "on": true}},
		{ann, "forbidden", obj{"type": "edit", "seq": 1, "content": "x"}}, // a system message
		{ann, "forbidden", obj{"type": "react", "seq": 1, "key": "x", "on": true}},
		{ann, "conflict", obj{"type": "edit", "seq": gone, "content": "x"}},
		{ann, "conflict", obj{"type": "react", "seq": gone, "key": "x", "on": true}},
		{ann, "conflict", obj{"type": "pin", "seq": gone, "on": true}},
		{ann, "version_conflict", obj{"type": "edit", "seq": seq, "content": "x", "if_version": 7}},
		{ann, "limit_reached", obj{"type": "react", "seq": seq, "key": "another", "on": true}},
		{ann, "not_found", obj{"type": "edit", "seq": 99, "content": "x"}},
		{stranger, "not_found", obj{"type": "react", "seq": seq, "key": "x", "on": true}},
		{ann, "invalid", obj{"type": "edit", "seq": seq}},
		{ann, "invalid", obj{"type": "edit", "seq": seq, "content": " "}},
		{ann, "invalid", obj{"type": "edit", "seq": seq, "content": nil}},
		{ann, "invalid", obj{"type": "edit", "seq": seq, "data": []int{1}}},
		{ann, "too_large", obj{"type": "edit", "seq": seq, "content": strings.Repeat("x", 16<<10+1)}},
		{ann, "invalid", obj{"type": "react", "seq": seq, "key": strings.Repeat("k", 33), "on": true}},
		{ann, "invalid", obj{"type": "react", "seq": seq, "key": "a b", "on": true}},
		{ann, "invalid", obj{"type": "react", "seq": seq, "key": "", "on": true}},
		{ann, "invalid", obj{"type": "message", "content": "x", "reply_to": 99}},
		{ann, "too_large", obj{"type": "message", "content": "", "data": obj{"k": strings.Repeat("x", 8<<10)}}},
		{ann, "unknown_field", obj{"type": "recall", "seq": seq, "on": true}},
	} {
		ref := fmt.Sprint("bad-", i)
		c.f["room_id"] = room
		if c.f["type"] == "message" {
			c.f["client_msg_id"] = ref
		} else {
			c.f["ref"] = ref
		}
		t.Run(fmt.Sprint(c.f["type"], " ", c.code, " ", i), func(t *testing.T) { refusal(t, c.s, c.code, ref, c.f) })
	}
	ann.SendText(t, fmt.Sprintf(`{"type":"message","room_id":%d,"content":"","client_msg_id":"deep","data":%s}`, room, deep))
	checkError(t, ann.Expect(t, is("error", "ref", "deep")), "invalid")
	if n := w.number(t, "SELECT change_seq FROM rooms WHERE id = ?", room); n != 21 {
		t.Errorf("the refused ones took numbers: %d", n)
	}
}

// TestRESTChangesAreLive: what REST changes reaches the sockets like any other change, in the order of the numbers.
func TestRESTChangesAreLive(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "< change")
	us := w.users(t, 2)
	ann, bob := w.dial(t, 1, us[0]), w.dial(t, 2, us[1])
	room := w.api.CreateRoom(t, us[0], us[1])
	ann.Expect(t, is("joined"))
	bob.Expect(t, is("joined"))
	seq := w.post(t, us[0], room, "by REST")
	w.api.Must(t, 200, "PATCH", messagePath(room, seq, ""), us[0].Token, obj{"content": "edited by REST"})
	w.api.Must(t, 200, "PUT", reactionPath(room, seq, "👍"), us[1].Token, nil)
	change(t, ann, "edit", room, seq, obj{"content": "edited by a socket"})
	w.api.Must(t, 200, "PUT", messagePath(room, seq, "/pin"), us[0].Token, nil)
	w.api.Must(t, 200, "DELETE", messagePath(room, seq, ""), us[0].Token, nil)
	state := frame{}
	for _, s := range []*sock{ann, bob} {
		cursor := uint64(0)
		for cursor < 5 {
			c := s.Expect(t, is("change", "room_id", room))
			if c.Num("prev") > cursor || c.Num("change_seq") <= cursor {
				t.Fatalf("%s at %d", c, cursor)
			}
			cursor = c.Num("change_seq")
			for k, v := range c.Obj("message") {
				state[k] = v
			}
		}
		if state["content"] != "" || !state.Has("recalled") || !state.Has("pinned") || state.Num("change_seq") != 5 {
			t.Errorf("at last: %s", state)
		}
	}
	if f := bob.Expect(t, is("mine", "seq", seq)); fmt.Sprint(f["keys"]) != "[👍]" && fmt.Sprint(f["keys"]) != "[]" {
		t.Errorf("mine: %s", f)
	}
	custom := w.api.Must(t, 201, "POST", roomPath(room, "/messages"), us[0].Token, obj{"content": "", "data": obj{"n": 1}, "reply_to": 1, "client_msg_id": fresh()}).Num("seq")
	if f := bob.Expect(t, is("message", "seq", custom)); f.Str("kind") != "custom" || f.Num("reply_to") != 1 || f.Obj("data").Num("n") != 1 {
		t.Errorf("posted with data: %s", f)
	}
}

// TestWhoSeesChanges: who joined later learns of a change to what they can't see only that there was one, and who has left nothing.
func TestWhoSeesChanges(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "visible from joining", "visible to the leaving")
	us := w.users(t, 3)
	ann, late, left := w.dial(t, 1, us[0]), w.dial(t, 2, us[1]), w.dial(t, 2, us[2])
	room := w.api.CreateRoom(t, us[0], us[2])
	ann.Expect(t, is("joined"))
	left.Expect(t, is("joined"))
	before := w.chat(t, ann, room, "before")
	w.api.Must(t, 200, "POST", roomPath(room, "/members"), us[0].Token, obj{"member_ids": []uint64{us[1].ID}})
	late.Expect(t, is("joined"))
	after := w.chat(t, ann, room, "after")
	w.api.Must(t, 204, "DELETE", memberPath(room, us[2]), us[2].Token, nil)
	left.Expect(t, is("left", "room_id", room))
	left.Frames()
	for i, seq := range []uint64{before, after} {
		change(t, ann, "edit", room, seq, obj{"content": "secret"})
		m, c := changed(t, late, room, uint64(i+1))
		if seq == before && (c.Has("message") || c.Has("cause")) || seq == after && m.Str("content") != "secret" {
			t.Errorf("who came later is told %s", c)
		}
	}
	again := w.dial(t, 1, us[1]) // after a connect, too
	late.Send(t, obj{"type": "sync", "rooms": obj{fmt.Sprint(room): obj{"seq": 0, "changes": 0, "from_seq": 1}}})
	if f := late.Expect(t, is("synced", "room_id", room)); f.Num("change_seq") != 2 {
		t.Errorf("synced: %s", f)
	}
	change(t, ann, "recall", room, before, nil)
	for _, s := range []*sock{late, again} {
		if _, c := changed(t, s, room, 3); c.Has("message") {
			t.Errorf("who came later is told %s", c)
		}
	}
	left.Send(t, obj{"type": "sync", "rooms": obj{fmt.Sprint(room): obj{"seq": after, "changes": 0}}, "ref": "gone"})
	left.Expect(t, is("synced", "ref", "gone"))
	left.ExpectNone(t, is("change", "room_id", room), func() { changed(t, ann, room, 3) })
}

// TestSyncChanges: a client that was away gets the states that it lacks, in the order of the changes, and where its cursor is then.
func TestSyncChanges(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "> sync", "< synced", "< head", "< welcome", "< resync")
	us := w.users(t, 2)
	ann := w.dial(t, 1, us[0])
	room := w.api.CreateRoom(t, us[0], us[1])
	ann.Expect(t, is("joined"))
	var seqs []uint64
	for i := range 5 {
		seqs = append(seqs, w.chat(t, ann, room, fmt.Sprint("message ", i)))
	}
	bob := testkit.Dial(t, w.WS(2), us[1].Token)
	if r := bob.Welcome(t).List("rooms")[0]; r.Num("id") != room || !r.Has("change_seq") || r.Num("change_seq") != 0 {
		t.Errorf("welcome: %s", r)
	}
	bob.Close()
	change(t, ann, "edit", room, seqs[0], obj{"content": "one"})        // 1
	change(t, ann, "react", room, seqs[3], obj{"key": "k", "on": true}) // 2
	change(t, ann, "edit", room, seqs[0], obj{"content": "uno"})        // 3
	change(t, ann, "pin", room, seqs[1], obj{"on": true})               // 4
	change(t, ann, "recall", room, seqs[4], nil)                        // 5
	bob = testkit.Dial(t, w.WS(2), us[1].Token)
	if r := bob.Welcome(t).List("rooms")[0]; r.Num("change_seq") != 5 || r.Num("unread") != 4 {
		t.Errorf("welcome: %s", r)
	}
	ask := func(point obj, want string) {
		t.Helper()
		from := len(bob.Frames())
		ref := fresh()
		bob.Send(t, obj{"type": "sync", "rooms": obj{fmt.Sprint(room): point}, "ref": ref})
		bob.Expect(t, func(f frame) bool { return f.Str("ref") == ref })
		var got []string
		for _, f := range bob.Frames()[from:] {
			switch f.Type() {
			case "message":
				got = append(got, fmt.Sprintf("m%d:%v", f.Num("seq"), f["content"]))
			case "change":
				got = append(got, fmt.Sprintf("c%d-%d@%d", f.Num("prev"), f.Num("change_seq"), f.Obj("message").Num("seq")))
			case "synced":
				got = append(got, fmt.Sprintf("s%d/%v", f.Num("to_seq"), f["change_seq"]))
			case "resync":
				got = append(got, "r")
			}
		}
		if fmt.Sprint(got) != want {
			t.Errorf("sync %v: %v, want %v", point, got, want)
		}
	}
	last := seqs[4]
	ask(obj{"seq": seqs[3], "changes": 0}, fmt.Sprintf("[m%d: c0-2@%d c2-3@%d c3-4@%d s%d/5]", last, seqs[3], seqs[0], seqs[1], last))
	ask(obj{"seq": last, "epoch": 1, "changes": 2}, fmt.Sprintf("[c2-3@%d c3-4@%d c4-5@%d s%d/5]", seqs[0], seqs[1], last, last))
	ask(obj{"seq": last, "changes": 0, "from_seq": seqs[3]}, fmt.Sprintf("[c0-2@%d c2-5@%d s%d/5]", seqs[3], last, last))
	ask(obj{"seq": last, "changes": 5}, fmt.Sprintf("[s%d/5]", last))
	ask(obj{"seq": last}, fmt.Sprintf("[s%d/<nil>]", last))
	ask(obj{"seq": last, "changes": 6}, "[r]")
	ask(obj{"seq": last, "epoch": 2, "changes": 5}, "[r]")
	refusal(t, bob, "invalid", "sync", obj{"type": "sync", "rooms": obj{fmt.Sprint(room): obj{"seq": 1, "changes": -1}}})
}

// TestUserFrames: a new nickname or picture is shown to those who share a room, and to one's other devices.
func TestUserFrames(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "< user")
	us := w.users(t, 3)
	ann, friend, stranger := w.dial(t, 1, us[0]), w.dial(t, 2, us[1]), w.dial(t, 2, us[2])
	for range 2 { // two rooms, one frame
		w.api.CreateRoom(t, us[0], us[1])
		ann.Expect(t, is("joined"))
		friend.Expect(t, is("joined"))
	}
	w.api.Must(t, 200, "PATCH", "/me", us[0].Token, obj{"nickname": "Annie", "avatar_url": "https://example.com/annie.png"})
	for _, s := range []*sock{ann, friend} {
		u := s.Expect(t, is("user")).Obj("user")
		if u.Num("id") != us[0].ID || u.Str("nickname") != "Annie" || u.Str("avatar_url") != "https://example.com/annie.png" || u.Has("email") {
			t.Errorf("user: %s", u)
		}
	}
	for i := range 5 {
		w.api.Must(t, 200, "PATCH", "/me", us[0].Token, obj{"nickname": fmt.Sprint("Ann ", i)})
	}
	n := 0
	for name := ""; name != "Ann 4"; n++ {
		name = friend.Expect(t, is("user")).Obj("user").Str("nickname")
	}
	if n > 2 {
		t.Errorf("five names at once are told one by one: %d frames", n)
	}
	friend.ExpectNone(t, is("user"))
	stranger.ExpectNone(t, is("user"))
}
