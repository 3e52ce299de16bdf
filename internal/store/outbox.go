package store

import (
	"context"
	"errors"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
)

// announce leaves an outbox row, inside the transaction of the write that it announces. The room's row lock must be held
// where it is about a room's message.
func (d *DB) announce(tx db.Tx, an envelope.Announcement) error {
	var room chat.RoomID
	var seq chat.Seq
	var part int
	switch {
	case an.Message != nil:
		room, seq = an.Message.Room, an.Message.Seq
		part = d.partition(room)
	case an.Read != nil:
		room = an.Read.Room
		part = d.partition(room)
	case an.Revoked != nil:
		part = an.Revoked.User.Partition(d.DB.Partitions())
	default:
		return errors.New("announce: nothing is set")
	}
	payload, err := an.Encode()
	if err != nil {
		return err
	}
	return tx.Exec("INSERT INTO outbox (partition_no, room_id, seq, kind, payload, created_at) VALUES (?,?,?,?,?,?)",
		part, room, seq, an.Kind(), payload, d.Now()).Error
}

// Outbox returns the oldest announcements of the partitions, at most limit, by ascending id. They stay until
// Announced. There is no cursor: rows commit out of id order, and a cursor would skip the late ones.
func (d *DB) Outbox(ctx context.Context, partitions []int, limit int) ([]envelope.Announcement, error) {
	if len(partitions) == 0 || limit <= 0 {
		return nil, nil
	}
	if some, err := d.anyAnnouncement(ctx); err != nil || !some {
		return nil, err
	}
	var q db.Statement
	for i, p := range partitions {
		if i > 0 {
			q.Add(" UNION ALL ")
		}
		// One limited stretch of the index for each partition: a backlog is never read whole.
		q.Add("(SELECT id, partition_no, kind, payload FROM outbox WHERE partition_no = ? ORDER BY id LIMIT ?)", p, limit)
	}
	q.Add(" ORDER BY id LIMIT ?", limit)
	var rows []struct {
		ID          uint64
		PartitionNo int
		Kind        envelope.AnnouncementKind
		Payload     []byte
	}
	if err := d.Retry(ctx, "read outbox", func(tx db.Tx) error { return q.Scan(tx, &rows) }); err != nil {
		return nil, err
	}
	ans := make([]envelope.Announcement, 0, len(rows))
	for _, r := range rows {
		an, err := envelope.DecodeAnnouncement(r.Kind, r.Payload)
		if err != nil {
			if err := d.setAside(ctx, r.ID, chat.DeadCommand{Partition: r.PartitionNo, Kind: "outbox", Payload: r.Payload, Reason: err.Error()}); err != nil {
				return nil, err
			}
			continue
		}
		an.ID, an.Partition = r.ID, r.PartitionNo
		ans = append(ans, an)
	}
	return ans, nil
}

// setAside moves an announcement that can't be read out of the way of those behind it.
func (d *DB) setAside(ctx context.Context, id uint64, c chat.DeadCommand) error {
	d.Log().ErrorContext(ctx, "outbox row can't be read, moved to dead_commands", "id", id, "reason", c.Reason)
	return d.Tx(ctx, "set outbox row aside", db.Once, func(tx db.Tx) error {
		if err := quarantine(tx, c, d.Now()); err != nil {
			return err
		}
		return tx.Exec("DELETE FROM outbox WHERE id = ?", id).Error
	})
}

// anyAnnouncement is looked at first, because it is asked all the time and nearly always says no.
func (d *DB) anyAnnouncement(ctx context.Context) (some bool, err error) {
	err = d.Retry(ctx, "poll outbox", func(tx db.Tx) error {
		return tx.Statement.ConnPool.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM outbox)").Scan(&some)
	})
	return some, err
}

// OutboxWaiting returns which of the partitions have announcements, ascending.
func (d *DB) OutboxWaiting(ctx context.Context, partitions []int) ([]int, error) {
	if len(partitions) == 0 {
		return nil, nil
	}
	if some, err := d.anyAnnouncement(ctx); err != nil || !some {
		return nil, err
	}
	var q db.Statement
	for i, p := range partitions {
		if i > 0 {
			q.Add(" UNION ALL ")
		}
		q.Add("(SELECT partition_no FROM outbox WHERE partition_no = ? LIMIT 1)", p)
	}
	q.Add(" ORDER BY partition_no")
	var waiting []int
	err := d.Retry(ctx, "poll outbox", func(tx db.Tx) error { return q.Scan(tx, &waiting) })
	return waiting, err
}

// Announced removes announcements that are out.
func (d *DB) Announced(ctx context.Context, ids []uint64) error {
	if len(ids) == 0 {
		return nil
	}
	// Joined with the ids, rows are found by their key. For id IN (…) MariaDB scans a small table instead, and so waits for
	// the rows that others are just adding.
	var q db.Statement
	q.Add("DELETE o FROM (")
	for i, id := range ids {
		if i > 0 {
			q.Add(" UNION ALL ")
		}
		q.Add("SELECT ? AS id", id)
	}
	q.Add(") k STRAIGHT_JOIN outbox o FORCE INDEX (PRIMARY) ON o.id = k.id")
	return d.Retry(ctx, "clear outbox", func(tx db.Tx) error {
		_, err := q.Exec(tx)
		return err
	})
}
