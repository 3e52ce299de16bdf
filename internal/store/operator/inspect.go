package operator

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/store/accounts"
	"chat-service/internal/store/db"
	"chat-service/internal/store/messages"
)

// RoomInfo is what an operator sees of a room.
type RoomInfo struct {
	Room      chat.Room
	Partition int
	Ended     int    // memberships that have ended
	Outbox    int    // announcements waiting
	TopSeq    uint64 // highest seq among its messages; differs from Room.LastSeq only in a damaged database
}

// UserInfo is what an operator sees of a user.
type UserInfo struct {
	User      chat.User
	Sessions  int // live ones
	Rooms     int // open memberships
	Partition int
}

// Totals counts the installation's rows.
type Totals struct {
	Users, Rooms, Members, Messages, Sessions, Outbox, DeadCommands int64
}

// RoomInfo describes a room to an operator. NotFound.
func (s *Store) RoomInfo(ctx context.Context, id chat.RoomID) (RoomInfo, error) {
	var info RoomInfo
	err := s.d.Retry(ctx, "read room", func(tx db.Tx) (err error) {
		if info.Room, err = messages.Room(tx, id); err != nil {
			return err
		}
		return tx.Raw("SELECT (SELECT COUNT(*) FROM members WHERE room_id = ? AND left_seq > 0),"+
			" (SELECT COUNT(*) FROM outbox WHERE partition_no = ? AND room_id = ?),"+
			" (SELECT COALESCE(MAX(seq), 0) FROM messages WHERE room_id = ?)",
			id, id.Partition(s.d.Partitions()), id, id).Row().Scan(&info.Ended, &info.Outbox, &info.TopSeq)
	})
	info.Partition = id.Partition(s.d.Partitions())
	return info, err
}

// UserInfo describes a user to an operator. NotFound.
func (s *Store) UserInfo(ctx context.Context, id chat.UserID) (UserInfo, error) {
	u, err := accounts.New(s.d).User(ctx, id)
	if err != nil {
		return UserInfo{}, err
	}
	info := UserInfo{User: u, Partition: id.Partition(s.d.Partitions())}
	err = s.d.Retry(ctx, "read user", func(tx db.Tx) error {
		return tx.Raw("SELECT (SELECT COUNT(*) FROM sessions WHERE user_id = ? AND revoked_at IS NULL AND expires_at > ?),"+
			" (SELECT COUNT(*) FROM members WHERE user_id = ? AND left_seq = 0)", id, s.d.Now(), id).Row().
			Scan(&info.Sessions, &info.Rooms)
	})
	return info, err
}

// Totals counts the installation's rows. It reads whole indexes: for operators, not for metrics.
func (s *Store) Totals(ctx context.Context) (Totals, error) {
	var t Totals
	err := s.d.Retry(ctx, "count rows", func(tx db.Tx) error {
		return tx.Raw("SELECT (SELECT COUNT(*) FROM users), (SELECT COUNT(*) FROM rooms WHERE dissolved_at IS NULL),"+
			" (SELECT COUNT(*) FROM members WHERE left_seq = 0), (SELECT COALESCE(SUM(msg_count), 0) FROM rooms),"+
			" (SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL AND expires_at > ?), (SELECT COUNT(*) FROM outbox),"+
			" (SELECT COUNT(*) FROM dead_commands)", s.d.Now()).Row().
			Scan(&t.Users, &t.Rooms, &t.Members, &t.Messages, &t.Sessions, &t.Outbox, &t.DeadCommands)
	})
	return t, err
}
