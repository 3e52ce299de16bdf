package gateway

import (
	"encoding/binary"

	"chat-service/internal/protocol"
)

// frame is one whole WebSocket frame as a server sends it: header and payload. It is immutable once made and shared by all
// who receive it.
type frame []byte

const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

var pingFrame = frame{0x80 | opPing, 0}

// wsFrame makes a final, unmasked frame. It copies the payload.
func wsFrame(op byte, payload []byte) frame {
	f := make(frame, 0, 10+len(payload))
	f = append(f, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		f = append(f, byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 127), uint64(n))
	}
	return append(f, payload...)
}

func textFrame(payload []byte) frame { return wsFrame(opText, payload) }

// closeFrame makes a close frame; code 0 makes one without a code.
func closeFrame(code protocol.CloseCode, reason string) frame {
	if code == 0 {
		return wsFrame(opClose, nil)
	}
	return wsFrame(opClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}
