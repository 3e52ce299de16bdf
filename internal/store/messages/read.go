package messages

import (
	"context"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// MarkRead moves read pointers; states[i] answers marks[i] (Err: NotFound if the user is no member). A mark is clamped
// to the room's last seq, and a pointer never goes back. Marks of one member merge to the highest.
func (s *Store) MarkRead(ctx context.Context, marks []chat.ReadMark) (states []chat.ReadState, err error) {
	if len(marks) == 0 {
		return nil, nil
	}
	err = s.d.Tx(ctx, "mark read", db.Repeatable, func(tx db.Tx) (err error) {
		states, err = markRead(tx, marks)
		return err
	})
	if err != nil {
		return nil, err
	}
	return states, nil
}

// ReadAndTell is MarkRead of one mark, with an announcement when the pointer moved. No member: NotFound.
func (s *Store) ReadAndTell(ctx context.Context, m chat.ReadMark) (chat.ReadState, error) {
	var state chat.ReadState
	err := s.d.Tx(ctx, "mark read", db.Repeatable, func(tx db.Tx) error {
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
		return s.outbox.Add(tx, envelope.Announcement{Read: &state})
	})
	return state, err
}

// pointer is a member's read pointer and how far their room has come.
type pointer struct {
	chat.Member
	room     table.Room // as much as table.RoomHeads
	moved    bool
	recalled uint64 // above it
}

func markRead(tx db.Tx, marks []chat.ReadMark) ([]chat.ReadState, error) {
	want := make(map[chat.Place]chat.Seq, len(marks))
	at := make([]chat.Place, len(marks))
	for i, m := range marks {
		at[i] = chat.Place{Room: m.Room, User: m.User}
		want[at[i]] = max(want[at[i]], m.Seq)
	}
	places := db.SortedPlaces(slices.Clone(at))
	pointers, err := lockPointers(tx, places)
	if err != nil {
		return nil, err
	}
	var moving []chat.Place
	for _, p := range places {
		if pointers[p].advance(want[p]) {
			moving = append(moving, p)
		}
	}
	if err := storePointers(tx, moving, pointers); err != nil {
		return nil, err
	}
	var above Recalled
	for _, p := range pointers {
		above.Add(&p.room, p.ReadCount, &p.recalled)
	}
	if err := above.Count(tx); err != nil {
		return nil, err
	}
	states := make([]chat.ReadState, len(marks))
	for i := range marks {
		states[i] = pointers[at[i]].state(at[i])
	}
	return states, nil
}

// lockPointers holds the members' rows, in the order in which every transaction takes them, then reads where their
// rooms stand: without their locks, so that reading never waits for writing.
func lockPointers(tx db.Tx, at []chat.Place) (map[chat.Place]*pointer, error) {
	var q db.Statement
	q.Add("SELECT " + table.Pointers.Select() + " FROM members m FORCE INDEX (PRIMARY) WHERE m.left_seq = 0 AND ")
	q.Places("m.room_id, m.user_id", at)
	q.Add(" ORDER BY m.room_id, m.user_id FOR UPDATE")
	members, err := db.Collect(tx, &q, table.Pointers.Cells)
	if err != nil || len(members) == 0 {
		return nil, err
	}
	ids := make([]chat.RoomID, len(members))
	for i, m := range members {
		ids[i] = m.Room
	}
	rooms, err := table.RoomHeads.Find(tx.Where("id IN ?", db.SortedIDs(ids)))
	if err != nil {
		return nil, err
	}
	byID := make(map[chat.RoomID]*table.Room, len(rooms))
	for i := range rooms {
		byID[rooms[i].ID] = &rooms[i]
	}
	pointers := make(map[chat.Place]*pointer, len(members))
	for _, m := range members {
		p := &pointer{Member: m}
		if r := byID[m.Room]; r != nil {
			p.room = *r
		}
		pointers[chat.Place{Room: m.Room, User: m.User}] = p
	}
	return pointers, nil
}

// advance moves the pointer towards seq and reports whether it did. Its count is that of the head until storePointers
// has looked.
func (p *pointer) advance(seq chat.Seq) bool {
	if p == nil {
		return false
	}
	seq = min(seq, p.room.LastSeq)
	if seq <= p.ReadSeq || seq < p.VisibleFrom {
		return false
	}
	p.ReadSeq, p.ReadCount, p.moved = seq, p.room.MsgCount, true
	return true
}

// state is the answer to a mark; a nil pointer is that of somebody who is no member.
func (p *pointer) state(at chat.Place) chat.ReadState {
	st := chat.ReadState{Room: at.Room, User: at.User}
	if p == nil {
		st.Err = NoRoom()
		return st
	}
	st.ReadSeq, st.Moved, st.Unread = p.ReadSeq, p.moved, chat.Unread(p.room.MsgCount, p.ReadCount, p.recalled)
	st.Changes = p.room.Changes
	return st
}

// storePointers stores those that moved, in one statement. Only one below its room's head needs a look at its message's
// ord.
func storePointers(tx db.Tx, moving []chat.Place, pointers map[chat.Place]*pointer) error {
	if len(moving) == 0 {
		return nil
	}
	var q db.Statement
	looks := 0
	for _, at := range moving {
		if p := pointers[at]; p.ReadSeq < p.room.LastSeq {
			if looks == 0 {
				q.Add("SELECT " + table.Ords.Select() + " FROM " + table.Ords.From() + " WHERE ")
			} else {
				q.Add(" OR ")
			}
			q.Add("(x.room_id = ? AND x.seq = ?)", at.Room, p.ReadSeq)
			looks++
		}
	}
	if looks > 0 {
		rows, err := db.Collect(tx, &q, table.Ords.Cells)
		if err != nil {
			return err
		}
		for _, r := range rows {
			for _, at := range moving {
				if p := pointers[at]; at.Room == r.Room && p.ReadSeq == r.Seq {
					p.ReadCount = r.Ord
				}
			}
		}
	}
	_, err := movePointers(moving, func(at chat.Place) (chat.Seq, uint64) {
		return pointers[at].ReadSeq, pointers[at].ReadCount
	}).Exec(tx)
	return err
}
