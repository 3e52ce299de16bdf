package rooms

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/table"
)

// Room returns a room, a dissolved one too, whoever is in it. NotFound.
func (s *Store) Room(ctx context.Context, id chat.RoomID) (chat.Room, error) {
	rs, err := s.messages.Rooms(ctx, []chat.RoomID{id})
	if err == nil && len(rs) == 0 {
		err = messages.NoRoom()
	}
	if err != nil {
		return chat.Room{}, err
	}
	return rs[0], nil
}

// ExternalRoom returns the room that the application means by an id of its own, a dissolved one too. NotFound.
func (s *Store) ExternalRoom(ctx context.Context, ext string) (r chat.Room, err error) {
	var there bool
	err = s.d.Retry(ctx, "read external room", func(tx db.Tx) error {
		r, there, err = externalRoom(tx, ext)
		return err
	})
	if err == nil && !there {
		err = messages.NoRoom()
	}
	return r, err
}

func externalRoom(tx db.Tx, ext string) (r chat.Room, there bool, err error) {
	var q db.Statement
	q.Add("SELECT "+table.RoomLines.Select()+" FROM external_rooms e JOIN rooms r ON r.id = e.room_id WHERE e.ext = ?", []byte(ext))
	rows, err := db.Collect(tx, &q, table.RoomLines.Cells)
	if err != nil || len(rows) == 0 {
		return r, false, err
	}
	return rows[0].Room, true, nil
}

// ProvideRoom returns the room that the application means by an id of its own, or makes it as CreateRoom does; made says which. Of calls at
// the same moment one makes it: the others fail at the id's unique key, and find what that one made.
func (s *Store) ProvideRoom(ctx context.Context, ext string, n chat.NewRoom) (r chat.Room, made bool, err error) {
	all, room, err := s.newRoom(n)
	if err != nil {
		return r, false, err
	}
	err = s.d.Tx(ctx, "provide room", db.Repeatable, func(tx db.Tx) error {
		have, there, err := externalRoom(tx, ext)
		if r, made = have, false; err != nil || there {
			return err
		}
		m, err := s.makeRoom(tx, room, "", n.Owner, all)
		if err != nil {
			return err
		}
		r, made = m.Room, true
		_, err = table.ExternalRooms.Create(tx.DB, &table.ExternalRoom{Ext: ext, Room: r.ID, CreatedAt: r.CreatedAt})
		return err
	})
	if err != nil && db.Duplicate(err, "PRIMARY") {
		r, err = s.ExternalRoom(ctx, ext)
		return r, false, err
	}
	if err != nil {
		return chat.Room{}, false, err
	}
	return r, made, nil
}
