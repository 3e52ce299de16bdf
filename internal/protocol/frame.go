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

// Limits are the installation's; Decode obeys those of frames, and `welcome` shows those with a JSON name.
type Limits = chat.Limits

// DefaultLimits are chat's.
func DefaultLimits() Limits { return chat.DefaultLimits() }
