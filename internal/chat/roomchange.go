package chat

// RoomChange says how a room or its membership changed, beside the system message about it.
type RoomChange string

// The changes, as the `room` frame names them.
const (
	NoChange      RoomChange = ""
	RoomUpdated   RoomChange = "updated"
	MemberJoined  RoomChange = "member_joined"
	MemberLeft    RoomChange = "member_left"
	RoleChanged   RoomChange = "role"
	OwnerChanged  RoomChange = "owner"
	RoomDissolved RoomChange = "dissolved"
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
