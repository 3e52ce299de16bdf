package chat

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// WebhookPlace is one endpoint's interest in one room. Room 0 stands for what happens to accounts.
type WebhookPlace struct {
	Webhook WebhookID
	Room    RoomID
}

// WebhookCursor is how far an endpoint was told of a room: of the entries up to Seq, and of the changes up to Changes.
type WebhookCursor struct {
	WebhookPlace
	Seq     Seq
	Changes ChangeSeq
	Tries   int       // of the event that comes next, which failed
	Next    time.Time // until then it is held: by Token, or, without one, until the next try. Zero: it waits for something to happen
	Token   string    // whose it is
	Claimed bool      // by whoever asked
}

// WebhookClaim asks for a cursor: until a time nobody else may have it.
type WebhookClaim struct {
	WebhookPlace
	Token string // no two claims have the same
	Now   time.Time
	Until time.Time
}

// WebhookEvent is something that an endpoint is told.
type WebhookEvent struct {
	Kind  WebhookKind
	At    time.Time // when it happened
	Room  RoomID    // 0: it happened to a user
	Ext   string    // the application's own id of the room, or of the User; "": it has none
	Epoch uint64    // of the room

	Seq     Seq       // of the entry, or of the message that was changed
	Changes ChangeSeq // of the change; 0: it is an entry
	By      UserID    // who wrote or changed it
	ByExt   string    // the application's own id of them; "": they have none
	Key     string    // of a reaction
	Message Message   // as it is now

	User User   // to whom it happened
	Row  uint64 // where that is kept until all is told

	Then WebhookCursor // the cursor once this is told
}

// ID names the event, the same for all endpoints and however often it is posted.
func (e *WebhookEvent) ID() string {
	if e.Room == 0 {
		return fmt.Sprintf("usr_%d_%d_%s", e.User.ID, e.At.UnixMicro(), strings.TrimPrefix(string(e.Kind), "user."))
	}
	return fmt.Sprintf("msg_%d_%d_%d_%d", e.Room, e.Epoch, e.Seq, e.Changes)
}

// ParseWebhookEventID reads where in a room's log an event stands whose ID is given; ok is false for what is no event of a room.
func ParseWebhookEventID(id string) (room RoomID, seq Seq, change ChangeSeq, ok bool) {
	parts := strings.Split(id, "_")
	if len(parts) != 5 || parts[0] != "msg" {
		return 0, 0, 0, false
	}
	var n [4]uint64
	for i, p := range parts[1:] {
		v, err := strconv.ParseUint(p, 10, 64)
		if err != nil || v > MaxID || p != strconv.FormatUint(v, 10) {
			return 0, 0, 0, false
		}
		n[i] = v
	}
	return RoomID(n[0]), Seq(n[2]), ChangeSeq(n[3]), n[0] != 0 && n[2] != 0
}

// WebhookEventOf is what an entry of a room's log is to an endpoint.
func WebhookEventOf(m Message) WebhookEvent {
	e := WebhookEvent{Kind: WebhookSent, At: m.CreatedAt, Room: m.Room, Seq: m.Seq, By: m.Sender, Message: m}
	if m.Kind == System {
		ev, spec := m.event()
		if e.Kind, e.By = spec.Webhook, ev.By; e.Kind == "" {
			e.Kind = WebhookOther
		}
	}
	return e
}

// WebhookKindOf is what a change is to an endpoint. on is that of a reaction or a pin.
func WebhookKindOf(k ChangeKind, on bool) WebhookKind {
	switch {
	case k == ChangeEdit:
		return WebhookEdited
	case k == ChangeReaction && on:
		return WebhookReactionAdded
	case k == ChangeReaction:
		return WebhookReactionRemoved
	case k == ChangePin && on:
		return WebhookPinned
	case k == ChangePin:
		return WebhookUnpinned
	default: // a recall, and what an operator erases
		return WebhookRecalled
	}
}

// WebhookHealth is what an answer says of an endpoint.
type WebhookHealth int

// What it says.
const (
	WebhookAsBefore WebhookHealth = iota
	WebhookWell                   // it was failing, and took something
	WebhookFailing                // it was well, and took nothing
)

// WebhookSettled is what came of a claim.
type WebhookSettled struct {
	WebhookPlace
	Token    string
	Seq      Seq // the cursor, from now on
	Changes  ChangeSeq
	Rows     []uint64 // of accounts: what was told
	Tries    int
	Next     time.Time // when to try again, or, with Keep, until when the claim lasts; zero: when something happens
	Keep     bool      // the claim goes on
	Attempts []WebhookAttempt
	Health   WebhookHealth
	Disable  string // why the endpoint is to be disabled; "": it isn't
	Now      time.Time
}

// WebhookSweep is a walk over the rooms in which an endpoint may have missed something. The zero walk, with an endpoint and a name, begins one.
type WebhookSweep struct {
	Webhook WebhookID
	By      string    // which process walks
	Now     time.Time // of this step
	Limit   int       // rooms looked at in one step
	Pause   time.Duration

	Began     time.Time // zero: it begins
	Since     time.Time // rooms that were quiet since are left out
	Partition int       // where it stands
	Minute    int64
	Room      RoomID
	Done      bool // it was the last step
}

// WebhookBurden is what waits for an endpoint to get well.
type WebhookBurden struct {
	Webhook WebhookID
	Rooms   int // that wait for their next try; counted up to 10,000
}
