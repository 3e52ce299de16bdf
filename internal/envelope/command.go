package envelope

import (
	"google.golang.org/protobuf/encoding/protowire"

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
	// Change asks for a change to a message that was sent: Room, Seq, Change, and of an edit Content and Data.
	Change
	// SendMore is Send with Data or ReplyTo. It is a kind of its own so that a worker of the release before, which would store the
	// message without them, refuses it.
	SendMore
)

// Command is a client's or a gateway's request on its way to the worker that owns the partition: a head, and of the body what its kind
// needs. To add a field: the place in the body of its feature, a number that was never used, Append and DecodeCommand; a test fails on a
// field that doesn't come back, another one if a number changes. A process of the release before skips the field: if that would change
// what the command means, it must be a new kind.
type Command struct {
	// The head.
	Kind     CommandKind
	Gateway  chat.GatewayID // who asks, and where the answer goes
	Socket   chat.SocketID  // 0: the gateway itself asks
	User     chat.UserID
	Session  chat.SessionID
	At       int64       // when the gateway took it, Unix milliseconds
	Room     chat.RoomID // of commands that are keyed by room
	ErrorRef string      // what an error refers to; set if a client's frame caused the command, so that a worker that doesn't know the kind can refuse it; not for Send, which all know

	// Send, SendMore. Change: Content and Data of an edit.
	ClientMsgID string
	ClientSeq   uint64 // 0: the sender doesn't number messages
	Content     string
	Data        string // canonical JSON, "": none
	ReplyTo     chat.Seq

	// Change.
	Change Asked

	// Read: the pointer. Attach with Repair: delivered so far. Change: the message.
	Seq chat.Seq

	// Attach, Detach. Join: Repair says that the gateway asks in the client's place.
	Repair bool
	Number uint64 // counts up per gateway boot: the order of a room's attaches and detaches

	// Attach: whose membership to check. Watch: the watch list. Show: users beside Sessions.
	Users []chat.UserID

	// Show.
	Sessions []chat.SessionID

	// Sync.
	Points []Point
	Ref    string // the client's; also of Change

	// Connect.
	Device     string
	Replace    bool     // close the session's other sockets
	Partitions int      // the gateway's P
	Features   []string // what the gateway can do beyond the first edition
}

// Asked is what a Change asks for.
type Asked struct {
	What       chat.ChangeKind
	ID         string // change_id; the gateway makes one if the client gave none
	Key        string // of a reaction
	On         bool   // of a reaction or a pin: set it, else take it away
	IfVersion  uint64 // of an edit: only if the message has this version; 0: whichever it has
	HasContent bool   // of an edit: Content replaces what there is, else it stays
	HasData    bool   // the same for Data; "" removes it
}

// ChangeOf returns the change that a command of the kind Change asks for.
func (c *Command) ChangeOf() chat.Change {
	a := &c.Change
	change := chat.Change{
		Room: c.Room, Seq: c.Seq, User: c.User, Session: c.Session, ID: a.ID, Kind: a.What, IfVersion: a.IfVersion, Key: a.Key, On: a.On,
	}
	if a.HasContent {
		change.Content = &c.Content
	}
	if a.HasData {
		change.Data = &c.Data
	}
	return change
}

// The numbers of a command's fields on the bus. One that was used is never used again.
const (
	// The head.
	cKind     protowire.Number = 1
	cGateway  protowire.Number = 2
	cSocket   protowire.Number = 3
	cUser     protowire.Number = 4
	cSession  protowire.Number = 5
	cAt       protowire.Number = 6
	cRoom     protowire.Number = 7
	cErrorRef protowire.Number = 21

	// Send.
	cClientMsgID protowire.Number = 8
	cClientSeq   protowire.Number = 9
	cContent     protowire.Number = 10

	// Read, Attach, Detach, Watch, Show.
	cSeq      protowire.Number = 11
	cRepair   protowire.Number = 12
	cNumber   protowire.Number = 13
	cUsers    protowire.Number = 14
	cSessions protowire.Number = 15

	// Sync.
	cPoints protowire.Number = 16
	cRef    protowire.Number = 17

	// Connect.
	cDevice     protowire.Number = 18
	cReplace    protowire.Number = 19
	cPartitions protowire.Number = 20
	cFeatures   protowire.Number = 22

	// SendMore, Change.
	cData    protowire.Number = 23
	cReplyTo protowire.Number = 24
	cChange  protowire.Number = 25
)

// Point is a place in a room: what a client has (Sync), a membership or a head (Delivery).
type Point struct {
	Room       chat.RoomID
	Seq        chat.Seq // Sync: the client's highest contiguous seq. Else: the room's last
	Epoch      uint64
	Changes    chat.ChangeSeq // Sync: the client's cursor of changes. Else: the room's change_seq
	From       chat.Seq       // Sync: the first seq of which the client wants changes. Welcome: the first that the member may see; 0: unknown
	HasChanges bool           // Sync: the client has a cursor, and wants changes
}

// lists appends the lists of a command.
func (e *encoder) lists(c *Command) {
	for _, u := range c.Users {
		e.always(cUsers, uint64(u))
	}
	for _, s := range c.Sessions {
		e.bytes(cSessions, []byte(s))
	}
	for _, p := range c.Points {
		e.point(cPoints, p)
	}
}

// more appends what a plain message hasn't got.
func (e *encoder) more(c *Command) {
	for _, f := range c.Features {
		e.bytes(cFeatures, []byte(f))
	}
	e.str(cData, c.Data)
	e.num(cReplyTo, uint64(c.ReplyTo))
	if a := &c.Change; *a != (Asked{}) {
		e.sub(cChange, func(s *encoder) {
			s.str(1, string(a.What))
			s.str(2, a.ID)
			s.str(3, a.Key)
			s.flag(4, a.On)
			s.num(5, a.IfVersion)
			s.flag(6, a.HasContent)
			s.flag(7, a.HasData)
		})
	}
}

// body reads what few commands have.
func (c *Command) body(num protowire.Number, v uint64, s []byte) error {
	switch num {
	case cSeq:
		c.Seq = chat.Seq(v)
	case cRepair:
		c.Repair = v != 0
	case cNumber:
		c.Number = v
	case cUsers:
		c.Users = append(c.Users, chat.UserID(v))
	case cSessions:
		c.Sessions = append(c.Sessions, chat.SessionID(s))
	case cPoints:
		p, err := decodePoint(s)
		c.Points = append(c.Points, p)
		return err
	case cRef:
		c.Ref = string(s)
	case cDevice:
		c.Device = string(s)
	case cReplace:
		c.Replace = v != 0
	case cPartitions:
		c.Partitions = int(v)
	case cFeatures:
		c.Features = append(c.Features, string(s))
	case cData:
		c.Data = string(s)
	case cReplyTo:
		c.ReplyTo = chat.Seq(v)
	case cChange:
		return c.Change.decode(s)
	}
	return nil
}

func (a *Asked) decode(b []byte) error {
	return fields(b, func(num protowire.Number, v uint64, s []byte) error {
		switch num {
		case 1:
			a.What = chat.ChangeKind(s)
		case 2:
			a.ID = string(s)
		case 3:
			a.Key = string(s)
		case 4:
			a.On = v != 0
		case 5:
			a.IfVersion = v
		case 6:
			a.HasContent = v != 0
		case 7:
			a.HasData = v != 0
		}
		return nil
	})
}
