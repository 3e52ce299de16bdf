package worker

import (
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

func comes(n chat.SocketID, at int64, replace bool) envelope.Command {
	return envelope.Command{Kind: envelope.Connect, Gateway: "g1.a", Socket: n, User: 5, Session: "5", Partitions: 4, At: at, Replace: replace}
}

// A socket ends and another comes in its place; word of the end takes another partition and is later.
func TestEndBehindTheNextConnect(t *testing.T) {
	w := newWorld()
	w.room(1, 5)
	k := w.start(t, func(o *Options) { o.MaxSockets = 1 })
	wait(t, give(k, false, comes(1, 1000, false)), "first")
	if d := w.next(t, envelope.Welcome); d.Socket != 1 {
		t.Fatalf("welcome %+v", d)
	}
	acked := make(chan struct{})
	j := job{cmd: comes(2, 2000, false), ticket: &ticket{ack: func() { close(acked) }}}
	j.ticket.hold()
	out := newParcels()
	k.door.pass(t.Context(), []job{j}, out)
	if out.close(); len(out.done) != 0 {
		t.Fatalf("%d parcels before the second look", len(out.done))
	}
	j.ticket.settle() // as the station does after a step
	select {
	case <-acked:
		t.Fatal("acknowledged before the second look")
	default:
	}
	wait(t, give(k, false, envelope.Command{Kind: envelope.Disconnect, Gateway: "g1.a", Socket: 1, User: 5, Session: "5"}), "the end of the first")
	if d := w.next(t, envelope.Welcome); d.Socket != 2 {
		t.Errorf("welcome %+v, want socket 2", d)
	}
	wait(t, acked, "second")
}

// A connect that was held up in its partition doesn't replace who came later.
func TestReplaceOnlyWhatIsOlder(t *testing.T) {
	w := newWorld()
	w.room(1, 5)
	k := w.start(t)
	for _, c := range []envelope.Command{comes(1, 1000, false), comes(3, 3000, false), comes(2, 2000, true)} {
		wait(t, give(k, false, c), "connect")
	}
	if d := w.next(t, envelope.Close); d.Socket != 1 || d.Code != 4503 {
		t.Errorf("closed socket %d with %d, want 1 with 4503", d.Socket, d.Code)
	}
	wait(t, give(k, false, comes(4, 4000, true)), "the last")
	closed := map[chat.SocketID]bool{}
	for range 3 {
		closed[w.next(t, envelope.Close).Socket] = true
	}
	if !closed[1] || !closed[2] || !closed[3] {
		t.Errorf("the last one replaced %v, want 1, 2 and 3", closed)
	}
}
