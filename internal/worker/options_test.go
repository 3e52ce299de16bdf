package worker

import (
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

func TestLimitsOff(t *testing.T) {
	var o Options
	o.Defaults()
	if o.MaxSockets != 0 || o.MaxSyncRooms != 0 || o.PeerReads != 0 || o.OfflineGrace != 0 || o.Limits != (chat.Limits{}) || o.ProtocolLimit != (protocol.Limits{}) {
		t.Errorf("what was turned off is on again: %+v", o)
	}
}
