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

	// Of the features data and changes.
	Data       string // canonical; "": none, or in an edit: removed
	ReplyTo    chat.Seq
	ChangeID   string
	Key        string
	Off        bool // "on" is false
	IfVersion  uint64
	HasContent bool // of an edit: content was there, and replaces what there is
	HasData    bool // the same of data
}

// SyncPoint is what a client has of a room. The fields are those of envelope.Point.
type SyncPoint struct {
	Room       chat.RoomID
	Seq        chat.Seq       // the highest contiguous one
	Epoch      uint64         // 0: the client didn't say
	Changes    chat.ChangeSeq // its cursor of changes
	From       chat.Seq       // the first seq of which it wants changes
	HasChanges bool           // it has a cursor, and wants changes
}

// Limits are the installation's; Decode obeys those of frames, and `welcome` shows those with a JSON name.
type Limits = chat.Limits

// DefaultLimits are chat's.
func DefaultLimits() Limits { return chat.DefaultLimits() }
