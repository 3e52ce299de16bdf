package chat

import "time"

// ImportedUser is an account as the application knew it elsewhere.
type ImportedUser struct {
	Who       Identity // External
	Username  string   // normalised; "": the identity's own
	Nickname  string
	Email     string    // normalised; "": none
	CreatedAt time.Time // zero: now
}

// ImportedRoom is a room as the application knew it elsewhere, with its first members.
type ImportedRoom struct {
	Ext        string // the application's own id
	Type       RoomType
	Name       string
	Visibility Visibility
	Owner      UserID // of a group
	Members    []ImportedMember
	CreatedAt  time.Time // zero: now
}

// ImportedMember is a user's place in an imported room.
type ImportedMember struct {
	User     UserID
	Role     Role      // Admin or Plain
	JoinedAt time.Time // zero: when the room had its newest entry
}

// ImportedMessage is a message as it was written elsewhere.
type ImportedMessage struct {
	Room        RoomID
	Sender      UserID
	ClientMsgID string
	At          time.Time // when it was written
	Content     string
	Data        string // as in Send
	ReplyTo     Seq    // the message that it answers; 0: none
	Answers     int    // it answers that message of the same call, counted from 1; 0: none
	// Undated: nothing says when the room was made. If this is its first message and it is older, it was made then.
	Undated bool
}

// Imported is what became of one user or room.
type Imported struct {
	ID    uint64 // of the account or room
	Known bool   // it was there already, and stays as it is
	Err   *Error // nil: it is there
}

// ImportedRun is a stretch of a room's log in which all messages of users were imported.
type ImportedRun struct {
	Room   RoomID
	Before uint64 // how many messages of users stand before it
	Seq    Seq    // of its last message
	Ord    uint64 // of its last message
	// Senders are who wrote in it, and their newest message: its seq and ord.
	Senders map[UserID]ImportedEnd
}

// ImportedEnd is a message's place in its room's log.
type ImportedEnd struct {
	Seq Seq
	Ord uint64
}
