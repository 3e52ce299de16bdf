package chat

import "time"

// UserPatch changes what is not nil.
type UserPatch struct {
	Nickname  *string
	AvatarURL *string
	Email     *string // trimmed and lower-cased; "" removes it
}

// NewSession is a login session to open, with the hash of its first refresh token.
type NewSession struct {
	Session     Session   // ExpiresAt is the end of the first idle span
	RefreshHash [32]byte  // SHA-256 of the token
	Until       time.Time // absolute end, however busy
}

// Rotation exchanges a refresh token for its successor.
type Rotation struct {
	Old, Next [32]byte      // SHA-256 of the tokens; Next follows from Old's token, so that parallel calls agree
	Now       time.Time     // the clock that judges expiry
	Grace     time.Duration // how long a used token still works
	Idle      time.Duration // the session's new idle span, cut at its absolute end
}

// NewRoom is a group room to create. Its owner is a member whether Members names him or not.
type NewRoom struct {
	Owner       UserID
	Name        string
	Description string
	Visibility  Visibility // empty: private
	HistoryAll  bool       // members who join later see from seq 1
	Members     []UserID
}

// RoomPatch changes what is not nil.
type RoomPatch struct {
	Name        *string
	Description *string
	Visibility  *Visibility
	HistoryAll  *bool
}

// MemberUser is a member together with his account.
type MemberUser struct {
	Member Member
	User   User
}

// HistoryQuery asks for a stretch of a room's log as one user may see it: Before, After or Around one seq, or a page
// (1 is the newest) where none of them is set.
type HistoryQuery struct {
	Room     RoomID
	User     UserID
	Page     int // 0: 1
	PageSize int // 0: 20
	Before   *Seq
	After    *Seq
	Around   *Seq
	Limit    int // 0: 20; for Before, After and Around
	MinSeq   Seq // what the caller has seen already: no older copy of the room may answer
}

// HistoryPage is the answer to a HistoryQuery, ascending by seq.
type HistoryPage struct {
	Messages []Message
	LastSeq  Seq  // the newest seq that the user may see
	HasMore  bool // older messages exist (newer ones where After was asked)
	Epoch    uint64
	Replica  bool // a replica answered
}
