package chat

// Limits of the protocol that rules check. Zero means no limit.
type Limits struct {
	MessageBytes int // UTF-8 bytes of a message's content
	RoomMembers  int // members of one room
	MembersCall  int // member_ids in one call
}

// DefaultLimits are docs/protocol.md's.
func DefaultLimits() Limits {
	return Limits{MessageBytes: 16 << 10, RoomMembers: 10_000, MembersCall: 500}
}
