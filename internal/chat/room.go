package chat

import "time"

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

// RouteMove says that a gateway wants a room's deliveries, or (Leave) no longer does; Number orders what one gateway says.
type RouteMove struct {
	Room    RoomID
	Gateway GatewayID
	Number  uint64
	Leave   bool
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

// Head is how far a room has come after a batch, and where it was before.
type Head struct {
	Room     RoomID
	Seq      Seq
	Before   Seq
	Epoch    uint64
	MsgCount uint64
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
