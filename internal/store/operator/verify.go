package operator

import (
	"context"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/table"
)

// verifyChunk rows are looked at in one query.
const verifyChunk = 2000

// Drift is a count that was wrong.
type Drift struct {
	Room chat.RoomID
	User chat.UserID // 0: the room's count of users' messages; else the member's count of those read
	Have uint64
	Want uint64
	// Recalled: the count is of the room's recalled messages that unread counts leave out. They are listed by ord, and the room knows the
	// last one; where the room has another one, the list isn't looked at and Have is 0.
	Recalled bool
}

// VerifyUnread is VerifyRoom for all rooms, by ascending id; report is called for each wrong count. A room is one
// transaction at most.
func (s *Store) VerifyUnread(ctx context.Context, repair bool, report func(Drift)) error {
	for after := chat.RoomID(0); ; {
		var ids []chat.RoomID
		err := s.d.Retry(ctx, "verify unread", func(tx db.Tx) error {
			return tx.Table("rooms").Where("id > ?", after).Order("id").Limit(verifyChunk).Pluck("id", &ids).Error
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			found, err := s.VerifyRoom(ctx, id, repair)
			if err != nil && chat.KindOf(err) != chat.NotFound {
				return err
			}
			for _, w := range found {
				report(w)
			}
			after = id
		}
	}
}

// VerifyRoom recounts a room's messages of users and every member's read count, and returns what differs: the room's
// own count first, then that of its recalled messages, then members by ascending id. With repair it also stores what it found, and sets
// every message's ord; without, members and recalls are compared with the ords as they are. It works in chunks without locks, and holds the room's
// lock only for what was added meanwhile and for its members. NotFound.
func (s *Store) VerifyRoom(ctx context.Context, id chat.RoomID, repair bool) (drifts []Drift, err error) {
	// The log is append-only, so all but its newest stretch can be counted while the room is in use.
	var done tally
	for {
		next, err := s.countChunk(ctx, id, done, repair)
		if err != nil {
			return nil, err
		}
		if next.rows == done.rows || next.rows-done.rows < verifyChunk {
			break
		}
		done = next
	}
	err = s.d.Tx(ctx, "verify unread", db.Repeatable, func(tx db.Tx) (err error) {
		drifts, err = verifyRest(tx, id, done, repair)
		return err
	})
	if err != nil {
		return nil, err
	}
	return drifts, nil
}

// verifyRest goes on under the room's lock: to the end of its log, then through its members.
func verifyRest(tx db.Tx, id chat.RoomID, count tally, repair bool) (drifts []Drift, err error) {
	var q db.Statement
	q.Add("SELECT "+table.RoomHeads.Select()+" FROM rooms r FORCE INDEX (PRIMARY) WHERE r.id = ? FOR UPDATE", id)
	rooms, err := db.Collect(tx, &q, table.RoomHeads.Cells)
	if err != nil {
		return nil, err
	}
	if len(rooms) == 0 {
		return nil, messages.NoRoom()
	}
	for rows := -1; rows != count.rows; {
		rows = count.rows
		if count, err = countChunk(tx, id, count, repair); err != nil {
			return nil, err
		}
	}
	if have := rooms[0].MsgCount; have != count.ord {
		drifts = append(drifts, Drift{Room: id, Have: have, Want: count.ord})
		if repair {
			if err := tx.Exec("UPDATE rooms SET msg_count = ? WHERE id = ?", count.ord, id).Error; err != nil {
				return nil, err
			}
		}
	}
	recalls, err := verifyRecalls(tx, &rooms[0], repair)
	if err != nil {
		return nil, err
	}
	wrong, err := verifyMembers(tx, id, repair)
	return slices.Concat(drifts, recalls, wrong), err
}

// verifyRecalls compares the list of a room's recalled messages with their states.
func verifyRecalls(tx db.Tx, r *table.Room, repair bool) ([]Drift, error) {
	const recalled = " FROM message_state t JOIN messages x ON x.room_id = t.room_id AND x.seq = t.seq" +
		" WHERE t.room_id = ? AND t.recalled_at IS NOT NULL AND x.kind <> 'system'"
	var is struct{ Listed, Good, Want, Newest uint64 }
	err := tx.Raw("SELECT (SELECT COUNT(*) FROM recalls WHERE room_id = ?) AS listed,"+
		" (SELECT COUNT(*) FROM recalls k JOIN messages x ON x.room_id = k.room_id AND x.seq = k.seq AND x.ord = k.ord"+
		"  JOIN message_state t ON t.room_id = k.room_id AND t.seq = k.seq WHERE k.room_id = ? AND t.recalled_at IS NOT NULL) AS good,"+
		" (SELECT COUNT(*)"+recalled+") AS want, (SELECT COALESCE(MAX(x.ord), 0)"+recalled+") AS newest", r.ID, r.ID, r.ID, r.ID).Scan(&is).Error
	if err != nil || is.Listed == is.Good && is.Good == is.Want && is.Newest == r.Recalled {
		return nil, err
	}
	drift := Drift{Room: r.ID, Have: is.Listed, Want: is.Want, Recalled: true}
	if is.Newest != r.Recalled {
		drift.Have = 0
	}
	if !repair {
		return []Drift{drift}, nil
	}
	for _, fix := range []string{
		"DELETE FROM recalls WHERE room_id = ?",
		"INSERT INTO recalls (room_id, ord, seq, change_seq) SELECT t.room_id, x.ord, t.seq, t.change_seq" + recalled,
	} {
		if err := tx.Exec(fix, r.ID).Error; err != nil {
			return nil, err
		}
	}
	return []Drift{drift}, tx.Exec("UPDATE rooms SET max_recalled_ord = ? WHERE id = ?", is.Newest, r.ID).Error
}

// tally is how far a count has come: the last seq looked at, its ord, and the rows seen.
type tally struct {
	seq  chat.Seq
	ord  uint64
	rows int
}

func (s *Store) countChunk(ctx context.Context, id chat.RoomID, from tally, repair bool) (to tally, err error) {
	err = s.d.Tx(ctx, "verify unread", db.Repeatable, func(tx db.Tx) (err error) {
		to, err = countChunk(tx, id, from, repair)
		return err
	})
	return to, err
}

// countChunk goes on counting, and with repair sets every ord that is wrong.
func countChunk(tx db.Tx, id chat.RoomID, from tally, repair bool) (tally, error) {
	var q db.Statement
	q.Add("SELECT "+table.Ords.Select()+" FROM messages x WHERE x.room_id = ? AND x.seq > ? ORDER BY x.seq LIMIT ?",
		id, from.seq, verifyChunk)
	rows, err := db.Collect(tx, &q, table.Ords.Cells)
	if err != nil {
		return tally{}, err
	}
	for _, r := range rows {
		if r.Kind != chat.System {
			from.ord++
		}
		if from.seq, from.rows = r.Seq, from.rows+1; r.Ord != from.ord && repair {
			if err := tx.Exec("UPDATE messages SET ord = ? WHERE room_id = ? AND seq = ?", from.ord, id, r.Seq).Error; err != nil {
				return tally{}, err
			}
		}
	}
	return from, nil
}

// verifyMembers compares each open member's read count with the users' messages up to their pointer.
func verifyMembers(tx db.Tx, id chat.RoomID, repair bool) (drifts []Drift, err error) {
	for after := chat.UserID(0); ; {
		var rows []struct {
			UserID    chat.UserID
			ReadCount uint64
			Want      uint64
		}
		err := tx.Raw("SELECT m.user_id, m.read_count,"+
			" COALESCE((SELECT x.ord FROM messages x WHERE x.room_id = m.room_id AND x.seq = m.read_seq), 0) AS want"+
			" FROM members m WHERE m.room_id = ? AND m.user_id > ? AND m.left_seq = 0 ORDER BY m.user_id LIMIT ?",
			id, after, verifyChunk).Scan(&rows).Error
		if err != nil || len(rows) == 0 {
			return drifts, err
		}
		for _, r := range rows {
			after = r.UserID
			if r.ReadCount == r.Want {
				continue
			}
			drifts = append(drifts, Drift{Room: id, User: r.UserID, Have: r.ReadCount, Want: r.Want})
			if !repair {
				continue
			}
			err := tx.Exec("UPDATE members SET read_count = ? WHERE room_id = ? AND user_id = ?", r.Want, id, r.UserID).Error
			if err != nil {
				return nil, err
			}
		}
	}
}

// BumpEpoch raises the epoch of a room, or of all if room is 0: seqs that clients saw before count for nothing then.
// For use after a restore. NotFound.
func (s *Store) BumpEpoch(ctx context.Context, room chat.RoomID) error {
	var q db.Statement
	q.Add("UPDATE rooms SET epoch = epoch + 1")
	if room != 0 {
		q.Add(" WHERE id = ?", room)
	}
	return s.d.Tx(ctx, "bump epoch", db.Repeatable, func(tx db.Tx) error {
		n, err := q.Exec(tx)
		if err == nil && n == 0 && room != 0 {
			return messages.NoRoom()
		}
		return err
	})
}
