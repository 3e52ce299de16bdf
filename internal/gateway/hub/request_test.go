package hub

import (
	"slices"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

func (b *bench) requested(f *fake, want ...chat.RoomID) {
	b.t.Helper()
	if !slices.Equal(f.requested, want) {
		b.t.Errorf("socket %d requested rooms %v, want %v", f.id, f.requested, want)
	}
	f.requested = nil
}

// TestRepairRequestsRooms: who was added behind a gap, and has no socket in the room yet, is known by the repair alone.
func TestRepairRequestsRooms(t *testing.T) {
	b := newBench(t)
	in, out := b.attached(1, 1, 5), b.socket(2, 2)
	b.in(entry(8))
	c := b.last(envelope.Attach)
	b.Attached(&b.sw, &envelope.Delivery{
		Room: room1, Epoch: 1, Number: c.Number, Seq: 8, Repair: true, Users: []chat.UserID{1},
		Entries: []envelope.Entry{
			{Seq: 6, Frame: message(6), Added: []chat.UserID{2, 3}},
			{Seq: 7, Frame: message(7)},
		},
	})
	b.want(in, "m6", "m7", "m8")
	b.requested(out, room1)
	b.requested(in)
}

// TestDigestRequestsRooms: additions are repeated for a while, for gateways that didn't get the entry.
func TestDigestRequestsRooms(t *testing.T) {
	b := newBench(t)
	in, out, quiet, kicked := b.attached(1, 1, 5), b.socket(2, 2), b.socket(3, 3), b.socket(4, 4)
	b.Attach(&b.sw, quiet, envelope.Point{Room: room1, Seq: 5, Epoch: 1})
	if !b.Leave(&b.sw, quiet, room1) {
		t.Fatal("the socket was not there")
	}
	b.in(&envelope.Delivery{Kind: envelope.InRoom, Room: room1, Epoch: 1, Seq: 6, Frame: message(6), Removed: []chat.UserID{4}, Reason: chat.LeftKicked})
	p := envelope.Point{Room: room1, Seq: 5, Epoch: 1}
	tell := func() { b.Newcomers([]envelope.Point{p, p, p, p}, []chat.UserID{1, 2, 3, 4}) }
	tell()
	b.requested(in)
	b.requested(out, room1)
	b.requested(quiet) // its own wish
	b.requested(kicked)
	b.Attach(&b.sw, out, p)
	b.Attach(&b.sw, quiet, p) // it has joined again
	b.Leave(&b.sw, out, room1)
	tell()
	b.requested(out)
	b.requested(quiet)
}
