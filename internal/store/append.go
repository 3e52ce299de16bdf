package store

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"

	"chat-service/internal/chat"
)

// Append puts a batch of messages into their rooms, in one transaction. sent[i] answers batch[i]; the order within
// the batch is the order of the seqs. heads tells how far each room of the batch has come, changed or not, by
// ascending id. now becomes created_at, in milliseconds. The caller has checked content and client_msg_id.
//
// A row that the server refuses fails alone (Sent.Err, Invalid): the batch is split until the row stands by itself.
// err means that nothing can be said about the whole batch; running it again is safe.
func (d *DB) Append(ctx context.Context, batch []chat.Send, now time.Time) (sent []chat.Sent, heads []chat.Head, err error) {
	if len(batch) == 0 {
		return nil, nil, nil
	}
	a := newAppender(batch, now)
	err = d.tx(ctx, "append", repeatable, a.run)
	if err == nil {
		return a.sent, a.heads(), nil
	}
	if !rowAtFault(err) {
		return nil, nil, err
	}
	if len(batch) == 1 {
		return d.refuse(ctx, a, err)
	}
	return d.appendHalves(ctx, batch, now)
}

func (d *DB) appendHalves(ctx context.Context, batch []chat.Send, now time.Time) ([]chat.Sent, []chat.Head, error) {
	half := len(batch) / 2
	sent, heads, err := d.Append(ctx, batch[:half], now)
	if err != nil {
		return nil, nil, err
	}
	rest, later, err := d.Append(ctx, batch[half:], now)
	if err != nil {
		return nil, nil, err
	}
	return append(sent, rest...), mergeHeads(heads, later), nil
}

// refuse answers a single row that the server would not take, and spends its client_seq.
func (d *DB) refuse(ctx context.Context, a *appender, cause error) ([]chat.Sent, []chat.Head, error) {
	a.refusal = chat.Wrap(chat.Invalid, cause, "the message can't be stored")
	err := d.tx(ctx, "append", repeatable, a.run)
	if err == nil {
		return a.sent, a.heads(), nil
	}
	if rowAtFault(err) { // even its session id: there is no number to spend
		return []chat.Sent{{Err: a.refusal}}, nil, nil
	}
	return nil, nil, err
}

// mergeHeads joins the heads of two parts of a batch, the later part second.
func mergeHeads(a, b []chat.Head) []chat.Head {
	for _, h := range b {
		i, found := slices.BinarySearchFunc(a, h, func(x, y chat.Head) int { return int(int64(x.Room) - int64(y.Room)) })
		if !found {
			a = slices.Insert(a, i, h)
			continue
		}
		h.Before = a[i].Before
		a[i] = h
	}
	return a
}

// appender carries one batch through one transaction, and again where that must be repeated.
type appender struct {
	batch   []chat.Send
	hashes  [][bodyHashLen]byte
	now     time.Time
	refusal *chat.Error // set: what would be accepted is refused with this

	sent    []chat.Sent
	rooms   map[chat.RoomID]*roomState
	stored  map[messageKey]storedMessage
	senders map[place]senderState
	cursors map[cursorKey]*cursorState
	fresh   []freshMessage
	read    map[place]chat.Message // each sender's newest message
	ours    map[messageKey]int     // what earlier runs wrote, by index: should it be there, it is no duplicate
}

type roomState struct {
	chat.Head
	dissolved bool
}

type messageKey struct {
	place
	id string
}

type storedMessage struct {
	msg  chat.Message
	hash [bodyHashLen]byte
}

type senderState struct {
	in    bool
	muted time.Time
}

type cursorKey struct {
	place
	session chat.SessionID
}

type cursorState struct {
	last   uint64
	exists bool
	moved  bool
}

type freshMessage struct {
	chat.Message
	hash  [bodyHashLen]byte
	index int // in the batch
}

func newAppender(batch []chat.Send, now time.Time) *appender {
	a := &appender{batch: batch, hashes: make([][bodyHashLen]byte, len(batch)), now: now.UTC().Truncate(time.Millisecond)}
	for i, s := range batch {
		a.hashes[i] = bodyHash(s.Content)
	}
	return a
}

// run is the transaction: lock, look, judge, write.
func (a *appender) run(g *gorm.DB) error {
	a.sent = make([]chat.Sent, len(a.batch))
	a.stored = make(map[messageKey]storedMessage, len(a.batch))
	a.fresh = a.fresh[:0]
	a.read = make(map[place]chat.Message, len(a.batch))
	if err := a.lockRooms(g); err != nil {
		return err
	}
	if err := a.findStored(g); err != nil {
		return err
	}
	if err := a.findSenders(g); err != nil {
		return err
	}
	if err := a.findCursors(g); err != nil {
		return err
	}
	for i := range a.batch {
		a.sent[i] = a.judge(i)
	}
	if err := a.write(g); err != nil {
		return err
	}
	if a.ours == nil {
		a.ours = make(map[messageKey]int, len(a.fresh))
	}
	for _, m := range a.fresh {
		a.ours[messageKey{place{m.Room, m.Sender}, m.ClientMsgID}] = m.index
	}
	return nil
}

// judge decides one send on the rows at hand. A duplicate is answered before any other rule.
func (a *appender) judge(i int) chat.Sent {
	s := a.batch[i]
	at := place{s.Room, s.Sender}
	key := messageKey{at, s.ClientMsgID}
	room, known := a.rooms[s.Room]
	if st, ok := a.stored[key]; ok {
		if st.hash == a.hashes[i] {
			first, ours := a.ours[key]
			if ours = ours && first == i; ours && known {
				room.Before = min(room.Before, st.msg.Seq-1)
			}
			return chat.Sent{Message: st.msg, Duplicate: !ours}
		}
		a.spend(s)
		return chat.Sent{Err: chat.E(chat.IdempotencyConflict, "client_msg_id was used for another message")}
	}
	sender := a.senders[at]
	if !known || room.dissolved || !sender.in {
		return chat.Sent{Err: chat.E(chat.NotFound, "no such room")}
	}
	if c := a.cursors[cursorKey{at, s.Session}]; s.ClientSeq != 0 && s.ClientSeq != c.last+1 {
		e := chat.E(chat.OutOfOrder, "client_seq is %d, expected %d", s.ClientSeq, c.last+1)
		e.Expected = c.last + 1
		return chat.Sent{Err: e}
	}
	a.spend(s)
	if sender.muted.After(a.now) {
		return chat.Sent{Err: chat.E(chat.Muted, "muted until %s", sender.muted.Format(time.RFC3339))}
	}
	if a.refusal != nil {
		return chat.Sent{Err: a.refusal}
	}
	return chat.Sent{Message: a.accept(room, key, i)}
}

// accept takes the next seq.
func (a *appender) accept(room *roomState, key messageKey, i int) chat.Message {
	s := a.batch[i]
	room.Seq++
	room.MsgCount++
	m := chat.Message{
		Room: s.Room, Seq: room.Seq, Ord: room.MsgCount, Kind: chat.Text, Sender: s.Sender, ClientMsgID: s.ClientMsgID,
		Content: s.Content, CreatedAt: a.now,
	}
	a.fresh = append(a.fresh, freshMessage{m, a.hashes[i], i})
	a.stored[key] = storedMessage{m, a.hashes[i]}
	a.read[key.place] = m
	return m
}

// spend uses up the send's client_seq where it is the next one: it was taken, or refused for good.
func (a *appender) spend(s chat.Send) {
	if s.ClientSeq == 0 {
		return
	}
	c, ok := a.cursors[cursorKey{place{s.Room, s.Sender}, s.Session}]
	if ok && s.ClientSeq == c.last+1 {
		c.last++
		c.moved = true
	}
}

// heads lists the batch's rooms by ascending id.
func (a *appender) heads() []chat.Head {
	hs := make([]chat.Head, 0, len(a.rooms))
	for _, r := range a.rooms {
		hs = append(hs, r.Head)
	}
	slices.SortFunc(hs, func(x, y chat.Head) int { return int(int64(x.Room) - int64(y.Room)) })
	return hs
}
