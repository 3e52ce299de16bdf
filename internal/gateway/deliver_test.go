package gateway

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

func TestEveryDeliveryIsApplied(t *testing.T) {
	all := newAppliers(NewMetrics(prometheus.NewRegistry()))
	for _, d := range envelope.Deliveries() {
		if all[d.Kind].apply == nil {
			t.Errorf("%s: the gateway doesn't apply it", d.Name)
		}
	}
	if n := len(envelope.Deliveries()); n != len(all) {
		t.Errorf("%d kinds are applied, the registry has %d", len(all), n)
	}
}

// TestDeliveriesOfALaterKind: they are counted and skipped, their neighbours are applied in order, and what a room
// lacks by them is repaired.
func TestDeliveriesOfALaterKind(t *testing.T) {
	gt := newGate(t, nil, nil)
	s := gt.login(1)
	entry := func(seq int) []byte { return fmt.Appendf(nil, `{"type":"message","room_id":7,"seq":%d}`, seq) }
	inRoom := func(seq int) envelope.Delivery {
		return envelope.Delivery{Kind: envelope.InRoom, Room: testRoom, Epoch: 1, Seq: chat.Seq(5 + seq), Frame: entry(5 + seq)}
	}
	gt.log = []envelope.Entry{{Seq: 7, Frame: entry(7)}}
	next := inRoom(2) // what a later release would send in place of an entry
	next.Kind = envelope.Deliveries()[len(envelope.Deliveries())-1].Kind + 1
	last := next
	last.Kind = 65_535
	gt.deliver(inRoom(1), next, envelope.Delivery{Kind: envelope.ToUser, User: 1, Frame: []byte(`{"type":"read"}`)}, inRoom(3), last)
	if f := s.want("message"); f.Seq != 6 {
		t.Errorf("first: %+v", f)
	}
	s.want("read")
	for _, seq := range []int{7, 8} {
		if f := s.want("message"); f.Seq != seq {
			t.Errorf("after the gap: %+v, want %d", f, seq)
		}
	}
	if n := value(gt.m.Deliveries.WithLabelValues("unknown")); n != 2 {
		t.Errorf("%v deliveries counted as unknown", n)
	}
	if n := value(gt.m.Deliveries.WithLabelValues("in_room")); n != 2 {
		t.Errorf("%v entries counted", n)
	}
}
