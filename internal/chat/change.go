package chat

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
