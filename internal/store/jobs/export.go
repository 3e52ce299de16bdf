package jobs

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// StartExport remembers what is to be exported, and until when it goes: now.
func (s *Store) StartExport(ctx context.Context, j chat.Job) (chat.Job, error) {
	now := s.d.Now()
	j.State, j.CreatedAt, j.ChangedAt, j.FinishedAt = chat.JobDone, now, now, now
	err := s.d.Tx(ctx, "start export", db.Once, func(tx db.Tx) error {
		id, err := table.Jobs.Create(tx.DB, &j)
		j.ID = chat.JobID(id)
		return err
	})
	return j, err
}

// RoomPeople lists who was ever in a room or wrote in it, by id above after.
func (s *Store) RoomPeople(ctx context.Context, room chat.RoomID, after chat.UserID, limit int) (ids []chat.UserID, err error) {
	var q db.Statement
	q.Add("SELECT p.id FROM (SELECT user_id AS id FROM members WHERE room_id = ? AND user_id > ? UNION SELECT DISTINCT sender_id FROM messages"+
		" WHERE room_id = ? AND sender_id > ?) p ORDER BY p.id LIMIT ?", room, after, room, after, limit)
	err = s.d.Retry(ctx, "list people of a room", func(tx db.Tx) error { return q.Scan(tx, &ids) })
	return ids, err
}

// ExportUsers returns users with their own ids and their memberships in a room (0: none), by ascending id.
func (s *Store) ExportUsers(ctx context.Context, room chat.RoomID, ids []chat.UserID) (us []chat.ExportedUser, err error) {
	if ids = db.SortedIDs(ids); len(ids) == 0 {
		return nil, nil
	}
	own := chat.External("").IssuerKey()
	var q db.Statement
	q.Add("SELECT "+table.People.Select()+", COALESCE((SELECT MIN(i.subject) FROM identities i WHERE i.user_id = u.id AND i.issuer = ?), ''), "+
		exportedPlaces.Select()+" FROM users u LEFT JOIN members m ON m.room_id = ? AND m.user_id = u.id WHERE u.id IN (", own[:], room)
	db.List(&q, ids)
	q.Add(") ORDER BY u.id")
	err = s.d.Retry(ctx, "read users to export", func(tx db.Tx) (err error) {
		us, err = db.Collect(tx, &q, func(e *chat.ExportedUser) []any {
			return append(append(table.People.Cells(&e.User), &e.Own), exportedPlaces.Cells(&e.Member)...)
		})
		return err
	})
	return us, err
}

// exportedPlaces are what an export says of memberships; those that aren't there read as zero.
var exportedPlaces = table.Members.Only("room_id", "user_id", "role", "left_seq", "joined_at")

// ExportRooms lists the rooms that a user is or was in, by id above after.
func (s *Store) ExportRooms(ctx context.Context, user chat.UserID, after chat.RoomID, limit int) ([]chat.ExportedRoom, error) {
	var q db.Statement
	q.Add("SELECT "+table.RoomLines.Select()+", COALESCE(e.ext, ''), "+exportedPlaces.Select()+" FROM members m JOIN rooms r ON r.id = m.room_id"+
		" LEFT JOIN external_rooms e ON e.room_id = r.id WHERE m.user_id = ? AND m.room_id > ? ORDER BY m.room_id LIMIT ?", user, after, limit)
	return s.exportedRooms(ctx, &q)
}

// ExportRoom returns a room. NotFound.
func (s *Store) ExportRoom(ctx context.Context, room chat.RoomID) (chat.ExportedRoom, error) {
	var q db.Statement
	q.Add("SELECT "+table.RoomLines.Select()+", COALESCE(e.ext, ''), "+exportedPlaces.Select()+" FROM rooms r"+
		" LEFT JOIN external_rooms e ON e.room_id = r.id LEFT JOIN members m ON m.room_id = r.id AND m.user_id = 0 WHERE r.id = ?", room)
	rs, err := s.exportedRooms(ctx, &q)
	if err == nil && len(rs) == 0 {
		err = chat.E(chat.NotFound, "no such room")
	}
	if err != nil {
		return chat.ExportedRoom{}, err
	}
	return rs[0], nil
}

func (s *Store) exportedRooms(ctx context.Context, q *db.Statement) (rs []chat.ExportedRoom, err error) {
	type line struct {
		table.Room
		own    string
		member chat.Member
	}
	var lines []line
	err = s.d.Retry(ctx, "read rooms to export", func(tx db.Tx) (err error) {
		lines, err = db.Collect(tx, q, func(l *line) []any {
			return append(append(table.RoomLines.Cells(&l.Room), &l.own), exportedPlaces.Cells(&l.member)...)
		})
		return err
	})
	for _, l := range lines {
		rs = append(rs, chat.ExportedRoom{Room: l.Room.Room, Own: l.own, Member: l.member})
	}
	return rs, err
}
