package gateway

import (
	"encoding/binary"

	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

const (
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// frames says the frames that are the same for everybody.
type frames struct{ ping, pong hub.Frame }

func newFrames() frames {
	return frames{ping: hub.Encode(opPing, nil), pong: hub.Text(protocol.AppendPong(nil))}
}

// closeFrame makes a close frame; code 0 makes one without a code.
func closeFrame(code protocol.CloseCode, reason string) hub.Frame {
	if code == 0 {
		return hub.Encode(opClose, nil)
	}
	return hub.Encode(opClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}
