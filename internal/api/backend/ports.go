package backend

import (
	"context"
	"time"

	"chat-service/internal/chat"
)

// Ports are the adapters that the verbs work through; all of them are needed.
type Ports struct {
	Accounts   Accounts
	Identities Identities
	Sessions   Sessions
	Tokens     Tokens
	Wardens    Wardens
	Spaces     Spaces
	Logs       Logs
	Rooms      Rooms
	Members    Members
	Audit      Audit
	Jobs       Jobs
	Trail      Trail
	Exports    Exports
	Replies    Replies
	Webhooks   Webhooks
	Endpoints  Endpoints
}

// Accounts keeps users: chat.NotFound if there is none.
type Accounts interface {
	User(ctx context.Context, id chat.UserID) (chat.User, error)
	UpdateUser(ctx context.Context, id chat.UserID, p chat.UserPatch) (chat.User, error)
}

// Identities knows users by the application's own ids.
type Identities interface {
	// Identity finds the account of an identity: chat.NotFound if there is none.
	Identity(ctx context.Context, who chat.Identity) (chat.User, error)
	// Provide finds it or makes it of u; made says which.
	Provide(ctx context.Context, who chat.Identity, u chat.User) (out chat.User, made bool, err error)
}

// Sessions opens login sessions and ends them.
type Sessions interface {
	OpenSession(ctx context.Context, n chat.NewSession) error
	// RevokeSessions ends all of the user's sessions but except (empty: all).
	RevokeSessions(ctx context.Context, user chat.UserID, except chat.SessionID) error
}

// Tokens issues access tokens.
type Tokens interface {
	// IssueFor makes one with a lifetime of its own; 0: the usual one.
	IssueFor(user chat.UserID, session chat.SessionID, lifetime time.Duration) (token string, lives time.Duration, err error)
}

// Rooms changes rooms in a user's name.
type Rooms interface {
	// DirectRoom finds or makes the one direct room of two people.
	DirectRoom(ctx context.Context, a, b chat.UserID) (m chat.Membership, created bool, err error)
	UpdateRoom(ctx context.Context, room chat.RoomID, by chat.UserID, p chat.RoomPatch) (chat.Membership, error)
}

// Members changes who is in a room, in a user's name.
type Members interface {
	// AddMembers returns those who were not in the room before.
	AddMembers(ctx context.Context, room chat.RoomID, by chat.UserID, ids []chat.UserID) ([]chat.UserID, error)
	// RemoveMember is a kick, or leaving if by is target.
	RemoveMember(ctx context.Context, room chat.RoomID, by, target chat.UserID) error
	SetRole(ctx context.Context, room chat.RoomID, by, target chat.UserID, to chat.Role) (chat.Member, error)
}

// Jobs are work that takes longer than a call.
type Jobs interface {
	// StartErase shuts and empties an account, and leaves a job that takes what its user wrote; of one that was erased before it returns
	// that job.
	StartErase(ctx context.Context, user chat.UserID) (j chat.Job, made bool, err error)
	// Job returns a job: chat.NotFound if there is none.
	Job(ctx context.Context, id chat.JobID) (chat.Job, error)
}

// Exports reads what is exported: all of it, whoever may see it.
type Exports interface {
	// StartExport remembers what is to be exported, and until when it goes: now.
	StartExport(ctx context.Context, j chat.Job) (chat.Job, error)
	// RoomPeople lists who was ever in a room or wrote in it, by id above after.
	RoomPeople(ctx context.Context, room chat.RoomID, after chat.UserID, limit int) ([]chat.UserID, error)
	// ExportUsers returns users, with their memberships in a room unless that is 0.
	ExportUsers(ctx context.Context, room chat.RoomID, ids []chat.UserID) ([]chat.ExportedUser, error)
	// ExportRooms lists the rooms that a user is or was in, by id above after.
	ExportRooms(ctx context.Context, user chat.UserID, after chat.RoomID, limit int) ([]chat.ExportedRoom, error)
	ExportRoom(ctx context.Context, room chat.RoomID) (chat.ExportedRoom, error)
}

// Replies reads messages that others answer.
type Replies interface {
	States(ctx context.Context, room chat.RoomID, seqs []chat.Seq) ([]chat.Message, error)
}

// Trail is what was recorded.
type Trail interface {
	// Acts returns the newest acts that q selects, newest first.
	Acts(ctx context.Context, q chat.ActQuery) ([]chat.Act, error)
}

// Audit records acts that no transaction records. It never blocks and never fails.
type Audit interface {
	Record(ctx context.Context, a chat.Act)
}

// Wardens shut accounts and open them again: chat.NotFound if there is none.
type Wardens interface {
	// DisableUser ends all sessions, and closes the sockets.
	DisableUser(ctx context.Context, id chat.UserID) error
	EnableUser(ctx context.Context, id chat.UserID) error
}

// Spaces are rooms as the application's backend knows them: all of them, whoever is in them.
type Spaces interface {
	// Room and ExternalRoom return a room, a dissolved one too: chat.NotFound if there is none.
	Room(ctx context.Context, id chat.RoomID) (chat.Room, error)
	ExternalRoom(ctx context.Context, ext string) (chat.Room, error)
	// ProvideRoom finds the room of an id of the application's own, or makes it; made says which.
	ProvideRoom(ctx context.Context, ext string, n chat.NewRoom) (r chat.Room, made bool, err error)
	// Appoint makes a member the owner.
	Appoint(ctx context.Context, room chat.RoomID, to chat.UserID) (chat.Room, error)
	// Close dissolves a group.
	Close(ctx context.Context, room chat.RoomID) error
	// WholeMembers lists the members of a room, by user id above after.
	WholeMembers(ctx context.Context, room chat.RoomID, after chat.UserID, limit int) ([]chat.MemberUser, error)
}

// Logs are the rooms' messages as the application's backend sees them: all of them.
type Logs interface {
	WholeHistory(ctx context.Context, q chat.HistoryQuery) (chat.HistoryPage, error)
	// Messages returns those with seqs from … to, ascending, at most limit.
	Messages(ctx context.Context, room chat.RoomID, from, to chat.Seq, limit int) ([]chat.Message, error)
}

// Webhooks keeps the endpoints that are told of events, and what was posted to them: chat.NotFound if there is none.
type Webhooks interface {
	// CreateWebhook returns it with its id: chat.LimitReached if there are as many as there may be.
	CreateWebhook(ctx context.Context, w chat.Webhook) (chat.Webhook, error)
	Webhooks(ctx context.Context) ([]chat.Webhook, error)
	Webhook(ctx context.Context, id chat.WebhookID) (chat.Webhook, error)
	UpdateWebhook(ctx context.Context, id chat.WebhookID, p chat.WebhookPatch) (chat.Webhook, error)
	DeleteWebhook(ctx context.Context, id chat.WebhookID) error
	// WebhookAttempts returns the newest first.
	WebhookAttempts(ctx context.Context, q chat.AttemptQuery) ([]chat.WebhookAttempt, error)
	// ReplayWebhook returns in how many rooms it has an endpoint told once more, and after which one to go on; 0: it is done.
	ReplayWebhook(ctx context.Context, id chat.WebhookID, r chat.WebhookReplay) (rooms int, next chat.RoomID, err error)
}

// Endpoints judges where posts may go, and makes what they are signed by.
type Endpoints interface {
	// Check refuses an address that must not be posted to, as far as that shows before its name is resolved. The error names the field.
	Check(address string, private bool) error
	NewSecret() []byte
}
