package envelope_test

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// TestNewKindsTravelAsDigests: gateways of the release before log an error for a kind that they don't know. They read the first field as
// the kind, pass over a digest without users whose points say nothing, and skip the fields that they don't know.
func TestNewKindsTravelAsDigests(t *testing.T) {
	for _, d := range []envelope.Delivery{
		{Kind: envelope.Changed, Room: 1, Seq: 2, Changes: 3, Prev: 2, AtSeq: 4, Frame: []byte("f"), Bare: []byte("b")},
		{Kind: envelope.Profile, User: 5, Frame: []byte("f"), Points: []envelope.Point{{Room: 1}}},
	} {
		b := d.Append(nil)
		num, _, n := protowire.ConsumeTag(b)
		kind, _ := protowire.ConsumeVarint(b[n:])
		if num != 1 || envelope.DeliveryKind(kind) != envelope.Heads || len(d.Users) > 0 {
			t.Errorf("%s: the first field is %d: %d", d.Kind, num, kind)
		}
		for _, p := range d.Points {
			if p != (envelope.Point{Room: p.Room}) {
				t.Errorf("%s: %+v says something about the room", d.Kind, p)
			}
		}
		if got, err := envelope.DecodeDelivery(b); err != nil || got.Kind != d.Kind {
			t.Errorf("%s comes back as %s, %v", d.Kind, got.Kind, err)
		}
	}
	late := envelope.Delivery{Kind: envelope.Heads, Points: []envelope.Point{{Room: 1, Seq: 2, Changes: chat.ChangeSeq(3)}}}
	if got, err := envelope.DecodeDelivery(late.Append(nil)); err != nil || got.Kind != envelope.Heads {
		t.Errorf("a digest comes back as %s, %v", got.Kind, err)
	}
}
