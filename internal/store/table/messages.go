package table

import "chat-service/internal/chat"

// Message is a row of messages.
type Message struct {
	chat.Message
	BodyHash [HashLen]byte // tells two bodies under one client_msg_id apart
}

// Messages are the rooms' logs.
var Messages = define("messages", "x",
	Column[Message]{Name: "room_id", Cell: func(m *Message) Cell { return (*number)(&m.Room) }},
	Column[Message]{Name: "seq", Cell: func(m *Message) Cell { return (*number)(&m.Seq) }},
	Column[Message]{Name: "ord", Cell: func(m *Message) Cell { return (*number)(&m.Ord) }},
	Column[Message]{Name: "kind", Cell: func(m *Message) Cell { return (*text)(&m.Kind) }},
	Column[Message]{Name: "sender_id", Cell: func(m *Message) Cell { return (*number)(&m.Sender) }},
	Column[Message]{Name: "client_msg_id", Cell: func(m *Message) Cell { return (*bytes)(&m.ClientMsgID) }},
	Column[Message]{Name: "content", Cell: func(m *Message) Cell { return (*text)(&m.Content) }},
	Column[Message]{Name: "body_hash", Cell: func(m *Message) Cell { return (*hash)(&m.BodyHash) }},
	Column[Message]{Name: "created_at", Cell: func(m *Message) Cell { return (*moment)(&m.CreatedAt) }},
	Column[Message]{Name: "data", Cell: func(m *Message) Cell { return (*nullText)(&m.Data) }},
	Column[Message]{Name: "reply_to", Cell: func(m *Message) Cell { return (*nullNumber)(&m.ReplyTo) }},
)

// Views of Messages.
var (
	// Log is what readers see of a message: all of chat.Message but its State, see Entry.
	Log = Messages.Without("body_hash")
	// PageOf is Log for a page of one room.
	PageOf = Log.Without("room_id")
	// LastMessage is what a list shows of the newest message of a room whose id and last seq are known; Kind stays empty
	// if there is none.
	LastMessage = Log.Without("room_id", "seq", "ord")
	// Named is what a message is found by besides its place.
	Named = Messages.Only("seq", "client_msg_id")
	// Ords are how many users' messages there are up to each.
	Ords = Messages.Only("room_id", "seq", "ord", "kind")
)

// Cursor is a row of sender_cursors: the last client_seq of a session that numbers its messages in a room.
type Cursor struct {
	chat.Place
	Session chat.SessionID
	Last    uint64
}

// Cursors are the senders' client_seqs.
var Cursors = define("sender_cursors", "c",
	Column[Cursor]{Name: "room_id", Cell: func(c *Cursor) Cell { return (*number)(&c.Room) }},
	Column[Cursor]{Name: "user_id", Cell: func(c *Cursor) Cell { return (*number)(&c.User) }},
	Column[Cursor]{Name: "session_id", Cell: func(c *Cursor) Cell { return (*text)(&c.Session) }},
	Column[Cursor]{Name: "last_seq", Cell: func(c *Cursor) Cell { return (*number)(&c.Last) }},
)
