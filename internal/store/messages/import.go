package messages

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// ImportMessages appends messages that were written elsewhere, in one transaction; sent[i] answers ms[i], and the order within the batch
// is the order of the seqs. It is Append but for this: created_at is the message's own time, unless the room's last entry is later;
// senders need not be members, except of a direct room; nobody's read pointer moves (ImportRead). Nothing is announced. The caller has
// checked contents and ids. err means that nothing is known about the whole batch; running it again is safe.
func (s *Store) ImportMessages(ctx context.Context, ms []chat.ImportedMessage) ([]chat.Sent, error) {
	if len(ms) == 0 {
		return nil, nil
	}
	sends := make([]chat.Send, len(ms))
	for i, m := range ms {
		sends[i] = chat.Send{Room: m.Room, Sender: m.Sender, ClientMsgID: m.ClientMsgID, Content: m.Content, Data: m.Data, ReplyTo: m.ReplyTo}
	}
	b := &imports{batch: newBatch(sends, time.Time{}), from: ms}
	if err := s.d.Play(ctx, "import messages", db.Repeatable, b.commit); err != nil {
		return nil, err
	}
	return b.sent, nil
}

// Named returns the seqs of a room's messages by their client_msg_ids, whoever sent them.
func (s *Store) Named(ctx context.Context, room chat.RoomID, names []string) (map[string]chat.Seq, error) {
	found := make(map[string]chat.Seq, len(names))
	if len(names) == 0 {
		return found, nil
	}
	// Senders are found by jumping from one to the next in the index, then each has few keys to look up.
	var q db.Statement
	q.Add("SELECT "+table.Named.Select()+" FROM (SELECT DISTINCT sender_id FROM messages WHERE room_id = ?) s"+
		" JOIN messages x FORCE INDEX (messages_once) ON x.room_id = ? AND x.sender_id = s.sender_id AND x.client_msg_id IN (", room, room)
	for i, n := range names {
		q.Add(db.Comma(i)+"?", []byte(n))
	}
	q.Add(")")
	err := s.d.Retry(ctx, "read named messages", func(tx db.Tx) error {
		rows, err := db.Collect(tx, &q, table.Named.Cells)
		for _, r := range rows {
			found[r.ClientMsgID] = r.Seq
		}
		return err
	})
	return found, err
}

// imports is a batch of messages that were written elsewhere.
type imports struct {
	*batch
	from   []chat.ImportedMessage
	direct map[chat.RoomID]bool
	older  map[chat.RoomID]time.Time // when rooms were made that nothing says of when, as their first messages tell
}

func (b *imports) commit(ask db.Ask) (writes []*db.Statement, err error) {
	b.reset()
	b.direct, b.older = map[chat.RoomID]bool{}, map[chat.RoomID]time.Time{}
	if err := ask(b.lockRooms(), lookup(b.findStored()), b.findSenders()); err != nil {
		return nil, err
	}
	for i := range b.sends {
		b.sent[i] = b.judge(i)
	}
	if len(b.fresh) == 0 {
		return nil, nil
	}
	for _, id := range slices.Sorted(maps.Keys(b.older)) {
		writes = append(writes, madeAt(id, b.older[id])...)
	}
	return append(append(writes, b.insertMessages()...), b.updateRooms()), nil
}

// lockRooms takes the rooms' row locks as Append does.
func (b *imports) lockRooms() db.Query {
	return b.lock(table.ImportedRooms, func(row *table.Room) {
		b.rooms[row.ID] = &room{headOf(row), !row.DissolvedAt.IsZero(), row.ActiveAt}
		b.direct[row.ID] = row.Type == chat.Direct
	})
}

// judge decides one message. A message that is there already is found before any other rule is asked.
func (b *imports) judge(i int) chat.Sent {
	m := b.from[i]
	if m.Answers > 0 {
		first := b.sent[m.Answers-1]
		if first.Err != nil {
			return chat.Sent{Err: chat.BadField("reply_to", "the message that it answers was refused")}
		}
		b.sends[i].ReplyTo = first.Message.Seq
		b.hashes[i] = bodyOf(b.sends[i])
	}
	s := b.sends[i]
	at := chat.Place{Room: s.Room, User: s.Sender}
	key := messageKey{at, s.ClientMsgID}.folded()
	r := b.rooms[s.Room]
	if first, ok := b.stored[key]; ok {
		sent := b.repeat(i, key, r, first)
		if sent.Err != nil {
			sent.Err = chat.E(chat.IdempotencyConflict, "the id was used for another message")
		}
		return sent
	}
	switch {
	case r == nil || r.dissolved:
		return chat.Sent{Err: chat.E(chat.NotFound, "the room was dissolved")}
	case b.direct[s.Room] && !b.senders[at].in:
		return chat.Sent{Err: chat.BadField("sender", "is none of the two of a direct room")}
	case s.ReplyTo > r.Seq:
		return chat.Sent{Err: chat.BadField("reply_to", "there is no such message")}
	}
	if m.Undated && r.Seq == 1 && r.MsgCount == 0 && m.At.Before(r.now) { // after the entry that says that the room was made
		r.now = EntryTime(m.At, time.UnixMilli(0))
		b.older[s.Room] = r.now
	}
	r.now = EntryTime(m.At, r.now)
	return chat.Sent{Message: b.accept(r, key, i)}
}

// madeAt moves the making of a room back in time.
func madeAt(id chat.RoomID, at time.Time) []*db.Statement {
	var entry, room, members db.Statement
	entry.Add("UPDATE messages SET created_at = ? WHERE room_id = ? AND seq = 1", at, id)
	room.Add("UPDATE rooms SET created_at = ?, active_min = ? WHERE id = ?", at, table.UnixMinute(at), id)
	members.Add("UPDATE members SET joined_at = ? WHERE room_id = ? AND joined_at = (SELECT r.created_at FROM rooms r WHERE r.id = ?)", at, id, id)
	return []*db.Statement{&members, &room, &entry}
}

// updateRooms moves all heads in one statement. The rooms are locked, so that what is written follows from what was read.
func (b *imports) updateRooms() *db.Statement {
	moved := slices.DeleteFunc(b.heads(), func(h chat.Head) bool { return h.Seq == h.Before })
	q := &db.Statement{}
	q.Add("UPDATE rooms FORCE INDEX (PRIMARY) SET ")
	for i, c := range []struct {
		name  string
		as    string // what opens around the value, if anything does
		value func(h chat.Head) any
	}{
		{"active_at", "", func(h chat.Head) any { return b.rooms[h.Room].now }},
		{"active_min", "GREATEST(active_min, ", func(h chat.Head) any { return table.UnixMinute(b.rooms[h.Room].now) }},
		{"last_seq", "", func(h chat.Head) any { return h.Seq }},
		{"msg_count", "", func(h chat.Head) any { return h.MsgCount }},
	} {
		q.Add(db.Comma(i) + c.name + " = " + c.as + "CASE id")
		for _, h := range moved {
			q.Add(" WHEN ? THEN ?", h.Room, c.value(h))
		}
		q.Add(" END")
		if c.as != "" {
			q.Add(")")
		}
	}
	q.Add(" WHERE id IN (")
	for i, h := range moved {
		q.Add(db.Comma(i)+"?", h.Room)
	}
	q.Add(")")
	return q
}

// ImportRead counts runs of imported messages as read: of members who had read all that stood before a run, the pointer goes to its end;
// of those who hadn't, but wrote in it, to their own newest message. A pointer never goes back.
func (s *Store) ImportRead(ctx context.Context, runs []chat.ImportedRun) error {
	if len(runs) == 0 {
		return nil
	}
	runs = slices.SortedStableFunc(slices.Values(runs), func(a, b chat.ImportedRun) int { return cmp.Compare(a.Room, b.Room) })
	return s.d.Tx(ctx, "import read pointers", db.Repeatable, func(tx db.Tx) error {
		recalled, err := recalledIn(tx, runs)
		if err != nil {
			return err
		}
		for _, r := range runs {
			var q db.Statement
			q.Add("UPDATE members FORCE INDEX (PRIMARY) SET read_seq = ?, read_count = ? WHERE room_id = ? AND left_seq = 0 AND read_seq < ? AND read_count",
				r.Seq, r.Ord, r.Room, r.Seq)
			if recalled[r.Room] {
				q.Add(" + (SELECT COUNT(*) FROM recalls k WHERE k.room_id = ? AND k.ord > members.read_count AND k.ord <= ?)", r.Room, r.Before)
			}
			q.Add(" >= ?", r.Before)
			if _, err := q.Exec(tx); err != nil {
				return err
			}
			if err := sendersRead(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// recalledIn returns in which of the runs' rooms messages were recalled.
func recalledIn(tx db.Tx, runs []chat.ImportedRun) (map[chat.RoomID]bool, error) {
	var q db.Statement
	q.Add("SELECT id FROM rooms WHERE max_recalled_ord > 0 AND id IN (")
	for i, r := range runs {
		q.Add(db.Comma(i)+"?", r.Room)
	}
	q.Add(")")
	var ids []chat.RoomID
	err := q.Scan(tx, &ids)
	in := make(map[chat.RoomID]bool, len(ids))
	for _, id := range ids {
		in[id] = true
	}
	return in, err
}

// sendersRead moves the pointers of those who wrote in a run and have it unread to their own newest message.
func sendersRead(tx db.Tx, r chat.ImportedRun) error {
	if len(r.Senders) == 0 {
		return nil
	}
	var at []chat.Place
	for _, u := range slices.Sorted(maps.Keys(r.Senders)) {
		at = append(at, chat.Place{Room: r.Room, User: u})
	}
	var q db.Statement
	q.Add("SELECT " + table.Pointers.Select() + " FROM members m FORCE INDEX (PRIMARY) WHERE m.left_seq = 0 AND ")
	q.Places("m.room_id, m.user_id", at)
	q.Add(" ORDER BY m.room_id, m.user_id FOR UPDATE")
	members, err := db.Collect(tx, &q, table.Pointers.Cells)
	if err != nil {
		return err
	}
	at = at[:0]
	for _, m := range members {
		if m.ReadSeq < r.Senders[m.User].Seq {
			at = append(at, chat.Place{Room: m.Room, User: m.User})
		}
	}
	if len(at) == 0 {
		return nil
	}
	_, err = movePointers(at, func(p chat.Place) (chat.Seq, uint64) { return r.Senders[p.User].Seq, r.Senders[p.User].Ord }).Exec(tx)
	return err
}
