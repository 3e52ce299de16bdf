//go:build e2e

package e2e

import (
	"sync"
	"testing"
	"time"
)

// TestTimeNeverFallsAlongSeq (F15): created_at doesn't step back where REST and sockets write into one room at once, nor behind a
// process whose clock is ahead.
func TestTimeNeverFallsAlongSeq(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "message fields", "POST /rooms/{room_id}/messages", "> message")
	us := w.users(t, 2)
	room := w.api.CreateRoom(t, us[0], us[1])
	s := w.dial(t, 1, us[1])
	var both sync.WaitGroup
	both.Go(func() {
		for range 120 {
			w.post(t, us[0], room, "by REST")
		}
	})
	both.Go(func() {
		for range 120 {
			w.chat(t, s, room, "by socket")
		}
	})
	both.Wait()
	if t.Failed() {
		return
	}
	ahead := time.Now().UTC().Add(5 * time.Second).Truncate(time.Millisecond)
	w.exec(t, "UPDATE rooms SET active_at = ? WHERE id = ?", ahead, room) // as a process leaves it whose clock is ahead
	id := fresh()
	s.Send(t, obj{"type": "message", "room_id": room, "content": "behind", "client_msg_id": id})
	ack := s.Expect(t, is("ack", "client_msg_id", id))
	if at := stamp(t, ack, "created_at"); at.Before(ahead) {
		t.Errorf("acknowledged as of %v, the entry before is of %v", at, ahead)
	}
	w.post(t, us[0], room, "by REST")
	w.api.Must(t, 200, "PATCH", roomPath(room, ""), us[0].Token, obj{"name": "a system message"})
	var last time.Time
	for _, m := range w.api.History(t, us[0], room) {
		at := stamp(t, m, "created_at")
		if at.Before(last) {
			t.Errorf("seq %d is of %v, the one before of %v", m.Num("seq"), at, last)
		}
		last = at
	}
	if last.Before(ahead) {
		t.Errorf("the last entry is of %v, want %v or later", last, ahead)
	}
}
