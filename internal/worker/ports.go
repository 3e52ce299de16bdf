package worker

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// Log is the durable truth about messages. See store.DB for each verb's rules.
type Log interface {
	Append(ctx context.Context, batch []chat.Send, now time.Time) ([]chat.Sent, []chat.Head, error)
	MarkRead(ctx context.Context, marks []chat.ReadMark) ([]chat.ReadState, error)
	Messages(ctx context.Context, room chat.RoomID, from, to chat.Seq, limit int) ([]chat.Message, error)
	Rooms(ctx context.Context, ids []chat.RoomID) ([]chat.Room, error)
	ActiveRooms(ctx context.Context, partition int, since time.Time, limit int) ([]chat.Head, error)
}

// Outbox holds what REST writes have to announce.
type Outbox interface {
	Outbox(ctx context.Context, partitions []int, limit int) ([]envelope.Announcement, error)
	OutboxWaiting(ctx context.Context, partitions []int) ([]int, error)
	Announced(ctx context.Context, ids []uint64) error
}

// Calls says that the outbox may hold something new, before a look would find it.
type Calls interface {
	// HearCalls listens until ctx ends; live tells when calls have become, or are no longer, to be heard.
	HearCalls(ctx context.Context, heard func(), live func(bool))
}

// Members answers who is in which room.
type Members interface {
	Membership(ctx context.Context, room chat.RoomID, user chat.UserID) (chat.Membership, error)
	MembershipsOf(ctx context.Context, users []chat.UserID, limit int) (map[chat.UserID][]chat.Membership, error)
	MembersAmong(ctx context.Context, room chat.RoomID, upTo chat.Seq, users []chat.UserID) ([]chat.UserID, chat.Room, error)
	SharesRoom(ctx context.Context, user chat.UserID, others []chat.UserID) ([]chat.UserID, error)
	AddMembers(ctx context.Context, room chat.RoomID, by chat.UserID, ids []chat.UserID) ([]chat.UserID, error)
}

// Accounts answers for login sessions and people.
type Accounts interface {
	Logins(ctx context.Context, ids []chat.SessionID) (map[chat.SessionID]chat.Login, error)
	RevokedAmong(ctx context.Context, ids []chat.SessionID) ([]chat.SessionID, error)
	Users(ctx context.Context, ids []chat.UserID) ([]chat.User, error)
	LastSeen(ctx context.Context, users []chat.UserID) (map[chat.UserID]time.Time, error)
	SawUsers(ctx context.Context, at map[chat.UserID]time.Time) error
}

// Fleet keeps the list of live workers and what none of them could digest.
type Fleet interface {
	Beat(ctx context.Context, w chat.LiveWorker) error
	Workers(ctx context.Context, deadAfter time.Duration) ([]chat.LiveWorker, error)
	Retire(ctx context.Context, boot string) error
	Quarantine(ctx context.Context, d chat.DeadCommand) error
	// Sweep deletes up to limit rows of sessions that ended before a time, and returns how many.
	Sweep(ctx context.Context, before time.Time, limit int) (int64, error)
}

// Sockets is the registry of live sockets; presence follows from it and from the gateways' leases.
type Sockets interface {
	Register(ctx context.Context, ss []chat.Socket) ([]chat.Registration, error)
	Unregister(ctx context.Context, ss []chat.Socket) (left []int, err error)
	Online(ctx context.Context, users []chat.UserID) ([]chat.Presence, error)
	OfflineLater(ctx context.Context, users []chat.UserID, at time.Time) error
	// OfflineDue claims users of some partitions whose grace has run out, at most limit of each; with an error come those whom it
	// has claimed before.
	OfflineDue(ctx context.Context, partitions []int, now time.Time, limit int) ([]chat.UserID, error)
}

// Leases says which gateways live.
type Leases interface {
	BeatGateway(ctx context.Context, gateway chat.GatewayID, lease time.Duration) error
	Leases(ctx context.Context) (live, lapsed []chat.GatewayID, err error)
	Bury(ctx context.Context, gateway chat.GatewayID, limit int) (gone []chat.UserID, done bool, err error)
	// Blind says for ttl that heartbeats can't arrive: presence of whom no lease vouches for is unknown, not offline.
	Blind(ctx context.Context, ttl time.Duration) error
}

// Losses tells what the registry forgot and the gateways must tell again.
type Losses interface {
	// Generation is an id that changes when everything was lost.
	Generation(ctx context.Context) (string, error)
	// Revived takes the gateways that beat again after Bury. Each is handed out once.
	Revived(ctx context.Context, limit int) ([]chat.GatewayID, error)
}

// Routes says which gateways hold a room.
type Routes interface {
	MoveRoutes(ctx context.Context, moves []chat.RouteMove) error
	Routes(ctx context.Context, rooms []chat.RoomID) (map[chat.RoomID]chat.Route, error)
	DropRoute(ctx context.Context, room chat.RoomID, gateway chat.GatewayID) error
	// Count merges room heads by maximum and adds messages to the recent lists of hot rooms.
	Count(ctx context.Context, heads []chat.Head, recent []chat.Message) error
}

// Bus carries batches to gateways. done is called once: nil when the broker has the batch, a NotFound kind when the
// gateway's queue is gone, any other error when the bus was closed before. An error from the call itself means that
// nothing was taken; the caller may try again.
type Bus interface {
	ToGateway(gateway chat.GatewayID, batch []byte, done func(error)) error
	ToAll(batch []byte, done func(error)) error
}

// Partitions makes exactly the given partitions consumed, those stood by for a moment later than the owned ones; released
// ones are closed when Set returns.
type Partitions interface {
	Set(owned, standby []int)
	// Active tells whether deliveries of a partition come to this process.
	Active(partition int) bool
	// Yield gives a partition that is stood by for back to its owner.
	Yield(partition int)
	// Up tells since when the process has been able to hear the broker; zero while it can't.
	Up() time.Time
}
