package worker

import (
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// TestDigestRepeatsAdditions: the notice that somebody was added may be lost on its way to the gateway of their sockets, which sees no
// gap where nobody else is in the room.
func TestDigestRepeatsAdditions(t *testing.T) {
	w := newFakes()
	w.room(1, 5, 6)
	w.routes[1] = chat.Route{Known: true}
	w.post(1, envelope.Announcement{Room: &chat.Room{ID: 1, Type: chat.Group, Owner: 5, Epoch: 1}, Added: []chat.UserID{6}, Change: chat.MemberJoined})
	w.start(t, func(o *Options) { o.DigestEvery = 5 * time.Millisecond })
	for range 2 { // not once only
		d := w.next(t, envelope.Heads)
		for len(d.Users) == 0 {
			d = w.next(t, envelope.Heads)
		}
		if len(d.Users) != 1 || d.Users[0] != 6 || d.Points[0] != (envelope.Point{Room: 1, Seq: 1, Epoch: 1}) {
			t.Errorf("the digest says that %v were added at %v", d.Users, d.Points)
		}
	}
}

// TestDigestCoversOwnedPartitionsWithoutBatches: where a partition has changed hands after a delivery was lost, and nothing is sent in
// it, only its owner's digest can show the tail.
func TestDigestCoversOwnedPartitionsWithoutBatches(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	entry := func(seq chat.Seq) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.rooms[1].log = append(w.rooms[1].log, chat.Message{Room: 1, Seq: seq})
		w.down = seq == 1
	}
	entry(1)
	k := w.start(t, func(o *Options) { o.DigestEvery, o.DeadAfter = 5*time.Millisecond, 50*time.Millisecond })
	shows := func(want chat.Seq) {
		t.Helper()
		deadline := time.Now().Add(10 * time.Second)
		for d := w.next(t, envelope.Heads); ; d = w.next(t, envelope.Heads) {
			if len(d.Points) == 1 && d.Points[0] == (envelope.Point{Room: 1, Seq: want, Epoch: 1}) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the digest shows %v, want seq %d", d.Points, want)
			}
		}
	}
	entry(2) // the database answers from now on
	shows(2)
	entry(3) // by another worker, which stood in for this one
	shows(3)
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "a batch on a channel")
	shows(4)
	w.mu.Lock()
	w.still = true
	w.mu.Unlock()
	entry(5) // by another worker, which stood in for this one while it stood still: its channel lived on
	eventually(t, "beats are late", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.still = w.late < 2
		return !w.still
	})
	shows(5)
	k.Closed(chat.RoomID(1).Partition(4), 1)
	entry(6)
	shows(6)
}
