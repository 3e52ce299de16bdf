package messages

import (
	"cmp"
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// Append puts a batch of messages into their rooms, in one transaction. sent[i] answers sends[i]; the order within
// the batch is the order of the seqs. heads says how far each room of the batch has come, changed or not, by
// ascending id. now becomes created_at, in milliseconds, unless the room's last entry is later: created_at never falls along
// seq, whatever the writers' clocks say. The caller has checked content and client_msg_id.
//
// A row that the server refuses fails alone (Sent.Err, Invalid): the batch is split until the row stands by itself.
// err means that nothing is known about the whole batch; running it again is safe.
func (s *Store) Append(ctx context.Context, sends []chat.Send, now time.Time) (sent []chat.Sent, heads []chat.Head, err error) {
	if len(sends) == 0 {
		return nil, nil, nil
	}
	b := newBatch(sends, now)
	if err = s.d.Play(ctx, "append", db.Repeatable, b.commit); err != nil {
		return s.appendParts(ctx, b, now, err)
	}
	if b.repeats {
		err = s.refresh(ctx, b)
	}
	return b.sent, b.heads(), err
}

// commit is one transaction from its first statement to its last but the COMMIT, which the caller adds to what is
// returned. It begins anew each time, because a transaction that lost a deadlock runs again.
func (b *batch) commit(ask db.Ask) (writes []*db.Statement, err error) {
	b.reset()

	// Lock the rooms, and look up under their locks what the sends are judged by. All of it is one round trip.
	queries := []db.Query{b.lockRooms(), lookup(b.findStored()), b.findSenders(), b.findEnded()}
	if b.numbered {
		queries = append(queries, b.findCursors())
	}
	if err := ask(queries...); err != nil {
		return nil, err
	}
	if b.numbered {
		b.dropStrangers()
	}

	// Judge, one send after the other: a send sees what those before it did.
	for i, s := range b.sends {
		b.sent[i] = b.judge(i)
		if s.ClientSeq != 0 {
			b.spend(s)
		}
	}

	// Write. With the COMMIT this is the second round trip; the message is sent when it is answered.
	if len(b.fresh) > 0 {
		writes = append(b.insertMessages(), b.updateRooms(), b.updateSenders())
	}
	if b.numbered {
		writes = append(writes, b.writeCursors()...)
	}
	return writes, nil
}

// batch carries one batch through one transaction, and again when that must be repeated.
type batch struct {
	sends   []chat.Send
	hashes  [][table.HashLen]byte // of the sends' bodies
	now     time.Time
	refusal *chat.Error // not nil: the answer to all that would be accepted

	numbered bool // some sends have a client_seq
	repeats  bool // some were there already

	// What the last run answered, and what it knew.
	sent    []chat.Sent // by index
	rooms   map[chat.RoomID]*room
	stored  map[messageKey]table.Message
	senders map[chat.Place]sender
	cursors map[cursorKey]*cursor
	ended   []chat.SessionID            // nearly always none
	fresh   []table.Message             // to be written
	newest  map[chat.Place]chat.Message // each sender's newest message

	// ours is what earlier runs meant to write, with its index in the batch: a COMMIT whose answer was lost may have
	// written it, and then it is no duplicate.
	ours map[messageKey]int
}

type room struct {
	chat.Head
	dissolved bool
	now       time.Time // created_at of the next entry
}

// messageKey is what makes a retried send the first one. Case matters.
type messageKey struct {
	chat.Place
	id string
}

type sender struct {
	in    bool
	muted time.Time
	from  chat.Seq // the first message that they see
}

func newBatch(sends []chat.Send, now time.Time) *batch {
	b := &batch{sends: sends, now: now.UTC().Truncate(time.Millisecond), ours: map[messageKey]int{}}
	b.hashes = make([][table.HashLen]byte, len(sends))
	for i, s := range sends {
		b.hashes[i] = bodyOf(s)
		b.numbered = b.numbered || s.ClientSeq != 0
	}
	return b
}

func (b *batch) reset() {
	n := len(b.sends)
	b.sent = make([]chat.Sent, n)
	b.rooms = make(map[chat.RoomID]*room, n)
	b.stored = make(map[messageKey]table.Message, n)
	b.senders = make(map[chat.Place]sender, n)
	b.cursors, b.ended = map[cursorKey]*cursor{}, nil
	b.fresh = b.fresh[:0]
	b.newest = make(map[chat.Place]chat.Message, n)
}

// lockRooms takes the rooms' row locks in the order of their ids, as every transaction does. The index is forced: on a
// small table a scan would be chosen, and it would wait for rooms that the batch doesn't touch.
func (b *batch) lockRooms() db.Query {
	return b.lock(table.RoomHeads, func(row *table.Room) {
		b.rooms[row.ID] = &room{headOf(row), !row.DissolvedAt.IsZero(), EntryTime(b.now, row.ActiveAt)}
	})
}

func (b *batch) lock(columns *table.Table[table.Room], take func(row *table.Room)) (q db.Query) {
	ids := make([]chat.RoomID, len(b.sends))
	for i, s := range b.sends {
		ids[i] = s.Room
	}
	q.Add("SELECT " + columns.Select() + " FROM rooms r FORCE INDEX (PRIMARY) WHERE r.id IN (")
	db.List(&q.Statement, db.SortedIDs(ids))
	q.Add(") ORDER BY r.id" + roomLock())
	var row table.Room
	q.Into(columns.Cells(&row), func() { take(&row) })
	return q
}

// findStored looks the sends' keys up among the messages that are there. Left to choose, both servers scan the rooms'
// whole logs instead (measured: 20 ms and growing, against 0.5 ms by the key).
func (b *batch) findStored() (q db.Query) {
	q.Add("SELECT " + table.Messages.Select() + " FROM messages x FORCE INDEX (messages_once)" +
		" WHERE (x.room_id, x.sender_id, x.client_msg_id) IN (")
	for i, s := range b.sends {
		q.Add(db.Comma(i))
		lookUpKey(&q, s)
	}
	q.Add(")")
	var row table.Message
	q.Into(table.Messages.Cells(&row), func() { b.stored[keyOf(&row.Message).folded()] = row })
	return q
}

func keyOf(m *chat.Message) messageKey {
	return messageKey{chat.Place{Room: m.Room, User: m.Sender}, m.ClientMsgID}
}

// findSenders reads the senders' memberships, as they stand under the rooms' locks.
func (b *batch) findSenders() (q db.Query) {
	at := make([]chat.Place, len(b.sends))
	for i, s := range b.sends {
		at[i] = chat.Place{Room: s.Room, User: s.Sender}
	}
	q.Add("SELECT " + table.Senders.Select() + " FROM members m FORCE INDEX (PRIMARY) WHERE " + openPlaces())
	q.Places("m.room_id, m.user_id", db.SortedPlaces(at))
	var row chat.Member
	q.Into(table.Senders.Cells(&row), func() {
		b.senders[chat.Place{Room: row.Room, User: row.User}] = sender{true, row.MutedUntil, row.VisibleFrom}
	})
	return q
}

// findEnded asks which of the sends' sessions were revoked. Their sockets are closed by a notice, which takes a moment and may get
// lost; what is sent after a logout was answered must not be accepted all the same.
func (b *batch) findEnded() (q db.Query) {
	q.Add("SELECT " + table.SessionIDs.Select() + " FROM sessions s FORCE INDEX (PRIMARY) WHERE s.revoked_at IS NOT NULL AND s.id IN (")
	for i, s := range b.sends {
		q.Add(db.Comma(i)+"?", s.Session)
	}
	q.Add(")")
	var row table.Session
	q.Into(table.SessionIDs.Cells(&row), func() { b.ended = append(b.ended, row.ID) })
	return q
}

func sessionEnded() *chat.Error {
	return chat.E(chat.Unauthenticated, "the session has ended, log in again")
}

// judge decides one send. A duplicate is answered before any other rule: the first answer holds for ever.
func (b *batch) judge(i int) chat.Sent {
	s := b.sends[i]
	at := chat.Place{Room: s.Room, User: s.Sender}
	key := messageKey{at, s.ClientMsgID}.folded()
	r := b.rooms[s.Room] // nil: there is no such room
	if first, ok := b.stored[key]; ok {
		return b.repeat(i, key, r, first)
	}
	if slices.Contains(b.ended, s.Session) {
		return chat.Sent{Err: sessionEnded()}
	}
	from := b.senders[at]
	if r == nil || r.dissolved || !from.in {
		return chat.Sent{Err: NoRoom()}
	}
	if c := b.cursors[cursorKey{at, s.Session}]; s.ClientSeq != 0 && s.ClientSeq != c.last+1 {
		return chat.Sent{Err: outOfOrder(s.ClientSeq, c.last+1)}
	}
	switch {
	case from.muted.After(b.now):
		return chat.Sent{Err: chat.E(chat.Muted, "muted until %s", from.muted.Format(time.RFC3339))}
	case s.Refused != nil:
		return chat.Sent{Err: s.Refused}
	case b.refusal != nil:
		return chat.Sent{Err: b.refusal}
	case s.ReplyTo != 0 && (s.ReplyTo < from.from || s.ReplyTo > r.Seq):
		return chat.Sent{Err: chat.BadField("reply_to", "there is no such message")}
	}
	return chat.Sent{Message: b.accept(r, key, i)}
}

// repeat answers a send whose key is there already.
func (b *batch) repeat(i int, key messageKey, r *room, first table.Message) chat.Sent {
	if first.BodyHash != b.hashes[i] {
		return chat.Sent{Err: chat.E(chat.IdempotencyConflict, "client_msg_id was used for another message")}
	}
	index, ours := b.ours[key]
	if ours = ours && index == i; ours && r != nil {
		r.Before = min(r.Before, first.Seq-1)
	}
	b.repeats = true
	r.repeated()
	return chat.Sent{Message: first.Message, Duplicate: !ours}
}

// accept gives a send the room's next seq.
func (b *batch) accept(r *room, key messageKey, i int) chat.Message {
	r.Seq++
	r.MsgCount++
	m := table.Message{Message: entryOf(b.sends[i]), BodyHash: b.hashes[i]}
	m.Seq, m.Ord, m.CreatedAt = r.Seq, r.MsgCount, r.now
	b.fresh = append(b.fresh, m)
	b.stored[key], b.ours[key] = m, i
	b.newest[key.Place] = m.Message
	return m.Message
}

// EntryTime is created_at of a room's next entry, in milliseconds: now, but never before the entry that made the room active last.
func EntryTime(now, active time.Time) time.Time {
	return time.UnixMilli(max(now.UnixMilli(), active.UnixMilli())).UTC()
}

// insertBytes bounds one INSERT well below max_allowed_packet (16 MiB on MariaDB), even if every byte is escaped.
const insertBytes = 4 << 20

func (b *batch) insertMessages() (ss []*db.Statement) {
	for i := 0; i < len(b.fresh); {
		q := &db.Statement{}
		q.Add(table.Messages.Insert())
		for size, first := 0, i; i < len(b.fresh) && (i == first || size+len(b.fresh[i].Content)+len(b.fresh[i].Data) <= insertBytes); i++ {
			size += len(b.fresh[i].Content) + len(b.fresh[i].Data)
			q.Add(db.Comma(i-first)+table.Messages.Marks(), table.Messages.Values(&b.fresh[i])...)
		}
		ss = append(ss, q)
	}
	return ss
}

// updateRooms moves all heads in one statement.
func (b *batch) updateRooms() *db.Statement {
	moved := slices.DeleteFunc(b.heads(), func(h chat.Head) bool { return h.Seq == h.Before })
	q := &db.Statement{}
	q.Add("UPDATE rooms FORCE INDEX (PRIMARY) SET active_min = GREATEST(active_min, ?), active_at = GREATEST(active_at, ?),"+
		" last_seq = CASE id", table.UnixMinute(b.now), b.now)
	for _, h := range moved {
		q.Add(" WHEN ? THEN ?", h.Room, h.Seq)
	}
	q.Add(" END, msg_count = CASE id")
	for _, h := range moved {
		q.Add(" WHEN ? THEN ?", h.Room, h.MsgCount)
	}
	q.Add(" END WHERE id IN (")
	for i, h := range moved {
		q.Add(db.Comma(i)+"?", h.Room)
	}
	q.Add(")")
	return q
}

// heads lists the batch's rooms by ascending id.
func (b *batch) heads() []chat.Head {
	hs := make([]chat.Head, 0, len(b.rooms))
	for _, r := range b.rooms {
		hs = append(hs, r.Head)
	}
	slices.SortFunc(hs, byRoom)
	return hs
}

func byRoom(x, y chat.Head) int { return cmp.Compare(x.Room, y.Room) }

// updateSenders moves each sender's read pointer to their newest message, so that own messages are never unread.
func (b *batch) updateSenders() *db.Statement {
	return movePointers(db.SortedPlaces(slices.Collect(maps.Keys(b.newest))), func(p chat.Place) (chat.Seq, uint64) {
		return b.newest[p].Seq, b.newest[p].Ord
	})
}

// movePointers sets read pointers, of sorted places, to what pick gives: a seq and the number of users' messages up to
// it.
func movePointers(at []chat.Place, pick func(chat.Place) (chat.Seq, uint64)) *db.Statement {
	q := &db.Statement{}
	q.Add("UPDATE members FORCE INDEX (PRIMARY) SET read_seq = ")
	db.Case(q, "user_id", at, func(p chat.Place) (chat.RoomID, any, any) { seq, _ := pick(p); return p.Room, p.User, seq })
	q.Add(", read_count = ")
	db.Case(q, "user_id", at, func(p chat.Place) (chat.RoomID, any, any) { _, n := pick(p); return p.Room, p.User, n })
	q.Add(" WHERE ")
	q.Places("room_id, user_id", at)
	return q
}

// headOf is how far a room has come, nothing having happened to it.
func headOf(r *table.Room) chat.Head {
	return chat.Head{Room: r.ID, Seq: r.LastSeq, Before: r.LastSeq, Epoch: r.Epoch, MsgCount: r.MsgCount, Changes: r.Changes}
}

// entryOf is the message that a send becomes when it is accepted: what the sender wrote, not yet where it stands.
func entryOf(s chat.Send) chat.Message {
	m := chat.Message{Room: s.Room, Kind: chat.Text, Sender: s.Sender, ClientMsgID: s.ClientMsgID, Content: s.Content}
	if s.Data != "" || s.ReplyTo != 0 {
		m.Kind, m.Data, m.ReplyTo = chat.KindOfContent(s.Content), s.Data, s.ReplyTo
	}
	return m
}

// bodyOf is the hash of everything in a send that makes it another message when it changes: see BodyHash.
// TestBodyCoversSend fails when a field of chat.Send is neither here nor among those that say who sends, where and how.
func bodyOf(s chat.Send) [table.HashLen]byte {
	if s.Data != "" || s.ReplyTo != 0 {
		return BodyHash(s.Content, extrasOf(s)...)
	}
	return hashOf([]byte(s.Content))
}

// hashOf keeps of a hash what tells bodies apart.
func hashOf(b []byte) (h [table.HashLen]byte) {
	sum := sha256.Sum256(b)
	copy(h[:], sum[:])
	return h
}
