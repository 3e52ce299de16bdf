package chat

// Change says how a room or its membership changed, beside the system message about it.
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

// LeaveReason says why a user no longer gets a room, as the `left` frame names it.
type LeaveReason string

// The reasons.
const (
	LeftSelf      LeaveReason = "left"         // the user left
	LeftKicked    LeaveReason = "kicked"       // an admin removed them
	LeftDissolved LeaveReason = "dissolved"    // the room ended
	LeftUnsub     LeaveReason = "unsubscribed" // this connection asked for no more of it; they are still a member
)
