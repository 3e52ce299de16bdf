package envelope

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"chat-service/internal/chat"
)

// DeliveryKind says what a gateway does with a Delivery. Numbers are part of the format of the bus: one that was used is never used
// again.
type DeliveryKind uint16

// The deliveries; the table Deliveries says who each is for.
const (
	// InRoom is one entry of a room's log, delivered only directly after its predecessor. Frame is the `message` for every session of
	// the room, except the origin (Gateway, Socket), which gets Ack. After it, Event (a `room` frame) goes to the room's sessions; the
	// users in Added are attached to the room and get JoinedTo; those in Removed (All: everybody) are detached once they have this seq,
	// and get a `left` frame with Reason.
	InRoom DeliveryKind = iota + 1
	// ToSocket is Frame for one socket. With Room it has that room's entries up to Seq then, and is not sent them once more. AtSeq is the
	// message whose text Frame has, as it was read: what is known as recalled by now is shown as recalled.
	ToSocket
	// ToUser is Frame for all of a user's sockets except the one named by Gateway and Socket (0: none). With Seq it shows the user's
	// read pointer in Room, which never goes back.
	ToUser
	// Aside is Frame for a room's sessions, outside its sequence (typing, peers' reads), except those of User. Seq as in ToUser.
	Aside
	// Welcome is the answer to Connect: Frame, then the socket is attached to Points (last_seq and epoch as read).
	Welcome
	// Attached is the answer to Attach: the room's announced head (Seq, Epoch) as of Number; for a repair also the missing entries
	// (Entries) and which of the users in question are members (Users).
	Attached
	// Joined is the answer to Join: Frame, then the socket is attached to the room as of Seq.
	Joined
	// Watched is the answer to Watch: Frame (the snapshot), then the socket watches Users.
	Watched
	// Close ends sockets with Code: the one named by Gateway and Socket, or all of User's (Sessions: only those sessions'; Session: all
	// but that one's).
	Close
	// Presences reports users that went online or offline; sessions that watch them get a `presence` frame. With Gateway and
	// Socket it reports nothing, and asks whether that socket's client is still there: the socket ends unless a frame comes soon.
	// It is no kind of its own because gateways of 0.1.0 pass over it so.
	Presences
	// Heads reports how far rooms have been announced (Points): a digest.
	Heads
	// Reassert asks for Assert of every socket and Attach of every room: Redis was lost. With Room: that room only.
	Reassert
	// Changed is one change to the message Seq of Room, delivered once the entry AtSeq was. Frame is the `change` for sessions that
	// may see the message, Bare for the others. It follows the change Prev: if a session may have missed that, its client gets a head
	// and syncs. Ack (`done`) is for the socket that asked (Gateway, Socket), Mine for the other sockets of User.
	Changed
	// Profile is Frame for the sockets of User, and for those in the rooms of Points: each gets it once.
	Profile
)

// Delivery is what a worker sends to a gateway: a head, and of the body what its kind needs. Fields are added as to Command.
type Delivery struct {
	// The head.
	Kind    DeliveryKind
	Gateway chat.GatewayID // with Socket: the socket that it is for, or from
	Socket  chat.SocketID
	User    chat.UserID
	Session chat.SessionID
	Room    chat.RoomID
	Seq     chat.Seq
	Epoch   uint64
	At      int64  // when the worker made it, or for Welcome when the command was taken; Unix milliseconds
	Frame   []byte // client bytes
	Ref     string // client_msg_id of the send that Ack, or the error in Frame, answers. Workers of the release before leave it out

	// InRoom, Changed.
	Ack      []byte // for the socket that sent the message, or asked for the change
	Event    []byte // the `room` frame
	JoinedTo []byte // the `joined` frame for Added
	Added    []chat.UserID
	Removed  []chat.UserID
	All      bool // everybody is removed
	Reason   chat.LeaveReason

	// Attached.
	Number  uint64 // of the Attach that is answered
	Repair  bool
	Entries []Entry

	// Attached: members. Watched: the watch list.
	Users []chat.UserID

	// Welcome, Heads.
	Points []Point

	// Close.
	Sessions []chat.SessionID
	Code     int   // a close code
	RetryMS  int64 // the wait before the client connects again

	// Presences.
	States []Presence

	// Changed: the number of the change. InRoom with Added, Attached, Joined: the room's change_seq as of Seq; 0: none, or unknown.
	Changes chat.ChangeSeq

	// Changed.
	Prev  chat.ChangeSeq // the change before it, or before those that it covers
	AtSeq chat.Seq       // the room's last seq then; of ToSocket see there
	Bare  []byte         // the frame without the message
	Mine  []byte

	// InRoom with Added, Joined: the first seq that those who are added may see; 0: unknown.
	From chat.Seq

	// Attached: the same for each of Users, in their order; empty: unknown.
	Froms []chat.Seq

	// Welcome: what this way through the system can do beyond the first edition, as its frame says.
	Features []string
}

// The numbers of a delivery's fields on the bus. One that was used is never used again.
const (
	// The head.
	dKind    protowire.Number = 1
	dGateway protowire.Number = 2
	dSocket  protowire.Number = 3
	dUser    protowire.Number = 4
	dSession protowire.Number = 5
	dRoom    protowire.Number = 6
	dSeq     protowire.Number = 7
	dEpoch   protowire.Number = 8
	dFrame   protowire.Number = 9
	dAt      protowire.Number = 25
	dRef     protowire.Number = 27

	// InRoom.
	dAck      protowire.Number = 10
	dEvent    protowire.Number = 11
	dJoinedTo protowire.Number = 12
	dAdded    protowire.Number = 13
	dRemoved  protowire.Number = 14
	dAll      protowire.Number = 15
	dReason   protowire.Number = 16

	// Attached, Watched.
	dNumber  protowire.Number = 17
	dRepair  protowire.Number = 18
	dEntries protowire.Number = 19
	dUsers   protowire.Number = 20

	// Welcome, Heads.
	dPoints protowire.Number = 21

	// Close.
	dSessions protowire.Number = 22
	dCode     protowire.Number = 23
	dRetryMS  protowire.Number = 24

	// Presences.
	dStates protowire.Number = 26

	// Changed, and what rooms' change_seqs need elsewhere.
	dChanges  protowire.Number = 28
	dPrev     protowire.Number = 29
	dAtSeq    protowire.Number = 30
	dBare     protowire.Number = 31
	dMine     protowire.Number = 32
	dFrom     protowire.Number = 33
	dFroms    protowire.Number = 34
	dFeatures protowire.Number = 35
	dLater    protowire.Number = 36 // the kind, of one that the release before doesn't know: see carrier
)

// Entry is one entry of a room's log in client bytes, for a repair.
type Entry struct {
	Seq    chat.Seq
	Sender chat.UserID // who wrote it; 0: nobody
	Frame  []byte
	Added  []chat.UserID // who became a member by it: they don't see what lies between an earlier leave of theirs and this entry
}

// Presence is one user's state in Presences.
type Presence struct {
	User     chat.UserID
	Online   bool
	LastSeen int64 // Unix milliseconds; 0: never
}

// memberships appends whom an entry adds and removes.
func (e *encoder) memberships(d *Delivery) {
	for _, u := range d.Added {
		e.always(dAdded, uint64(u))
	}
	for _, u := range d.Removed {
		e.always(dRemoved, uint64(u))
	}
}

// many appends the lists of a delivery that isn't about one entry.
func (e *encoder) many(d *Delivery) {
	for _, x := range d.Entries {
		e.sub(dEntries, func(s *encoder) {
			s.num(1, uint64(x.Seq))
			s.num(2, uint64(x.Sender))
			s.opt(3, x.Frame)
			for _, u := range x.Added {
				s.always(4, uint64(u))
			}
		})
	}
	for _, u := range d.Users {
		e.always(dUsers, uint64(u))
	}
	for _, p := range d.Points {
		e.point(dPoints, p)
	}
	for _, s := range d.Sessions {
		e.bytes(dSessions, []byte(s))
	}
}

// changes appends a change, and what other deliveries say about a room's changes.
func (e *encoder) changes(d *Delivery) {
	e.num(dChanges, uint64(d.Changes))
	e.num(dPrev, uint64(d.Prev))
	e.num(dAtSeq, uint64(d.AtSeq))
	e.opt(dBare, d.Bare)
	e.opt(dMine, d.Mine)
	e.num(dFrom, uint64(d.From))
	for _, seq := range d.Froms {
		e.always(dFroms, uint64(seq))
	}
	for _, f := range d.Features {
		e.bytes(dFeatures, []byte(f))
	}
	if d.Kind.carrier() != d.Kind {
		e.num(dLater, uint64(d.Kind))
	}
}

// body reads what few deliveries have.
func (d *Delivery) body(num protowire.Number, v uint64, s []byte) error {
	switch num {
	case dEvent:
		d.Event = s
	case dJoinedTo:
		d.JoinedTo = s
	case dAdded:
		d.Added = append(d.Added, chat.UserID(v))
	case dRemoved:
		d.Removed = append(d.Removed, chat.UserID(v))
	case dAll:
		d.All = v != 0
	case dReason:
		d.Reason = chat.LeaveReason(s)
	case dNumber:
		d.Number = v
	case dRepair:
		d.Repair = v != 0
	case dUsers:
		d.Users = append(d.Users, chat.UserID(v))
	case dSessions:
		d.Sessions = append(d.Sessions, chat.SessionID(s))
	case dCode:
		d.Code = int(v)
	case dRetryMS:
		d.RetryMS = int64(v)
	case dAt:
		d.At = int64(v)
	case dEntries, dPoints, dStates:
		return d.nested(num, s)
	default:
		d.change(num, v, s)
	}
	return nil
}

// change reads what changes and rooms' change_seqs need.
func (d *Delivery) change(num protowire.Number, v uint64, s []byte) {
	switch num {
	case dChanges:
		d.Changes = chat.ChangeSeq(v)
	case dPrev:
		d.Prev = chat.ChangeSeq(v)
	case dAtSeq:
		d.AtSeq = chat.Seq(v)
	case dBare:
		d.Bare = s
	case dMine:
		d.Mine = s
	case dFrom:
		d.From = chat.Seq(v)
	case dFroms:
		d.Froms = append(d.Froms, chat.Seq(v))
	case dFeatures:
		d.Features = append(d.Features, string(s))
	case dLater:
		d.Kind = DeliveryKind(min(v, math.MaxUint16))
	}
}

// nested reads the fields that have fields of their own.
func (d *Delivery) nested(num protowire.Number, s []byte) error {
	switch num {
	case dEntries:
		var x Entry
		err := fields(s, func(num protowire.Number, v uint64, s []byte) error {
			switch num {
			case 1:
				x.Seq = chat.Seq(v)
			case 2:
				x.Sender = chat.UserID(v)
			case 3:
				x.Frame = s
			case 4:
				x.Added = append(x.Added, chat.UserID(v))
			}
			return nil
		})
		d.Entries = append(d.Entries, x)
		return err
	case dPoints:
		p, err := decodePoint(s)
		d.Points = append(d.Points, p)
		return err
	case dStates:
		var p Presence
		err := fields(s, func(num protowire.Number, v uint64, _ []byte) error {
			switch num {
			case 1:
				p.User = chat.UserID(v)
			case 2:
				p.Online = v != 0
			case 3:
				p.LastSeen = int64(v)
			}
			return nil
		})
		d.States = append(d.States, p)
		return err
	}
	return nil
}
