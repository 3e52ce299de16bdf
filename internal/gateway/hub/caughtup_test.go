package hub

import (
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// Entries that a sync has brought aren't sent as they were at first: they may have been edited or recalled since. What they do to
// memberships they still do.
func TestEntriesBehindASync(t *testing.T) {
	b := newBench(t)
	f, g := b.attached(1, 6, 3), b.socket(2, 7)
	b.Attach(&b.sw, g, envelope.Point{Room: room1, Seq: 3, Epoch: 1})
	b.CaughtUp(f, &envelope.Delivery{Room: room1, Seq: 5, Epoch: 1})
	b.CaughtUp(g, &envelope.Delivery{Room: room1, Seq: 5, Epoch: 2}) // of another epoch
	b.CaughtUp(g, &envelope.Delivery{})
	leave := entry(5)
	leave.Removed, leave.Reason = []chat.UserID{6}, chat.LeftKicked
	b.in(entry(4), leave, entry(6))
	b.want(f, "left5")
	b.want(g, "m4", "m5", "m6")

	h := b.socket(3, 8)
	b.Attach(&b.sw, h, envelope.Point{Room: room1, Seq: 6, Epoch: 1})
	b.CaughtUp(h, &envelope.Delivery{Room: room1, Seq: 7, Epoch: 1})
	b.CaughtUp(h, &envelope.Delivery{Room: room1, Seq: 6, Epoch: 1})
	b.in(entry(7), entry(8))
	b.want(h, "m8")
}
