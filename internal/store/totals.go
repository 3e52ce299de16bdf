package store

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// RoomInfo describes a room to an operator. NotFound.
func (d *DB) RoomInfo(ctx context.Context, id chat.RoomID) (RoomInfo, error) {
	var info RoomInfo
	err := d.Retry(ctx, "read room", func(tx db.Tx) (err error) {
		if info.Room, err = roomByID(tx, id); err != nil {
			return err
		}
		return tx.Raw("SELECT (SELECT COUNT(*) FROM members WHERE room_id = ? AND left_seq > 0),"+
			" (SELECT COUNT(*) FROM outbox WHERE partition_no = ? AND room_id = ?), (SELECT COALESCE(MAX(seq), 0) FROM messages WHERE room_id = ?)",
			id, d.partition(id), id, id).Row().Scan(&info.Ended, &info.Outbox, &info.TopSeq)
	})
	info.Partition = d.partition(id)
	return info, err
}

// UserInfo describes a user to an operator. NotFound.
func (d *DB) UserInfo(ctx context.Context, id chat.UserID) (UserInfo, error) {
	u, err := d.User(ctx, id)
	if err != nil {
		return UserInfo{}, err
	}
	info := UserInfo{User: u, Partition: id.Partition(d.DB.Partitions())}
	err = d.Retry(ctx, "read user", func(tx db.Tx) error {
		return tx.Raw("SELECT (SELECT COUNT(*) FROM sessions WHERE user_id = ? AND revoked_at IS NULL AND expires_at > ?),"+
			" (SELECT COUNT(*) FROM members WHERE user_id = ? AND left_seq = 0)", id, d.Now(), id).Row().Scan(&info.Sessions, &info.Rooms)
	})
	return info, err
}

// Totals counts the installation's rows. It reads whole indexes: for operators, not for metrics.
func (d *DB) Totals(ctx context.Context) (Totals, error) {
	var t Totals
	err := d.Retry(ctx, "count rows", func(tx db.Tx) error {
		return tx.Raw("SELECT (SELECT COUNT(*) FROM users), (SELECT COUNT(*) FROM rooms WHERE dissolved_at IS NULL),"+
			" (SELECT COUNT(*) FROM members WHERE left_seq = 0), (SELECT COALESCE(SUM(msg_count), 0) FROM rooms),"+
			" (SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL AND expires_at > ?), (SELECT COUNT(*) FROM outbox),"+
			" (SELECT COUNT(*) FROM dead_commands)", d.Now()).Row().
			Scan(&t.Users, &t.Rooms, &t.Members, &t.Messages, &t.Sessions, &t.Outbox, &t.DeadCommands)
	})
	return t, err
}
