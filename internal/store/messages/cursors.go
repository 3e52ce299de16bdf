package messages

import (
	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

type cursorKey struct {
	chat.Place
	session chat.SessionID
}

// cursor is the last client_seq of a session in a room.
type cursor struct {
	last   uint64
	exists bool // as a row
	moved  bool
}

// findCursors reads the last client_seq of those who number their messages. It is asked only if somebody does.
func (b *batch) findCursors() (q db.Query) {
	for _, s := range b.sends {
		key := cursorKey{chat.Place{Room: s.Room, User: s.Sender}, s.Session}
		if s.ClientSeq == 0 || b.cursors[key] != nil {
			continue
		}
		if len(b.cursors) == 0 {
			q.Add("SELECT " + table.Cursors.Select() + " FROM sender_cursors c WHERE (c.room_id, c.user_id, c.session_id) IN (")
		}
		q.Add(db.Comma(len(b.cursors))+"(?,?,?)", s.Room, s.Sender, s.Session)
		b.cursors[key] = &cursor{}
	}
	q.Add(")")
	var row table.Cursor
	q.Into(table.Cursors.Cells(&row), func() {
		b.cursors[cursorKey{row.Place, row.Session}] = &cursor{last: row.Last, exists: true}
	})
	return q
}

// dropStrangers forgets the cursors of those who were never members: their numbers are not kept.
func (b *batch) dropStrangers() {
	for key, c := range b.cursors {
		if r := b.rooms[key.Room]; !c.exists && (r == nil || r.dissolved || !b.senders[key.Place].in) {
			delete(b.cursors, key)
		}
	}
}

// spend uses up a send's client_seq if it is the next one: the send was taken, or refused for good. Also that of a duplicate: a new
// session numbers anew what the last one left unanswered.
func (b *batch) spend(s chat.Send) {
	c := b.cursors[cursorKey{chat.Place{Room: s.Room, User: s.Sender}, s.Session}]
	if c != nil && s.ClientSeq == c.last+1 {
		c.last++
		c.moved = true
	}
}

func outOfOrder(got, expected uint64) *chat.Error {
	e := chat.E(chat.OutOfOrder, "client_seq is %d, expected %d", got, expected)
	e.Expected = expected
	return e
}

// writeCursors stores the last client_seq of those that moved.
func (b *batch) writeCursors() (ss []*db.Statement) {
	var insert, update, where db.Statement
	insert.Add("INSERT INTO sender_cursors (room_id, user_id, session_id, last_seq, updated_at) VALUES ")
	update.Add("UPDATE sender_cursors SET updated_at = ?, last_seq = CASE", b.now)
	inserts, updates := 0, 0
	for key, c := range b.cursors {
		switch {
		case !c.moved:
		case !c.exists:
			insert.Add(db.Comma(inserts)+"(?,?,?,?,?)", key.Room, key.User, key.session, c.last, b.now)
			inserts++
		default:
			update.Add(" WHEN room_id = ? AND user_id = ? AND session_id = ? THEN ?", key.Room, key.User, key.session, c.last)
			where.Add(db.Comma(updates)+"(?,?,?)", key.Room, key.User, key.session)
			updates++
		}
	}
	if inserts > 0 {
		ss = append(ss, &insert)
	}
	if updates > 0 {
		if updates == 1 { // a lone tuple makes MariaDB scan, see db.Statement.Places
			where.Again()
		}
		update.Add(" END WHERE (room_id, user_id, session_id) IN (")
		update.Join(&where)
		update.Add(")")
		ss = append(ss, &update)
	}
	return ss
}
