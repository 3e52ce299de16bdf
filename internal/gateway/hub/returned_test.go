package hub

import (
	"encoding/json"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
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

// event is the frame of a system message about a user.
func event(seq chat.Seq, name chat.EventName, u chat.UserID) []byte {
	content, _ := json.Marshal(chat.SystemEvent{Event: name, By: u, UserIDs: []chat.UserID{u}})
	return protocol.AppendMessage(nil, chat.Message{Room: room1, Seq: seq, Kind: chat.System, Content: string(content)})
}

// Somebody leaves and comes back behind a gap, and leaves again, of which alone there is a notice: what was said while they were away isn't
// for them, nor what comes after their return, which nobody has shown them.
func TestLeftBehindAGapAndAgainAfterIt(t *testing.T) {
	for name, entries := range map[string][]envelope.Entry{
		"the repair brings them": {
			{Seq: 6, Frame: message(6)},
			{Seq: 7, Frame: event(7, chat.EventLeft, 1)},
			{Seq: 8, Frame: message(8)},
			{Seq: 9, Frame: event(9, chat.EventAdded, 1), Added: []chat.UserID{1}},
			{Seq: 10, Frame: message(10)},
		},
		"the repair ends while they are away": {
			{Seq: 6, Frame: message(6)},
			{Seq: 7, Frame: event(7, chat.EventRemoved, 1)},
			{Seq: 8, Frame: message(8)},
		},
		"the repair can't bring them": nil,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			f := b.attached(1, 1, 5)
			stays := b.socket(2, 2)
			b.Attach(&b.sw, stays, envelope.Point{Room: room1, Seq: 5, Epoch: 1})
			again := entry(12)
			again.Removed, again.Reason = []chat.UserID{1}, chat.LeftKicked
			b.in(again)
			b.Attached(&b.sw, &envelope.Delivery{
				Kind: envelope.Attached, Room: room1, Epoch: 1, Number: b.last(envelope.Attach).Number, Seq: 10, Repair: true,
				Users: []chat.UserID{2}, Entries: entries,
			})
			b.in(entry(11), entry(13))
			if len(entries) == 0 {
				b.want(f, "left5")
				b.want(stays, "resync", "m11", "m12", "m13")
				return
			}
			b.want(f, "m6", "m7", "left7")
			if len(entries) == 5 {
				b.want(stays, "m6", "m7", "m8", "m9", "m10", "m11", "m12", "m13")
			} else {
				b.want(stays, "m6", "m7", "m8")
			}
		})
	}
}

// Who left and came back behind a gap, and is still there, has no part in what was said in between.
func TestLeftAndBackBehindAGap(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	b.in(entry(10))
	b.Attached(&b.sw, &envelope.Delivery{
		Kind: envelope.Attached, Room: room1, Epoch: 1, Number: b.last(envelope.Attach).Number, Seq: 10, Repair: true,
		Users: []chat.UserID{1}, Froms: []chat.Seq{8},
		Entries: []envelope.Entry{
			{Seq: 6, Frame: event(6, chat.EventLeft, 1)},
			{Seq: 7, Frame: message(7)},
			{Seq: 8, Frame: event(8, chat.EventJoined, 1), Added: []chat.UserID{1}},
			{Seq: 9, Frame: message(9)},
		},
	})
	b.want(f, "head8", "resync", "m9", "m10")
}
