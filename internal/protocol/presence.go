package protocol

import "chat-service/internal/chat"

// Presence is how a user's presence is shown.
type Presence struct {
	User     chat.UserID `json:"user_id"`
	Online   *bool       `json:"online"`    // null: unknown
	LastSeen *string     `json:"last_seen"` // null: never
}

// PresenceView shows p.
func PresenceView(p chat.Presence) Presence {
	v := Presence{User: p.User, LastSeen: TimePtr(p.LastSeen)}
	if p.Known {
		v.Online = &p.Online
	}
	return v
}

// AppendPresence appends a `presence` frame.
func AppendPresence(dst []byte, ps []chat.Presence) []byte {
	vs := make([]Presence, len(ps))
	for i, p := range ps {
		vs[i] = PresenceView(p)
	}
	return appendJSON(dst, struct {
		Type  Type       `json:"type"`
		Users []Presence `json:"users"`
	}{TPresence, vs})
}

// AppendTyping appends a `typing` frame.
func AppendTyping(dst []byte, room chat.RoomID, user chat.UserID) []byte {
	dst = appendUint(dst, `{"type":"`+string(TTyping)+`","room_id":`, uint64(room))
	return append(appendUint(dst, `,"user_id":`, uint64(user)), '}')
}
