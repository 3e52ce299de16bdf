package lanes

import (
	"context"
	"time"

	"chat-service/internal/chat"
)

// Log is the durable truth: MySQL. See package store for each verb's rules.
type Log interface {
	Membership(ctx context.Context, room chat.RoomID, user chat.UserID) (chat.Membership, error)
	// MembersAmong returns which of the users are members of a room as of upTo.
	MembersAmong(ctx context.Context, room chat.RoomID, upTo chat.Seq, users []chat.UserID) ([]chat.UserID, chat.Room, error)
	SharesRoom(ctx context.Context, user chat.UserID, others []chat.UserID) ([]chat.UserID, error)
	AddMembers(ctx context.Context, room chat.RoomID, by chat.UserID, ids []chat.UserID) ([]chat.UserID, error)
	Messages(ctx context.Context, room chat.RoomID, from, to chat.Seq, limit int) ([]chat.Message, error)
	// RevokedAmong returns those of the login sessions that have ended.
	RevokedAmong(ctx context.Context, ids []chat.SessionID) ([]chat.SessionID, error)
	LastSeen(ctx context.Context, users []chat.UserID) (map[chat.UserID]time.Time, error)
}

// Places says what users may see: MySQL.
type Places interface {
	// Places returns users' memberships in rooms, past ones included.
	Places(ctx context.Context, at []chat.Place) (map[chat.Place]chat.Membership, error)
}

// Presence says who is online.
type Presence interface {
	Online(ctx context.Context, users []chat.UserID) ([]chat.Presence, error)
}
