package table

import (
	"time"

	"chat-service/internal/chat"
)

// Room is a row of rooms.
type Room struct {
	chat.Room
	DirectKey string    // "a:b" of a direct room's two users, a below b; "" in groups
	Partition int       // follows from the id
	ActiveAt  time.Time // of the newest message
	Recalled  uint64    // the ord of the newest recalled message; 0: none
}

// Rooms are the rooms.
var Rooms = define("rooms", "r",
	Column[Room]{Name: "id", Cell: func(r *Room) Cell { return (*number)(&r.ID) }, Auto: true},
	Column[Room]{Name: "type", Cell: func(r *Room) Cell { return (*text)(&r.Type) }},
	Column[Room]{Name: "name", Cell: func(r *Room) Cell { return (*text)(&r.Name) }},
	Column[Room]{Name: "name_key", Cell: func(r *Room) Cell { return (*folded)(&r.Name) }},
	Column[Room]{Name: "description", Cell: func(r *Room) Cell { return (*text)(&r.Description) }},
	Column[Room]{Name: "visibility", Cell: func(r *Room) Cell { return (*text)(&r.Visibility) }},
	Column[Room]{Name: "owner_id", Cell: func(r *Room) Cell { return (*number)(&r.Owner) }},
	Column[Room]{Name: "direct_key", Cell: func(r *Room) Cell { return (*nullText)(&r.DirectKey) }},
	Column[Room]{Name: "member_count", Cell: func(r *Room) Cell { return (*count)(&r.MemberCount) }},
	Column[Room]{Name: "last_seq", Cell: func(r *Room) Cell { return (*number)(&r.LastSeq) }},
	Column[Room]{Name: "msg_count", Cell: func(r *Room) Cell { return (*number)(&r.MsgCount) }},
	Column[Room]{Name: "change_seq", Cell: func(r *Room) Cell { return (*number)(&r.Changes) }},
	Column[Room]{Name: "max_recalled_ord", Cell: func(r *Room) Cell { return (*number)(&r.Recalled) }},
	Column[Room]{Name: "epoch", Cell: func(r *Room) Cell { return (*number)(&r.Epoch) }},
	Column[Room]{Name: "history_all", Cell: func(r *Room) Cell { return (*flag)(&r.HistoryAll) }},
	Column[Room]{Name: "partition_no", Cell: func(r *Room) Cell { return (*count)(&r.Partition) }},
	// Coarse, so that its index is written once a minute.
	Column[Room]{Name: "active_min", Cell: func(r *Room) Cell { return (*minute)(&r.ActiveAt) }},
	Column[Room]{Name: "active_at", Cell: func(r *Room) Cell { return (*moment)(&r.ActiveAt) }},
	Column[Room]{Name: "created_at", Cell: func(r *Room) Cell { return (*moment)(&r.CreatedAt) }},
	Column[Room]{Name: "dissolved_at", Cell: func(r *Room) Cell { return (*moment)(&r.DissolvedAt) }},
)

// Views of Rooms.
var (
	// RoomLines are what is shown of a room, what orders a list of rooms (ActiveAt), and whether unread messages may be recalled.
	RoomLines = Rooms.Without("name_key", "direct_key", "partition_no", "active_min")
	// ListedRooms are RoomLines for a member's list.
	ListedRooms = RoomLines.Without("history_all", "dissolved_at")
	// RoomHeads are how far rooms have come, and when.
	RoomHeads = Rooms.Only("id", "last_seq", "msg_count", "change_seq", "max_recalled_ord", "epoch", "active_at", "dissolved_at")
	// RoomEnds are how far rooms have come.
	RoomEnds = Rooms.Only("id", "last_seq", "change_seq", "epoch")
	// ChangedRooms are what the commit of a change needs to know of rooms.
	ChangedRooms = Rooms.Only("id", "type", "last_seq", "msg_count", "change_seq", "max_recalled_ord", "epoch", "dissolved_at")
	// ImportedRooms are what the import of messages needs to know of rooms.
	ImportedRooms = Rooms.Only("id", "type", "last_seq", "msg_count", "change_seq", "epoch", "active_at", "dissolved_at")
	// RoomStands are what an unread count and a position need of a room, and what orders a list of rooms.
	RoomStands = Rooms.Only("id", "type", "last_seq", "msg_count", "change_seq", "epoch", "active_at")
	// RoomState is what a change of a room writes.
	RoomState = Rooms.Only("name", "name_key", "description", "visibility", "owner_id", "member_count", "last_seq", "history_all",
		"dissolved_at", "active_min", "active_at")
)

// ExternalRoom is a row of external_rooms.
type ExternalRoom struct {
	Ext       string
	Room      chat.RoomID
	CreatedAt time.Time
}

// ExternalRooms say which room the application means by an id of its own.
var ExternalRooms = define("external_rooms", "e",
	Column[ExternalRoom]{Name: "ext", Cell: func(e *ExternalRoom) Cell { return (*bytes)(&e.Ext) }},
	Column[ExternalRoom]{Name: "room_id", Cell: func(e *ExternalRoom) Cell { return (*number)(&e.Room) }},
	Column[ExternalRoom]{Name: "created_at", Cell: func(e *ExternalRoom) Cell { return (*moment)(&e.CreatedAt) }},
)
