package worker

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

func TestUnknownRouteGoesToEveryGatewayAndAsks(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Ask: true}
	k := w.start(t)
	give(k, false, sendCmd(1, 5, "a", "one"))
	if d := w.next(t, envelope.Reassert); d.Room != 1 {
		t.Errorf("asked for room %d, want 1", d.Room)
	}
	if d := w.next(t, envelope.InRoom); d.Seq != 1 || len(d.Ack) == 0 {
		t.Errorf("fanned out seq %d with ack %q", d.Seq, d.Ack)
	}
}

func TestAttachIsAnsweredWithTheHeadAndRoutesFollow(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
	wait(t, give(k, false, envelope.Command{Kind: envelope.Attach, Gateway: "g2.b", Room: 1, Number: 3}), "attach")
	if d := w.next(t, envelope.Attached); d.Seq != 1 || d.Number != 3 || d.Epoch != 1 {
		t.Errorf("answered with seq %d number %d epoch %d, want 1, 3, 1", d.Seq, d.Number, d.Epoch)
	}
	give(k, false, sendCmd(1, 5, "b", "two"))
	for d := w.next(t, envelope.InRoom); len(d.Ack) > 0; d = w.next(t, envelope.InRoom) {
	}
	wait(t, give(k, false, envelope.Command{Kind: envelope.Detach, Gateway: "g2.b", Room: 1, Number: 2}), "old detach")
	wait(t, give(k, false, envelope.Command{Kind: envelope.Detach, Gateway: "g2.b", Room: 1, Number: 4}), "detach")
	w.mu.Lock()
	n := len(w.to)
	w.mu.Unlock()
	wait(t, give(k, false, sendCmd(1, 5, "c", "three")), "third")
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.to[n:] {
		if g == "g2.b" {
			t.Error("an entry went to a gateway that had detached")
		}
	}
}

func TestRepairBringsWhatIsMissingAndWhoIsIn(t *testing.T) {
	w := newFakes()
	w.room(1, 5, 6)
	w.store.AddMember(chat.Member{Room: 1, User: 7, VisibleFrom: 4}) // left, and was added again by an entry that isn't announced yet
	w.routes[1] = chat.Route{Known: true}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "1"), sendCmd(1, 5, "b", "2"), sendCmd(1, 5, "c", "3")), "sends")
	wait(t, give(k, false, envelope.Command{
		Kind: envelope.Attach, Gateway: "g2.b", Room: 1, Number: 1, Repair: true, Seq: 1,
		Users: []chat.UserID{5, 6, 7, 8},
	}), "repair")
	d := w.next(t, envelope.Attached)
	if len(d.Entries) != 2 || d.Entries[0].Seq != 2 || d.Seq != 3 || !d.Repair || fmt.Sprint(d.Users) != "[5 6]" {
		t.Errorf("repair %+v, want entries 2 and 3, head 3, users 5 and 6", d)
	}
}

func TestFlushedRedisAsksGatewaysAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		w.start(t)
		time.Sleep(3 * time.Second) // it knows what Redis holds, and that it is the leader
		if len(w.sent) > 0 {
			t.Errorf("nothing is lost, and it says %+v", <-w.sent)
		}
		w.mu.Lock()
		w.gen = "g2"
		w.mu.Unlock()
		if d := w.next(t, envelope.Reassert); d.Room != 0 {
			t.Errorf("asked for room %d, want everything", d.Room)
		}
	})
}
