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

// Unread counts real messages after the read pointer: never negative.
func Unread(msgCount, readCount uint64) uint64 {
	if readCount >= msgCount {
		return 0
	}
	return msgCount - readCount
}

// Window returns the first and last seq that the member may see in a room that has come to last; ok is false
// where he may see nothing.
func (m Member) Window(last Seq) (from, to Seq, ok bool) {
	if m.User == 0 {
		return 0, 0, false
	}
	from, to = max(m.VisibleFrom, 1), last
	if m.LeftSeq != 0 && m.LeftSeq < to {
		to = m.LeftSeq
	}
	return from, to, true
}

// rank orders roles by strength.
func (r Role) rank() int {
	switch r {
	case Owner:
		return 3
	case Admin:
		return 2
	case Plain:
		return 1
	default:
		return 0
	}
}

// Outranks tells whether r stands strictly above s.
func (r Role) Outranks(s Role) bool { return r.rank() > s.rank() }
