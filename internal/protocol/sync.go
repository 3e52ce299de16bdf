package protocol

import "chat-service/internal/chat"

// AppendHead appends a `head` frame of rooms' last seqs and change_seqs; either may be empty.
func AppendHead(dst []byte, heads map[chat.RoomID]chat.Seq, changes map[chat.RoomID]chat.ChangeSeq) []byte {
	return appendJSON(dst, struct {
		Type    Type                           `json:"type"`
		Rooms   map[chat.RoomID]chat.Seq       `json:"rooms"`
		Changes map[chat.RoomID]chat.ChangeSeq `json:"changes,omitempty"`
	}{THead, heads, changes})
}

// AppendResync appends a `resync` frame; ref is left out if it is "".
func AppendResync(dst []byte, room chat.RoomID, epoch uint64, ref string) []byte {
	return appendJSON(dst, struct {
		Type  Type        `json:"type"`
		Room  chat.RoomID `json:"room_id"`
		Epoch uint64      `json:"epoch"`
		Ref   string      `json:"ref,omitempty"`
	}{TResync, room, epoch, ref})
}

// Synced is the `synced` frame: every message from From to To that the client may see was sent before it.
type Synced struct {
	Type    Type        `json:"type"` // set by AppendSynced
	Room    chat.RoomID `json:"room_id"`
	Epoch   uint64      `json:"epoch"`
	From    chat.Seq    `json:"from_seq"`
	To      chat.Seq    `json:"to_seq"`
	LastSeq chat.Seq    `json:"last_seq"`
	More    bool        `json:"more"`
	// For a client that told its cursor of changes; else nil and false.
	ChangeSeq   *chat.ChangeSeq `json:"change_seq,omitempty"` // every change up to it that the client may see was sent
	MoreChanges bool            `json:"more_changes,omitempty"`
	Ref         string          `json:"ref,omitempty"`
}

// AppendSynced appends a `synced` frame.
func AppendSynced(dst []byte, s Synced) []byte {
	s.Type = TSynced
	return appendJSON(dst, s)
}
