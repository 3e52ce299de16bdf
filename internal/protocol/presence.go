package protocol

import (
	"strconv"

	"chat-service/internal/chat"
)

// Presence is how a user's presence is shown. Online nil: unknown.
type Presence struct {
	User     chat.UserID `json:"user_id"`
	Online   *bool       `json:"online"`
	LastSeen *string     `json:"last_seen"`
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
		Type  string     `json:"type"`
		Users []Presence `json:"users"`
	}{"presence", vs})
}

// AppendTyping appends a `typing` frame.
func AppendTyping(dst []byte, room chat.RoomID, user chat.UserID) []byte {
	dst = append(dst, `{"type":"typing","room_id":`...)
	dst = strconv.AppendUint(dst, uint64(room), 10)
	dst = append(dst, `,"user_id":`...)
	dst = strconv.AppendUint(dst, uint64(user), 10)
	return append(dst, '}')
}
