package store

import (
	"context"
	"math"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/lookup"
	"chat-service/internal/store/table"
)

const defaultPage = 20

// Messages returns the room's messages with seqs from … to, ascending, at most limit, from the primary. Nobody's rights are
// looked at.
func (d *DB) Messages(ctx context.Context, room chat.RoomID, from, to chat.Seq, limit int) ([]chat.Message, error) {
	if from > to || limit <= 0 {
		return nil, nil
	}
	var q db.Statement
	q.Add("SELECT "+table.MessageCols+" FROM messages x WHERE x.room_id = ? AND x.seq BETWEEN ? AND ? ORDER BY x.seq LIMIT ?", room, from, to, limit)
	var ms []chat.Message
	err := d.Retry(ctx, "read messages", func(tx db.Tx) (err error) {
		ms, err = lookup.Read(tx, &q, min(limit, int(min(to-from, chat.Seq(limit)))+1))
		return err
	})
	return ms, err
}

// History returns a stretch of the room's log as the user may see it, ended memberships up to their end. NotFound
// where he never was a member; Invalid for negative numbers. Seqs are dense, so a page is found by arithmetic: any
// depth costs the same. Membership is judged on the primary; the messages may come from a replica that is far enough.
func (d *DB) History(ctx context.Context, q chat.HistoryQuery) (chat.HistoryPage, error) {
	if q.Page < 0 || q.PageSize < 0 || q.Limit < 0 {
		return chat.HistoryPage{}, chat.BadField("page", "page, page_size and limit must not be negative")
	}
	m, err := d.Membership(ctx, q.Room, q.User)
	if err != nil {
		return chat.HistoryPage{}, err
	}
	first, last, ok := m.Member.Window(m.Room.LastSeq)
	if !ok {
		return chat.HistoryPage{}, noRoom()
	}
	page := chat.HistoryPage{LastSeq: last, Epoch: m.Room.Epoch}
	from, to, more := stretch(q, first, last)
	page.HasMore = more
	if from > to {
		return page, nil
	}
	page.Messages, page.Replica = d.fromReplica(ctx, m.Room, from, to, q.MinSeq)
	if !page.Replica {
		page.Messages, err = d.Messages(ctx, q.Room, from, to, int(to-from)+1)
	}
	if d.Hooks().HistoryRead != nil {
		d.Hooks().HistoryRead(page.Replica)
	}
	return page, err
}

// stretch maps the query to seqs within first … last; from > to where there is nothing. more tells of older
// messages, or newer ones where After was asked.
func stretch(q chat.HistoryQuery, first, last chat.Seq) (from, to chat.Seq, more bool) {
	n := chat.Seq(q.Limit)
	setDefault(&n, defaultPage)
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
		page, size := chat.Seq(q.Page), chat.Seq(q.PageSize)
		setDefault(&page, 1)
		n = size
		setDefault(&n, defaultPage)
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

// fromReplica reads messages from … to from a replica. ok is false where it can't be had from there: no
// replica, a dead one, or one that has not reached both the end of the stretch and minSeq in this epoch. The fence
// and the messages are one statement, so they are of one moment of the copy.
func (d *DB) fromReplica(ctx context.Context, room chat.Room, from, to, minSeq chat.Seq) (ms []chat.Message, ok bool) {
	ok = d.OnReplica(ctx, func(tx db.Tx) (err error) {
		var q db.Statement
		q.Add("SELECT "+table.MessageCols+" FROM rooms r JOIN messages x ON x.room_id = r.id AND x.seq BETWEEN ? AND ?"+
			" WHERE r.id = ? AND r.epoch = ? AND r.last_seq >= ? ORDER BY x.seq", from, to, room.ID, room.Epoch, max(to, minSeq))
		ms, err = lookup.Read(tx, &q, int(to-from)+1)
		return err
	})
	if !ok || chat.Seq(len(ms)) != to-from+1 {
		return nil, false
	}
	return ms, true
}
