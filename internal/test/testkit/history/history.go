package history

import (
	"slices"
	"sync"
	"time"
)

// EventKind says what a client did or saw.
type EventKind string

// The kinds. A Chatter records all of them except Unread, Fault, Paged and Counted, which tests add.
const (
	Opened   EventKind = "open"     // welcome came; Session
	Closed   EventKind = "close"    // Code; Stop: the client ended it
	Sent     EventKind = "send"     // the message was given to the client to send: Room, ID, Content, Number
	Acked    EventKind = "ack"      // Room, ID, Seq, Duplicate
	Nacked   EventKind = "nack"     // Room, ID, Word (error code), Retry
	Received EventKind = "recv"     // a message frame, expected or not: Room, Seq, About (sender), ID, Content
	Shown    EventKind = "show"     // the view grew by it: Room, Seq, About, ID, Content
	Based    EventKind = "base"     // the view of Room begins, or begins again, after Seq; Word says why
	Synced   EventKind = "synced"   // Room, Seq (to_seq), From
	Hole     EventKind = "hole"     // synced said that the view is complete up to Seq, but it is not
	Left     EventKind = "left"     // Room, Seq, Word (reason)
	ReadAt   EventKind = "read"     // Room, Seq, About (whose pointer)
	Watched  EventKind = "presence" // About, Online
	Unread   EventKind = "unread"   // Room, Seq (the number shown); Final: at rest
	Fault    EventKind = "fault"    // Word

	Asked   EventKind = "ask"    // a change was given to the client: Room, Seq, ID (change_id), Word (its kind), Content or Key, On
	Done    EventKind = "done"   // Room, Seq, ID; Change and Version, 0 if the answer doesn't tell them
	Denied  EventKind = "deny"   // a change was refused: Room, ID, Word (error code), Retry
	Changed EventKind = "change" // a change frame: Room, Seq (0: it tells of no message), Change, Prev, AtSeq, Seen
	Paged   EventKind = "page"   // a message in a page, asked for at Began: Room, Seq, Seen
	Counted EventKind = "count"  // a room in the list: Room, Change, Last, Read, Unread of it
)

// Seen is what a frame or an answer tells of a message's state; nil: it doesn't tell. A message that was never changed has Change 0.
type Seen struct {
	Change, Version uint64
	Content         *string
	Recalled        *bool
	Reactions       *string // as Reactions writes them
	Pinned          *bool
}

// Event is one entry of a History.
type Event struct {
	At     time.Duration // since the history began, monotonic
	Kind   EventKind
	Client string // Chatter's name
	User   uint64 // whose client it is
	Conn   int    // the client's connections, counted from 1

	Room      uint64
	Seq       uint64
	From      uint64
	ID        string
	Content   string
	About     uint64
	Number    uint64 // order of a client's sends, from 1
	Code      int
	Word      string
	Duplicate bool
	Retry     bool
	Online    bool
	Stop      bool
	Final     bool

	Change, Prev, AtSeq, Version uint64
	Last, Read, Unread           uint64
	Key                          string
	On                           bool
	Began                        time.Duration
	Seen                         *Seen `json:",omitempty"`
}

// History collects events of many clients on one clock.
type History struct {
	start  time.Time
	mu     sync.Mutex
	events []Event
}

// New begins a history now.
func New() *History { return &History{start: time.Now()} }

// Now is the time since the history began.
func (h *History) Now() time.Duration { return time.Since(h.start) }

// Add records an event; a zero At becomes now.
func (h *History) Add(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.At == 0 {
		e.At = time.Since(h.start)
	}
	h.events = append(h.events, e)
}

// Events are all events so far, in order of recording.
func (h *History) Events() []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}
