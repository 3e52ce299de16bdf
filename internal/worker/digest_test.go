package worker

import (
	"context"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// TestDigestRepeatsAdditions: the notice that somebody was added may be lost on its way to the gateway of their sockets, which sees no
// gap where nobody else is in the room.
func TestDigestRepeatsAdditions(t *testing.T) {
	w := newFakes()
	w.routes[1] = chat.Route{Known: true}
	w.room(1)
	w.store.AddMember(chat.Member{Room: 1, User: 5, Role: chat.Owner, VisibleFrom: 1})
	if _, err := w.store.AddMembers(t.Context(), 1, 5, []chat.UserID{6}); err != nil {
		t.Fatal(err)
	}
	w.start(t, func(o *Options) { o.DigestEvery = 5 * time.Millisecond })
	for range 2 { // not once only
		d := w.next(t, envelope.Heads)
		for began := time.Now(); len(d.Users) == 0; d = w.next(t, envelope.Heads) {
			if time.Since(began) > 10*time.Second {
				t.Fatal("no digest says who was added")
			}
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
	entry := func(want chat.Seq) { // by another worker
		t.Helper()
		sent, _, err := w.store.Append(t.Context(), []chat.Send{{Room: 1, Sender: 5, ClientMsgID: want.String(), Content: "x"}}, time.Now())
		if err != nil || sent[0].Err != nil || sent[0].Message.Seq != want {
			t.Fatalf("entry %d: %+v %v", want, sent, err)
		}
	}
	entry(1)
	w.store.Before(func(_ context.Context, verb string) error { // beats are answered, so it owns the partition
		if verb == "Rooms" || verb == "ActiveRooms" {
			return errDown
		}
		return nil
	})
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
	eventually(t, "it asks, and fails", func() bool { return w.store.Calls("ActiveRooms") > 0 })
	w.store.Before(nil)
	entry(2)
	shows(2)
	entry(3) // that worker stood in for this one
	shows(3)
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "a batch on a channel")
	shows(4)
	w.store.Stall(true)
	entry(5) // that worker stood in for this one while it stood still: its channel lived on
	eventually(t, "beats are late", func() bool {
		late := w.store.Late() >= 2
		w.store.Stall(!late)
		return late
	})
	shows(5)
	k.Closed(chat.RoomID(1).Partition(4), 1)
	entry(6)
	shows(6)
}
