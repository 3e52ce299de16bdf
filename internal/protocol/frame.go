package protocol

import "chat-service/internal/chat"

// Type is a frame's type as it stands in its "type" field.
type Type string

// Types that clients send.
const (
	TMessage   Type = "message"
	TJoinRoom  Type = "join_room"
	TLeaveRoom Type = "leave_room"
	TRead      Type = "read"
	TTyping    Type = "typing"
	TSync      Type = "sync"
	TPresence  Type = "presence"
	TAuth      Type = "auth"
	TPing      Type = "ping"
)

// Frame is one decoded client frame. Only the fields of its type are set.
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
	Room  chat.RoomID `json:"room"`
	Seq   chat.Seq    `json:"seq"`
	Epoch uint64      `json:"epoch,omitempty"`
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
