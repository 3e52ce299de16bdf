package store

import (
	"context"

	"gorm.io/gorm"

	"chat-service/internal/chat"
)

// MarkRead moves read pointers; states[i] answers marks[i] (Err: NotFound where he is no member). A mark is clamped
// to the room's last seq, and a pointer never goes back. Marks of one member merge to the highest.
func (d *DB) MarkRead(ctx context.Context, marks []chat.ReadMark) ([]chat.ReadState, error) {
	if len(marks) == 0 {
		return nil, nil
	}
	var states []chat.ReadState
	err := d.tx(ctx, "mark read", repeatable, func(g *gorm.DB) (err error) {
		states, err = markRead(g, marks)
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
	err := d.tx(ctx, "mark read", repeatable, func(g *gorm.DB) error {
		states, err := markRead(g, []chat.ReadMark{m})
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
		return d.announce(g, chat.Announcement{Read: &state})
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

func markRead(g *gorm.DB, marks []chat.ReadMark) ([]chat.ReadState, error) {
	want := make(map[place]chat.Seq, len(marks))
	var at []place
	for _, m := range marks {
		p := place{m.Room, m.User}
		want[p] = max(want[p], m.Seq)
		at = append(at, p)
	}
	at = sortedPlaces(at)
	pointers, err := lockPointers(g, at)
	if err != nil {
		return nil, err
	}
	if err := movePointers(g, at, pointers, want); err != nil {
		return nil, err
	}
	states := make([]chat.ReadState, len(marks))
	for i, m := range marks {
		states[i] = chat.ReadState{Room: m.Room, User: m.User}
		p, ok := pointers[place{m.Room, m.User}]
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
func lockPointers(g *gorm.DB, at []place) (map[place]*pointer, error) {
	var q statement
	q.add("SELECT room_id, user_id, visible_from, read_seq, read_count FROM members FORCE INDEX (PRIMARY) WHERE left_seq = 0 AND ")
	q.places("room_id, user_id", at)
	q.add(" ORDER BY room_id, user_id FOR UPDATE")
	var rows []pointer
	if err := q.scan(g, &rows); err != nil {
		return nil, err
	}
	pointers := make(map[place]*pointer, len(rows))
	var ids []chat.RoomID
	for i := range rows {
		pointers[place{rows[i].RoomID, rows[i].UserID}] = &rows[i]
		ids = append(ids, rows[i].RoomID)
	}
	if len(ids) == 0 {
		return pointers, nil
	}
	var heads []roomRow
	if err := g.Select("id, last_seq, msg_count").Where("id IN ?", sortedIDs(ids)).Find(&heads).Error; err != nil {
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
func movePointers(g *gorm.DB, at []place, pointers map[place]*pointer, want map[place]chat.Seq) error {
	var moving []place
	var q statement
	looks := 0
	q.add("SELECT room_id, seq, ord FROM messages WHERE ")
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
				q.add(" OR ")
			}
			q.add("(room_id = ? AND seq = ?)", a.room, seq)
			looks++
		}
	}
	if len(moving) == 0 {
		return nil
	}
	if looks > 0 {
		var rows []messageRow
		if err := q.scan(g, &rows); err != nil {
			return err
		}
		for _, r := range rows {
			for _, a := range moving {
				if p := pointers[a]; a.room == r.RoomID && p.ReadSeq == r.Seq {
					p.ReadCount = r.Ord
				}
			}
		}
	}
	var up statement
	up.add("UPDATE members SET read_seq = ")
	up.caseByPlace(moving, func(a place) uint64 { return uint64(pointers[a].ReadSeq) })
	up.add(", read_count = ")
	up.caseByPlace(moving, func(a place) uint64 { return pointers[a].ReadCount })
	up.add(" WHERE ")
	up.places("room_id, user_id", moving)
	_, err := up.exec(g)
	return err
}
