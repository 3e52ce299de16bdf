package envelope

import (
	"math"

	"chat-service/internal/chat"
)

// CommandKind says what a Command asks for. Numbers are part of the format of the bus: one that was used is never used again.
type CommandKind uint16

// The commands; the table Commands says what each asks for.
const (
	Send CommandKind = iota + 1
	Read
	Typing
	Join
	Attach
	Detach
	Connect
	Disconnect
	Sync
	Watch
	Assert
	Show
	Beat
)

// Command is a client's or a gateway's intent on its way to the worker that owns the partition.
type Command struct {
	Kind    CommandKind
	Gateway chat.GatewayID // who asks, and where the answer goes
	Socket  chat.SocketID
	User    chat.UserID
	Session chat.SessionID
	At      int64 // when the gateway took it, Unix milliseconds

	Room        chat.RoomID
	ClientMsgID string
	ClientSeq   uint64
	Content     string
	Seq         chat.Seq // Read: the pointer; Attach: delivered so far (repair, with Repair set)
	Repair      bool
	Number      uint64        // Attach, Detach: counts up per gateway boot
	Users       []chat.UserID // Attach: whose membership to check; Watch: the list; Show: users beside Sessions
	Sessions    []chat.SessionID
	Points      []Point // Sync
	Ref         string  // Sync: the client's
	Device      string  // Connect
	Replace     bool    // Connect: close the session's other sockets
	Partitions  int     // Connect: the gateway's P

	// ErrorRef is what an error about the command refers to. It is set for every command that a client's frame caused, so that a
	// worker that doesn't know the kind can refuse it.
	ErrorRef string
	Features []string // Connect: what the gateway can do beyond the first edition
}

// Point is a place in a room: the client's highest contiguous seq (Sync), a membership or a head (Delivery).
type Point struct {
	Room  chat.RoomID
	Seq   chat.Seq
	Epoch uint64
}

// Append appends c's record to dst.
func (c *Command) Append(dst []byte) []byte {
	e := encoder{dst}
	e.num(1, uint64(c.Kind))
	e.str(2, string(c.Gateway))
	e.num(3, uint64(c.Socket))
	e.num(4, uint64(c.User))
	e.str(5, string(c.Session))
	e.num(6, uint64(c.At))
	e.num(7, uint64(c.Room))
	e.str(8, c.ClientMsgID)
	e.num(9, c.ClientSeq)
	e.str(10, c.Content)
	e.num(11, uint64(c.Seq))
	e.flag(12, c.Repair)
	e.num(13, c.Number)
	for _, u := range c.Users {
		e.always(14, uint64(u))
	}
	for _, s := range c.Sessions {
		e.bytes(15, []byte(s))
	}
	for _, p := range c.Points {
		e.point(16, p)
	}
	e.str(17, c.Ref)
	e.str(18, c.Device)
	e.flag(19, c.Replace)
	e.num(20, uint64(c.Partitions))
	e.str(21, c.ErrorRef)
	for _, f := range c.Features {
		e.bytes(22, []byte(f))
	}
	return e.b
}

// DecodeCommand reads one record. The command keeps nothing of b. A kind of a later release is no error: see CommandKind.Known.
func DecodeCommand(b []byte) (Command, error) {
	var c Command
	err := fields(b, func(num int, v uint64, s []byte) error {
		switch num {
		case 1:
			c.Kind = CommandKind(min(v, math.MaxUint16)) // cut off, a later kind would pass for another one
		case 2:
			c.Gateway = chat.GatewayID(s)
		case 3:
			c.Socket = chat.SocketID(v)
		case 4:
			c.User = chat.UserID(v)
		case 5:
			c.Session = chat.SessionID(s)
		case 6:
			c.At = int64(v)
		case 7:
			c.Room = chat.RoomID(v)
		case 8:
			c.ClientMsgID = string(s)
		case 9:
			c.ClientSeq = v
		case 10:
			c.Content = string(s)
		default:
			return c.rare(num, v, s)
		}
		return nil
	})
	if err == nil && c.Kind == 0 {
		err = malformed("command kind")
	}
	return c, err
}

func (c *Command) rare(num int, v uint64, s []byte) error {
	switch num {
	case 11:
		c.Seq = chat.Seq(v)
	case 12:
		c.Repair = v != 0
	case 13:
		c.Number = v
	case 14:
		c.Users = append(c.Users, chat.UserID(v))
	case 15:
		c.Sessions = append(c.Sessions, chat.SessionID(s))
	case 16:
		p, err := decodePoint(s)
		c.Points = append(c.Points, p)
		return err
	case 17:
		c.Ref = string(s)
	case 18:
		c.Device = string(s)
	case 19:
		c.Replace = v != 0
	case 20:
		c.Partitions = int(v)
	case 21:
		c.ErrorRef = string(s)
	case 22:
		c.Features = append(c.Features, string(s))
	}
	return nil
}
