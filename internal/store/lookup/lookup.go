package lookup

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// Places returns where users stand in rooms, open memberships and ended ones; a place where nobody ever was is left out.
func Places(ctx context.Context, p *db.DB, at []chat.Place) (map[chat.Place]chat.Membership, error) {
	out := make(map[chat.Place]chat.Membership, len(at))
	if len(at) == 0 {
		return out, nil
	}
	var q db.Statement
	q.Add("SELECT " + table.RoomCols + ", " + table.MemberCols +
		" FROM members m FORCE INDEX (PRIMARY) JOIN rooms r ON r.id = m.room_id WHERE ")
	q.Places("m.room_id, m.user_id", at)
	err := p.Retry(ctx, "read places", func(tx db.Tx) error {
		clear(out)
		var m chat.Membership
		var activeAt time.Time
		into := append(table.Room(&m.Room, &activeAt), table.Member(&m.Member)...)
		return q.Each(tx, func(rows *sql.Rows) error {
			if err := rows.Scan(into...); err != nil {
				return err
			}
			out[chat.Place{Room: m.Room.ID, User: m.Member.User}] = m
			return nil
		})
	})
	return out, err
}

// Spans returns the messages of some stretches of logs, by room and seq; where they have more content than that many bytes, the
// first of them, at least one, and whole is false. The stretches must not overlap.
func Spans(ctx context.Context, p *db.DB, spans []chat.Span, bytes int) (ms []chat.Message, whole bool, err error) {
	if len(spans) == 0 {
		return nil, true, nil
	}
	var q db.Statement
	q.Add("SELECT " + table.MessageCols + " FROM messages x FORCE INDEX (PRIMARY) WHERE ")
	for i, s := range spans {
		if i > 0 {
			q.Add(" OR ")
		}
		q.Add("x.room_id = ? AND x.seq BETWEEN ? AND ?", s.Room, s.From, s.To)
	}
	q.Add(" ORDER BY x.room_id, x.seq")
	err = p.Retry(ctx, "read stretches", func(tx db.Tx) error {
		ms, whole = nil, true
		left := bytes
		var m chat.Message
		into := table.Message(&m)
		err := q.Each(tx, func(rows *sql.Rows) error {
			if left <= 0 {
				return errEnough
			}
			err := rows.Scan(into...)
			ms, left = append(ms, m), left-len(m.Content)
			return err
		})
		if errors.Is(err, errEnough) {
			whole, err = false, nil
		}
		return err
	})
	return ms, whole, err
}

// errEnough ends the reading of rows.
var errEnough = errors.New("enough")

// Read runs a statement that asks for table.MessageCols; room is made for size messages beforehand.
func Read(tx db.Tx, q *db.Statement, size int) ([]chat.Message, error) {
	var m chat.Message
	into := table.Message(&m)
	ms := make([]chat.Message, 0, size)
	err := q.Each(tx, func(rows *sql.Rows) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		ms = append(ms, m)
		return nil
	})
	return ms, err
}
