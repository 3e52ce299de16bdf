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
