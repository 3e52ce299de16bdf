package line

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// Log is the durable truth about rooms: MySQL. See package store for each verb's rules.
type Log interface {
	Append(ctx context.Context, batch []chat.Send, now time.Time) ([]chat.Sent, []chat.Head, error)
	MarkRead(ctx context.Context, marks []chat.ReadMark) ([]chat.ReadState, error)
	Rooms(ctx context.Context, ids []chat.RoomID) ([]chat.Room, error)
	// ActiveRooms returns the heads of a partition's rooms that had an entry since then, at most limit.
	ActiveRooms(ctx context.Context, partition int, since time.Time, limit int) ([]chat.Head, error)
	Users(ctx context.Context, ids []chat.UserID) ([]chat.User, error)
	// Quarantine keeps a command that can't be handled, for an operator.
	Quarantine(ctx context.Context, d chat.DeadCommand) error
}

// Changes are what became of messages: MySQL.
type Changes interface {
	// Apply commits changes together. A repeat is answered with its first numbers.
	Apply(ctx context.Context, batch []chat.Change, now time.Time) ([]chat.Changed, []chat.Head, error)
	// States returns messages of a room as they are now, by seq; those that aren't there are left out.
	States(ctx context.Context, room chat.RoomID, seqs []chat.Seq) ([]chat.Message, error)
	// OwnKeys returns, for each of some changes, the keys that its user has set under its message by now.
	OwnKeys(ctx context.Context, of []chat.Change) ([][]string, error)
}

// People says which rooms users are in: MySQL.
type People interface {
	MembershipsOf(ctx context.Context, users []chat.UserID, limit int) (map[chat.UserID][]chat.Membership, error)
}

// Outbox holds what REST writes have to announce.
type Outbox interface {
	// Outbox returns the oldest rows of kinds that this process knows, by ascending id.
	Outbox(ctx context.Context, partitions []int, limit int) ([]envelope.Announcement, error)
	// OutboxWaiting returns which of the partitions have such rows.
	OutboxWaiting(ctx context.Context, partitions []int) ([]int, error)
	// OutboxUnknown counts the rows of other kinds: they wait for a worker of a later release.
	OutboxUnknown(ctx context.Context, partitions []int) (int, error)
	// Announced deletes rows whose announcement was confirmed.
	Announced(ctx context.Context, ids []uint64) error
}

// Calls says that the outbox may hold something new, before a look would find it.
type Calls interface {
	// AwaitCalls calls called for every call until ctx ends, and live whenever calls have become, or are no longer, receivable.
	AwaitCalls(ctx context.Context, called func(), live func(bool))
}

// Routes says which gateways hold a room: Redis. All of it can be rebuilt.
type Routes interface {
	Routes(ctx context.Context, rooms []chat.RoomID) (map[chat.RoomID]chat.Route, error)
	MoveRoutes(ctx context.Context, moves []chat.RouteMove) error
	DropRoute(ctx context.Context, room chat.RoomID, gateway chat.GatewayID) error
	// Count merges room heads by maximum and adds messages to the recent lists of hot rooms.
	Count(ctx context.Context, heads []chat.Head, recent []chat.Message) error
	// Outdate removes what the release before keeps of rooms' recent messages.
	Outdate(ctx context.Context, rooms []chat.RoomID) error
}

// Allowances are what users may send, shared by all processes: Redis.
type Allowances interface {
	// Spend reports what was taken from allowances, and returns for how long from now on each of them is used, by all processes together.
	Spend(ctx context.Context, r chat.Rate, taken []chat.Taken) (used []time.Duration, err error)
}
