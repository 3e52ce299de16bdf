package messages

import (
	"context"
	"database/sql"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// standing is a room's row beside a member's.
type standing struct {
	room     table.Room
	member   chat.Member
	recalled uint64
}

func (s *standing) cells() []any {
	return append(table.RoomLines.Cells(&s.room), table.Members.Cells(&s.member)...)
}

func (s *standing) membership() chat.Membership {
	return chat.Membership{Room: s.room.Room, Member: s.member, Recalled: s.recalled}
}

var standingCols = table.RoomLines.Select() + ", " + table.Members.Select()

// Membership returns the user's place in the room, open or ended (Member.In reports which), from the primary. NotFound
// if there never was one.
func (s *Store) Membership(ctx context.Context, room chat.RoomID, user chat.UserID) (m chat.Membership, err error) {
	err = s.d.Retry(ctx, "read membership", func(tx db.Tx) (err error) {
		m, err = MembershipWhere(tx, "m.room_id = ? AND m.user_id = ?", room, user)
		return err
	})
	if err == nil && m.Room.ID == 0 {
		err = NoRoom()
	}
	return m, err
}

// MembershipWhere reads the membership that a condition over members m and rooms r selects; the zero Membership if
// there is none.
func MembershipWhere(tx db.Tx, where string, args ...any) (chat.Membership, error) {
	var q db.Statement
	q.Add("SELECT "+standingCols+" FROM members m JOIN rooms r ON r.id = m.room_id WHERE "+where, args...)
	found, err := db.Collect(tx, &q, (*standing).cells)
	if err != nil || len(found) == 0 {
		return chat.Membership{}, err
	}
	s := &found[0]
	var above Recalled
	above.Add(&s.room, s.member.ReadCount, &s.recalled)
	err = above.Count(tx)
	return s.membership(), err
}

// window returns how far a room has come (of it as much as table.RoomEnds) and what of it a user may see (table.Windows),
// from the primary; NotFound if they never were a member.
func (s *Store) window(ctx context.Context, room chat.RoomID, user chat.UserID) (chat.Room, chat.Member, error) {
	var q db.Statement
	q.Add("SELECT "+table.RoomEnds.Select()+", "+table.Windows.Select()+
		" FROM members m JOIN rooms r ON r.id = m.room_id WHERE m.room_id = ? AND m.user_id = ?", room, user)
	var at standing
	err := s.d.Retry(ctx, "read membership", func(tx db.Tx) error {
		at = standing{}
		into := append(table.RoomEnds.Cells(&at.room), table.Windows.Cells(&at.member)...)
		return q.Each(tx, func(rows *sql.Rows) error { return rows.Scan(into...) })
	})
	if err == nil && at.room.ID == 0 {
		err = NoRoom()
	}
	return at.room.Room, at.member, err
}

// Places returns where users stand in rooms, open memberships and ended ones; a place where nobody ever was is left
// out. However many are asked for, it is one statement.
func (s *Store) Places(ctx context.Context, at []chat.Place) (map[chat.Place]chat.Membership, error) {
	out := make(map[chat.Place]chat.Membership, len(at))
	if len(at) == 0 {
		return out, nil
	}
	var q db.Statement
	q.Add("SELECT " + standingCols + ", " + table.RecalledUnread + " FROM members m FORCE INDEX (PRIMARY) JOIN rooms r ON r.id = m.room_id WHERE ")
	q.Places("m.room_id, m.user_id", at)
	var found []standing
	err := s.d.Retry(ctx, "read places", func(tx db.Tx) (err error) {
		found, err = db.Collect(tx, &q, func(s *standing) []any { return append(s.cells(), table.Number(&s.recalled)) })
		return err
	})
	for _, f := range found {
		out[chat.Place{Room: f.member.Room, User: f.member.User}] = f.membership()
	}
	return out, err
}

// Room reads a room's row; NotFound if there is none.
func Room(tx db.Tx, id chat.RoomID) (chat.Room, error) {
	rows, err := table.RoomLines.Find(tx.Where("id = ?", id))
	if err == nil && len(rows) == 0 {
		err = NoRoom()
	}
	if err != nil {
		return chat.Room{}, err
	}
	return rows[0].Room, nil
}

// Rooms returns those of the rooms that exist, dissolved ones included, by ascending id.
func (s *Store) Rooms(ctx context.Context, ids []chat.RoomID) ([]chat.Room, error) {
	ids = db.SortedIDs(ids)
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []table.Room
	err := s.d.Retry(ctx, "read rooms", func(tx db.Tx) (err error) {
		rows, err = table.RoomLines.Find(tx.Where("id IN ?", ids).Order("id"))
		return err
	})
	rs := make([]chat.Room, len(rows))
	for i, r := range rows {
		rs[i] = r.Room
	}
	return rs, err
}

// ActiveRooms returns the heads of a partition's rooms that had a message since then (to the minute), the most
// recent first, at most limit.
func (s *Store) ActiveRooms(ctx context.Context, partition int, since time.Time, limit int) ([]chat.Head, error) {
	var rows []table.Room
	err := s.d.Retry(ctx, "read active rooms", func(tx db.Tx) (err error) {
		rows, err = table.RoomHeads.Find(tx.Where("partition_no = ? AND active_min >= ?", partition, table.UnixMinute(since)).
			Order("active_min DESC").Limit(limit))
		return err
	})
	hs := make([]chat.Head, len(rows))
	for i, r := range rows {
		hs[i] = headOf(&r)
	}
	return hs, err
}
