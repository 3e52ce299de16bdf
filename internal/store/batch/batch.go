package batch

import (
	"slices"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/faults"
	"chat-service/internal/store/db"
)

// Batch carries one batch through one transaction, and again where that must be repeated.
type Batch struct {
	sends  []chat.Send
	hashes [][HashLen]byte
	now    time.Time
	// Refusal, where set, is the answer to all that would be accepted.
	Refusal *chat.Error
	// Sent holds the answers of the last run, by index.
	Sent []chat.Sent

	rooms   map[chat.RoomID]*roomState
	stored  map[messageKey]storedMessage
	senders map[db.Place]senderState
	cursors map[cursorKey]*cursorState
	fresh   []freshMessage
	read    map[db.Place]chat.Message // each sender's newest message
	ours    map[messageKey]int        // what earlier runs meant to write, by index: should it be there, it is no duplicate
}

type roomState struct {
	chat.Head
	dissolved bool
}

type messageKey struct {
	db.Place
	id string
}

// folded is the key itself: case matters. A test build may plant that it doesn't.
func (k messageKey) folded() messageKey {
	if faults.Planted("ci_key") {
		k.id = strings.ToLower(k.id)
	}
	return k
}

type storedMessage struct {
	msg  chat.Message
	hash [HashLen]byte
}

type senderState struct {
	in    bool
	muted time.Time
}

type cursorKey struct {
	db.Place
	session chat.SessionID
}

type cursorState struct {
	last   uint64
	exists bool
	moved  bool
}

type freshMessage struct {
	chat.Message
	hash  [HashLen]byte
	index int // in the batch
}

// New takes a batch; now becomes created_at, in milliseconds.
func New(sends []chat.Send, now time.Time) *Batch {
	b := &Batch{sends: sends, hashes: make([][HashLen]byte, len(sends)), now: now.UTC().Truncate(time.Millisecond)}
	for i, s := range sends {
		b.hashes[i] = BodyHash(s.Content)
	}
	return b
}

// Ask begins anew: the rooms' locks first, then what is looked up under them.
func (b *Batch) Ask() []db.Query {
	b.Sent = make([]chat.Sent, len(b.sends))
	b.rooms = make(map[chat.RoomID]*roomState, len(b.sends))
	b.stored = make(map[messageKey]storedMessage, len(b.sends))
	b.senders = make(map[db.Place]senderState, len(b.sends))
	b.cursors = map[cursorKey]*cursorState{}
	b.fresh = b.fresh[:0]
	b.read = make(map[db.Place]chat.Message, len(b.sends))
	qs := append(make([]db.Query, 0, 4), b.lockRooms())
	if !faults.Planted("no_dedup") {
		qs = append(qs, b.findStored())
	}
	qs = append(qs, b.findSenders())
	if q, numbered := b.findCursors(); numbered {
		qs = append(qs, q)
	}
	return qs
}

// Decide judges every send on the rows at hand, and returns what is to be written.
func (b *Batch) Decide() []*db.Statement {
	for key, c := range b.cursors {
		if r := b.rooms[key.Room]; !c.exists && (r == nil || r.dissolved || !b.senders[key.Place].in) {
			delete(b.cursors, key) // who never was a member doesn't number his messages
		}
	}
	for i := range b.sends {
		b.Sent[i] = b.judge(i)
	}
	if b.ours == nil {
		b.ours = make(map[messageKey]int, len(b.fresh))
	}
	for _, m := range b.fresh {
		b.ours[messageKey{db.Place{Room: m.Room, User: m.Sender}, m.ClientMsgID}] = m.index
	}
	return b.write()
}

// Run is the same within a transaction that does more, a statement at a time.
func (b *Batch) Run(tx db.Tx) error {
	for _, q := range b.Ask() {
		if err := q.Each(tx, q.Row); err != nil {
			return err
		}
	}
	for _, s := range b.Decide() {
		if _, err := s.Exec(tx); err != nil {
			return err
		}
	}
	return nil
}

// judge decides one send on the rows at hand. A duplicate is answered before any other rule.
func (b *Batch) judge(i int) chat.Sent {
	s := b.sends[i]
	at := db.Place{Room: s.Room, User: s.Sender}
	key := messageKey{at, s.ClientMsgID}.folded()
	room, known := b.rooms[s.Room]
	if st, ok := b.stored[key]; ok {
		b.spend(s) // also that of a duplicate: a new session numbers anew what the last one left unanswered
		if st.hash == b.hashes[i] {
			first, ours := b.ours[key]
			if ours = ours && first == i; ours && known {
				room.Before = min(room.Before, st.msg.Seq-1)
			}
			if faults.Planted("unread_incr") && known {
				room.MsgCount++
			}
			return chat.Sent{Message: st.msg, Duplicate: !ours}
		}
		return chat.Sent{Err: chat.E(chat.IdempotencyConflict, "client_msg_id was used for another message")}
	}
	sender := b.senders[at]
	if !known || room.dissolved || !sender.in {
		b.spend(s)
		return chat.Sent{Err: chat.E(chat.NotFound, "no such room")}
	}
	if c := b.cursors[cursorKey{at, s.Session}]; s.ClientSeq != 0 && s.ClientSeq != c.last+1 {
		e := chat.E(chat.OutOfOrder, "client_seq is %d, expected %d", s.ClientSeq, c.last+1)
		e.Expected = c.last + 1
		return chat.Sent{Err: e}
	}
	b.spend(s)
	if sender.muted.After(b.now) {
		return chat.Sent{Err: chat.E(chat.Muted, "muted until %s", sender.muted.Format(time.RFC3339))}
	}
	if s.Refused != nil {
		return chat.Sent{Err: s.Refused}
	}
	if b.Refusal != nil {
		return chat.Sent{Err: b.Refusal}
	}
	return chat.Sent{Message: b.accept(room, key, i)}
}

// accept takes the next seq.
func (b *Batch) accept(room *roomState, key messageKey, i int) chat.Message {
	s := b.sends[i]
	room.Seq++
	room.MsgCount++
	m := chat.Message{
		Room: s.Room, Seq: room.Seq, Ord: room.MsgCount, Kind: chat.Text, Sender: s.Sender, ClientMsgID: s.ClientMsgID,
		Content: s.Content, CreatedAt: b.now,
	}
	b.fresh = append(b.fresh, freshMessage{m, b.hashes[i], i})
	b.stored[key] = storedMessage{m, b.hashes[i]}
	b.read[key.Place] = m
	return m
}

// spend uses up the send's client_seq where it is the next one: it was taken, or refused for good.
func (b *Batch) spend(s chat.Send) {
	if s.ClientSeq == 0 {
		return
	}
	c, ok := b.cursors[cursorKey{db.Place{Room: s.Room, User: s.Sender}, s.Session}]
	if ok && s.ClientSeq == c.last+1 {
		c.last++
		c.moved = true
	}
}

// Wrote tells whether the last run has stored anything new.
func (b *Batch) Wrote() bool { return len(b.fresh) > 0 }

// Heads lists the batch's rooms by ascending id.
func (b *Batch) Heads() []chat.Head {
	hs := make([]chat.Head, 0, len(b.rooms))
	for _, r := range b.rooms {
		hs = append(hs, r.Head)
	}
	slices.SortFunc(hs, func(x, y chat.Head) int { return int(int64(x.Room) - int64(y.Room)) })
	return hs
}
