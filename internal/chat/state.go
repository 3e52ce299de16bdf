package chat

import "time"

// ChangeSeq is a change's place among the changes of its room's messages: 1, 2, 3 … without holes. Zero is "before the first".
type ChangeSeq uint64

// State is what has changed about a message since it was sent. Of two states of one message the one with the higher ChangeSeq holds,
// whichever way and in whichever order they came.
type State struct {
	ChangeSeq  ChangeSeq // of the last change
	Version    uint64    // 1: as sent; an edit raises it
	EditedAt   time.Time // zero: never
	RecalledBy UserID
	RecalledAt time.Time // zero: it isn't recalled
	PinnedBy   UserID
	PinnedAt   time.Time  // zero: it isn't pinned
	Reactions  []Reaction // in order of first arrival; nil after a recall
}

// Reaction is one key under a message and who set it.
type Reaction struct {
	Key   string
	Count int
	Users []UserID // the first ShownReactors of them, in order of arrival
}

// ShownReactors is how many users a Reaction names.
const ShownReactors = 10

// RecalledAtOnce is how many reactions a recall deletes itself. What is left can't be seen, because readers ask whether the message is
// recalled; a chore deletes it.
const RecalledAtOnce = 1000

// Recalled reports whether the message was taken back: it has no content then, and stays so.
func (m *Message) Recalled() bool { return m.State != nil && !m.State.RecalledAt.IsZero() }

// Pinned reports whether the message is pinned.
func (m *Message) Pinned() bool { return m.State != nil && !m.State.PinnedAt.IsZero() }

// Version is the message's version: 1 as sent, and one more with each edit.
func (m *Message) Version() uint64 {
	if m.State == nil {
		return 1
	}
	return m.State.Version
}

// ChangeSeq is that of the message's last change, 0 if it never changed.
func (m *Message) ChangeSeq() ChangeSeq {
	if m.State == nil {
		return 0
	}
	return m.State.ChangeSeq
}

// KindOfContent is the kind of a user's message by its content: Custom without a text, which only data allows.
func KindOfContent(content string) MessageKind {
	if content == "" {
		return Custom
	}
	return Text
}

// Version is an earlier content of a message.
type Version struct {
	Version uint64
	Content string
	Data    string
	At      time.Time // when it was written
}

// Reactor is somebody who set a reaction.
type Reactor struct {
	User UserID
	At   time.Time
}

// ReactorsQuery asks who set one key under a message, as one user may see it, in order of arrival.
type ReactorsQuery struct {
	Room   RoomID
	User   UserID
	Seq    Seq
	Key    string
	Cursor string // "": the start
	Limit  int    // 0: 20
}

// OwnReactions are the keys that one user set under a message, in order of bytes.
type OwnReactions struct {
	Seq  Seq
	Keys []string
}

// ChangesQuery asks for the messages of a stretch of a room's log that changed after Since.
type ChangesQuery struct {
	Room     RoomID
	Since    ChangeSeq
	From, To Seq // both included; To 0: to the end
	Limit    int // messages of the answer
	Bytes    int // of their content, after which no more is read; 0: no bound
	Most     int // if more of the room's messages have changed, the answer is Resync; 0: any number
}

// ChangesPage is the answer to a ChangesQuery: messages in their present state, ascending by ChangeSeq.
type ChangesPage struct {
	Messages []Message
	Covered  ChangeSeq // whoever has the messages knows of all changes up to here
	More     bool      // there are later ones: ask again from Covered
	Resync   bool      // too many changed, or Since is above what the room has: there are no Messages
	Epoch    uint64
}
