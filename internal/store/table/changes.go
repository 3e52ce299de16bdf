package table

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"chat-service/internal/chat"
)

// State is a row of message_state.
type State struct {
	Room chat.RoomID
	Seq  chat.Seq
	chat.State
	Earlier string // what edits replaced, as package changes writes it; "": nothing
}

// States are what messages that ever changed are now.
var States = define("message_state", "t",
	Column[State]{Name: "room_id", Cell: func(s *State) Cell { return (*number)(&s.Room) }},
	Column[State]{Name: "seq", Cell: func(s *State) Cell { return (*number)(&s.Seq) }},
	Column[State]{Name: "change_seq", Cell: func(s *State) Cell { return (*number)(&s.ChangeSeq) }},
	Column[State]{Name: "version", Cell: func(s *State) Cell { return (*number)(&s.Version) }},
	Column[State]{Name: "edited_at", Cell: func(s *State) Cell { return (*moment)(&s.EditedAt) }},
	Column[State]{Name: "recalled_by", Cell: func(s *State) Cell { return (*nullNumber)(&s.RecalledBy) }},
	Column[State]{Name: "recalled_at", Cell: func(s *State) Cell { return (*moment)(&s.RecalledAt) }},
	Column[State]{Name: "pinned_by", Cell: func(s *State) Cell { return (*nullNumber)(&s.PinnedBy) }},
	Column[State]{Name: "pinned_at", Cell: func(s *State) Cell { return (*moment)(&s.PinnedAt) }},
	Column[State]{Name: "reactions", Cell: func(s *State) Cell { return (*tally)(&s.Reactions) }},
	Column[State]{Name: "earlier", Cell: func(s *State) Cell { return (*nullText)(&s.Earlier) }},
)

// besides is a State beside its message, which says its place, as it is now.
var besides = States.Without("room_id", "seq", "earlier")

// Entry is a message with its state: what leaves the store.
type Entry struct {
	Message
	State State // ChangeSeq 0: there is none
}

// What reads entries: columns and tables. Both are read by one statement, or they would be of two moments. The state is one column,
// because each of eight that are nearly always NULL would be sent and scanned in every row.
var (
	// Entries are all of chat.Message.
	Entries = Log.Select() + ", " + besides.Packed()
	// LastEntries are Entries for a room's newest message, as LastMessage.
	LastEntries = LastMessage.Select() + ", " + besides.Packed()
)

// JoinState finds the states of messages x.
const JoinState = " LEFT JOIN message_state t FORCE INDEX (PRIMARY) ON t.room_id = x.room_id AND t.seq = x.seq"

// Cells are where Entries go.
func (e *Entry) Cells() []any { return append(Log.Cells(&e.Message), besides.Unpack(&e.State)) }

// LastCells are where LastEntries go.
func (e *Entry) LastCells() []any {
	return append(LastMessage.Cells(&e.Message), besides.Unpack(&e.State))
}

// Whole is the message with its state, in memory of its own.
func (e *Entry) Whole() chat.Message {
	m := e.Message.Message
	if e.State.ChangeSeq != 0 {
		st := e.State.State
		m.State = &st
	}
	return m
}

// Asked is a row of room_changes: what was asked under a change_id, and what was answered.
type Asked struct {
	chat.Place
	ID        string
	Hash      [HashLen]byte
	ChangeSeq chat.ChangeSeq // the message's, then
	NoOp      string         // unique, where nothing changed; else empty
	Version   uint64
	Kind      chat.ChangeKind
	Seq       chat.Seq
	Payload   string // JSON, never what was written
	AtSeq     chat.Seq
	CreatedAt time.Time
}

// What was asked: all of it; what most changes need of it; and what answers a repeat.
var (
	Changes = define("room_changes", "h",
		Column[Asked]{Name: "room_id", Cell: func(a *Asked) Cell { return (*number)(&a.Room) }},
		Column[Asked]{Name: "change_seq", Cell: func(a *Asked) Cell { return (*number)(&a.ChangeSeq) }},
		Column[Asked]{Name: "noop", Cell: func(a *Asked) Cell { return (*text)(&a.NoOp) }},
		Column[Asked]{Name: "user_id", Cell: func(a *Asked) Cell { return (*number)(&a.User) }},
		Column[Asked]{Name: "change_id", Cell: func(a *Asked) Cell { return (*bytes)(&a.ID) }},
		Column[Asked]{Name: "hash", Cell: func(a *Asked) Cell { return (*hash)(&a.Hash) }},
		Column[Asked]{Name: "version", Cell: func(a *Asked) Cell { return (*number)(&a.Version) }},
		Column[Asked]{Name: "kind", Cell: func(a *Asked) Cell { return (*text)(&a.Kind) }},
		Column[Asked]{Name: "seq", Cell: func(a *Asked) Cell { return (*number)(&a.Seq) }},
		Column[Asked]{Name: "at_seq", Cell: func(a *Asked) Cell { return (*number)(&a.AtSeq) }},
		Column[Asked]{Name: "created_at", Cell: func(a *Asked) Cell { return (*moment)(&a.CreatedAt) }},
		Column[Asked]{Name: "payload", Cell: func(a *Asked) Cell { return (*nullText)(&a.Payload) }},
	)
	PlainChanges = Changes.Without("noop", "payload")
	ChangeIDs    = Changes.Only("room_id", "user_id", "change_id", "hash", "change_seq", "noop", "version")
)

// Reaction is a row of reactions.
type Reaction struct {
	chat.Place
	Seq       chat.Seq
	Key       string
	ChangeSeq chat.ChangeSeq // orders those of one key
	At        time.Time
}

// Reactions are who set which key.
var Reactions = define("reactions", "e",
	Column[Reaction]{Name: "room_id", Cell: func(r *Reaction) Cell { return (*number)(&r.Room) }},
	Column[Reaction]{Name: "user_id", Cell: func(r *Reaction) Cell { return (*number)(&r.User) }},
	Column[Reaction]{Name: "seq", Cell: func(r *Reaction) Cell { return (*number)(&r.Seq) }},
	Column[Reaction]{Name: "rkey", Cell: func(r *Reaction) Cell { return (*bytes)(&r.Key) }},
	Column[Reaction]{Name: "change_seq", Cell: func(r *Reaction) Cell { return (*number)(&r.ChangeSeq) }},
	Column[Reaction]{Name: "at", Cell: func(r *Reaction) Cell { return (*moment)(&r.At) }},
)

// Pin is a row of pins.
type Pin struct {
	Room      chat.RoomID
	Seq       chat.Seq
	ChangeSeq chat.ChangeSeq // of the pinning
}

// Pins are the pinned messages.
var Pins = define("pins", "p",
	Column[Pin]{Name: "room_id", Cell: func(p *Pin) Cell { return (*number)(&p.Room) }},
	Column[Pin]{Name: "seq", Cell: func(p *Pin) Cell { return (*number)(&p.Seq) }},
	Column[Pin]{Name: "change_seq", Cell: func(p *Pin) Cell { return (*number)(&p.ChangeSeq) }},
)

// LeftReactions is a row of recalled_reactions.
type LeftReactions struct {
	Room chat.RoomID
	Seq  chat.Seq
}

// LeftOver are the recalled messages some of whose reactions are still there.
var LeftOver = define("recalled_reactions", "w",
	Column[LeftReactions]{Name: "room_id", Cell: func(l *LeftReactions) Cell { return (*number)(&l.Room) }},
	Column[LeftReactions]{Name: "seq", Cell: func(l *LeftReactions) Cell { return (*number)(&l.Seq) }},
)

// Recall is a row of recalls.
type Recall struct {
	Room      chat.RoomID
	Ord       uint64
	Seq       chat.Seq
	ChangeSeq chat.ChangeSeq
}

// Recalls are the recalled messages.
var Recalls = define("recalls", "k",
	Column[Recall]{Name: "room_id", Cell: func(r *Recall) Cell { return (*number)(&r.Room) }},
	Column[Recall]{Name: "ord", Cell: func(r *Recall) Cell { return (*number)(&r.Ord) }},
	Column[Recall]{Name: "seq", Cell: func(r *Recall) Cell { return (*number)(&r.Seq) }},
	Column[Recall]{Name: "change_seq", Cell: func(r *Recall) Cell { return (*number)(&r.ChangeSeq) }},
)

// RecalledUnread counts, of a member m in a room r, the recalled messages after the read pointer. It looks only where there are some. Planning
// it costs as much as reading half a room: it is for statements that read many.
const RecalledUnread = "IF(r.max_recalled_ord > m.read_count," +
	" (SELECT COUNT(*) FROM recalls k WHERE k.room_id = r.id AND k.ord > m.read_count), 0)"

// tally is the list of a message's reactions, as JSON; NULL if there are none.
type tally []chat.Reaction

// storedReaction is the form in which message_state holds a reaction.
type storedReaction struct {
	Key   string        `json:"k"`
	Count int           `json:"n"`
	Users []chat.UserID `json:"u"`
}

// Scan implements sql.Scanner.
func (t *tally) Scan(src any) error {
	*t = nil
	var in []byte
	switch v := src.(type) {
	case nil:
		return nil
	case []byte:
		in = v
	case string:
		in = []byte(v)
	default:
		return fmt.Errorf("scan %T as reactions", src)
	}
	var rs []storedReaction
	if err := json.Unmarshal(in, &rs); err != nil {
		return fmt.Errorf("scan reactions: %w", err)
	}
	for _, r := range rs {
		*t = append(*t, chat.Reaction(r))
	}
	return nil
}

// Value implements driver.Valuer.
func (t *tally) Value() (driver.Value, error) {
	if len(*t) == 0 {
		return nil, nil
	}
	rs := make([]storedReaction, len(*t))
	for i, r := range *t {
		rs[i] = storedReaction(r)
	}
	b, err := json.Marshal(rs)
	return string(b), err
}
