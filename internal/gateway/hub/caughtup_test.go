package hub

import (
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// Entries that a sync has brought aren't sent as they were at first: they may have been edited or recalled since. What they do to
// memberships they still do.
func TestEntriesBehindASync(t *testing.T) {
	b := newBench(t)
	f, g := b.attached(1, 6, 3), b.socket(2, 7)
	b.Attach(&b.sw, g, envelope.Point{Room: room1, Seq: 3, Epoch: 1})
	synced := func(s *fake, d envelope.Delivery) {
		d.Frame = []byte(`{"type":"synced"}`)
		b.CaughtUp(&b.sw, s, &d)
		b.want(s, "synced")
	}
	f.take()
	g.take()
	synced(f, envelope.Delivery{Room: room1, Seq: 5, Epoch: 1})
	synced(g, envelope.Delivery{Room: room1, Seq: 5, Epoch: 2}) // of another epoch
	synced(g, envelope.Delivery{})
	leave := entry(5)
	leave.Removed, leave.Reason = []chat.UserID{6}, chat.LeftKicked
	b.in(entry(4), leave, entry(6))
	b.want(f, "left5")
	b.want(g, "m4", "m5", "m6")

	h := b.socket(3, 8)
	b.Attach(&b.sw, h, envelope.Point{Room: room1, Seq: 6, Epoch: 1})
	h.take()
	synced(h, envelope.Delivery{Room: room1, Seq: 7, Epoch: 1})
	synced(h, envelope.Delivery{Room: room1, Seq: 6, Epoch: 1})
	b.in(entry(7), entry(8))
	b.want(h, "m8")
}

// An answer to a sync that was read before a recall and comes after it shows the message as recalled.
func TestAnswersReadBeforeARecall(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 6, 9)
	m := func(seq chat.Seq) chat.Message {
		return chat.Message{Room: room1, Seq: seq, Kind: chat.Text, Sender: 7, ClientMsgID: "c", Content: "secret"}
	}
	recalled := func(seq chat.Seq, n chat.ChangeSeq) chat.Message {
		m := m(seq)
		m.Content, m.State = "", &chat.State{ChangeSeq: n, Version: 1, RecalledBy: 7, RecalledAt: time.Unix(1, 0)}
		return m
	}
	answer := func(seq chat.Seq, frame []byte) string {
		b.CaughtUp(&b.sw, f, &envelope.Delivery{Kind: envelope.ToSocket, Room: room1, Epoch: 1, AtSeq: seq, Frame: frame})
		return string(f.last)
	}
	was := protocol.AppendMessage(nil, m(4))
	f.pushed = func() {
		if mu := &b.roomShard(room1).mu; mu.TryLock() {
			mu.Unlock()
			t.Error("an answer is queued without the room's lock: a recall may overtake it that was not known when it was looked at")
		}
	}
	if got := answer(4, was); got != string(was) {
		t.Fatalf("before the recall: %s", got)
	}
	f.pushed = nil
	done := chat.Changed{
		Change: chat.Change{Kind: chat.ChangeRecall, Room: room1, Seq: 4, User: 7}, ChangeSeq: 1, AtSeq: 9, Message: recalled(4, 1),
	}
	b.Changed(&b.sw, &envelope.Delivery{
		Kind: envelope.Changed, Room: room1, Epoch: 1, Seq: 4, Changes: 1, AtSeq: 9,
		Frame: protocol.AppendChange(nil, done, 0), Bare: protocol.AppendBareChange(nil, done, 0),
	})
	is := string(protocol.AppendMessage(nil, recalled(4, 1)))
	if got := answer(4, was); got != is {
		t.Errorf("after the recall:\ngot  %s\nwant %s", got, is)
	}
	b.clock += recallLife - 1
	b.CaughtUp(&b.sw, f, &envelope.Delivery{Room: room1, Epoch: 1, AtSeq: 5, Frame: protocol.AppendMessage(nil, recalled(5, 2))}) // in an answer
	if got := answer(5, protocol.AppendMessage(nil, m(5))); got != string(protocol.AppendMessage(nil, recalled(5, 2))) {
		t.Errorf("after an answer with the recall: %s", got)
	}
	if got := answer(4, was); got != is {
		t.Errorf("a moment later: %s", got)
	}
	for i := range 3 { // longer than an answer can be on its way: forgotten
		b.clock += recallLife
		b.CaughtUp(&b.sw, f, &envelope.Delivery{Room: room1, Epoch: 1, AtSeq: chat.Seq(6 + i), Frame: protocol.AppendMessage(nil, recalled(chat.Seq(6+i), chat.ChangeSeq(3+i)))})
	}
	if got := answer(4, was); got != string(was) {
		t.Errorf("recalls are kept for ever: %s", got)
	}
}
