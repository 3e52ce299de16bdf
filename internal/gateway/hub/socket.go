package hub

import (
	"encoding/binary"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// Frame is one whole WebSocket frame as a server sends it: header and payload. It is immutable once made and shared by all
// who receive it.
type Frame []byte

// Encode makes a final, unmasked frame of an opcode. It copies the payload.
func Encode(op byte, payload []byte) Frame {
	f := make(Frame, 0, 10+len(payload))
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

// Text makes a text frame.
func Text(payload []byte) Frame { return Encode(0x1, payload) }

// Socket is one socket as the hub sees it. Its methods don't block.
type Socket interface {
	// User is whose socket it is; it never changes.
	User() chat.UserID
	// Push queues a frame to be written; true means that the session must be put to the writers.
	Push(f Frame) (ready bool)
	// Answered reports that an ack or an error for the send with this client_msg_id is about to be pushed; "" is no send.
	Answered(ref string)
	// Lags tells that the session is behind, so that ephemeral frames should be left out.
	Lags() bool
	// RequestRoom has the session ask for a room that its user was added to without its knowledge.
	RequestRoom(room chat.RoomID)
	// State is the hub's own note about the session.
	State() *State
}

// Sweep collects the sessions that a run of frames makes ready, so that each is written to once for all of them.
type Sweep struct {
	Ready []Socket
}

// Put queues a frame for a session.
func (sw *Sweep) Put(s Socket, f Frame) {
	if s.Push(f) {
		sw.Ready = append(sw.Ready, s)
	}
}

// PutAll queues a frame for many sessions.
func (sw *Sweep) PutAll(l []Socket, f Frame) {
	for _, s := range l {
		sw.Put(s, f)
	}
}

func headFrame(id chat.RoomID, seq chat.Seq) Frame {
	return Text(protocol.AppendHead(nil, map[chat.RoomID]chat.Seq{id: seq}))
}
