package outbox

import (
	"context"
	"errors"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// Store reads and writes the tables outbox and dead_commands.
type Store struct{ d *db.DB }

// New opens the store over d.
func New(d *db.DB) *Store { return &Store{d} }

// Add leaves an announcement inside the transaction of the write that it announces. Where it announces a room's
// message, the room's row lock must be held.
func (s *Store) Add(tx db.Tx, an envelope.Announcement) error {
	row := table.Announced{Kind: an.Kind(), CreatedAt: s.d.Now()}
	switch {
	case an.Message != nil:
		row.Room, row.Seq = an.Message.Room, an.Message.Seq
		row.Partition = row.Room.Partition(s.d.Partitions())
	case an.Changed != nil:
		row.Room, row.Seq = an.Changed.Change.Room, an.Changed.Change.Seq
		row.Partition = row.Room.Partition(s.d.Partitions())
	case an.Read != nil:
		row.Room = an.Read.Room
		row.Partition = row.Room.Partition(s.d.Partitions())
	case an.Revoked != nil:
		row.Partition = an.Revoked.User.Partition(s.d.Partitions())
	case an.Profile != nil:
		row.Partition = an.Profile.ID.Partition(s.d.Partitions())
	default:
		return errors.New("add to the outbox: the announcement says neither its room nor its user")
	}
	var err error
	if row.Payload, err = an.Encode(); err != nil {
		return err
	}
	_, err = table.Outbox.Create(tx.DB, &row)
	return err
}

// Outbox returns the oldest announcements of the partitions whose kinds this process knows, at most limit, by ascending
// id. They stay until Announced. There is no cursor: rows commit out of id order, and a cursor would skip the late
// ones.
func (s *Store) Outbox(ctx context.Context, partitions []int, limit int) ([]envelope.Announcement, error) {
	if len(partitions) == 0 || limit <= 0 {
		return nil, nil
	}
	if some, err := s.any(ctx); err != nil || !some {
		return nil, err
	}
	var q db.Statement
	for i, p := range partitions {
		if i > 0 {
			q.Add(" UNION ALL ")
		}
		// One stretch of the index for each partition, which ends at the limit: a backlog is never read whole. The kind
		// is compared before rows count towards the limit, so that rows of unknown kinds take nobody's place, however
		// many there are.
		q.Add("(SELECT "+table.Waiting.Select()+" FROM "+table.Waiting.From()+" WHERE o.partition_no = ? AND o.kind IN (", p)
		db.List(&q, known())
		q.Add(") ORDER BY o.id LIMIT ?)", limit)
	}
	q.Add(" ORDER BY id LIMIT ?", limit)
	var rows []table.Announced
	err := s.d.Retry(ctx, "read outbox", func(tx db.Tx) (err error) {
		rows, err = db.Collect(tx, &q, table.Waiting.Cells)
		return err
	})
	if err != nil {
		return nil, err
	}
	ans := make([]envelope.Announcement, 0, len(rows))
	for _, r := range rows {
		an, err := envelope.DecodeAnnouncement(r.Kind, r.Payload)
		if err != nil {
			if err := s.move(ctx, r, err.Error()); err != nil {
				return nil, err
			}
			continue
		}
		an.ID, an.Partition = r.ID, r.Partition
		ans = append(ans, an)
	}
	return ans, nil
}

// known lists the kinds that this process can announce.
func known() (kinds []envelope.AnnouncementKind) {
	for _, spec := range envelope.Announcements() {
		kinds = append(kinds, spec.Kind)
	}
	return kinds
}

// any reports whether there is any row at all. It is asked first: a worker polls all the time, and nearly always there
// is none.
func (s *Store) any(ctx context.Context) (some bool, err error) {
	err = s.d.Retry(ctx, "poll outbox", func(tx db.Tx) error {
		return tx.Statement.ConnPool.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM outbox)").Scan(&some)
	})
	return some, err
}

// OutboxWaiting returns which of the partitions have announcements of kinds that this process knows, ascending.
func (s *Store) OutboxWaiting(ctx context.Context, partitions []int) ([]int, error) {
	if len(partitions) == 0 {
		return nil, nil
	}
	if some, err := s.any(ctx); err != nil || !some {
		return nil, err
	}
	var q db.Statement
	for i, p := range partitions {
		if i > 0 {
			q.Add(" UNION ALL ")
		}
		q.Add("(SELECT partition_no FROM outbox WHERE partition_no = ? AND kind IN (", p)
		db.List(&q, known())
		q.Add(") LIMIT 1)")
	}
	q.Add(" ORDER BY partition_no")
	var waiting []int
	err := s.d.Retry(ctx, "poll outbox", func(tx db.Tx) error { return q.Scan(tx, &waiting) })
	return waiting, err
}

// OutboxUnknown counts the partitions' rows of kinds that this process doesn't know. A worker of another release
// announces them; that they don't become fewer means that none runs.
func (s *Store) OutboxUnknown(ctx context.Context, partitions []int) (n int, err error) {
	if len(partitions) == 0 {
		return 0, nil
	}
	err = s.d.Retry(ctx, "count unknown announcements", func(tx db.Tx) error {
		return tx.Raw("SELECT COUNT(*) FROM outbox WHERE partition_no IN ? AND kind NOT IN ?", partitions, known()).Scan(&n).Error
	})
	return n, err
}

// Announced removes announcements that are confirmed.
func (s *Store) Announced(ctx context.Context, ids []uint64) error {
	if len(ids) == 0 {
		return nil
	}
	// Joined with the ids, rows are found by their key. For id IN (…) MariaDB scans a small table instead, and so waits
	// for the rows that others are just adding.
	var q db.Statement
	q.Add("DELETE o FROM (")
	for i, id := range ids {
		if i > 0 {
			q.Add(" UNION ALL ")
		}
		q.Add("SELECT ? AS id", id)
	}
	q.Add(") k STRAIGHT_JOIN outbox o FORCE INDEX (PRIMARY) ON o.id = k.id")
	return s.d.Retry(ctx, "clear outbox", func(tx db.Tx) error {
		_, err := q.Exec(tx)
		return err
	})
}

// move moves a row that can't be decoded to dead_commands.
func (s *Store) move(ctx context.Context, r table.Announced, reason string) error {
	s.d.Log().ErrorContext(ctx, "outbox row can't be read, moved to dead_commands", "id", r.ID, "reason", reason)
	return s.d.Tx(ctx, "set outbox row aside", db.Once, func(tx db.Tx) error {
		dead := chat.DeadCommand{Partition: r.Partition, Kind: "outbox", Payload: r.Payload, Reason: reason}
		if err := s.SetAside(tx, dead); err != nil {
			return err
		}
		return tx.Exec("DELETE FROM outbox WHERE id = ?", r.ID).Error
	})
}

// SetAside keeps a command that can't be carried out, for an operator to look at.
func (s *Store) SetAside(tx db.Tx, c chat.DeadCommand) error {
	_, err := table.DeadCommands.Create(tx.DB, &table.Dead{DeadCommand: c, CreatedAt: s.d.Now()})
	return err
}
