package hub

import (
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

func TestWhoCameBackBehindTheGapGoesOnFromThere(t *testing.T) {
	b := newBench(t)
	away, stayed := b.attached(1, 1, 5), b.socket(2, 2)
	b.Attach(&b.sw, stayed, envelope.Point{Room: room1, Seq: 5, Epoch: 1})
	b.in(entry(10))
	c := b.last(envelope.Attach)
	b.Attached(&b.sw, &envelope.Delivery{
		Room: room1, Epoch: 1, Number: c.Number, Seq: 10, Repair: true, Users: []chat.UserID{1, 2},
		Entries: []envelope.Entry{
			{Seq: 6, Frame: message(6)},
			{Seq: 7, Frame: message(7)},
			{Seq: 8, Frame: message(8), Added: []chat.UserID{1}},
			{Seq: 9, Frame: message(9)},
		},
	})
	b.want(away, "head8", "resync", "m9", "m10")
	b.want(stayed, "m6", "m7", "m8", "m9", "m10")
}

func TestReadPointersNeverGoBack(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	show := func(seq chat.Seq) {
		b.Aside(&b.sw, &envelope.Delivery{Kind: envelope.Aside, Room: room1, User: 2, Seq: seq, Frame: message(seq)})
	}
	show(4)
	show(5)
	show(4)
	show(5)
	b.want(f, "m4", "m5", "m5")
	if b.ReadTo(room1, 2, 4) || !b.ReadTo(room1, 2, 6) || !b.ReadTo(room1, 3, 1) {
		t.Error("the pointer is not kept for the user's own sockets")
	}
}

// Somebody leaves, which is known, and comes back and leaves again behind a gap: the answer that names their return says that they are no
// member.
func TestReturnedAndLeftAgain(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	stays := b.socket(2, 2)
	b.Attach(&b.sw, stays, envelope.Point{Room: room1, Seq: 5, Epoch: 1})
	left := entry(7)
	left.Removed, left.Reason = []chat.UserID{1}, chat.LeftSelf
	b.in(left)
	c := b.last(envelope.Attach)
	b.Attached(&b.sw, &envelope.Delivery{
		Kind: envelope.Attached, Room: room1, Epoch: 1, Number: c.Number, Seq: 9, Repair: true, Users: []chat.UserID{2},
		Entries: []envelope.Entry{
			{Seq: 6, Frame: message(6)}, {Seq: 7, Frame: message(7)}, {Seq: 8, Frame: message(8), Added: []chat.UserID{1}}, {Seq: 9, Frame: message(9)},
		},
	})
	b.in(entry(10))
	b.want(f, "m6", "m7", "left7")
	b.want(stays, "m6", "m7", "m8", "m9", "m10")
}

// The same, where what is missing can't be had: the return, which is known, doesn't outlive the second leave.
func TestReturnedAndLeftAgainBehindAJump(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	left, back := entry(7), entry(8)
	left.Removed, left.Reason = []chat.UserID{1}, chat.LeftSelf
	back.Added, back.JoinedTo = []chat.UserID{1}, []byte(`{"type":"joined"}`)
	b.in(left, back)
	c := b.last(envelope.Attach)
	b.Attached(&b.sw, &envelope.Delivery{Kind: envelope.Attached, Room: room1, Epoch: 1, Number: c.Number, Seq: 10, Repair: true})
	b.in(entry(11))
	b.want(f, "resync", "left7")
}
