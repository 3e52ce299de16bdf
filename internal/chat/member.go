package chat

import "time"

// Role is what a member may do in a room.
type Role string

// The roles, strongest first. In a direct room both are Plain.
const (
	Owner  Role = "owner" // one per group
	Admin  Role = "admin"
	Plain  Role = "member"
	Nobody Role = "" // of who isn't a member
)

// Member is a user's place in a room, open or ended.
type Member struct {
	Room        RoomID
	User        UserID
	Role        Role
	VisibleFrom Seq       // the first seq that they may see
	LeftSeq     Seq       // the last seq that they may see; 0 while they are a member
	ReadSeq     Seq       // everything up to here is read
	ReadCount   uint64    // messages of users up to and including ReadSeq
	MutedUntil  time.Time // may not send before; zero: not muted
	JoinedAt    time.Time
}

// In reports whether the membership is open.
func (m Member) In() bool { return m.User != 0 && m.LeftSeq == 0 }

// Membership is a room together with one member's place in it.
type Membership struct {
	Room   Room
	Member Member
	// Recalled counts the messages after the member's read pointer that were recalled: they are no longer unread.
	Recalled uint64
	Last     *Message // the newest message that the member may see; nil: not asked for, or none
	Peer     *User    // the other person of a direct room; nil: not asked for, or a group
}

// Unread counts the messages of users that the member hasn't read, as of the room's Changes: of recalls only later ones are still to be
// subtracted.
func (m Membership) Unread() uint64 { return Unread(m.Room.MsgCount, m.Member.ReadCount, m.Recalled) }

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
	Changes ChangeSeq // the room's, as of which Unread is
	Moved   bool      // false: it was there already, or beyond
	Err     *Error    // nil: the state is committed
}

// MemberUser is a member together with their account.
type MemberUser struct {
	Member Member
	User   User
}

// Unread counts the messages of users after the read pointer, without those of them that were recalled: never negative.
func Unread(msgCount, readCount, recalled uint64) uint64 {
	if seen := readCount + recalled; seen < msgCount {
		return msgCount - seen
	}
	return 0
}

// Window returns the first and last seq that the member may see in a room that has come to last. ok is false if they may see nothing,
// because they never were a member.
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

// Outranks reports whether r is strictly stronger than s.
func (r Role) Outranks(s Role) bool { return r.rank() > s.rank() }
