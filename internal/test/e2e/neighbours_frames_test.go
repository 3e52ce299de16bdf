//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chat-service/internal/auth"
	"chat-service/internal/test/testkit"
)

// messages: acks, messages at every other socket, repeats, conflicts and numbered messages.
func (w way) messages(t *testing.T) {
	us, room, first, second := w.pairOf(t)
	all := []*sock{first[0], first[1], second[0], second[1]}
	arrives := func(from *sock, seq uint64, content string) {
		t.Helper()
		for _, s := range all {
			if s != from {
				s.Expect(t, is("message", "room_id", room, "seq", seq, "content", content))
			}
		}
	}
	text := "Hello 你好 <b>\u2028 \"quoted\" \\ 🙂 \t end"
	id := fresh()
	send := obj{"type": "message", "room_id": room, "content": text, "client_msg_id": id}
	first[0].Send(t, send)
	first[0].Expect(t, is("ack", "client_msg_id", id, "seq", 2, "duplicate", false))
	arrives(first[0], 2, text)
	for _, s := range first { // the retry may come by either gateway
		s.Send(t, send)
		s.Expect(t, is("ack", "client_msg_id", id, "seq", 2, "duplicate", true))
	}
	refusal(t, first[1], "idempotency_conflict", id, obj{"type": "message", "room_id": room, "content": "another text", "client_msg_id": id})
	first[0].Send(t, obj{"type": "message", "room_id": room, "content": "without an id"})
	if made := first[0].Expect(t, is("ack", "seq", 3)).Str("client_msg_id"); made == "" || len(made) > 36 {
		t.Errorf("the gateway made the id %q", made)
	}
	arrives(first[0], 3, "without an id")

	numbered := func(s *sock, n, seq uint64) {
		t.Helper()
		id := fresh()
		s.Send(t, obj{"type": "message", "room_id": room, "content": fmt.Sprint("numbered ", n), "client_msg_id": id, "client_seq": n})
		s.Expect(t, is("ack", "client_msg_id", id, "client_seq", n, "seq", seq))
		arrives(s, seq, fmt.Sprint("numbered ", n))
	}
	numbered(first[0], 1, 4)
	numbered(first[1], 2, 5) // sockets of a login session share its numbers
	early := fresh()
	e := refusal(t, first[0], "out_of_order", early, obj{"type": "message", "room_id": room, "content": "early", "client_msg_id": early, "client_seq": 5})
	if e.Num("expected") != 3 || e.Num("client_seq") != 5 {
		t.Errorf("%s, want client_seq 5 and 3 expected", e)
	}
	numbered(first[0], 3, 6)

	hidden := w.api.CreateRoom(t, us[1])
	late := fresh()
	refusal(t, first[0], "not_found", late, obj{"type": "message", "room_id": hidden, "content": "let me in", "client_msg_id": late})
	refusal(t, first[0], "invalid", late, obj{"type": "message", "room_id": room, "content": " ", "client_msg_id": late})
	refusal(t, first[0], "unknown_field", late, obj{"type": "message", "room_id": room, "content": "x", "client_msg_id": late, "colour": "red"})
	refusal(t, first[0], "unknown_type", "dance", obj{"type": "dance", "room_id": room})
	w.chat(t, second[0], room, "last")
	arrives(second[0], 7, "last")
	for _, s := range all {
		s.Ping(t)
		inOrder(t, s, room, 7)
	}
	w.sameEverywhere(t, us[1], roomPath(room, "/messages"), "/rooms", "/unread")
}

// reads: own devices see the pointer with the unread count, peers without; typing reaches the others only.
func (w way) reads(t *testing.T) {
	us, room, first, second := w.pairOf(t)
	for i := range 3 {
		w.chat(t, first[0], room, fmt.Sprint("message ", i))
	}
	second[1].Expect(t, is("message", "seq", 4))
	second[0].Send(t, obj{"type": "read", "room_id": room, "seq": 3})
	if r := second[1].Expect(t, is("read", "room_id", room, "user_id", us[1].ID, "seq", 3)); r.Num("unread") != 1 || !r.Has("unread") {
		t.Errorf("the reader's other device receives %s, want 1 unread", r)
	}
	for _, s := range first {
		if r := s.Expect(t, is("read", "room_id", room, "user_id", us[1].ID, "seq", 3)); r.Has("unread") {
			t.Errorf("a peer receives %s, want no unread count", r)
		}
	}
	second[0].ExpectNone(t, is("read"))
	w.sameEverywhere(t, us[1], "/unread", "/rooms")
	first[0].Send(t, obj{"type": "typing", "room_id": room})
	for _, s := range second {
		s.Expect(t, is("typing", "room_id", room, "user_id", us[0].ID))
	}
	for _, s := range first {
		s.ExpectNone(t, is("typing"))
	}
	refusal(t, second[0], "not_found", "read", obj{"type": "read", "room_id": 1 << 40, "seq": 1})
}

// joins: a connection leaves and joins a room, a stranger joins a public one and none that is hidden.
func (w way) joins(t *testing.T) {
	us, room, first, second := w.pairOf(t)
	second[0].Send(t, obj{"type": "leave_room", "room_id": room})
	second[0].Expect(t, is("left", "room_id", room, "reason", "unsubscribed"))
	w.chat(t, first[0], room, "to the others only")
	first[1].Expect(t, is("message", "content", "to the others only")) // at the gateway of the socket that left
	second[1].Expect(t, is("message", "content", "to the others only"))
	second[0].ExpectNone(t, is("message"))
	second[0].Send(t, obj{"type": "join_room", "room_id": room})
	if j := second[0].Expect(t, is("joined")).Obj("room"); j.Num("id") != room || j.Num("last_seq") != 2 || j.Num("unread") != 1 || j.Str("role") != "member" {
		t.Errorf("joined: %s", j)
	}
	w.chat(t, first[0], room, "to all")
	second[0].Expect(t, is("message", "content", "to all"))

	public := w.api.CreateRoomAs(t, us[0], obj{"visibility": "public"}).Num("id")
	for _, s := range first {
		s.Expect(t, is("joined"))
	}
	w.routed(t, public, w.near, w.far)
	strangers := w.users(t, 2)
	last := uint64(1)
	for i, s := range []*sock{w.dial(t, w.far, strangers[0]), w.dial(t, w.near, strangers[1])} {
		s.Send(t, obj{"type": "join_room", "room_id": public})
		last++
		if j := s.Expect(t, is("joined")).Obj("room"); j.Num("id") != public || j.Str("role") != "member" || j.Num("last_seq") != last {
			t.Errorf("joined: %s, want last_seq %d", j, last)
		}
		w.chat(t, s, public, "here I am")
		last++
		for _, s := range first {
			s.Expect(t, is("room", "change", "member_joined", "user_id", strangers[i].ID))
			s.Expect(t, is("message", "room_id", public, "seq", last, "content", "here I am", "sender_id", strangers[i].ID))
		}
	}
	hidden := w.api.CreateRoom(t, us[0])
	refusal(t, second[0], "not_found", "join_room", obj{"type": "join_room", "room_id": hidden})
	refusal(t, second[0], "not_found", "leave_room", obj{"type": "leave_room", "room_id": hidden})
}

// catchesUp: sync by either gateway of what both apis wrote, from where the client stands or by resync.
func (w way) catchesUp(t *testing.T) {
	us := w.users(t, 2)
	room, hidden := w.api.CreateRoom(t, us[0], us[1]), w.other.CreateRoom(t, us[0])
	elsewhere := &world{Fleet: w.Fleet, api: w.other}
	for i := range 5 {
		w.post(t, us[i%2], room, fmt.Sprint("by one api ", i))
		elsewhere.post(t, us[i%2], room, fmt.Sprint("by the other ", i))
	}
	const last = 11
	for _, gateway := range []int{w.near, w.far} {
		s := testkit.Dial(t, w.WS(gateway), us[1].Token)
		hello := s.Welcome(t)
		want := frame{"id": num(room), "type": "group", "last_seq": num(last), "epoch": num(1), "read_seq": num(9), "unread": num(2)}
		if list := hello.List("rooms"); len(list) != 1 || firstEdition(list[0]) != want.String() || hello.Has("features") && gateway == 1 {
			t.Errorf("welcome %s, want the room %s and no features", hello, want)
		}
		ask := func(rooms obj) { s.Send(t, obj{"type": "sync", "rooms": rooms, "ref": "r"}) }
		for _, point := range []any{4, obj{"seq": 4, "epoch": 1}} {
			ask(obj{fmt.Sprint(room): point})
			for seq := 5; seq <= last; seq++ {
				if m := s.Expect(t, is("message", "room_id", room)); m.Num("seq") != uint64(seq) {
					t.Fatalf("received %s, want seq %d", m, seq)
				}
			}
			s.Expect(t, is("synced", "room_id", room, "from_seq", 5, "to_seq", last, "last_seq", last, "more", false, "ref", "r"))
		}
		for _, point := range []any{last + 1, obj{"seq": 4, "epoch": 2}} {
			ask(obj{fmt.Sprint(room): point})
			s.Expect(t, is("resync", "room_id", room, "epoch", 1, "ref", "r"))
		}
		ask(obj{fmt.Sprint(hidden): 0})
		checkError(t, s.Expect(t, is("error", "ref", "r", "room_id", hidden)), "not_found")
		refusal(t, s, "invalid", "sync", obj{"type": "sync"})
	}
	w.sameEverywhere(t, us[1], roomPath(room, "/messages?after_seq=3&limit=4"), roomPath(room, "/messages?page=2&page_size=3"), "/rooms", "/unread")
	same(t, w.api.History(t, us[1], room), w.other.History(t, us[1], room))
}

// gaps: entries that nobody announced show at both gateways once the next one is announced.
func (w way) gaps(t *testing.T) {
	us, room, first, second := w.pairOf(t)
	w.chat(t, first[0], room, "noted")
	second[0].Expect(t, is("message", "seq", 2))
	second[1].Expect(t, is("message", "seq", 2))
	w.fill(t, room, us[0], 3, 8)
	if seq := w.chat(t, first[0], room, "after a gap"); seq != 9 {
		t.Fatalf("seq %d, want 9", seq)
	}
	for _, s := range second {
		have, seen := uint64(2), 0
		testkit.Eventually(t, patience, func() (bool, string) {
			all := s.Frames()
			for _, f := range all[seen:] {
				switch {
				case f.Type() == "message" && f.Num("seq") == have+1:
					have++
				case f.Type() == "head" && f.Obj("rooms").Num(fmt.Sprint(room)) > have, f.Type() == "resync":
					s.Send(t, obj{"type": "sync", "rooms": obj{fmt.Sprint(room): have}})
				}
			}
			seen = len(all)
			return have == 9, fmt.Sprintf("has up to %d of 9", have)
		})
	}
}

// watches: a snapshot, then coming and going at either gateway.
func (w way) watches(t *testing.T) {
	for _, gateway := range []int{w.near, w.far} {
		var watcher, friend user
		var s, there *sock
		w.steadily(t, func() {
			us := w.users(t, 3)
			watcher, friend = us[0], us[1]
			w.api.CreateRoom(t, watcher, friend)
			w.knows(t, watcher)
			s = w.dial(t, gateway, watcher)
			s.Send(t, obj{"type": "presence", "user_ids": testkit.IDs(friend, us[2])})
			testkit.Eventually(t, patience, func() (bool, string) {
				return slices.ContainsFunc(s.Frames(), is("presence")), "no snapshot came"
			})
			there = w.dial(t, w.far, friend)
		})
		if snap := s.Expect(t, is("presence")).List("users"); len(snap) != 1 || snap[0].Num("user_id") != friend.ID || snap[0]["online"] != false {
			t.Errorf("the snapshot is %v, want the one who shares a room, offline", snap)
		}
		if now := s.Expect(t, is("presence")).List("users"); len(now) != 1 || now[0].Num("user_id") != friend.ID || now[0]["online"] != true {
			t.Errorf("coming online shows %v", now)
		}
		for _, a := range []testkit.API{w.api, w.other} {
			testkit.Eventually(t, patience, func() (bool, string) {
				p := a.Must(t, 200, "GET", fmt.Sprintf("/users/%d/presence", friend.ID), watcher.Token, nil)
				return p["online"] == true, fmt.Sprintf("REST answers %s, want online", p)
			})
		}
		there.Close()
		if gone := s.Expect(t, is("presence")).List("users"); len(gone) != 1 || gone[0].Num("user_id") != friend.ID || gone[0]["online"] != false || gone[0].Str("last_seen") == "" {
			t.Errorf("going offline shows %v", gone)
		}
		s.Close()
	}
}

// steadily takes a step, again where Redis was too slow for a worker meanwhile: a socket that could not be registered in time is welcome, but
// neither counts as online nor is replaced.
func (w way) steadily(t *testing.T, step func()) {
	t.Helper()
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		before := w.counts(t).workers("chat_worker_state_errors_total")
		step()
		return w.counts(t).workers("chat_worker_state_errors_total") == before, "Redis is too slow for this test"
	})
}

// renews: a socket ends with its token, unless auth has brought a newer one of the same user.
func (w way) renews(t *testing.T) {
	us := w.users(t, 2)
	short := us[0]
	short.Token = w.token(t, us[0], func(o *auth.TokenOptions) { o.Lifetime = 3 * time.Second }, 0)
	ends, lives := w.dial(t, w.near, short), w.dial(t, w.far, short, testkit.TokenInFrame())
	lives.Send(t, obj{"type": "auth", "token": us[0].Token})
	closed(t, ends, 4001)
	lives.Ping(t)
	stolen := w.dial(t, w.near, us[0])
	stolen.Send(t, obj{"type": "auth", "token": us[1].Token})
	closed(t, stolen, 4501)
	closed(t, testkit.Dial(t, w.WS(w.far), w.expired(t, us[0])), 4001)
	closed(t, testkit.Dial(t, w.WS(w.near), w.foreign(t, us[0])), 4500)
}

// replaces: a socket may take the place of its login session's others, at either gateway.
func (w way) replaces(t *testing.T) {
	var apart, last *sock
	var old []*sock
	w.steadily(t, func() {
		u := w.api.User(t)
		apart = w.dial(t, w.near, w.other.Login(t, u.Username, u.Password, ""))
		old = []*sock{w.dial(t, w.near, u), w.dial(t, w.far, u)}
		last = w.dial(t, w.far, u, testkit.Query("replace", "true"))
	})
	for _, s := range old {
		closed(t, s, 4503)
	}
	last.Ping(t)
	apart.Ping(t)
}

// tooMany: beyond ten sockets of a login session, at either gateway, the next one is closed, and the ten live on.
func (w way) tooMany(t *testing.T) {
	var socks []*sock
	var last *sock
	w.steadily(t, func() {
		u := w.api.User(t)
		socks = nil
		for range 5 {
			socks = append(socks, w.dial(t, w.near, u), w.dial(t, w.far, u))
		}
		last = testkit.Dial(t, w.WS(w.near), u.Token)
		testkit.Eventually(t, patience, func() (bool, string) {
			_, _, over := last.Ended()
			return over || slices.ContainsFunc(last.Frames(), is("welcome")), "neither welcomed nor closed"
		})
	})
	closed(t, last, 4505)
	for _, s := range socks {
		s.Ping(t)
	}
}

// revokedInSilence: a gateway shows its login sessions to the workers, in a rotation of 64 parts; of those that ended without an
// announcement the sockets are closed.
func (w way) revokedInSilence(t *testing.T) {
	const parts, each = 64, 8
	u := w.api.User(t)
	var socks []*sock
	for len(socks) < parts { // one in every part
		device := w.api.Login(t, u.Username, u.Password, "")
		for range each {
			socks = append(socks, w.dial(t, w.near, device))
		}
	}
	w.exec(t, "UPDATE sessions SET revoked_at = UTC_TIMESTAMP(6) WHERE user_id = ?", u.ID)
	testkit.Eventually(t, 20*time.Second, func() (bool, string) {
		for _, s := range socks {
			if _, reason, over := s.Ended(); over {
				if !containsAll(reason, "4502") {
					t.Fatalf("closed with %s, want 4502", reason)
				}
				return true, ""
			}
		}
		return false, "no socket of a revoked session was closed"
	})
}
