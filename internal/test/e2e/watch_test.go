//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

// TestWatchingEndsWithTheLastRoom (G6): who shares no room with somebody any more is not shown their presence, whichever of the two
// left, and however; who still shares one goes on.
func TestWatchingEndsWithTheLastRoom(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "> presence", "< presence")
	w.knows(t, w.api.User(t))
	path := func(room uint64, who any) string { return roomPath(room, fmt.Sprintf("/members/%v", who)) }
	for _, c := range []struct {
		name string
		part func(t *testing.T, room uint64, owner, watcher, friend user)
	}{
		{"the watched one is kicked", func(t *testing.T, room uint64, owner, _, friend user) {
			w.api.Must(t, 204, "DELETE", path(room, friend.ID), owner.Token, nil)
		}},
		{"the watched one leaves", func(t *testing.T, room uint64, _, _, friend user) {
			w.api.Must(t, 204, "DELETE", path(room, "me"), friend.Token, nil)
		}},
		{"the watcher is kicked", func(t *testing.T, room uint64, owner, watcher, _ user) {
			w.api.Must(t, 204, "DELETE", path(room, watcher.ID), owner.Token, nil)
		}},
		{"the watcher leaves", func(t *testing.T, room uint64, _, watcher, _ user) {
			w.api.Must(t, 204, "DELETE", path(room, "me"), watcher.Token, nil)
		}},
		{"the room is dissolved", func(t *testing.T, room uint64, owner, _, _ user) {
			w.api.Must(t, 204, "DELETE", roomPath(room, ""), owner.Token, nil)
		}},
		{"an operator dissolves the room", func(t *testing.T, room uint64, _, _, _ user) {
			w.Chatctl(t, "room", "dissolve", fmt.Sprint(room), "--yes")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			us := w.users(t, 4)
			owner, watcher, friend, still := us[0], us[1], us[2], us[3]
			room := w.api.CreateRoom(t, owner, watcher, friend, still)
			w.api.CreateRoom(t, watcher, still)
			// One receives the room, one has stopped receiving it.
			one, two := w.dial(t, 1, watcher), w.dial(t, 2, watcher)
			two.Send(t, obj{"type": "leave_room", "room_id": room})
			two.Expect(t, is("left", "room_id", room))
			for _, s := range []*sock{one, two} {
				s.Send(t, obj{"type": "presence", "user_ids": testkit.IDs(friend, still)})
				if l := s.Expect(t, is("presence")).List("users"); len(l) != 2 {
					t.Fatalf("the snapshot shows %v", l)
				}
			}
			c.part(t, room, owner, watcher, friend)
			one.Expect(t, testkit.Any(is("left", "room_id", room), is("room", "change", "member_left")))
			w.comes(t, 2, friend)
			w.comes(t, 1, still)
			for _, s := range []*sock{one, two} {
				s.Expect(t, about(still))
				s.ExpectNone(t, about(friend))
			}
			status, _ := w.api.Do(t, "GET", fmt.Sprintf("/users/%d/presence", friend.ID), watcher.Token, nil)
			if status != 404 {
				t.Errorf("REST shows the presence with status %d", status)
			}
		})
	}
}

// comes opens a socket that is announced: again where Redis was too slow for a worker meanwhile.
func (w *world) comes(t *testing.T, gateway int, u user) {
	t.Helper()
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		before := w.counts(t).workers("chat_worker_state_errors_total")
		s := w.dial(t, gateway, u)
		if w.counts(t).workers("chat_worker_state_errors_total") == before {
			return true, ""
		}
		s.Close()
		return false, "Redis is too slow for this test"
	})
}

// about matches presence frames that name a user.
func about(u user) testkit.Match {
	return func(f frame) bool {
		return f.Str("type") == "presence" && slices.ContainsFunc(f.List("users"), func(x frame) bool { return x.Num("user_id") == u.ID })
	}
}

// TestWatchingEndsWithALostNotice (G6): a gateway that never received the notice learns with the next entry of the room, or the next
// digest, that somebody left it.
func TestWatchingEndsWithALostNotice(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "< presence")
	us := w.users(t, 3)
	owner, watcher, friend := us[0], us[1], us[2]
	w.knows(t, watcher)
	room := w.api.CreateRoom(t, owner, watcher, friend)
	s, o := w.dial(t, 1, watcher), w.dial(t, 2, owner)
	s.Send(t, obj{"type": "presence", "user_ids": testkit.IDs(friend)})
	s.Expect(t, about(friend))
	w.chat(t, o, room, "the room is attached")
	s.Expect(t, is("message", "room_id", room, "content", "the room is attached"))
	// The friend leaves, and nothing announces it: the entry is in the log, no notice of it in the outbox.
	w.exec(t, `INSERT INTO messages (room_id, seq, ord, kind, sender_id, body_hash, content, created_at)
		SELECT id, last_seq + 1, msg_count, 'system', 0, '', ?, active_at FROM rooms WHERE id = ?`,
		fmt.Sprintf(`{"event":"left","by":%d,"user_ids":[%d]}`, friend.ID, friend.ID), room)
	w.exec(t, "UPDATE members m JOIN rooms r ON r.id = m.room_id SET m.left_seq = r.last_seq + 1 WHERE m.room_id = ? AND m.user_id = ?", room, friend.ID)
	w.exec(t, "UPDATE rooms SET last_seq = last_seq + 1, member_count = member_count - 1 WHERE id = ?", room)
	w.chat(t, o, room, "the next entry")
	s.Expect(t, is("message", "room_id", room, "content", "the next entry"))
	w.comes(t, 2, friend)
	s.ExpectNone(t, about(friend), func() {
		w.comes(t, 1, owner) // by the road that the friend's presence took
	})
}
