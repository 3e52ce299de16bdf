package lookup

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// plainRows is how many memberships are read without asking MySQL for an order. A SELECT of its own for each user costs MySQL
// seven times as much where users have few rooms.
const plainRows = 20_000

const membershipCols = "m.user_id, r.id, r.type, r.last_seq, r.msg_count, r.epoch, m.read_seq, m.read_count, r.active_at"

// placed is a membership with when its room was active last.
type placed struct {
	chat.Membership

	activeAt time.Time
}

// Memberships returns the open memberships of many users at once, of each the limit that were active last, with what an
// unread count and a position need: of the room ID, Type, LastSeq, MsgCount and Epoch, of the member Room, User, ReadSeq and
// ReadCount. No user may be named twice.
func Memberships(ctx context.Context, p *db.DB, users []chat.UserID, limit int) (map[chat.UserID][]chat.Membership, error) {
	if len(users) == 0 {
		return map[chat.UserID][]chat.Membership{}, nil
	}
	var q db.Statement
	q.Add("SELECT " + membershipCols + " FROM members m STRAIGHT_JOIN rooms r ON r.id = m.room_id WHERE m.left_seq = 0 AND m.user_id IN (")
	for i, u := range users {
		q.Add(db.Comma(i)+"?", u)
	}
	q.Add(") LIMIT ?", plainRows)
	all, err := memberships(ctx, p, &q)
	if err != nil || len(all) < plainRows {
		return latest(all, len(users), limit), err
	}
	var each db.Statement
	for i, u := range users {
		if i > 0 {
			each.Add(" UNION ALL ")
		}
		each.Add("(SELECT "+membershipCols+" FROM members m STRAIGHT_JOIN rooms r ON r.id = m.room_id"+
			" WHERE m.user_id = ? AND m.left_seq = 0 ORDER BY r.active_at DESC, r.id DESC LIMIT ?)", u, limit)
	}
	all, err = memberships(ctx, p, &each)
	return latest(all, len(users), limit), err
}

func memberships(ctx context.Context, p *db.DB, q *db.Statement) (all []placed, err error) {
	err = p.Retry(ctx, "read memberships", func(tx db.Tx) error {
		all = nil
		return q.Each(tx, func(rows *sql.Rows) error {
			var m placed
			err := rows.Scan(&m.Member.User, &m.Room.ID, &m.Room.Type, &m.Room.LastSeq, &m.Room.MsgCount, &m.Room.Epoch,
				&m.Member.ReadSeq, &m.Member.ReadCount, &m.activeAt)
			m.Member.Room = m.Room.ID
			all = append(all, m)
			return err
		})
	})
	return all, err
}

// latest keeps of each user the limit that were active last, the last one first.
func latest(all []placed, users, limit int) map[chat.UserID][]chat.Membership {
	slices.SortFunc(all, func(a, b placed) int {
		return cmp.Or(b.activeAt.Compare(a.activeAt), cmp.Compare(b.Room.ID, a.Room.ID))
	})
	out := make(map[chat.UserID][]chat.Membership, users)
	for _, m := range all {
		if of := out[m.Member.User]; len(of) < limit {
			out[m.Member.User] = append(of, m.Membership)
		}
	}
	return out
}
