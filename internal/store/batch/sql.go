package batch

import (
	"crypto/sha256"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/faults"
	"chat-service/internal/store/db"
)

// HashLen bytes of SHA-256 tell two bodies apart under one client_msg_id.
const HashLen = 16

// BodyHash tells bodies apart.
func BodyHash(content string) (h [HashLen]byte) {
	sum := sha256.Sum256([]byte(content))
	copy(h[:], sum[:])
	return h
}

// lockRooms takes the rooms' row locks in id order. The index is forced: on a small table a scan would be chosen,
// and it would wait for rooms that the batch doesn't touch.
func (b *Batch) lockRooms() (q db.Query) {
	ids := make([]chat.RoomID, len(b.sends))
	for i, s := range b.sends {
		ids[i] = s.Room
	}
	q.Add("SELECT id, last_seq, msg_count, epoch, dissolved_at IS NOT NULL FROM rooms FORCE INDEX (PRIMARY) WHERE id IN (")
	for i, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		q.Add(db.Comma(i)+"?", id)
	}
	if q.Add(") ORDER BY id"); !faults.Planted("seq_select") {
		q.Add(" FOR UPDATE")
	}
	q.Row = func(rows *sql.Rows) error {
		var r roomState
		err := rows.Scan(&r.Room, &r.Seq, &r.MsgCount, &r.Epoch, &r.dissolved)
		r.Before = r.Seq
		b.rooms[r.Room] = &r
		return err
	}
	return q
}

// findStored looks the batch's keys up among the messages that are there already. Left to choose, both servers scan the
// rooms' whole logs instead (measured: 20 ms and growing, against 0.5 ms by the key).
func (b *Batch) findStored() (q db.Query) {
	q.Add("SELECT room_id, seq, ord, kind, sender_id, client_msg_id, body_hash, content, created_at FROM messages FORCE INDEX (messages_once)" +
		" WHERE (room_id, sender_id, client_msg_id) IN (")
	for i, s := range b.sends {
		q.Add(db.Comma(i)+"(?,?,?)", s.Room, s.Sender, []byte(s.ClientMsgID))
		if faults.Planted("ci_key") {
			q.Add(",(?,?,?),(?,?,?)", s.Room, s.Sender, []byte(strings.ToLower(s.ClientMsgID)), s.Room, s.Sender, []byte(strings.ToUpper(s.ClientMsgID)))
		}
	}
	q.Add(")")
	q.Row = func(rows *sql.Rows) error {
		var m chat.Message
		var hash []byte
		err := rows.Scan(&m.Room, &m.Seq, &m.Ord, &m.Kind, &m.Sender, &m.ClientMsgID, &hash, &m.Content, &m.CreatedAt)
		if err != nil {
			return err
		}
		b.stored[messageKey{db.Place{Room: m.Room, User: m.Sender}, m.ClientMsgID}.folded()] = storedMessage{m, [HashLen]byte(hash)}
		return nil
	}
	return q
}

// findSenders reads the senders' memberships, as they stand under the rooms' locks.
func (b *Batch) findSenders() (q db.Query) {
	at := make([]db.Place, len(b.sends))
	for i, s := range b.sends {
		at[i] = db.Place{Room: s.Room, User: s.Sender}
	}
	q.Add("SELECT room_id, user_id, muted_until FROM members FORCE INDEX (PRIMARY) WHERE ")
	if !faults.Planted("skip_membership") {
		q.Add("left_seq = 0 AND ")
	}
	q.Places("room_id, user_id", db.SortedPlaces(at))
	q.Row = func(rows *sql.Rows) error {
		var p db.Place
		var muted sql.NullTime
		err := rows.Scan(&p.Room, &p.User, &muted)
		b.senders[p] = senderState{in: true, muted: muted.Time}
		return err
	}
	return q
}

// findCursors reads the last client_seq of those who number their messages.
func (b *Batch) findCursors() (q db.Query, numbered bool) {
	q.Add("SELECT room_id, user_id, session_id, last_seq FROM sender_cursors WHERE (room_id, user_id, session_id) IN (")
	for _, s := range b.sends {
		key := cursorKey{db.Place{Room: s.Room, User: s.Sender}, s.Session}
		if s.ClientSeq == 0 || b.cursors[key] != nil {
			continue
		}
		q.Add(db.Comma(len(b.cursors))+"(?,?,?)", s.Room, s.Sender, s.Session)
		b.cursors[key] = &cursorState{}
	}
	q.Add(")")
	q.Row = func(rows *sql.Rows) error {
		var key cursorKey
		c := cursorState{exists: true}
		err := rows.Scan(&key.Room, &key.User, &key.session, &c.last)
		b.cursors[key] = &c
		return err
	}
	return q, len(b.cursors) > 0
}

// write stores what was decided.
func (b *Batch) write() (ss []*db.Statement) {
	if len(b.fresh) > 0 {
		ss = append(b.insertMessages(), b.updateRooms(), b.updateSenders())
	}
	return append(ss, b.writeCursors()...)
}

// insertBytes bounds one INSERT well below max_allowed_packet (16 MiB on MariaDB), even if every byte is escaped.
const insertBytes = 4 << 20

func (b *Batch) insertMessages() (ss []*db.Statement) {
	for i := 0; i < len(b.fresh); {
		q := &db.Statement{}
		q.Add("INSERT INTO messages (room_id, seq, ord, kind, sender_id, client_msg_id, body_hash, content, created_at) VALUES ")
		for size, first := 0, i; i < len(b.fresh) && (i == first || size+len(b.fresh[i].Content) <= insertBytes); i++ {
			m := &b.fresh[i]
			size += len(m.Content)
			q.Add(db.Comma(i-first)+"(?,?,?,?,?,?,?,?,?)", uint64(m.Room), uint64(m.Seq), m.Ord, string(m.Kind), uint64(m.Sender),
				[]byte(m.ClientMsgID), m.hash[:], m.Content, m.CreatedAt)
		}
		ss = append(ss, q)
	}
	return ss
}

// updateRooms moves all heads in one statement.
func (b *Batch) updateRooms() *db.Statement {
	var moved []chat.Head
	for _, h := range b.Heads() {
		if h.Seq != h.Before {
			moved = append(moved, h)
		}
	}
	q := &db.Statement{}
	q.Add("UPDATE rooms FORCE INDEX (PRIMARY) SET active_min = ?, active_at = ?, last_seq = CASE id", UnixMinute(b.now), b.now)
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

// UnixMinute is the coarse time by which active rooms are found.
func UnixMinute(t time.Time) int64 { return t.Unix() / 60 }

// updateSenders moves each sender's read pointer to his newest message, so that own messages are never unread.
func (b *Batch) updateSenders() *db.Statement {
	at := db.SortedPlaces(slices.Collect(maps.Keys(b.read)))
	q := &db.Statement{}
	q.Add("UPDATE members FORCE INDEX (PRIMARY) SET read_seq = ")
	q.CaseByPlace(at, func(p db.Place) uint64 { return uint64(b.read[p].Seq) })
	q.Add(", read_count = ")
	q.CaseByPlace(at, func(p db.Place) uint64 { return b.read[p].Ord })
	q.Add(" WHERE ")
	q.Places("room_id, user_id", at)
	return q
}

// writeCursors stores the last client_seq of those that moved.
func (b *Batch) writeCursors() (ss []*db.Statement) {
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
		if updates == 1 { // a lone tuple makes MariaDB scan, see db.Places
			where.Again()
		}
		update.Add(" END WHERE (room_id, user_id, session_id) IN (")
		update.Join(&where)
		update.Add(")")
		ss = append(ss, &update)
	}
	return ss
}
