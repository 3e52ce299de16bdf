package envelope

import (
	"math"

	"chat-service/internal/chat"
)

// DeliveryKind says what a gateway does with a Delivery. Numbers are part of the format of the bus: one that was used is never used
// again.
type DeliveryKind uint16

// The deliveries; the table Deliveries says whom each is for.
const (
	// InRoom is one entry of a room's log, delivered only directly after its predecessor. Frame is the `message` for
	// every session of the room, except the origin (Gateway, Socket), which gets Ack. After it, Event (a `room` frame)
	// goes to the room's sessions; users in Added are attached to the room and get Joined; users in Removed (All:
	// everybody) are detached once they have this seq, and get a `left` frame with Reason.
	InRoom DeliveryKind = iota + 1
	// ToSocket is Frame for one socket.
	ToSocket
	// ToUser is Frame for all of a user's sockets except the one named by Gateway and Socket (0: none). With Seq it shows his
	// read pointer in Room, which never goes back.
	ToUser
	// Aside is Frame for a room's sessions, outside its sequence (typing, peers' reads), except those of User. Seq as in ToUser.
	Aside
	// Welcome is the answer to Connect: Frame, then the socket is attached to Points (last_seq and epoch as read).
	Welcome
	// Attached is the answer to Attach: the room's announced head (Seq, Epoch) as of Number; for a repair also the
	// missing entries (Entries) and which of the asked users are members (Users).
	Attached
	// Joined is the answer to Join: Frame, then the socket is attached to the room as of Seq.
	Joined
	// Watched is the answer to Watch: Frame (the snapshot), then the socket watches Users.
	Watched
	// Close ends sockets with Code: the one named by Gateway and Socket, or all of User's (Sessions: only those
	// sessions'; Session: all but that one's).
	Close
	// Presences tells of users going online or offline; sessions that watch them get a `presence` frame.
	Presences
	// Heads tells how far rooms have been announced (Points): a digest.
	Heads
	// Reassert asks for Assert of every socket and Attach of every room: Redis was lost. With Room: that room only.
	Reassert
)

// Delivery is what a worker sends to a gateway.
type Delivery struct {
	Kind    DeliveryKind
	Gateway chat.GatewayID
	Socket  chat.SocketID
	User    chat.UserID
	Session chat.SessionID
	Room    chat.RoomID
	Seq     chat.Seq
	Epoch   uint64
	Frame   []byte
	Ack     []byte

	Event    []byte
	JoinedTo []byte // the `joined` frame for Added
	Added    []chat.UserID
	Removed  []chat.UserID
	All      bool
	Reason   chat.LeaveReason

	Number   uint64
	Repair   bool
	Entries  []Entry
	Users    []chat.UserID
	Points   []Point
	Sessions []chat.SessionID
	Code     int
	RetryMS  int64
	At       int64 // when the worker made it, or for Welcome when the command was taken; Unix milliseconds
	States   []Presence

	// Ref is the client_msg_id of the send that Ack, or the error in Frame, answers. Workers of the release before leave it out.
	Ref string
}

// Entry is one entry of a room's log in client bytes. Sender is who wrote it, Added whom it made members: what lies between
// an earlier leave of theirs and this entry is not for them.
type Entry struct {
	Seq    chat.Seq
	Sender chat.UserID
	Frame  []byte
	Added  []chat.UserID
}

// Presence is one user's state in Presences. LastSeen is Unix milliseconds, 0 for never.
type Presence struct {
	User     chat.UserID
	Online   bool
	LastSeen int64
}

// Append appends d's record to dst.
func (d *Delivery) Append(dst []byte) []byte {
	e := encoder{dst}
	e.num(1, uint64(d.Kind))
	e.str(2, string(d.Gateway))
	e.num(3, uint64(d.Socket))
	e.num(4, uint64(d.User))
	e.str(5, string(d.Session))
	e.num(6, uint64(d.Room))
	e.num(7, uint64(d.Seq))
	e.num(8, d.Epoch)
	e.opt(9, d.Frame)
	e.opt(10, d.Ack)
	e.opt(11, d.Event)
	e.opt(12, d.JoinedTo)
	for _, u := range d.Added {
		e.always(13, uint64(u))
	}
	for _, u := range d.Removed {
		e.always(14, uint64(u))
	}
	e.flag(15, d.All)
	e.str(16, string(d.Reason))
	e.num(17, d.Number)
	e.flag(18, d.Repair)
	for _, x := range d.Entries {
		e.sub(19, func(s *encoder) {
			s.num(1, uint64(x.Seq))
			s.num(2, uint64(x.Sender))
			s.opt(3, x.Frame)
			for _, u := range x.Added {
				s.always(4, uint64(u))
			}
		})
	}
	for _, u := range d.Users {
		e.always(20, uint64(u))
	}
	for _, p := range d.Points {
		e.point(21, p)
	}
	for _, s := range d.Sessions {
		e.bytes(22, []byte(s))
	}
	e.num(23, uint64(d.Code))
	e.num(24, uint64(d.RetryMS))
	e.num(25, uint64(d.At))
	for _, p := range d.States {
		e.sub(26, func(s *encoder) { s.num(1, uint64(p.User)); s.flag(2, p.Online); s.num(3, uint64(p.LastSeen)) })
	}
	e.str(27, d.Ref)
	return e.b
}

// DecodeDelivery reads one record. Frame, Ack, Event, JoinedTo and the entries' frames alias b; the rest is copied. A kind of a
// later release is no error: see DeliveryKind.Known.
func DecodeDelivery(b []byte) (Delivery, error) {
	var d Delivery
	err := fields(b, func(num int, v uint64, s []byte) error {
		switch num {
		case 1:
			d.Kind = DeliveryKind(min(v, math.MaxUint16)) // cut off, a later kind would pass for another one
		case 2:
			d.Gateway = chat.GatewayID(s)
		case 3:
			d.Socket = chat.SocketID(v)
		case 4:
			d.User = chat.UserID(v)
		case 5:
			d.Session = chat.SessionID(s)
		case 6:
			d.Room = chat.RoomID(v)
		case 7:
			d.Seq = chat.Seq(v)
		case 8:
			d.Epoch = v
		case 9:
			d.Frame = s
		case 10:
			d.Ack = s
		default:
			return d.rare(num, v, s)
		}
		return nil
	})
	if err == nil && d.Kind == 0 {
		err = malformed("delivery kind")
	}
	return d, err
}

func (d *Delivery) rare(num int, v uint64, s []byte) error {
	switch num {
	case 11:
		d.Event = s
	case 12:
		d.JoinedTo = s
	case 13:
		d.Added = append(d.Added, chat.UserID(v))
	case 14:
		d.Removed = append(d.Removed, chat.UserID(v))
	case 15:
		d.All = v != 0
	case 16:
		d.Reason = chat.LeaveReason(s)
	case 17:
		d.Number = v
	case 18:
		d.Repair = v != 0
	case 20:
		d.Users = append(d.Users, chat.UserID(v))
	case 22:
		d.Sessions = append(d.Sessions, chat.SessionID(s))
	case 23:
		d.Code = int(v)
	case 24:
		d.RetryMS = int64(v)
	case 25:
		d.At = int64(v)
	case 27:
		d.Ref = string(s)
	default:
		return d.nested(num, s)
	}
	return nil
}

func (d *Delivery) nested(num int, s []byte) error {
	switch num {
	case 19:
		var x Entry
		err := fields(s, func(num int, v uint64, s []byte) error {
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
	case 21:
		p, err := decodePoint(s)
		d.Points = append(d.Points, p)
		return err
	case 26:
		var p Presence
		err := fields(s, func(num int, v uint64, _ []byte) error {
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
