package store

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
)

// MarkRead moves read pointers; states[i] answers marks[i] (Err: NotFound where he is no member). A mark is clamped
// to the room's last seq, and a pointer never goes back. Marks of one member merge to the highest.
func (d *DB) MarkRead(ctx context.Context, marks []chat.ReadMark) ([]chat.ReadState, error) {
	if len(marks) == 0 {
		return nil, nil
	}
	var states []chat.ReadState
	err := d.Tx(ctx, "mark read", db.Repeatable, func(tx db.Tx) (err error) {
		states, err = markRead(tx, marks)
		return err
	})
	if err != nil {
		return nil, err
	}
	return states, nil
}

// ReadAndTell is MarkRead of one mark, with an announcement where the pointer moved. No member: NotFound.
func (d *DB) ReadAndTell(ctx context.Context, m chat.ReadMark) (chat.ReadState, error) {
	var state chat.ReadState
	err := d.Tx(ctx, "mark read", db.Repeatable, func(tx db.Tx) error {
		states, err := markRead(tx, []chat.ReadMark{m})
		if err != nil {
			return err
		}
		state = states[0]
		if state.Err != nil {
			return state.Err
		}
		if !state.Moved {
			return nil
		}
		return d.announce(tx, envelope.Announcement{Read: &state})
	})
	return state, err
}

// pointer is a member's read pointer and where his room stands.
type pointer struct {
	RoomID      chat.RoomID
	UserID      chat.UserID
	VisibleFrom chat.Seq
	ReadSeq     chat.Seq
	ReadCount   uint64
	LastSeq     chat.Seq
	MsgCount    uint64
	moved       bool
}

func markRead(tx db.Tx, marks []chat.ReadMark) ([]chat.ReadState, error) {
	want := make(map[db.Place]chat.Seq, len(marks))
	var at []db.Place
	for _, m := range marks {
		p := db.Place{Room: m.Room, User: m.User}
		want[p] = max(want[p], m.Seq)
		at = append(at, p)
	}
	at = db.SortedPlaces(at)
	pointers, err := lockPointers(tx, at)
	if err != nil {
		return nil, err
	}
	if err := movePointers(tx, at, pointers, want); err != nil {
		return nil, err
	}
	states := make([]chat.ReadState, len(marks))
	for i, m := range marks {
		states[i] = chat.ReadState{Room: m.Room, User: m.User}
		p, ok := pointers[db.Place{Room: m.Room, User: m.User}]
		if !ok {
			states[i].Err = chat.E(chat.NotFound, "no such room")
			continue
		}
		states[i].ReadSeq, states[i].Moved = p.ReadSeq, p.moved
		states[i].Unread = chat.Unread(p.MsgCount, p.ReadCount)
	}
	return states, nil
}

// lockPointers holds the members' rows, in the order in which every transaction takes them, then reads where their
// rooms stand: without their locks, so that reading never waits for writing.
func lockPointers(tx db.Tx, at []db.Place) (map[db.Place]*pointer, error) {
	var q db.Statement
	q.Add("SELECT room_id, user_id, visible_from, read_seq, read_count FROM members FORCE INDEX (PRIMARY) WHERE left_seq = 0 AND ")
	q.Places("room_id, user_id", at)
	q.Add(" ORDER BY room_id, user_id FOR UPDATE")
	var rows []pointer
	if err := q.Scan(tx, &rows); err != nil {
		return nil, err
	}
	pointers := make(map[db.Place]*pointer, len(rows))
	var ids []chat.RoomID
	for i := range rows {
		pointers[db.Place{Room: rows[i].RoomID, User: rows[i].UserID}] = &rows[i]
		ids = append(ids, rows[i].RoomID)
	}
	if len(ids) == 0 {
		return pointers, nil
	}
	var heads []roomRow
	if err := tx.Select("id, last_seq, msg_count").Where("id IN ?", db.SortedIDs(ids)).Find(&heads).Error; err != nil {
		return nil, err
	}
	byID := make(map[chat.RoomID]roomRow, len(heads))
	for _, h := range heads {
		byID[h.ID] = h
	}
	for _, p := range pointers {
		p.LastSeq, p.MsgCount = byID[p.RoomID].LastSeq, byID[p.RoomID].MsgCount
	}
	return pointers, nil
}

// movePointers moves those that go forward, in one statement. Only a mark below the head needs a look at its message.
func movePointers(tx db.Tx, at []db.Place, pointers map[db.Place]*pointer, want map[db.Place]chat.Seq) error {
	var moving []db.Place
	var q db.Statement
	looks := 0
	q.Add("SELECT room_id, seq, ord FROM messages WHERE ")
	for _, a := range at {
		p := pointers[a]
		if p == nil {
			continue
		}
		seq := min(want[a], p.LastSeq)
		if seq <= p.ReadSeq || seq < p.VisibleFrom {
			continue
		}
		p.ReadSeq, p.ReadCount, p.moved = seq, p.MsgCount, true
		moving = append(moving, a)
		if seq < p.LastSeq {
			if looks > 0 {
				q.Add(" OR ")
			}
			q.Add("(room_id = ? AND seq = ?)", a.Room, seq)
			looks++
		}
	}
	if len(moving) == 0 {
		return nil
	}
	if looks > 0 {
		var rows []messageRow
		if err := q.Scan(tx, &rows); err != nil {
			return err
		}
		for _, r := range rows {
			for _, a := range moving {
				if p := pointers[a]; a.Room == r.RoomID && p.ReadSeq == r.Seq {
					p.ReadCount = r.Ord
				}
			}
		}
	}
	var up db.Statement
	up.Add("UPDATE members FORCE INDEX (PRIMARY) SET read_seq = ")
	up.CaseByPlace(moving, func(a db.Place) uint64 { return uint64(pointers[a].ReadSeq) })
	up.Add(", read_count = ")
	up.CaseByPlace(moving, func(a db.Place) uint64 { return pointers[a].ReadCount })
	up.Add(" WHERE ")
	up.Places("room_id, user_id", moving)
	_, err := up.Exec(tx)
	return err
}
