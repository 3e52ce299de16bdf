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

// RoomType is direct (two people, one per pair) or group.
type RoomType string

// The room types.
const (
	Direct RoomType = "direct"
	Group  RoomType = "group"
)

// Visibility says who may find and join a group room without an invitation.
type Visibility string

// The visibilities. A private room shows itself to its members only.
const (
	Private Visibility = "private"
	Public  Visibility = "public"
)

// MessageKind tells what a message's content is.
type MessageKind string

// The kinds. A system message's content is a JSON object: {"event":…, "by":…, "user_ids":[…], …}.
const (
	Text   MessageKind = "text"
	System MessageKind = "system"
)

// UserStatus says whether an account may be used.
type UserStatus string

// The statuses.
const (
	Active   UserStatus = "active"
	Disabled UserStatus = "disabled"
)

// User is an account. Email and PasswordHash never leave the process except to the owner (email).
type User struct {
	ID           UserID
	Username     string
	Nickname     string
	Email        string
	AvatarURL    string
	PasswordHash string
	Status       UserStatus
	LastSeen     time.Time // zero: never
	CreatedAt    time.Time
}

// Session is a login session of one device, ended by logout, revocation or expiry.
type Session struct {
	ID         SessionID
	User       UserID
	Device     string
	CreatedAt  time.Time
	LastSeenAt time.Time
	ExpiresAt  time.Time
	RevokedAt  time.Time // zero: live
}

// RouteMove says that a gateway wants a room's deliveries, or (Leave) no longer does; Number orders what one gateway says.
type RouteMove struct {
	Room    RoomID
	Gateway GatewayID
	Number  uint64
	Leave   bool
}

// Login is a session with its user, or why it may not be used.
type Login struct {
	Session Session
	User    User
	Err     error
}

// Room is a room's row: what it is and how far it has come.
type Room struct {
	ID          RoomID
	Type        RoomType
	Name        string
	Description string
	Visibility  Visibility
	Owner       UserID // 0 in direct rooms
	MemberCount int
	LastSeq     Seq
	MsgCount    uint64 // real messages, i.e. without system ones
	Epoch       uint64 // seqs of different epochs never compare
	HistoryAll  bool   // members who join later see from seq 1
	CreatedAt   time.Time
	DissolvedAt time.Time // zero: alive
}

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

// Message is one entry of a room's log.
type Message struct {
	Room        RoomID
	Seq         Seq
	Ord         uint64 // real messages up to and including this one
	Kind        MessageKind
	Sender      UserID
	ClientMsgID string
	Content     string
	CreatedAt   time.Time
}

// Send asks for one message to be appended.
type Send struct {
	Room        RoomID
	Sender      UserID
	Session     SessionID
	ClientMsgID string
	ClientSeq   uint64 // 0: the sender doesn't number his messages
	Content     string
	Refused     *Error // set: it is not to be appended, only its ClientSeq used up
}

// Sent is the verdict on one Send: the message as it stands in the log, or why there is none.
type Sent struct {
	Message   Message
	Duplicate bool
	Err       *Error // nil: Message stands committed
}

// Head is how far a room has come after a batch, and where it was before.
type Head struct {
	Room     RoomID
	Seq      Seq
	Before   Seq
	Epoch    uint64
	MsgCount uint64
}

// Place is a user in a room.
type Place struct {
	Room RoomID
	User UserID
}

// Span is a stretch of a room's log, both ends in it.
type Span struct {
	Room     RoomID
	From, To Seq
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

// Presence is whether a user has a live socket. Known false: it can't be told now.
type Presence struct {
	User     UserID
	Online   bool
	Known    bool
	LastSeen time.Time // zero: never seen
}

// Change says what happened to a room besides its message.
type Change string

// The changes, as the `room` frame names them.
const (
	NoChange      Change = ""
	RoomUpdated   Change = "updated"
	MemberJoined  Change = "member_joined"
	MemberLeft    Change = "member_left"
	RoleChanged   Change = "role"
	OwnerChanged  Change = "owner"
	RoomDissolved Change = "dissolved"
)

// LeaveReason says why a room left a user's view, as the `left` frame names it.
type LeaveReason string

// The reasons.
const (
	LeftSelf      LeaveReason = "left"
	LeftKicked    LeaveReason = "kicked"
	LeftDissolved LeaveReason = "dissolved"
	LeftUnsub     LeaveReason = "unsubscribed"
)

// Announcement is what a committed REST write has to tell the sessions: the payload of an outbox row.
// Exactly one of Message, Read, Revoked and User is set.
type Announcement struct {
	ID        uint64 `json:"-"` // outbox row
	Partition int    `json:"-"`

	Message *Message    `json:"message,omitempty"` // with Room (its state after the write) and what follows
	Room    *Room       `json:"room,omitempty"`
	Added   []UserID    `json:"added,omitempty"`
	Removed []UserID    `json:"removed,omitempty"`
	All     bool        `json:"all,omitempty"` // everybody is removed (dissolved)
	Reason  LeaveReason `json:"reason,omitempty"`
	Change  Change      `json:"change,omitempty"`
	About   UserID      `json:"about,omitempty"` // whom the change concerns, where it is one person

	Read    *ReadState `json:"read,omitempty"`
	Revoked *Revoked   `json:"revoked,omitempty"`
}

// In tells whether the row announces this entry of a log.
func (m *Message) In(a Announcement) bool {
	return a.Message != nil && a.Message.Room == m.Room && a.Message.Seq == m.Seq
}

// Revoked tells that sockets must close: all of a user's, some sessions', or all but one session's.
type Revoked struct {
	User     UserID      `json:"user"`
	Sessions []SessionID `json:"sessions,omitempty"` // empty: all of the user's
	Except   SessionID   `json:"except,omitempty"`
	Disabled bool        `json:"disabled,omitempty"` // the account, not only the session
}
