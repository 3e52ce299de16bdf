package catchup

import (
	"chat-service/internal/chat"
	"chat-service/internal/faults"
	"chat-service/internal/protocol"
)

// sendHalf is a planted bug: of more than three missing entries half are sent, and `synced` says that this is all. It reports
// whether it did so.
func sendHalf(ms []chat.Message, send sender) bool {
	if !faults.Planted("partial_recovery") || len(ms) <= 3 {
		return false
	}
	for _, m := range ms[:len(ms)/2] {
		send(Frame{Text: protocol.AppendMessage(nil, m), Shows: m.Seq})
	}
	return true
}

// tellsLeavers is a planted bug: who has left goes on catching up on changes.
func tellsLeavers() bool { return faults.Planted("sync_leaver") }
