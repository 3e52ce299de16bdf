package store

import (
	"time"

	"chat-service/internal/chat"
)

// DeadCommand is a command that no worker can carry out, kept for an operator to look at.
type DeadCommand struct {
	Partition int
	Kind      string
	User      chat.UserID
	Room      chat.RoomID
	Payload   []byte
	Reason    string
}

// UserPatch changes what is not nil.
type UserPatch struct {
	Nickname  *string
	AvatarURL *string
	Email     *string // already trimmed and lower-cased; "" removes it
}

// NewSession is a login session to open, with the hash of its first refresh token.
type NewSession struct {
	Session     chat.Session // ExpiresAt is the end of the first idle span
	RefreshHash [32]byte     // SHA-256 of the token
	Until       time.Time    // absolute end, however busy
}

// Rotation exchanges a refresh token for its successor.
type Rotation struct {
	Old, Next [32]byte      // SHA-256 of the tokens; Next should be derived from Old's token, so that parallel calls agree
	Now       time.Time     // the clock that judges expiry
	Grace     time.Duration // how long a used token still works
	Idle      time.Duration // the session's new idle span, cut at its absolute end
}

// NewRoom is a group room to create. Its owner is a member whether named in Members or not.
type NewRoom struct {
	Owner       chat.UserID
	Name        string
	Description string
	Visibility  chat.Visibility // empty: private
	HistoryAll  bool            // members who join later see from seq 1
	Members     []chat.UserID
}

// RoomPatch changes what is not nil.
type RoomPatch struct {
	Name        *string
	Description *string
	Visibility  *chat.Visibility
	HistoryAll  *bool
}

// MemberUser is a member together with his account.
type MemberUser struct {
	Member chat.Member
	User   chat.User
}

// HistoryQuery asks for a stretch of a room's log as one user may see it: Before, After or Around one seq, or a
// page (1 is the newest) where none of them is set.
type HistoryQuery struct {
	Room     chat.RoomID
	User     chat.UserID
	Page     int // 0: 1
	PageSize int // 0: 20
	Before   *chat.Seq
	After    *chat.Seq
	Around   *chat.Seq
	Limit    int      // 0: 20; for Before, After and Around
	MinSeq   chat.Seq // what the caller has seen already: no older copy of the room may answer
}

// HistoryPage is the answer to a HistoryQuery, ascending by seq.
type HistoryPage struct {
	Messages []chat.Message
	LastSeq  chat.Seq // the newest seq that the user may see
	HasMore  bool     // older messages exist (newer ones where After was asked)
	Epoch    uint64
	Replica  bool // a replica answered
}

// RoomInfo is what an operator sees of a room.
type RoomInfo struct {
	Room      chat.Room
	Partition int
	Ended     int    // memberships that have ended
	Outbox    int    // announcements waiting
	TopSeq    uint64 // highest seq among its messages; differs from Room.LastSeq only in a damaged database
}

// UserInfo is what an operator sees of a user.
type UserInfo struct {
	User      chat.User
	Sessions  int // live ones
	Rooms     int // open memberships
	Partition int
}

// Totals counts the installation's rows.
type Totals struct {
	Users, Rooms, Members, Messages, Sessions, Outbox, DeadCommands int64
}
