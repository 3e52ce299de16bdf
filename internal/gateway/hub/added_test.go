package hub

import (
	"slices"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// adds is an entry that makes a user a member.
func adds(seq chat.Seq, u chat.UserID) *envelope.Delivery {
	d := entry(seq)
	d.Added, d.JoinedTo = []chat.UserID{u}, []byte(`{"type":"joined"}`)
	return d
}

// What was announced between the entry that adds somebody and this gateway's attach went to other gateways only. It
// comes as messages, behind `joined`, and not as a head.
func TestAddedBehindTheHead(t *testing.T) {
	b := newBench(t)
	f := b.socket(1, 6)
	b.in(adds(2, 6))
	c := b.last(envelope.Attach)
	b.in(entry(5)) // announced behind the head
	b.answer(c, 4)
	b.want(f, "joined")
	if c = b.last(envelope.Attach); !c.Repair || c.Seq != 2 || !slices.Equal(c.Users, []chat.UserID{6}) {
		t.Fatalf("asked %+v, want a repair from 2", c)
	}
	b.answer(c, 4, 6)
	b.want(f, "m3", "m4", "m5")
}

// Of two who were added one after the other, the second came in behind what the repair was asked for: whether that
// user has left since is looked up before anything else comes.
func TestAddedOneAfterTheOther(t *testing.T) {
	b := newBench(t)
	f, g := b.socket(1, 6), b.socket(2, 7)
	b.in(adds(2, 6))
	c := b.last(envelope.Attach)
	b.in(adds(4, 7))
	b.answer(c, 5)
	b.answer(b.last(envelope.Attach), 5, 6, 7)
	b.want(f, "joined", "m3", "m4", "m5")
	b.want(g, "joined")
	b.pass(1000)
	b.answer(b.last(envelope.Attach), 5, 6, 7)
	b.in(entry(6))
	b.want(f, "m6")
	b.want(g, "head5", "m6")
}

// Somebody who was removed in between gets nothing of what lies there.
func TestAddedAndGoneBehindTheHead(t *testing.T) {
	b := newBench(t)
	f := b.socket(1, 6)
	b.in(adds(2, 6))
	b.answer(b.last(envelope.Attach), 4)
	b.answer(b.last(envelope.Attach), 4)
	b.want(f, "joined", "left2")
}

// A gap that is too long for that is sent as a head, as it is to those whose welcome was read before.
func TestAddedFarBehindTheHead(t *testing.T) {
	b := newBench(t)
	f, welcomed := b.socket(1, 6), b.socket(2, 7)
	b.in(adds(2, 6))
	b.Attach(&b.sw, welcomed, envelope.Point{Room: room1, Seq: 1, Epoch: 1})
	head := chat.Seq(3 + addedGap)
	b.answer(b.last(envelope.Attach), head)
	if c := b.last(envelope.Attach); c.Seq != head {
		t.Fatalf("asked %+v, want a repair from %d", c, head)
	} else {
		b.answer(c, head, 6, 7)
	}
	b.want(f, "joined", "head103")
	b.want(welcomed, "head103")
}
