package protocol

import "chat-service/internal/chat"

// Frame is one decoded client frame. Only the fields of its type are set. The table clientFields says which member of the JSON goes
// where.
type Frame struct {
	Type        Type
	Room        chat.RoomID
	Content     string
	ClientMsgID string
	ClientSeq   uint64
	Seq         chat.Seq
	Users       []chat.UserID
	Sync        []SyncPoint
	Ref         string
	Token       string
}

// SyncPoint is the highest contiguous seq that a client has of a room. Epoch 0: the client didn't say.
type SyncPoint struct {
	Room  chat.RoomID
	Seq   chat.Seq
	Epoch uint64
}

// Limits bound frames; `welcome` shows them to the client.
type Limits struct {
	MessageBytes int `json:"message_bytes"`
	FrameBytes   int `json:"frame_bytes"`
	SyncRooms    int `json:"sync_rooms"`
	Watch        int `json:"watch"`
}

// DefaultLimits are docs/protocol.md's.
func DefaultLimits() Limits {
	return Limits{MessageBytes: 16 << 10, FrameBytes: 64 << 10, SyncRooms: 100, Watch: 200}
}
