package store

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"

	"chat-service/internal/chat"
	"chat-service/internal/store/batch"
	"chat-service/internal/store/pool"
)

// roomByID reads a room's row; NotFound where there is none.
func roomByID(g *gorm.DB, id chat.RoomID) (chat.Room, error) {
	var rows []roomRow
	if err := g.Where("id = ?", id).Find(&rows).Error; err != nil {
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
	ids = pool.SortedIDs(ids)
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []roomRow
	err := d.p.Retry(ctx, "read rooms", func(g *gorm.DB) error {
		return g.Where("id IN ?", ids).Order("id").Find(&rows).Error
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
	err := d.p.Retry(ctx, "read active rooms", func(g *gorm.DB) error {
		return g.Select("id, last_seq, epoch, msg_count").Where("partition_no = ? AND active_min >= ?", partition, batch.UnixMinute(since)).
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
	var rows []placeRow
	err := d.p.Retry(ctx, "read membership", func(g *gorm.DB) error {
		return g.Raw("SELECT "+roomCols+", "+memberCols+" FROM members m JOIN rooms r ON r.id = m.room_id"+
			" WHERE m.room_id = ? AND m.user_id = ?", room, user).Scan(&rows).Error
	})
	if err != nil {
		return chat.Membership{}, err
	}
	if len(rows) == 0 {
		return chat.Membership{}, noRoom()
	}
	return rows[0].membership(), nil
}

// View returns a room as one user may look at it, with its last message and a direct room's other person. A public
// room shows itself to everybody: its Member is then zero. NotFound otherwise, also after the user has left.
func (d *DB) View(ctx context.Context, room chat.RoomID, viewer chat.UserID) (chat.Membership, error) {
	m, err := d.Membership(ctx, room, viewer)
	switch {
	case err == nil && m.Member.In():
		ms := []chat.Membership{m}
		if err := d.complete(ctx, viewer, ms); err != nil {
			return chat.Membership{}, err
		}
		return ms[0], nil
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

// places reads one row more than limit, so that the caller sees whether there are more.
func (d *DB) places(ctx context.Context, user chat.UserID, cursor string, limit int) ([]placeRow, error) {
	since, id, paged, err := parseCursor(cursor)
	if err != nil {
		return nil, err
	}
	var q pool.Statement
	q.Add("SELECT "+roomCols+", "+memberCols+" FROM members m JOIN rooms r ON r.id = m.room_id WHERE m.user_id = ? AND m.left_seq = 0", user)
	if paged {
		q.Add(" AND (r.active_at < ? OR r.active_at = ? AND r.id < ?)", since, since, id)
	}
	q.Add(" ORDER BY r.active_at DESC, r.id DESC LIMIT ?", limit+1)
	var rows []placeRow
	err = d.p.Retry(ctx, "read memberships", func(g *gorm.DB) error { return q.Scan(g, &rows) })
	return rows, err
}

func membershipsOf(rows []placeRow) []chat.Membership {
	ms := make([]chat.Membership, len(rows))
	for i, r := range rows {
		ms[i] = r.membership()
	}
	return ms
}

// RoomList returns the user's open memberships with their last messages and the other people of direct rooms,
// latest activity first, at most limit from cursor on ("": the start). next is empty at the end.
func (d *DB) RoomList(ctx context.Context, user chat.UserID, cursor string, limit int) (ms []chat.Membership, next string, err error) {
	rows, err := d.places(ctx, user, cursor, limit)
	if err != nil {
		return nil, "", err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		if limit > 0 {
			last := rows[limit-1].Room
			next = cursorOf(last.ActiveAt, uint64(last.ID))
		}
	}
	ms = membershipsOf(rows)
	return ms, next, d.complete(ctx, user, ms)
}

// complete fills in the last messages and, in direct rooms, the other person: one query each for all of them.
func (d *DB) complete(ctx context.Context, user chat.UserID, ms []chat.Membership) error {
	if len(ms) == 0 {
		return nil
	}
	var q pool.Statement
	index := make(map[chat.RoomID]int, len(ms))
	var direct []chat.RoomID
	q.Add("SELECT " + messageCols + " FROM messages x WHERE ")
	for i, m := range ms {
		index[m.Room.ID] = i
		if i > 0 {
			q.Add(" OR ")
		}
		q.Add("(x.room_id = ? AND x.seq = ?)", m.Room.ID, m.Room.LastSeq)
		if m.Room.Type == chat.Direct {
			direct = append(direct, m.Room.ID)
		}
	}
	var lasts []messageRow
	if err := d.p.Retry(ctx, "read last messages", func(g *gorm.DB) error { return q.Scan(g, &lasts) }); err != nil {
		return err
	}
	for _, r := range lasts {
		m := r.message()
		ms[index[r.RoomID]].Last = &m
	}
	if len(direct) == 0 {
		return nil
	}
	var peers []struct {
		RoomID chat.RoomID
		User   userRow `gorm:"embedded;embeddedPrefix:u_"`
	}
	err := d.p.Retry(ctx, "read peers", func(g *gorm.DB) error {
		return g.Raw("SELECT m.room_id, "+userCols+" FROM members m JOIN users u ON u.id = m.user_id WHERE m.room_id IN ? AND m.user_id <> ?",
			direct, user).Scan(&peers).Error
	})
	for _, p := range peers {
		u := p.User.user()
		ms[index[p.RoomID]].Peer = &u
	}
	return err
}

// PublicRooms returns living public rooms whose name holds q (any case; "": all), newest first.
func (d *DB) PublicRooms(ctx context.Context, q, cursor string, limit int) (rs []chat.Room, next string, err error) {
	_, before, paged, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	var rows []roomRow
	err = d.p.Retry(ctx, "find rooms", func(g *gorm.DB) error {
		g = g.Where("visibility = ? AND dissolved_at IS NULL", chat.Public)
		if q != "" {
			g = g.Where("name_key LIKE ?", likeAny(searchKey(q)))
		}
		if paged {
			g = g.Where("id < ?", before)
		}
		return g.Order("id DESC").Limit(limit + 1).Find(&rows).Error
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

// MembersAmong returns which of the users are in the room, ascending, and the room itself: one statement, so both are of one moment.
func (d *DB) MembersAmong(ctx context.Context, room chat.RoomID, users []chat.UserID) (in []chat.UserID, r chat.Room, err error) {
	users = pool.SortedIDs(users)
	var rows []struct {
		Room   roomRow `gorm:"embedded;embeddedPrefix:r_"`
		UserID *chat.UserID
	}
	err = d.p.Retry(ctx, "read members among", func(g *gorm.DB) error {
		return g.Raw("SELECT "+roomCols+", m.user_id FROM rooms r"+
			" LEFT JOIN members m ON m.room_id = r.id AND m.left_seq = 0 AND m.user_id IN ? WHERE r.id = ?", users, room).Scan(&rows).Error
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
	err = d.p.Retry(ctx, "count unread", func(g *gorm.DB) error {
		return g.Raw("SELECT m.room_id, r.msg_count, m.read_count FROM members m JOIN rooms r ON r.id = m.room_id"+
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
	var q pool.Statement
	q.Add("UPDATE rooms SET epoch = epoch + 1")
	if room != 0 {
		q.Add(" WHERE id = ?", room)
	}
	return d.p.Tx(ctx, "bump epoch", pool.Repeatable, func(g *gorm.DB) error {
		n, err := q.Exec(g)
		if err == nil && n == 0 && room != 0 {
			return noRoom()
		}
		return err
	})
}
