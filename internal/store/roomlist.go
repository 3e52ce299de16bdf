package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// listed is a line of a room list, with what orders it.
type listed struct {
	chat.Membership
	last     chat.Message // Kind empty: none
	activeAt time.Time
}

// RoomList returns the user's open memberships with their last messages and the other people of direct rooms,
// latest activity first, at most limit from cursor on ("": the start). next is empty at the end.
func (d *DB) RoomList(ctx context.Context, user chat.UserID, cursor string, limit int) (ms []chat.Membership, next string, err error) {
	since, id, paged, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	// One more than limit is read, to see whether there are more. Most people's rooms fit into one page; then the order is
	// made here, because the server's costs it half as much again as all the rest.
	var rows []*listed
	if !paged {
		var q db.Statement
		q.Add("SELECT "+listedCols+" FROM members m JOIN rooms r ON r.id = m.room_id "+joinLast+" WHERE m.user_id = ? AND m.left_seq = 0 LIMIT ?", user, limit+1)
		rows, err = d.list(ctx, user, &q)
	}
	if err == nil && (paged || len(rows) > limit) {
		var q db.Statement
		// The order is found over a few bytes per room: sorted together with their texts the rows would go through a table on disk.
		q.Add("SELECT "+listedCols+" FROM (SELECT m.room_id FROM members m JOIN rooms r ON r.id = m.room_id WHERE m.user_id = ? AND m.left_seq = 0", user)
		if paged {
			q.Add(" AND (r.active_at < ? OR r.active_at = ? AND r.id < ?)", since, since, id)
		}
		q.Add(" ORDER BY r.active_at DESC, r.id DESC LIMIT ?) p JOIN members m ON m.room_id = p.room_id AND m.user_id = ?"+
			" JOIN rooms r ON r.id = p.room_id "+joinLast, limit+1, user)
		rows, err = d.list(ctx, user, &q)
	}
	if err != nil {
		return nil, "", err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		if limit > 0 {
			next = cursorOf(rows[limit-1].activeAt, uint64(rows[limit-1].Room.ID))
		}
	}
	ms = make([]chat.Membership, len(rows))
	for i := range rows {
		ms[i] = rows[i].Membership
	}
	return ms, next, d.addPeers(ctx, user, ms)
}

const (
	listedCols = table.RoomCols + ", " + table.StandingCols + ", " + table.BodyCols
	joinLast   = "LEFT JOIN messages x ON x.room_id = r.id AND x.seq = r.last_seq"
)

// list reads listedCols of the user's rooms and brings them into order.
func (d *DB) list(ctx context.Context, user chat.UserID, q *db.Statement) (all []*listed, err error) {
	err = d.Retry(ctx, "read room list", func(tx db.Tx) error {
		var row listed
		into := slices.Concat(table.Room(&row.Room, &row.activeAt), table.Standing(&row.Member), table.Body(&row.last))
		all = nil
		return q.Each(tx, func(rows *sql.Rows) error {
			if err := rows.Scan(into...); err != nil {
				return err
			}
			line := row
			line.Member.Room, line.Member.User = line.Room.ID, user
			if line.last.Kind != "" {
				line.last.Room, line.last.Seq, line.Last = line.Room.ID, line.Room.LastSeq, &line.last
			}
			all = append(all, &line)
			return nil
		})
	})
	slices.SortFunc(all, func(a, b *listed) int {
		return cmp.Or(b.activeAt.Compare(a.activeAt), cmp.Compare(b.Room.ID, a.Room.ID))
	})
	return all, err
}

// addLast fills in a membership's last message and, in a direct room, the other person.
func (d *DB) addLast(ctx context.Context, user chat.UserID, m chat.Membership) (chat.Membership, error) {
	last, err := d.Messages(ctx, m.Room.ID, m.Room.LastSeq, m.Room.LastSeq, 1)
	if err != nil {
		return m, err
	}
	if len(last) > 0 {
		m.Last = &last[0]
	}
	ms := []chat.Membership{m}
	err = d.addPeers(ctx, user, ms)
	return ms[0], err
}

// addPeers fills in the other person of direct rooms: one query for all of them.
func (d *DB) addPeers(ctx context.Context, user chat.UserID, ms []chat.Membership) error {
	index := map[chat.RoomID]int{}
	var q db.Statement
	q.Add("SELECT m.room_id, " + table.UserCols + " FROM members m JOIN users u ON u.id = m.user_id WHERE m.room_id IN (")
	for i, m := range ms {
		if m.Room.Type == chat.Direct {
			q.Add(db.Comma(len(index))+"?", m.Room.ID)
			index[m.Room.ID] = i
		}
	}
	if len(index) == 0 {
		return nil
	}
	q.Add(") AND m.user_id <> ?", user)
	return d.Retry(ctx, "read peers", func(tx db.Tx) error {
		var room chat.RoomID
		var peer chat.User
		into := append([]any{table.ID(&room)}, table.User(&peer)...)
		return q.Each(tx, func(rows *sql.Rows) error {
			if err := rows.Scan(into...); err != nil {
				return err
			}
			u := peer
			ms[index[room]].Peer = &u
			return nil
		})
	})
}
