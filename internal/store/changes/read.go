package changes

import (
	"cmp"
	"context"
	"math"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/table"
)

const (
	defaultPage = 20
	mostStates  = 1000 // messages that one call reads
)

// ChangedSince returns the messages of a stretch of a room's log that changed after q.Since, as they are now. Permissions are not
// checked. NotFound.
func (s *Store) ChangedSince(ctx context.Context, q chat.ChangesQuery) (page chat.ChangesPage, err error) {
	var room table.Room
	var n uint64
	count := changedCount(q)
	err = s.d.Retry(ctx, "count changes", func(tx db.Tx) error {
		room = table.Room{}
		count.Into(append(table.RoomHeads.Cells(&room), table.Number(&n)), func() {})
		return tx.Ask(count)
	})
	switch {
	case err != nil:
		return page, err
	case room.ID == 0:
		return page, messages.NoRoom()
	}
	page = chat.ChangesPage{Covered: room.Changes, Epoch: room.Epoch}
	if q.Since > room.Changes || q.Most > 0 && n > uint64(q.Most) {
		page.Resync = true
		return page, nil
	}
	if q.Since == room.Changes || q.Limit <= 0 {
		return page, nil
	}
	// What changes between the two statements is at the end of the second one's rows, and at most there twice for the client: once
	// here, and once live.
	var rows db.Statement
	rows.Add("SELECT "+table.Entries+" FROM message_state t FORCE INDEX (message_state_changes) STRAIGHT_JOIN messages x FORCE INDEX (PRIMARY)"+
		" ON x.room_id = t.room_id AND x.seq = t.seq WHERE t.room_id = ? AND t.change_seq > ? AND t.seq >= ? AND t.seq <= ?"+
		" ORDER BY t.change_seq LIMIT ?", q.Room, q.Since, q.From, cmp.Or(q.To, chat.MaxID), q.Limit+1)
	whole := true
	err = s.d.Retry(ctx, "read changes", func(tx db.Tx) (err error) {
		page.Messages, whole, err = messages.ReadSome(tx, &rows, cmp.Or(q.Bytes, math.MaxInt))
		return err
	})
	if len(page.Messages) > q.Limit {
		page.Messages, whole = page.Messages[:q.Limit], false
	}
	if !whole {
		page.More, page.Covered = true, page.Messages[len(page.Messages)-1].State.ChangeSeq
	}
	return page, err
}

// changedCount reads a room and how many of its messages have changed, to one more than the query wants to hear of: by the index alone.
func changedCount(q chat.ChangesQuery) (count db.Query) {
	most := cmp.Or(q.Most, q.Limit) + 1
	count.Add("SELECT "+table.RoomHeads.Select()+", (SELECT COUNT(*) FROM (SELECT 1 FROM message_state t FORCE INDEX (message_state_changes)"+
		" WHERE t.room_id = ? AND t.change_seq > ? LIMIT ?) c) FROM rooms r WHERE r.id = ?", q.Room, q.Since, most, q.Room)
	return count
}

// States returns messages as they are now, by ascending seq; those that aren't there are left out. Permissions are not checked.
func (s *Store) States(ctx context.Context, room chat.RoomID, seqs []chat.Seq) (ms []chat.Message, err error) {
	seqs = db.SortedIDs(seqs)
	if len(seqs) == 0 {
		return nil, nil
	}
	seqs = seqs[:min(len(seqs), mostStates)]
	var q db.Statement
	q.Add("SELECT "+table.Entries+" FROM messages x FORCE INDEX (PRIMARY)"+table.JoinState+" WHERE x.room_id = ? AND x.seq IN (", room)
	db.List(&q, seqs)
	q.Add(") ORDER BY x.seq")
	err = s.d.Retry(ctx, "read states", func(tx db.Tx) (err error) {
		ms, err = messages.ReadLog(tx, &q, len(seqs))
		return err
	})
	return ms, err
}

// window returns where the user stands in the room and what they may see of it. NotFound if that is nothing.
func (s *Store) window(ctx context.Context, room chat.RoomID, user chat.UserID) (m chat.Membership, from, to chat.Seq, err error) {
	m, err = s.messages.Membership(ctx, room, user)
	if err != nil {
		return m, 0, 0, err
	}
	from, to, _ = m.Member.Window(m.Room.LastSeq)
	return m, from, to, nil
}

// One returns a message that the user may see, as it is now. NotFound.
func (s *Store) One(ctx context.Context, room chat.RoomID, user chat.UserID, seq chat.Seq) (chat.Message, error) {
	_, m, err := s.one(ctx, room, user, seq)
	return m, err
}

func (s *Store) one(ctx context.Context, room chat.RoomID, user chat.UserID, seq chat.Seq) (chat.Membership, chat.Message, error) {
	at, from, to, err := s.window(ctx, room, user)
	if err != nil {
		return at, chat.Message{}, err
	}
	if seq < from || seq > to {
		return at, chat.Message{}, noMessage()
	}
	ms, err := s.messages.Messages(ctx, room, seq, seq, 1)
	if err == nil && len(ms) == 0 {
		err = noMessage()
	}
	if err != nil {
		return at, chat.Message{}, err
	}
	return at, ms[0], nil
}

// Reactors returns who set one key under a message, in the order in which they came; next is empty at the end. NotFound for who may not
// see the message.
func (s *Store) Reactors(ctx context.Context, q chat.ReactorsQuery) (rs []chat.Reactor, next string, err error) {
	after, err := parseCursor(q.Cursor)
	if err != nil {
		return nil, "", err
	}
	if _, _, err = s.one(ctx, q.Room, q.User, q.Seq); err != nil {
		return nil, "", err
	}
	limit := cmp.Or(q.Limit, defaultPage)
	var st db.Statement
	st.Add("SELECT "+table.Reactions.Select()+" FROM reactions e FORCE INDEX (reactions_message) STRAIGHT_JOIN message_state t FORCE INDEX (PRIMARY)"+
		" ON t.room_id = e.room_id AND t.seq = e.seq AND t.recalled_at IS NULL"+
		" WHERE e.room_id = ? AND e.seq = ? AND e.rkey = ? AND e.change_seq > ? ORDER BY e.change_seq LIMIT ?",
		q.Room, q.Seq, []byte(q.Key), after, limit+1)
	var rows []table.Reaction
	err = s.d.Retry(ctx, "read reactions", func(tx db.Tx) (err error) {
		rows, err = db.Collect(tx, &st, table.Reactions.Cells)
		return err
	})
	if len(rows) > limit {
		rows = rows[:limit]
		next = cursorOf(rows[limit-1].ChangeSeq)
	}
	rs = make([]chat.Reactor, len(rows))
	for i, r := range rows {
		rs[i] = chat.Reactor{User: r.User, At: r.At}
	}
	return rs, next, err
}

// MyReactions returns the user's own reactions to messages from … to that they may see, by ascending seq; at most mostStates seqs are
// looked at. NotFound if they may see nothing of the room.
func (s *Store) MyReactions(ctx context.Context, room chat.RoomID, user chat.UserID, from, to chat.Seq) (own []chat.OwnReactions, err error) {
	_, first, last, err := s.window(ctx, room, user)
	if err != nil {
		return nil, err
	}
	from = max(from, first)
	if to = min(to, last); to < from {
		return nil, nil
	}
	to = min(to, from+mostStates-1)
	var q db.Statement
	q.Add("SELECT "+table.Reactions.Select()+" FROM reactions e FORCE INDEX (PRIMARY) STRAIGHT_JOIN message_state t FORCE INDEX (PRIMARY)"+
		" ON t.room_id = e.room_id AND t.seq = e.seq AND t.recalled_at IS NULL"+
		" WHERE e.room_id = ? AND e.user_id = ? AND e.seq BETWEEN ? AND ? ORDER BY e.seq, e.rkey", room, user, from, to)
	var rows []table.Reaction
	err = s.d.Retry(ctx, "read own reactions", func(tx db.Tx) (err error) {
		rows, err = db.Collect(tx, &q, table.Reactions.Cells)
		return err
	})
	for _, r := range rows {
		if n := len(own); n == 0 || own[n-1].Seq != r.Seq {
			own = append(own, chat.OwnReactions{Seq: r.Seq})
		}
		own[len(own)-1].Keys = append(own[len(own)-1].Keys, r.Key)
	}
	return own, err
}

// Pins returns the pinned messages that the user may see, the newest pin first, at most mostStates. NotFound if they may see nothing of
// the room.
func (s *Store) Pins(ctx context.Context, room chat.RoomID, user chat.UserID) (ms []chat.Message, err error) {
	_, from, to, err := s.window(ctx, room, user)
	if err != nil {
		return nil, err
	}
	var q db.Statement
	q.Add("SELECT "+table.Entries+" FROM pins p STRAIGHT_JOIN messages x FORCE INDEX (PRIMARY) ON x.room_id = p.room_id AND x.seq = p.seq"+
		table.JoinState+" WHERE p.room_id = ? AND p.seq >= ? AND p.seq <= ? ORDER BY p.change_seq DESC LIMIT ?", room, from, to, mostStates)
	err = s.d.Retry(ctx, "read pins", func(tx db.Tx) (err error) {
		ms, err = messages.ReadLog(tx, &q, 16)
		return err
	})
	return ms, err
}
