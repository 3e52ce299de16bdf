package rooms

import (
	"context"
	"time"

	"chat-service/internal/chat"
)

// Ports are the adapters that the verbs work through. All but Recents are needed.
type Ports struct {
	Accounts Accounts
	Rooms    Rooms
	Members  Members
	Lists    Lists
	Messages Messages
	Changes  Changes
	Recents  Recents
}

// Accounts knows users.
type Accounts interface {
	// User finds one: chat.NotFound if there is none.
	User(ctx context.Context, id chat.UserID) (chat.User, error)
}

// Rooms keeps rooms. What the caller may not see is chat.NotFound.
type Rooms interface {
	CreateRoom(ctx context.Context, n chat.NewRoom) (chat.Membership, error)
	// FindDirect finds the one direct room of two people.
	FindDirect(ctx context.Context, a, b chat.UserID) (chat.Membership, error)
	// DirectRoom finds or makes it.
	DirectRoom(ctx context.Context, a, b chat.UserID) (m chat.Membership, created bool, err error)
	UpdateRoom(ctx context.Context, room chat.RoomID, by chat.UserID, p chat.RoomPatch) (chat.Membership, error)
	Dissolve(ctx context.Context, room chat.RoomID, by chat.UserID) error
	// View returns a room that the viewer may see, with the viewer's membership if there is one.
	View(ctx context.Context, room chat.RoomID, viewer chat.UserID) (chat.Membership, error)
}

// Members changes who is in a room and as what. What the caller may not see is chat.NotFound.
type Members interface {
	// AddMembers returns those who were not in the room before.
	AddMembers(ctx context.Context, room chat.RoomID, by chat.UserID, ids []chat.UserID) ([]chat.UserID, error)
	// RemoveMember is a kick, or leaving if by is target.
	RemoveMember(ctx context.Context, room chat.RoomID, by, target chat.UserID) error
	SetRole(ctx context.Context, room chat.RoomID, by, target chat.UserID, to chat.Role) (chat.Member, error)
	// Mute forbids sending until then; a zero until lifts it.
	Mute(ctx context.Context, room chat.RoomID, by, target chat.UserID, until time.Time) (chat.Member, error)
	// Transfer makes another member the owner.
	Transfer(ctx context.Context, room chat.RoomID, by, to chat.UserID) (chat.Room, error)
}

// Lists reads rooms and who is in them. Cursors are the next of the page before, "" for the first; one that no list
// gave out is chat.Invalid.
type Lists interface {
	// RoomList lists the user's rooms, newest activity first, with Last and Peer.
	RoomList(ctx context.Context, user chat.UserID, cursor string, limit int) (ms []chat.Membership, next string, err error)
	// PublicRooms lists rooms that anybody may join and that q finds.
	PublicRooms(ctx context.Context, q, cursor string, limit int) (rs []chat.Room, next string, err error)
	// Members lists the open memberships of a room that the viewer may see, by user id above after.
	Members(ctx context.Context, room chat.RoomID, viewer, after chat.UserID, limit int) ([]chat.MemberUser, error)
	// Unread counts unread messages, in total and per room.
	Unread(ctx context.Context, user chat.UserID) (total uint64, per map[chat.RoomID]uint64, err error)
	// SharesRoom returns those of others who are in a room with the user.
	SharesRoom(ctx context.Context, user chat.UserID, others []chat.UserID) ([]chat.UserID, error)
}

// Messages is the rooms' message log, as far as one user may see it.
type Messages interface {
	// Post appends one message, or finds the one that an earlier call with its client_msg_id left.
	Post(ctx context.Context, s chat.Send, now time.Time) (chat.Sent, error)
	// PostSaid is Post of a system message of the application's, whose content is what chat.SaidContent makes.
	PostSaid(ctx context.Context, s chat.Send, now time.Time) (chat.Sent, error)
	// ReadAndTell moves a read pointer and announces it to the user's other devices.
	ReadAndTell(ctx context.Context, m chat.ReadMark) (chat.ReadState, error)
	// History reads a stretch of what the user may see; chat.NotFound if that is nothing.
	History(ctx context.Context, q chat.HistoryQuery) (chat.HistoryPage, error)
}

// Changes is what happens to messages after they were sent, as far as one user may see it: what they may not see is chat.NotFound.
type Changes interface {
	// PostChange carries a change out, or finds the one that an earlier call with its id made. Why it was refused is in Changed.Err.
	PostChange(ctx context.Context, c chat.Change, now time.Time) (chat.Changed, error)
	// One reads a message.
	One(ctx context.Context, room chat.RoomID, user chat.UserID, seq chat.Seq) (chat.Message, error)
	// Versions lists what a message said before, newest first: chat.Forbidden but to its author, admins and the owner.
	Versions(ctx context.Context, room chat.RoomID, user chat.UserID, seq chat.Seq) ([]chat.Version, error)
	// Reactors lists those who reacted with a key, in order of arrival.
	Reactors(ctx context.Context, q chat.ReactorsQuery) (rs []chat.Reactor, next string, err error)
	// MyReactions lists the user's own reactions to messages from … to, ascending.
	MyReactions(ctx context.Context, room chat.RoomID, user chat.UserID, from, to chat.Seq) ([]chat.OwnReactions, error)
	// Pins lists pinned messages, newest pin first.
	Pins(ctx context.Context, room chat.RoomID, user chat.UserID) ([]chat.Message, error)
}

// Recents caches the newest messages of rooms. Its errors only cost speed.
type Recents interface {
	// Recent returns a room's newest messages of the epoch, as they are after exactly these changes, as far as they are cached,
	// ascending, each once, perhaps with gaps.
	Recent(ctx context.Context, room chat.RoomID, epoch uint64, changes chat.ChangeSeq) ([]chat.Message, error)
	// Warm puts in a room's newest messages, ascending and without gaps; changes was read before them.
	Warm(ctx context.Context, room chat.RoomID, epoch uint64, changes chat.ChangeSeq, ms []chat.Message) error
}
