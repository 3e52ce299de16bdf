package hub

import (
	"encoding/binary"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// Frame is one whole WebSocket frame as a server sends it: header and payload. It is never changed, and shared by all
// sockets that receive it.
type Frame []byte

// Encode makes an unfragmented, unmasked frame with this opcode. It copies the payload.
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

// Text makes a text frame. It copies the payload.
func Text(payload []byte) Frame { return Encode(0x1, payload) }

// Socket is a WebSocket as the hub sees it. Its methods don't block.
type Socket interface {
	// User returns whose socket it is. That never changes.
	User() chat.UserID
	// Push queues a frame to be written; true means that the socket must be handed to the writers (Sweep.Ready).
	Push(f Frame) (ready bool)
	// Answered reports that an ack or an error for the send with this client_msg_id is about to be pushed; "" is no
	// send.
	Answered(ref string)
	// Lags reports whether much is queued already, so that ephemeral frames should be left out.
	Lags() bool
	// RequestRoom asks the workers for a room that the socket's user was added to, when the entry that said so was
	// lost.
	RequestRoom(room chat.RoomID)
	// State returns what the hub keeps with the socket.
	State() *State
}

// Sweep collects the sockets that have something to write, so that each is scheduled once for all the frames of a
// batch.
type Sweep struct {
	Ready []Socket
}

// Put queues a frame for a socket.
func (sw *Sweep) Put(s Socket, f Frame) {
	if s.Push(f) {
		sw.Ready = append(sw.Ready, s)
	}
}

// PutAll queues a frame for many sockets.
func (sw *Sweep) PutAll(l []Socket, f Frame) {
	for _, s := range l {
		sw.Put(s, f)
	}
}

func headFrame(id chat.RoomID, seq chat.Seq) Frame {
	return Text(protocol.AppendHead(nil, map[chat.RoomID]chat.Seq{id: seq}))
}
