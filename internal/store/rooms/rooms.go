package rooms

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/store/audit"
	"chat-service/internal/store/db"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/outbox"
	"chat-service/internal/store/table"
)

// Store reads and writes the tables rooms and members.
type Store struct {
	d        *db.DB
	outbox   *outbox.Store
	messages *messages.Store
	audit    *audit.Store
	walking  walk // over the names of public rooms
}

// New opens the store over d.
func New(d *db.DB) *Store {
	return &Store{d, outbox.New(d), messages.New(d), audit.New(d), walk{}}
}

// View returns a room as one user may look at it, with its last message and a direct room's other person. Everybody may
// look at a public room; Member is then zero. NotFound otherwise, also after the user has left.
func (s *Store) View(ctx context.Context, room chat.RoomID, viewer chat.UserID) (chat.Membership, error) {
	m, err := s.messages.Membership(ctx, room, viewer)
	switch {
	case err == nil && m.Member.In():
		return s.addLast(ctx, viewer, m)
	case err != nil && chat.KindOf(err) != chat.NotFound:
		return chat.Membership{}, err
	}
	rs, err := s.messages.Rooms(ctx, []chat.RoomID{room})
	if err != nil {
		return chat.Membership{}, err
	}
	if len(rs) == 0 || rs[0].Visibility != chat.Public || !rs[0].DissolvedAt.IsZero() {
		return chat.Membership{}, messages.NoRoom()
	}
	return chat.Membership{Room: rs[0]}, nil
}

// Unread counts the user's unread messages: in all, and per room that has any.
func (s *Store) Unread(ctx context.Context, user chat.UserID) (total uint64, per map[chat.RoomID]uint64, err error) {
	var rows []struct {
		RoomID                        chat.RoomID
		MsgCount, ReadCount, Recalled uint64
	}
	err = s.d.Retry(ctx, "count unread", func(tx db.Tx) error {
		return tx.Raw("SELECT m.room_id, r.msg_count, m.read_count, "+table.RecalledUnread+" AS recalled FROM members m JOIN rooms r ON r.id = m.room_id"+
			" WHERE m.user_id = ? AND m.left_seq = 0 AND r.msg_count > m.read_count", user).Scan(&rows).Error
	})
	per = make(map[chat.RoomID]uint64, len(rows))
	for _, r := range rows {
		if n := chat.Unread(r.MsgCount, r.ReadCount, r.Recalled); n > 0 {
			per[r.RoomID] = n
			total += n
		}
	}
	return total, per, err
}
