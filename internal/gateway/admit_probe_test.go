//go:build probe

package gateway

import (
	"slices"
	"testing"

	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/test/testkit"
)

var probeSamples = map[protocol.Type]sample{protocol.TProbe: {`{"type":"probe","room_id":7}`, "probe"}}

// TestProbe: a command and a delivery that only this build knows need nothing but their rows.
func TestProbe(t *testing.T) {
	gt := newGate(t, nil, nil)
	s := gt.login(1)
	if c := gt.bus.commands(envelope.Connect)[0]; !slices.Equal(c.Features, envelope.Features()) || !slices.Contains(c.Features, "probe") {
		t.Errorf("connect carries the features %v", c.Features)
	}
	s.send(`{"type":"probe","room_id":7,"ref":"r"}`)
	testkit.Eventually(t, patience, func() (bool, string) { return len(gt.bus.commands(envelope.Probe)) == 1, "no probe" })
	c := gt.bus.commands(envelope.Probe)[0]
	if c.Room != 7 || c.Ref != "r" || c.ErrorRef != "r" || c.User != 1 {
		t.Errorf("probe %+v", c)
	}
	gt.deliver(envelope.Delivery{Kind: envelope.Probed, Gateway: c.Gateway, Socket: c.Socket, Frame: []byte(`{"type":"probed"}`)})
	s.want("probed")
}
