//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

// TestNothingAfterTheEnd (F12): when the end of a session was answered, nothing more is accepted from its sockets, however soon it
// comes: the notice that closes them needs a moment.
func TestNothingAfterTheEnd(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /auth/logout", "POST /auth/logout-all", "POST /auth/password", "DELETE /auth/sessions/{session_id}")
	member := w.api.User(t)
	witness := w.dial(t, 1, member)
	ways := []struct {
		name string
		code int
		end  func(t *testing.T, victim, own user, session string)
	}{
		{"logout", 4502, func(t *testing.T, victim, _ user, _ string) {
			w.api.Must(t, 200, "POST", "/auth/logout", victim.Token, nil)
		}},
		{"logout-all", 4502, func(t *testing.T, _, own user, _ string) {
			w.api.Must(t, 200, "POST", "/auth/logout-all", own.Token, nil)
		}},
		{"from the list", 4502, func(t *testing.T, _, own user, session string) {
			w.api.Must(t, 204, "DELETE", "/auth/sessions/"+session, own.Token, nil)
		}},
		{"password", 4502, func(t *testing.T, _, own user, _ string) {
			w.api.Must(t, 200, "POST", "/auth/password", own.Token, obj{"old_password": own.Password, "new_password": "another one"})
		}},
		{"operator ends it", 4502, func(t *testing.T, victim, _ user, session string) {
			w.Chatctl(t, "user", "sessions", fmt.Sprint(victim.ID), "--end", session)
		}},
		{"operator sets a password", 4502, func(t *testing.T, victim, _ user, _ string) {
			w.Chatctl(t, "user", "password", fmt.Sprint(victim.ID))
		}},
		{"operator disables", 4504, func(t *testing.T, victim, _ user, _ string) {
			w.Chatctl(t, "user", "disable", fmt.Sprint(victim.ID))
		}},
	}
	for _, way := range ways {
		for round := range 4 {
			own := w.api.User(t)
			victim := w.api.Login(t, own.Username, own.Password, "phone")
			room := w.api.CreateRoom(t, member, own)
			s := w.dial(t, 1+round%2, victim)
			session := s.Frames()[0].Str("session_id")
			w.chat(t, s, room, "before")
			way.end(t, victim, own, session)
			id := fresh()
			_ = s.TrySend(obj{"type": "message", "room_id": room, "content": "after", "client_msg_id": id}) // it may be closed already
			closed(t, s, way.code)
			w.chat(t, witness, room, "later") // the room's line has handled what came before
			if n := w.number(t, "SELECT COUNT(*) FROM messages WHERE room_id = ? AND client_msg_id = ?", room, id); n != 0 {
				t.Errorf("%s: a message was accepted after the answer", way.name)
			}
		}
	}
}

// TestNothingAfterALostNotice: where no notice closes the sockets, what they send is refused all the same, and they close within a minute.
func TestNothingAfterALostNotice(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "code unauthenticated", "close 4502")
	us := w.users(t, 2)
	u, other := us[0], us[1]
	room := w.api.CreateRoom(t, u, other)
	public := w.api.CreateRoomAs(t, other, obj{"type": "group", "visibility": "public"}).Num("id")
	s := w.dial(t, 2, u)
	seq := w.chat(t, s, room, "first")
	session := s.Frames()[0].Str("session_id")
	w.exec(t, "UPDATE sessions SET revoked_at = UTC_TIMESTAMP(6) WHERE id = ?", session)
	id := fresh()
	refusal(t, s, "unauthenticated", id, obj{"type": "message", "room_id": room, "content": "late", "client_msg_id": id})
	refusal(t, s, "unauthenticated", "join_room", obj{"type": "join_room", "room_id": public})
	if n := w.number(t, "SELECT COUNT(*) FROM members WHERE room_id = ? AND user_id = ?", public, u.ID); n != 0 {
		t.Error("a session that has ended joined a room")
	}
	if n := w.number(t, "SELECT last_seq FROM rooms WHERE id = ?", room); n != seq {
		t.Errorf("the room has come to %d, want %d", n, seq)
	}
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		_, _, over := s.Ended()
		return over, "the socket of a session that has ended stays open"
	})
	closed(t, s, 4502)
}
