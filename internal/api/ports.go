package api

import (
	"context"
	"time"

	"chat-service/internal/api/backend"
	"chat-service/internal/api/rooms"
	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

// Ports are the adapters that the station works through. All but Recents, Presences, Throttle, Audit, Foreigns and Keys are needed; a nil
// one of the first four stands for an adapter that is always unavailable. Without Foreigns no other issuer's tokens are taken, and
// without Keys no key.
type Ports struct {
	Accounts   Accounts
	People     People
	Sessions   Sessions
	Identities Identities
	Foreigns   Foreigns
	Keys       server.Keys
	Wardens    backend.Wardens
	Spaces     backend.Spaces
	Webhooks   backend.Webhooks
	Endpoints  backend.Endpoints
	Logs       backend.Logs
	Rooms      rooms.Rooms
	Members    rooms.Members
	Lists      rooms.Lists
	Messages   rooms.Messages
	Changes    rooms.Changes
	Passwords  Passwords
	Tokens     Tokens
	Refreshes  Refreshes
	Recents    rooms.Recents
	Presences  Presences
	Throttle   server.Throttle
	Audit      Audit
	Jobs       backend.Jobs
	Trail      backend.Trail
	Exports    backend.Exports
	Replies    backend.Replies
}

// Accounts keeps users. Unknown ones are chat.NotFound; taken names are chat.UsernameTaken and chat.EmailTaken.
type Accounts interface {
	CreateUser(ctx context.Context, u chat.User) (chat.User, error)
	// UserByLogin finds a user by normalised username or email.
	UserByLogin(ctx context.Context, login string) (chat.User, error)
	User(ctx context.Context, id chat.UserID) (chat.User, error)
	UpdateUser(ctx context.Context, id chat.UserID, p chat.UserPatch) (chat.User, error)
	// SetPassword stores the hash of a new password and revokes all of the user's sessions but keep.
	SetPassword(ctx context.Context, id chat.UserID, was, hash string, keep chat.SessionID) error
	// Rehash replaces the hash was by another one of the same password: sessions stay. It does nothing if the user has
	// another hash by now.
	Rehash(ctx context.Context, id chat.UserID, was, hash string) error
}

// People finds other users.
type People interface {
	// SearchUsers lists active users whose username or nickname begins with something, by id.
	SearchUsers(ctx context.Context, q chat.UserSearch) ([]chat.User, error)
	// LastSeen returns when users last had a live socket; those who never had one are left out.
	LastSeen(ctx context.Context, ids []chat.UserID) (map[chat.UserID]time.Time, error)
}

// Sessions keeps login sessions.
type Sessions interface {
	server.Liveness
	OpenSession(ctx context.Context, n chat.NewSession) error
	// RotateRefresh trades a refresh token for its successor. One used twice revokes its session: chat.Unauthenticated.
	RotateRefresh(ctx context.Context, r chat.Rotation) (chat.Session, chat.User, error)
	// RevokeSession ends one session; chat.NotFound if the user has no such live session.
	RevokeSession(ctx context.Context, user chat.UserID, id chat.SessionID) error
	// RevokeSessions ends all of the user's sessions but except (empty: all).
	RevokeSessions(ctx context.Context, user chat.UserID, except chat.SessionID) error
	// Sessions lists the user's live sessions.
	Sessions(ctx context.Context, user chat.UserID) ([]chat.Session, error)
}

// Identities knows users by what the application's own issuers of tokens call them.
type Identities interface {
	// Identity finds the account of an identity: chat.NotFound if there is none.
	Identity(ctx context.Context, who chat.Identity) (chat.User, error)
	// Provide finds it or makes it of u; made says which.
	Provide(ctx context.Context, who chat.Identity, u chat.User) (out chat.User, made bool, err error)
	// ResumeSession opens a session, or goes on with the live one of the same origin. It returns its id.
	ResumeSession(ctx context.Context, n chat.NewSession) (chat.SessionID, error)
}

// Foreigns judges tokens of the application's own issuers.
type Foreigns interface {
	// Judge returns whom a token vouches for: chat.TokenExpired, chat.Unauthenticated, or chat.Unavailable if there are no keys to judge it by.
	Judge(token string) (chat.Vouched, error)
}

// Presences knows who has a live socket.
type Presences interface {
	// Online answers for every one of the users, Known false if it isn't known.
	Online(ctx context.Context, ids []chat.UserID) ([]chat.Presence, error)
}

// Passwords hashes and verifies, a bounded number at a time: chat.Unavailable if too many wait.
type Passwords interface {
	// Check judges a new password: chat.Invalid about the field password.
	Check(password, username string) error
	Hash(ctx context.Context, password string) (string, error)
	// Verify compares; an empty hash costs as much time as a real one and never fits. stale: the hash should be
	// renewed.
	Verify(ctx context.Context, password, hash string) (ok, stale bool, err error)
}

// Audit records acts that no transaction records. It never blocks and never fails.
type Audit interface {
	Record(ctx context.Context, a chat.Act)
}

// Tokens issues and verifies access tokens.
type Tokens interface {
	server.Verifier
	// Issue returns an access token and its lifetime.
	Issue(user chat.UserID, session chat.SessionID) (token string, lifetime time.Duration, err error)
	// IssueFor is Issue of one with a lifetime of its own; 0: the usual one.
	IssueFor(user chat.UserID, session chat.SessionID, lifetime time.Duration) (token string, lives time.Duration, err error)
}

// Refreshes makes refresh tokens and what is kept of them.
type Refreshes interface {
	// NewRefresh returns a refresh token and its hash.
	NewRefresh() (token string, hash [32]byte)
	// NextRefresh returns a refresh token's hash and what follows it: always the same, so that parallel refreshes
	// agree.
	NextRefresh(token string) (hash [32]byte, next string, nextHash [32]byte)
}
