package sockets

import (
	"context"
	"time"

	"chat-service/internal/chat"
)

// Accounts answers for login sessions, people and their rooms: MySQL.
type Accounts interface {
	Logins(ctx context.Context, ids []chat.SessionID) (map[chat.SessionID]chat.Login, error)
	RevokedAmong(ctx context.Context, ids []chat.SessionID) ([]chat.SessionID, error)
	MembershipsOf(ctx context.Context, users []chat.UserID, limit int) (map[chat.UserID][]chat.Membership, error)
	SawUsers(ctx context.Context, at map[chat.UserID]time.Time) error
}

// Registry holds the live sockets: Redis.
type Registry interface {
	Register(ctx context.Context, ss []chat.Socket) ([]chat.Registration, error)
	// Unregister returns how many sockets are left to each one's user.
	Unregister(ctx context.Context, ss []chat.Socket) (left []int, err error)
	Online(ctx context.Context, users []chat.UserID) ([]chat.Presence, error)
	OfflineLater(ctx context.Context, users []chat.UserID, at time.Time) error
	// OfflineDue claims users of some partitions whose grace has run out, at most limit of each. An error comes with the users that it has
	// claimed before.
	OfflineDue(ctx context.Context, partitions []int, now time.Time, limit int) ([]chat.UserID, error)
}

// Leases says which gateways live, and what the registry lost: Redis.
type Leases interface {
	BeatGateway(ctx context.Context, gateway chat.GatewayID, lease time.Duration) error
	Leases(ctx context.Context) (live, lapsed []chat.GatewayID, err error)
	// Bury removes what is registered of a lapsed gateway, at most limit sockets at a time. An error comes with the users that it has
	// removed before.
	Bury(ctx context.Context, gateway chat.GatewayID, limit int) (gone []chat.UserID, done bool, err error)
	// Revived returns gateways that beat again after Bury. Each is handed out once.
	Revived(ctx context.Context, limit int) ([]chat.GatewayID, error)
	// Blind notes for ttl that heartbeats can't arrive: the presence of users without a live lease is unknown then, not offline.
	Blind(ctx context.Context, ttl time.Duration) error
	// Generation is an id that changes when everything was lost.
	Generation(ctx context.Context) (string, error)
}

// Fleet says what this worker and the others are.
type Fleet interface {
	// Leader reports whether this worker is the first one, which does what one must do.
	Leader() bool
	// Features is what all live workers can do beyond the first edition, ascending.
	Features() []string
	// Heard reports whether heartbeats of gateways have reached another live worker for a lease.
	Heard() bool
}

// Heartbeats says since when gateways' heartbeats have been able to arrive; zero while they can't.
type Heartbeats interface {
	Up() time.Time
}
