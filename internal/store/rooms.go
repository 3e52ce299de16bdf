package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/batch"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// roomByID reads a room's row; NotFound where there is none.
func roomByID(tx db.Tx, id chat.RoomID) (chat.Room, error) {
	var rows []roomRow
	if err := tx.Where("id = ?", id).Find(&rows).Error; err != nil {
		return chat.Room{}, err
	}
	if len(rows) == 0 {
		return chat.Room{}, noRoom()
	}
	return rows[0].room(), nil
}

func noRoom() error { return chat.E(chat.NotFound, "no such room") }

// Rooms returns those of the rooms that exist, dissolved ones included, by ascending id.
func (d *DB) Rooms(ctx context.Context, ids []chat.RoomID) ([]chat.Room, error) {
	ids = db.SortedIDs(ids)
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []roomRow
	err := d.Retry(ctx, "read rooms", func(tx db.Tx) error {
		return tx.Where("id IN ?", ids).Order("id").Find(&rows).Error
	})
	return roomsOf(rows), err
}

func roomsOf(rows []roomRow) []chat.Room {
	rs := make([]chat.Room, len(rows))
	for i, r := range rows {
		rs[i] = r.room()
	}
	return rs
}

// ActiveRooms returns the heads of a partition's rooms that had a message since then (to the minute), the most
// recent first, at most limit.
func (d *DB) ActiveRooms(ctx context.Context, partition int, since time.Time, limit int) ([]chat.Head, error) {
	var rows []roomRow
	err := d.Retry(ctx, "read active rooms", func(tx db.Tx) error {
		return tx.Select("id, last_seq, epoch, msg_count").Where("partition_no = ? AND active_min >= ?", partition, batch.UnixMinute(since)).
			Order("active_min DESC").Limit(limit).Find(&rows).Error
	})
	hs := make([]chat.Head, len(rows))
	for i, r := range rows {
		hs[i] = chat.Head{Room: r.ID, Seq: r.LastSeq, Before: r.LastSeq, Epoch: r.Epoch, MsgCount: r.MsgCount}
	}
	return hs, err
}

// Membership returns the user's place in the room, open or ended (Member.In tells), from the primary. NotFound
// where there never was one.
func (d *DB) Membership(ctx context.Context, room chat.RoomID, user chat.UserID) (chat.Membership, error) {
	var q db.Statement
	q.Add(placeOf+" WHERE m.room_id = ? AND m.user_id = ?", room, user)
	var m chat.Membership
	err := d.Retry(ctx, "read membership", func(tx db.Tx) (err error) {
		m, err = readPlace(tx, &q)
		return err
	})
	if err == nil && m.Room.ID == 0 {
		err = noRoom()
	}
	return m, err
}

const placeOf = "SELECT " + table.RoomCols + ", " + table.MemberCols + " FROM members m JOIN rooms r ON r.id = m.room_id"

// readPlace reads one row of placeOf; the zero Membership where there is none.
func readPlace(tx db.Tx, q *db.Statement) (m chat.Membership, err error) {
	var activeAt time.Time
	into := append(table.Room(&m.Room, &activeAt), table.Member(&m.Member)...)
	err = q.Each(tx, func(rows *sql.Rows) error { return rows.Scan(into...) })
	return m, err
}

// View returns a room as one user may look at it, with its last message and a direct room's other person. A public
// room shows itself to everybody: its Member is then zero. NotFound otherwise, also after the user has left.
func (d *DB) View(ctx context.Context, room chat.RoomID, viewer chat.UserID) (chat.Membership, error) {
	m, err := d.Membership(ctx, room, viewer)
	switch {
	case err == nil && m.Member.In():
		return d.addLast(ctx, viewer, m)
	case err != nil && chat.KindOf(err) != chat.NotFound:
		return chat.Membership{}, err
	}
	rs, err := d.Rooms(ctx, []chat.RoomID{room})
	if err != nil {
		return chat.Membership{}, err
	}
	if len(rs) == 0 || rs[0].Visibility != chat.Public || !rs[0].DissolvedAt.IsZero() {
		return chat.Membership{}, noRoom()
	}
	return chat.Membership{Room: rs[0]}, nil
}

// PublicRooms returns living public rooms whose name holds q (any case; "": all), newest first.
func (d *DB) PublicRooms(ctx context.Context, q, cursor string, limit int) (rs []chat.Room, next string, err error) {
	_, before, paged, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	var rows []roomRow
	err = d.Retry(ctx, "find rooms", func(tx db.Tx) error {
		tx.DB = tx.Where("visibility = ? AND dissolved_at IS NULL", chat.Public)
		if q != "" {
			tx.DB = tx.Where("name_key LIKE ?", likeAny(searchKey(q)))
		}
		if paged {
			tx.DB = tx.Where("id < ?", before)
		}
		return tx.Order("id DESC").Limit(limit + 1).Find(&rows).Error
	})
	if err != nil {
		return nil, "", err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		if limit > 0 {
			next = cursorOf(rows[limit-1].CreatedAt, uint64(rows[limit-1].ID))
		}
	}
	return roomsOf(rows), next, nil
}

// MembersAmong returns, as of one moment, which of the users are in the room and may see upTo, ascending, and the room.
func (d *DB) MembersAmong(ctx context.Context, room chat.RoomID, upTo chat.Seq, users []chat.UserID) (in []chat.UserID, r chat.Room, err error) {
	users = db.SortedIDs(users)
	var rows []struct {
		Room   roomRow `gorm:"embedded;embeddedPrefix:r_"`
		UserID *chat.UserID
	}
	err = d.Retry(ctx, "read members among", func(tx db.Tx) error {
		return tx.Raw("SELECT "+roomCols+", m.user_id FROM rooms r"+
			" LEFT JOIN members m ON m.room_id = r.id AND m.left_seq = 0 AND m.visible_from <= ? AND m.user_id IN ? WHERE r.id = ?", upTo, users, room).Scan(&rows).Error
	})
	if err != nil {
		return nil, chat.Room{}, err
	}
	if len(rows) == 0 {
		return nil, chat.Room{}, noRoom()
	}
	for _, row := range rows {
		if row.UserID != nil {
			in = append(in, *row.UserID)
		}
	}
	slices.Sort(in)
	return in, rows[0].Room.room(), nil
}

// Unread counts the user's unread messages: in all, and per room where there are any.
func (d *DB) Unread(ctx context.Context, user chat.UserID) (total uint64, per map[chat.RoomID]uint64, err error) {
	var rows []struct {
		RoomID              chat.RoomID
		MsgCount, ReadCount uint64
	}
	err = d.Retry(ctx, "count unread", func(tx db.Tx) error {
		return tx.Raw("SELECT m.room_id, r.msg_count, m.read_count FROM members m JOIN rooms r ON r.id = m.room_id"+
			" WHERE m.user_id = ? AND m.left_seq = 0 AND r.msg_count > m.read_count", user).Scan(&rows).Error
	})
	per = make(map[chat.RoomID]uint64, len(rows))
	for _, r := range rows {
		per[r.RoomID] = chat.Unread(r.MsgCount, r.ReadCount)
		total += per[r.RoomID]
	}
	return total, per, err
}

// BumpEpoch raises the epoch of a room, or of all where room is 0: seqs seen before count for nothing then. For
// use after a restore.
func (d *DB) BumpEpoch(ctx context.Context, room chat.RoomID) error {
	var q db.Statement
	q.Add("UPDATE rooms SET epoch = epoch + 1")
	if room != 0 {
		q.Add(" WHERE id = ?", room)
	}
	return d.Tx(ctx, "bump epoch", db.Repeatable, func(tx db.Tx) error {
		n, err := q.Exec(tx)
		if err == nil && n == 0 && room != 0 {
			return noRoom()
		}
		return err
	})
}
