package worker

import (
	"bytes"
	"fmt"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

func TestSendIsAckedAfterCommitAndRoutedInOrder(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1, "g2.b": 1}}
	k := w.start(t)
	acked := give(k, false, sendCmd(1, 5, "a", "one"), sendCmd(1, 5, "b", "two"))
	var mine, theirs []chat.Seq
	for range 4 {
		d := w.next(t, envelope.InRoom)
		if len(d.Ack) > 0 {
			mine = append(mine, d.Seq)
			if d.Gateway != "g1.a" || d.Socket != 7 {
				t.Errorf("ack names %s/%d, want g1.a/7", d.Gateway, d.Socket)
			}
		} else {
			theirs = append(theirs, d.Seq)
		}
	}
	wait(t, acked, "batch acknowledged")
	if fmt.Sprint(mine) != "[1 2]" || fmt.Sprint(theirs) != "[1 2]" {
		t.Errorf("seqs to the sender's gateway %v, to the other %v; want [1 2] each", mine, theirs)
	}
}

func TestBatchIsHeldUntilDeliveriesAreConfirmed(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	w.noConf = true
	k := w.start(t)
	acked := give(k, false, sendCmd(1, 5, "a", "one"))
	w.next(t, envelope.InRoom)
	select {
	case <-acked:
		t.Fatal("acknowledged before the delivery was confirmed")
	default:
	}
	w.mu.Lock()
	held := w.held
	w.noConf = false
	w.mu.Unlock()
	for _, done := range held {
		done(nil)
	}
	wait(t, acked, "batch acknowledged")
}

func TestAnswers(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
	for _, c := range []struct {
		name string
		cmd  envelope.Command
		want string
	}{
		{"repeat", sendCmd(1, 5, "a", "one"), `"duplicate":true`},
		{"stranger", sendCmd(1, 6, "x", "hi"), `"code":"not_found"`},
		{"no room", sendCmd(99, 5, "x", "hi"), `"code":"not_found"`},
		{"blank", sendCmd(1, 5, "y", "  "), `"code":"invalid"`},
		{"bad id", sendCmd(1, 5, "ä", "hi"), `"code":"invalid"`},
		{"too large", sendCmd(1, 5, "z", string(bytes.Repeat([]byte("x"), 17<<10))), `"code":"too_large"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			acked := give(k, false, c.cmd)
			d := w.next(t, envelope.ToSocket)
			if !bytes.Contains(d.Frame, []byte(c.want)) {
				t.Errorf("answer %s, want %s in it", d.Frame, c.want)
			}
			wait(t, acked, "batch acknowledged")
		})
	}
	if n := len(w.store.Log(1)); n != 1 {
		t.Errorf("%d messages in the log, want 1", n)
	}
}

func TestRefusedMessageUsesUpItsNumber(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	k := w.start(t)
	cmds := []envelope.Command{sendCmd(1, 5, "a", "one"), sendCmd(1, 5, "b", "two"), sendCmd(1, 5, "c", " ")}
	for i := range cmds {
		cmds[i].ClientSeq = uint64(i + 1)
	}
	wait(t, give(k, false, cmds...), "batch acknowledged")
	if d := w.next(t, envelope.ToSocket); !bytes.Contains(d.Frame, []byte(`"code":"invalid"`)) || !bytes.Contains(d.Frame, []byte(`"client_seq":3`)) {
		t.Errorf("answer %s, want invalid for client_seq 3", d.Frame)
	}
	if last, n := w.store.Cursor(1, 5, "s"), len(w.store.Log(1)); last != 3 || n != 2 {
		t.Errorf("numbers are spent up to %d, %d messages in the log; want 3 and 2", last, n)
	}
}

func TestRedeliveredCommitIsRoutedAgain(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g2.b": 1}}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
	for range 2 {
		w.next(t, envelope.InRoom)
	}
	wait(t, give(k, true, sendCmd(1, 5, "a", "one")), "again")
	seen := map[bool]chat.Seq{}
	for range 2 {
		d := w.next(t, envelope.InRoom)
		seen[len(d.Ack) > 0] = d.Seq
	}
	if seen[true] != 1 || seen[false] != 1 {
		t.Errorf("routed again as %v, want seq 1 to the sender and to the other gateway", seen)
	}
}

func TestMySQLAwayAnswersUnavailableAndHeals(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	w.store.Down(errDown)
	k := w.start(t)
	acked := give(k, false, sendCmd(1, 5, "a", "one"))
	d := w.next(t, envelope.ToSocket)
	if !bytes.Contains(d.Frame, []byte(`"code":"unavailable"`)) || !bytes.Contains(d.Frame, []byte(`"retry":true`)) {
		t.Errorf("answer %s, want unavailable with retry", d.Frame)
	}
	wait(t, acked, "batch acknowledged")
	w.store.Down(nil)
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "retry")
	if d := w.next(t, envelope.InRoom); d.Seq != 1 {
		t.Errorf("seq %d after the retry, want 1", d.Seq)
	}
}

func TestPoisonIsQuarantinedAndNeighboursPass(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	w.store.Poison("boom", 0)
	k := w.start(t)
	acked := give(k, false, sendCmd(1, 5, "a", "one"), sendCmd(1, 5, "b", "boom"), sendCmd(1, 5, "c", "three"))
	d := w.next(t, envelope.ToSocket)
	if !bytes.Contains(d.Frame, []byte(`"ref":"b"`)) || !bytes.Contains(d.Frame, []byte(`"retry":false`)) {
		t.Errorf("answer %s, want a terminal error for b", d.Frame)
	}
	wait(t, acked, "batch acknowledged")
	if len(w.store.Dead()) != 1 || len(w.store.Log(1)) != 2 {
		t.Errorf("%d quarantined, %d in the log; want 1 and 2", len(w.store.Dead()), len(w.store.Log(1)))
	}
}

func TestUnreadableBatchIsQuarantined(t *testing.T) {
	w := newFakes()
	k := w.start(t)
	for _, body := range [][]byte{nil, []byte("junk"), {0xC5, 9, 1, 1}, envelope.Frame(nil, [][]byte{{0xff}})} {
		acked := make(chan struct{})
		k.Take(envelope.Batch{Body: body, Ack: func() { close(acked) }})
		wait(t, acked, "batch acknowledged")
	}
	if n := len(w.store.Dead()); n != 4 {
		t.Errorf("%d quarantined, want 4", n)
	}
}

func TestClosedPartitionCommitsNothingMore(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
	two := sendCmd(1, 5, "b", "two")
	k.Take(envelope.Batch{
		Partition: chat.RoomID(1).Partition(4), Gen: 1, Body: envelope.Frame(nil, [][]byte{two.Append(nil)}),
		Ack: func() { t.Error("acknowledged on a channel that is gone") }, Live: func() bool { return false },
	})
	k.Closed(chat.RoomID(1).Partition(4), 1)
	eventually(t, "committer idle", func() bool { return k.line.InHand() == 0 })
	if n := len(w.store.Log(1)); n != 1 {
		t.Errorf("%d messages in the log, want 1: the channel was closed", n)
	}
}

// TestLostCommitAnswer: a message that was committed, but whose COMMIT was not answered, is announced all the same.
func TestLostCommitAnswer(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g2.b": 1}}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "1")), "the first")
	for range 2 {
		w.next(t, envelope.InRoom)
	}
	w.store.LoseAnswers(1)
	wait(t, give(k, false, sendCmd(1, 5, "b", "2")), "the second")
	for range 2 { // the sender's gateway with its ack, and the other
		if d := w.next(t, envelope.InRoom); d.Seq != 2 {
			t.Errorf("announced %+v, want seq 2", d)
		}
	}
	wait(t, give(k, false, sendCmd(1, 5, "b", "2")), "a repeat")
	if d := w.next(t, envelope.ToSocket); !bytes.Contains(d.Frame, []byte(`"duplicate":true`)) {
		t.Errorf("a repeat is answered by %s", d.Frame)
	}
	wait(t, give(k, false, sendCmd(1, 5, "c", "3"), sendCmd(1, 5, "c", "3")), "twice at once")
	one, twice, other := w.next(t, envelope.InRoom), w.next(t, envelope.ToSocket), w.next(t, envelope.InRoom)
	if one.Seq != 3 || other.Seq != 3 || !bytes.Contains(twice.Frame, []byte(`"duplicate":true`)) {
		t.Errorf("twice at once: seq %d, %d and %s", one.Seq, other.Seq, twice.Frame)
	}
}
