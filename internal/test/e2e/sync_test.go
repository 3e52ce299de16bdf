//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"chat-service/internal/test/testkit"
)

// TestSync: a gap is filled in order, own messages included, and closed by synced.
func TestSync(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "> sync", "< synced", "< welcome", "sync includes own messages", "head tells of what is missing")
	us := w.users(t, 2)
	room, empty := w.api.CreateRoom(t, us[0], us[1]), w.api.CreateRoom(t, us[0])
	for i := range 10 {
		w.post(t, us[i%2], room, fmt.Sprint("message ", i+2))
	}
	s := testkit.Dial(t, w.WS(2), us[0].Token)
	hello := s.Welcome(t)
	stamp(t, hello, "server_time")
	limits := hello.Obj("limits")
	if hello.Str("session_id") == "" || hello.Obj("user").Num("id") != us[0].ID || hello.Num("ping_interval_ms") != 25000 || hello.Has("more") ||
		limits.Num("message_bytes") != 16<<10 || limits.Num("frame_bytes") != 64<<10 || limits.Num("sync_rooms") != 100 || limits.Num("watch") != 200 {
		t.Errorf("welcome: %s", hello)
	}
	rooms := hello.List("rooms")
	want := frame{"id": num(room), "type": "group", "last_seq": num(11), "epoch": num(1), "change_seq": num(0), "read_seq": num(10), "unread": num(1)}
	if len(rooms) != 2 || rooms[0].String() != want.String() || rooms[1].Num("id") != empty {
		t.Errorf("welcome lists %v, want %s first", rooms, want)
	}
	expect := func(room, from, to, last uint64, ref any) {
		t.Helper()
		for seq := from; seq <= to; seq++ {
			m := s.Expect(t, is("message", "room_id", room))
			if m.Num("seq") != seq {
				t.Fatalf("got %s, want seq %d", m, seq)
			}
		}
		done := s.Expect(t, is("synced", "room_id", room))
		want := frame{"type": "synced", "room_id": num(room), "epoch": num(1), "from_seq": num(from), "to_seq": num(to), "last_seq": num(last), "more": false}
		if ref != nil {
			want["ref"] = ref
		}
		if done.String() != want.String() {
			t.Errorf("got %s, want %s", done, want)
		}
	}
	s.Send(t, obj{"type": "sync", "rooms": obj{fmt.Sprint(room): 4}, "ref": "gap-1"})
	expect(room, 5, 11, 11, "gap-1")
	s.Send(t, obj{"type": "sync", "rooms": obj{fmt.Sprint(room): obj{"seq": 9, "epoch": 1}, fmt.Sprint(empty): obj{"seq": 0}}})
	expect(empty, 1, 1, 1, nil)
	expect(room, 10, 11, 11, nil)
	s.Send(t, obj{"type": "sync", "rooms": obj{fmt.Sprint(room): 11}})
	expect(room, 12, 11, 11, nil)
}

func TestSyncRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "> sync", "sync ≤ 100 rooms")
	us := w.users(t, 2)
	s := w.dial(t, 1, us[0])
	room, hidden := w.api.CreateRoom(t, us[0]), w.api.CreateRoom(t, us[1])
	s.Expect(t, is("joined"))
	many := obj{}
	for i := range 101 {
		many[fmt.Sprint(i+1)] = 0
	}
	refusal(t, s, "invalid", "sync", obj{"type": "sync", "rooms": many})
	refusal(t, s, "invalid", "sync", obj{"type": "sync"})
	refusal(t, s, "invalid", "sync", obj{"type": "sync", "rooms": []int{1}})
	refusal(t, s, "invalid", "sync", obj{"type": "sync", "rooms": obj{"x": 1}})
	refusal(t, s, "invalid", "sync", obj{"type": "sync", "rooms": obj{"0": 1}})
	refusal(t, s, "invalid", "sync", obj{"type": "sync", "rooms": obj{"1": -1}})
	refusal(t, s, "invalid", "sync", obj{"type": "sync", "rooms": obj{"1": "1"}})
	refusal(t, s, "unknown_field", "sync", obj{"type": "sync", "rooms": obj{"1": obj{"seq": 1, "colour": 2}}})
	refusal(t, s, "invalid", "sync", obj{"type": "sync", "rooms": obj{}, "ref": strings.Repeat("x", 65)})
	// One bad room does not spoil the others.
	s.Send(t, obj{"type": "sync", "rooms": obj{fmt.Sprint(hidden): 0, fmt.Sprint(room): 0}, "ref": "mixed"})
	e := s.Expect(t, is("error", "ref", "mixed", "room_id", hidden))
	checkError(t, e, "not_found")
	s.Expect(t, is("synced", "room_id", room, "ref", "mixed"))
	s.ExpectNone(t, is("message", "room_id", hidden))
}

// TestLongSync: at most 1,000 messages at once; above 5,000 missing the newest page is the way.
func TestLongSync(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "sync ≤ 1,000 messages", "sync > 5,000 is a resync", "sync seq above last_seq", "sync other epoch", "< resync", "< synced")
	u := w.api.User(t)
	room := w.api.CreateRoom(t, u)
	const last = 6002
	w.fill(t, room, u, 2, last)
	s := w.dial(t, 1, u)
	ask := func(point any) { s.Send(t, obj{"type": "sync", "rooms": obj{fmt.Sprint(room): point}, "ref": "r"}) }
	for _, point := range []any{0, last - 5001, last + 1, obj{"seq": last, "epoch": 2}, obj{"seq": 0, "epoch": 7}} {
		ask(point)
		if r := s.Expect(t, is("resync")); r.String() != (frame{"type": "resync", "room_id": num(room), "epoch": num(1), "ref": "r"}).String() {
			t.Errorf("from %v: %s", point, r)
		}
	}
	ask(last - 5000)
	s.Expect(t, is("message", "seq", last-4999))
	s.Expect(t, is("synced", "from_seq", last-4999, "to_seq", last-4000, "last_seq", last, "more", true))
	ask(last - 1000)
	s.Expect(t, is("message", "seq", last))
	s.Expect(t, is("synced", "from_seq", last-999, "to_seq", last, "more", false))
	n := 0
	for _, f := range s.Frames() {
		if f.Type() == "message" {
			n++
		}
	}
	if n != 2000 {
		t.Errorf("%d messages came for two times 1,000", n)
	}
	if got := w.chat(t, s, room, "and on"); got != last+1 {
		t.Errorf("seq %d follows %d", got, last)
	}
}

// fill writes messages past the product, as if they had been sent before.
func (w *world) fill(t *testing.T, room uint64, u user, from, to uint64) {
	t.Helper()
	for at := from; at <= to; at += 1000 {
		var q strings.Builder
		q.WriteString("INSERT INTO messages (room_id, seq, ord, kind, sender_id, client_msg_id, body_hash, content, created_at) VALUES ")
		for seq := at; seq <= min(at+999, to); seq++ {
			if seq > at {
				q.WriteByte(',')
			}
			fmt.Fprintf(&q, "(%d,%d,%d,'text',%d,'fill.%d','0123456789abcdef','filled',UTC_TIMESTAMP(6))", room, seq, seq-1, u.ID, seq)
		}
		w.exec(t, q.String())
	}
	w.exec(t, "UPDATE rooms SET last_seq = ?, msg_count = ? WHERE id = ?", to, to-1, room)
	w.exec(t, "UPDATE members SET read_seq = ?, read_count = ? WHERE room_id = ?", to, to-1, room)
}

// TestHead: who connects after messages were sent learns of them; who is connected hears of the room's head.
func TestHead(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "< head", "head tells of what is missing")
	us := w.users(t, 2)
	room := w.api.CreateRoom(t, us[0], us[1])
	s, other := w.dial(t, 1, us[0]), w.dial(t, 1, us[1])
	w.routed(t, room, 1)
	w.chat(t, other, room, "noted")
	s.Expect(t, is("message", "content", "noted"))
	// Messages that no worker has told of: the next one shows that they are there.
	have := uint64(2)
	w.fill(t, room, us[1], 3, 8)
	seq := w.chat(t, other, room, "after a gap")
	if seq != 9 {
		t.Fatalf("seq %d, want 9", seq)
	}
	testkit.Eventually(t, patience, func() (bool, string) {
		for _, f := range s.Frames() {
			switch {
			case f.Type() == "message" && f.Num("seq") == have+1:
				have++
			case f.Type() == "head" && f.Obj("rooms").Num(fmt.Sprint(room)) > have, f.Type() == "resync":
				s.Send(t, obj{"type": "sync", "rooms": obj{fmt.Sprint(room): have}})
			}
		}
		return have == 9, fmt.Sprintf("has up to %d of 9", have)
	})
}

// TestClientSeq: numbered messages are taken in their order only, and refusals tell what is expected.
func TestClientSeq(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "client_seq in order", "code out_of_order", "< error")
	bad(t, "> message")
	u := w.api.User(t)
	s, second := w.dial(t, 1, u), w.dial(t, 2, u)
	room := w.api.CreateRoom(t, u)
	s.Expect(t, is("joined"))
	send := func(s *sock, id string, n uint64) {
		s.Send(t, obj{"type": "message", "room_id": room, "content": id, "client_msg_id": id, "client_seq": n})
	}
	refuse := func(s *sock, id string, n, expected uint64) {
		t.Helper()
		send(s, id, n)
		e := s.Expect(t, is("error", "ref", id))
		checkError(t, e, "out_of_order")
		if e.Num("expected") != expected || e.Num("client_seq") != n || e["retry"] != true {
			t.Errorf("got %s, want expected %d", e, expected)
		}
	}
	refuse(s, "b", 2, 1)
	for i, id := range []string{"a", "b", "c"} {
		send(s, id, uint64(i+1))
	}
	for i, id := range []string{"a", "b", "c"} {
		if ack := s.Expect(t, is("ack", "client_msg_id", id)); ack.Num("client_seq") != uint64(i+1) || ack.Num("seq") != uint64(i+2) {
			t.Errorf("%s, want client_seq %d", ack, i+1)
		}
	}
	refuse(s, "e", 5, 4)
	refuse(second, "z", 2, 4) // the same login session: one count for its sockets
	send(s, "b", 2)
	s.Expect(t, is("ack", "client_msg_id", "b", "duplicate", true, "client_seq", 2))
	send(second, "d", 4)
	second.Expect(t, is("ack", "client_msg_id", "d", "client_seq", 4))
	phone := w.dial(t, 1, w.api.Login(t, u.Username, u.Password, "phone"))
	send(phone, "p", 1)
	phone.Expect(t, is("ack", "client_msg_id", "p", "client_seq", 1))
	w.chat(t, s, room, "not numbered")
	send(s, "e", 5)
	s.Expect(t, is("ack", "client_msg_id", "e"))
	refusal(t, s, "invalid", "zero", obj{"type": "message", "room_id": room, "content": "x", "client_msg_id": "zero", "client_seq": 0})
	refusal(t, s, "invalid", "text", obj{"type": "message", "room_id": room, "content": "x", "client_msg_id": "text", "client_seq": "6"})
}

// TestClientSeqRefused: a message that is refused for good uses up its number, so that the next one can go on.
func TestClientSeqRefused(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "client_seq refused uses up its number")
	us := w.users(t, 2)
	s := w.dial(t, 1, us[1])
	room := w.api.CreateRoom(t, us[0], us[1])
	s.Expect(t, is("joined"))
	next := uint64(1)
	send := func(id, content string) {
		s.Send(t, obj{"type": "message", "room_id": room, "content": content, "client_msg_id": id, "client_seq": next})
		next++
	}
	send("a", "first")
	s.Expect(t, is("ack", "client_msg_id", "a"))
	w.api.Must(t, 200, "PATCH", memberPath(room, us[1]), us[0].Token, obj{"mute_seconds": 3600})
	send("muted", "shh")
	checkError(t, s.Expect(t, is("error", "ref", "muted")), "muted")
	w.api.Must(t, 200, "PATCH", memberPath(room, us[1]), us[0].Token, obj{"mute_seconds": 0})
	send("b", "second")
	s.Expect(t, is("ack", "client_msg_id", "b"))
	send("a", "another text")
	checkError(t, s.Expect(t, is("error", "ref", "a")), "idempotency_conflict")
	send("c", "third")
	s.Expect(t, is("ack", "client_msg_id", "c"))
	send("blank", " ")
	checkError(t, s.Expect(t, is("error", "ref", "blank")), "invalid")
	send("large", strings.Repeat("x", 16<<10+1))
	checkError(t, s.Expect(t, is("error", "ref", "large")), "too_large")
	s.Send(t, obj{"type": "message", "room_id": room, "content": "x", "client_msg_id": "odd", "client_seq": next, "colour": "red"})
	checkError(t, s.Expect(t, is("error", "ref", "odd")), "unknown_field")
	s.Send(t, obj{"type": "message", "room_id": room, "content": "x", "client_msg_id": "no id!", "client_seq": next + 1})
	checkError(t, s.Expect(t, is("error", "ref", "message")), "invalid")
	next += 2
	s.SendText(t, fmt.Sprintf(`{"type":"message","room_id":%d,"content":"half an emoji \ud83d","client_msg_id":"half","client_seq":%d}`, room, next))
	checkError(t, s.Expect(t, is("error", "ref", "half")), "invalid") // no JSON, and refused for good all the same
	next++
	send("d", "fourth")
	s.Expect(t, testkit.Any(is("ack", "client_msg_id", "d"), is("error", "ref", "d")))
	for _, f := range s.Frames() {
		if f.Type() == "error" && f.Str("ref") == "d" {
			t.Errorf("a blank and a large message did not use up their numbers: %s", f)
		}
	}
}

// TestManyRooms: welcome lists the first 1,000 rooms by latest activity; the list has them all.
func TestManyRooms(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "welcome lists ≤ 1,000 rooms", "< welcome", "lists are paged by cursor")
	u := w.api.User(t)
	oldest := w.api.CreateRoom(t, u)
	w.exec(t, "UPDATE rooms SET active_at = '2020-01-01' WHERE id = ?", oldest)
	name, row := fresh(), fmt.Sprintf("('group',?,'private',%d,1,UTC_TIMESTAMP(6),UTC_TIMESTAMP(6))", u.ID)
	w.exec(t, "INSERT INTO rooms (type, name, visibility, owner_id, member_count, active_at, created_at) VALUES "+
		strings.ReplaceAll(row+strings.Repeat(","+row, 999), "?", "'"+name+"'"))
	w.exec(t, "INSERT INTO members (room_id, user_id, role, visible_from, read_seq, read_count, joined_at)"+
		" SELECT id, owner_id, 'owner', 1, 0, 0, created_at FROM rooms WHERE owner_id = ? AND name = ?", u.ID, name)
	s := testkit.Dial(t, w.WS(1), u.Token)
	hello := s.Welcome(t)
	listed := map[uint64]bool{}
	for _, r := range hello.List("rooms") {
		listed[r.Num("id")] = true
	}
	if len(listed) != 1000 || hello["more"] != true || listed[oldest] {
		t.Errorf("welcome lists %d rooms, more: %v, the one without activity among them: %v", len(listed), hello["more"], listed[oldest])
	}
	n, last := 0, uint64(0)
	for cursor := ""; ; {
		f := w.api.Must(t, 200, "GET", "/rooms?limit=200"+cursor, u.Token, nil)
		for _, r := range f.List("rooms") {
			n, last = n+1, r.Num("id")
		}
		if f["next_cursor"] == nil {
			break
		}
		cursor = "&cursor=" + f.Str("next_cursor")
	}
	if n != 1001 || last != oldest {
		t.Errorf("the list has %d rooms, the last is %d; want 1,001 and %d", n, last, oldest)
	}
	s.Send(t, obj{"type": "join_room", "room_id": oldest})
	s.Expect(t, is("joined"))
	w.chat(t, s, oldest, "here too")
}
