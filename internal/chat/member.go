package chat

import "time"

// Role is a member's standing in a room.
type Role string

// The roles, strongest first. A direct room knows members only.
const (
	Owner  Role = "owner"
	Admin  Role = "admin"
	Plain  Role = "member"
	Nobody Role = ""
)

// Member is a user's place in a room, open or ended.
type Member struct {
	Room        RoomID
	User        UserID
	Role        Role
	VisibleFrom Seq // first seq he may see
	LeftSeq     Seq // last seq he may see; 0 while he is a member
	ReadSeq     Seq
	ReadCount   uint64 // real messages up to and including ReadSeq
	MutedUntil  time.Time
	JoinedAt    time.Time
}

// In tells whether the membership is open.
func (m Member) In() bool { return m.User != 0 && m.LeftSeq == 0 }

// Membership is a member's room together with his place in it.
type Membership struct {
	Room   Room
	Member Member
	Last   *Message // newest message that he may see; nil where not asked for or none
	Peer   *User    // the other person of a direct room, where asked for
}

// Unread counts the real messages that he has not read.
func (m Membership) Unread() uint64 { return Unread(m.Room.MsgCount, m.Member.ReadCount) }

// Place is a user in a room.
type Place struct {
	Room RoomID
	User UserID
}

// ReadMark moves a member's read pointer.
type ReadMark struct {
	Room RoomID
	User UserID
	Seq  Seq
}

// ReadState is a member's read pointer after a ReadMark.
type ReadState struct {
	Room    RoomID
	User    UserID
	ReadSeq Seq
	Unread  uint64
	Moved   bool   // false: it was already there or beyond
	Err     *Error // nil: the state stands committed
}

// MemberUser is a member together with his account.
type MemberUser struct {
	Member Member
	User   User
}
