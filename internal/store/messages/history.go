package messages

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

const defaultPage = 20

// Messages returns the room's messages with seqs from … to, ascending, at most limit, from the primary. Permissions are
// not checked.
func (s *Store) Messages(ctx context.Context, room chat.RoomID, from, to chat.Seq, limit int) (ms []chat.Message, err error) {
	if from > to || limit <= 0 {
		return nil, nil
	}
	var q db.Statement
	q.Add("SELECT "+table.Entries+" FROM messages x"+table.JoinState+" WHERE x.room_id = ? AND x.seq BETWEEN ? AND ?"+
		" ORDER BY x.seq LIMIT ?", room, from, to, limit)
	err = s.d.Retry(ctx, "read messages", func(tx db.Tx) (err error) {
		ms, err = ReadLog(tx, &q, min(limit, int(min(to-from, chat.Seq(limit)))+1))
		return err
	})
	return ms, err
}

// ReadSome runs a statement that asks for table.Entries. If they have more content than that many bytes, ms are the first of
// them, at least one, and whole is false.
func ReadSome(tx db.Tx, q *db.Statement, bytes int) (ms []chat.Message, whole bool, err error) {
	var row table.Entry
	into := row.Cells()
	err = q.Each(tx, func(rows *sql.Rows) error {
		if bytes <= 0 {
			return errEnough
		}
		err := rows.Scan(into...)
		ms, bytes = append(ms, row.Whole()), bytes-len(row.Content)-len(row.Data)
		return err
	})
	if errors.Is(err, errEnough) {
		return ms, false, nil
	}
	return ms, true, err
}

// errEnough ends the reading of rows.
var errEnough = errors.New("enough")

// ReadLog runs a statement that asks for table.Entries; room is made for size messages beforehand.
func ReadLog(tx db.Tx, q *db.Statement, size int) ([]chat.Message, error) {
	return readLog(tx, q, size, (*table.Entry).Cells)
}

func readLog(tx db.Tx, q *db.Statement, size int, cells func(*table.Entry) []any) ([]chat.Message, error) {
	var row table.Entry
	into := cells(&row)
	ms := make([]chat.Message, 0, size)
	err := q.Each(tx, func(rows *sql.Rows) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		ms = append(ms, row.Whole())
		return nil
	})
	return ms, err
}

// Spans returns the messages of some stretches of logs, by room and seq. If they have more content than that many
// bytes, it is the first of them, at least one, and whole is false. The stretches must not overlap.
func (s *Store) Spans(ctx context.Context, spans []chat.Span, bytes int) (ms []chat.Message, whole bool, err error) {
	if len(spans) == 0 {
		return nil, true, nil
	}
	var q db.Statement
	q.Add("SELECT " + table.Entries + " FROM messages x FORCE INDEX (PRIMARY)" + table.JoinState + " WHERE ")
	for i, span := range spans {
		if i > 0 {
			q.Add(" OR ")
		}
		q.Add("x.room_id = ? AND x.seq BETWEEN ? AND ?", span.Room, span.From, span.To)
	}
	q.Add(" ORDER BY x.room_id, x.seq")
	err = s.d.Retry(ctx, "read stretches", func(tx db.Tx) (err error) {
		ms, whole, err = ReadSome(tx, &q, bytes)
		return err
	})
	return ms, whole, err
}

// History returns a stretch of the room's log as the user may see it, ended memberships up to their end. NotFound
// if they never were a member; Invalid for negative numbers. Seqs are dense, so a page is found by arithmetic: any
// depth costs the same. Membership is judged on the primary; the messages may come from a replica that is far enough.
func (s *Store) History(ctx context.Context, q chat.HistoryQuery) (chat.HistoryPage, error) {
	if q.Page < 0 || q.PageSize < 0 || q.Limit < 0 {
		return chat.HistoryPage{}, chat.BadField("page", "page, page_size and limit must not be negative")
	}
	room, member, err := s.window(ctx, q.Room, q.User)
	if err != nil {
		return chat.HistoryPage{}, err
	}
	first, last, ok := member.Window(room.LastSeq)
	if !ok {
		return chat.HistoryPage{}, NoRoom()
	}
	return s.stretchOf(ctx, q, room, chat.HistoryPage{LastSeq: last, Ended: !member.In()}, first)
}

// WholeHistory is History for the application's backend, which is in no room and sees all of every one; q.User is nobody. NotFound if there
// is no such room.
func (s *Store) WholeHistory(ctx context.Context, q chat.HistoryQuery) (chat.HistoryPage, error) {
	if q.Page < 0 || q.PageSize < 0 || q.Limit < 0 {
		return chat.HistoryPage{}, chat.BadField("page", "page, page_size and limit must not be negative")
	}
	rs, err := s.Rooms(ctx, []chat.RoomID{q.Room})
	if err == nil && len(rs) == 0 {
		err = NoRoom()
	}
	if err != nil {
		return chat.HistoryPage{}, err
	}
	return s.stretchOf(ctx, q, rs[0], chat.HistoryPage{LastSeq: rs[0].LastSeq}, 1)
}

// stretchOf reads what the query asks for of a room from first to page.LastSeq.
func (s *Store) stretchOf(ctx context.Context, q chat.HistoryQuery, room chat.Room, page chat.HistoryPage, first chat.Seq) (chat.HistoryPage, error) {
	from, to, more := stretch(q, first, page.LastSeq)
	page.HasMore, page.Epoch, page.Changes = more, room.Epoch, room.Changes
	if from > to {
		return page, nil
	}
	var err error
	if q.Known != nil {
		if ms, ok := q.Known(page, from, to); ok {
			page.Messages = ms
			return page, nil
		}
	}
	page.Messages, page.Replica = s.fromReplica(ctx, room, chat.Span{From: from, To: to}, q)
	if !page.Replica {
		page.Messages, err = s.page(ctx, room, chat.Span{Room: q.Room, From: from, To: to})
	}
	if s.d.Hooks().HistoryRead != nil {
		s.d.Hooks().HistoryRead(page.Replica)
	}
	return page, err
}

// page reads a stretch of a room as Messages does. Looking for states costs a third of what reading a page costs, and most rooms never
// have one: there they are left out, if the room still has no change when its messages are read, by the same statement.
func (s *Store) page(ctx context.Context, room chat.Room, of chat.Span) (ms []chat.Message, err error) {
	size := int(of.To-of.From) + 1
	if room.Changes == 0 {
		var q db.Statement
		q.Add("SELECT "+table.PageOf.Select()+" FROM rooms r JOIN messages x ON x.room_id = r.id AND x.seq BETWEEN ? AND ?"+
			" WHERE r.id = ? AND r.change_seq = 0 ORDER BY x.seq", of.From, of.To, of.Room)
		err = s.d.Retry(ctx, "read messages", func(tx db.Tx) (err error) {
			ms, err = readLog(tx, &q, size, func(e *table.Entry) []any {
				e.Room = room.ID // no column says it
				return table.PageOf.Cells(&e.Message)
			})
			return err
		})
		if err != nil || len(ms) > 0 {
			return ms, err
		}
	}
	return s.Messages(ctx, of.Room, of.From, of.To, size)
}

// stretch maps the query to seqs within first … last; from > to if there is nothing. more reports older
// messages, or newer ones if After was asked for.
func stretch(q chat.HistoryQuery, first, last chat.Seq) (from, to chat.Seq, more bool) {
	n := chat.Seq(cmp.Or(q.Limit, defaultPage))
	switch {
	case first > last:
		return 1, 0, false
	case q.After != nil:
		if *q.After >= last {
			return 1, 0, false
		}
		from = max(first, *q.After+1)
		to = last
		if last-from >= n {
			to = from + n - 1
		}
		return from, to, to < last
	case q.Around != nil:
		to = min(last, max(first, below(*q.Around, (n-1)/2))+n-1)
	case q.Before != nil:
		to = min(last, below(*q.Before, 1))
	default:
		page := chat.Seq(cmp.Or(q.Page, 1))
		n = chat.Seq(cmp.Or(q.PageSize, defaultPage))
		if page-1 > math.MaxInt64/n {
			return 1, 0, false
		}
		to = below(last, (page-1)*n)
	}
	if to < first {
		return 1, 0, false
	}
	from = max(first, below(to, n-1))
	return from, to, from > first
}

// below is s − n, or 0.
func below(s, n chat.Seq) chat.Seq {
	if n >= s {
		return 0
	}
	return s - n
}

// fromReplica reads a stretch from a replica. ok is false if there is no replica, a dead one, or one that has not reached, in this epoch,
// the end of the stretch, what the caller has seen, and the changes that the page is said to have in it. The fence and the messages are
// one statement, so they are of one moment of the copy.
func (s *Store) fromReplica(ctx context.Context, room chat.Room, of chat.Span, asked chat.HistoryQuery) (ms []chat.Message, ok bool) {
	ok = s.d.OnReplica(ctx, func(tx db.Tx) (err error) {
		var q db.Statement
		seq, changes := fence(room, of, asked)
		q.Add("SELECT "+table.Entries+" FROM rooms r JOIN messages x ON x.room_id = r.id AND x.seq BETWEEN ? AND ?"+table.JoinState+
			" WHERE r.id = ? AND r.epoch = ? AND r.last_seq >= ? AND r.change_seq >= ? ORDER BY x.seq",
			of.From, of.To, room.ID, room.Epoch, seq, changes)
		ms, err = ReadLog(tx, &q, int(of.To-of.From)+1)
		if err == nil && chat.Seq(len(ms)) != of.To-of.From+1 {
			return db.ErrBehind
		}
		return err
	})
	if !ok {
		return nil, false
	}
	return ms, true
}
