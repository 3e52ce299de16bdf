package chat

import "time"

// RoomType is direct (two people, one room per pair) or group.
type RoomType string

// The room types.
const (
	Direct RoomType = "direct"
	Group  RoomType = "group"
)

// Visibility says who may find a group and join it without being added.
type Visibility string

// The visibilities. A private room doesn't exist for anybody but its members.
const (
	Private Visibility = "private"
	Public  Visibility = "public"
)

// RouteMove says that a gateway wants a room's deliveries, or (Leave) no longer does.
type RouteMove struct {
	Room    RoomID
	Gateway GatewayID
	Number  uint64 // counts up per gateway: of two moves the one with the larger number is the later
	Leave   bool
}

// Room is what a room is and how far it has come.
type Room struct {
	ID          RoomID
	Type        RoomType
	Name        string
	Description string
	Visibility  Visibility
	Owner       UserID // 0 of a direct room
	MemberCount int
	LastSeq     Seq       // of the newest entry; 0: none
	MsgCount    uint64    // messages of users, without system messages
	Changes     ChangeSeq // of the last change of a message; 0: none
	Epoch       uint64    // rises when a database was restored: seqs of different epochs never compare
	HistoryAll  bool      // members who join later see from seq 1
	CreatedAt   time.Time
	DissolvedAt time.Time // zero: it exists
}

// Head is how far a room has come after a batch, and where it was before.
type Head struct {
	Room     RoomID
	Seq      Seq // the last seq now
	Before   Seq // the last seq before the batch
	Epoch    uint64
	MsgCount uint64    // as in Room
	Changes  ChangeSeq // as in Room
}

// NewRoom is a group to create. Its owner becomes a member whether Members names them or not.
type NewRoom struct {
	Owner       UserID
	Name        string
	Description string
	Visibility  Visibility // empty: private
	HistoryAll  bool       // members who join later see from seq 1
	Members     []UserID
}

// RoomPatch changes a group: what is nil stays.
type RoomPatch struct {
	Name        *string
	Description *string
	Visibility  *Visibility
	HistoryAll  *bool
}
