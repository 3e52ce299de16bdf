package table

import "chat-service/internal/chat"

// Members are the users' places in rooms, open (left_seq 0) and ended.
var Members = define("members", "m",
	Column[chat.Member]{Name: "room_id", Cell: func(m *chat.Member) Cell { return (*number)(&m.Room) }},
	Column[chat.Member]{Name: "user_id", Cell: func(m *chat.Member) Cell { return (*number)(&m.User) }},
	Column[chat.Member]{Name: "role", Cell: func(m *chat.Member) Cell { return (*text)(&m.Role) }},
	Column[chat.Member]{Name: "visible_from", Cell: func(m *chat.Member) Cell { return (*number)(&m.VisibleFrom) }},
	Column[chat.Member]{Name: "left_seq", Cell: func(m *chat.Member) Cell { return (*number)(&m.LeftSeq) }},
	Column[chat.Member]{Name: "read_seq", Cell: func(m *chat.Member) Cell { return (*number)(&m.ReadSeq) }},
	Column[chat.Member]{Name: "read_count", Cell: func(m *chat.Member) Cell { return (*number)(&m.ReadCount) }},
	Column[chat.Member]{Name: "muted_until", Cell: func(m *chat.Member) Cell { return (*moment)(&m.MutedUntil) }},
	Column[chat.Member]{Name: "joined_at", Cell: func(m *chat.Member) Cell { return (*moment)(&m.JoinedAt) }},
)

// Views of Members.
var (
	// OwnPlaces are what a list of one user's rooms shows of their place in each.
	OwnPlaces = Members.Only("role", "read_seq", "read_count")
	// Windows are what of a room a user may see.
	Windows = Members.Only("user_id", "visible_from", "left_seq")
	// Pointers are the members' read pointers.
	Pointers = Members.Only("room_id", "user_id", "visible_from", "read_seq", "read_count")
	// Senders are what the commit of a message needs to know of its sender.
	Senders = Members.Only("room_id", "user_id", "muted_until", "visible_from")
	// Changers are what the commit of a change needs to know of who asks for it, also when they have left.
	Changers = Members.Only("room_id", "user_id", "role", "visible_from", "left_seq", "muted_until")
	// MemberStands are what an unread count needs of a member, and what a socket that opens may see.
	MemberStands = Members.Only("room_id", "user_id", "visible_from", "read_seq", "read_count")
	// Rejoined is what a membership that begins anew writes. A mute outlives leaving, or leaving would lift it.
	Rejoined = Members.Only("role", "visible_from", "left_seq", "read_seq", "read_count", "joined_at")
)
