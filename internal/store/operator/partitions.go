package operator

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// Recorded is what is kept about the number of partitions. While a command changes the installation, no number is recorded, so that no
// process of this or an earlier release starts: each is configured for a number.
type Recorded struct {
	Partitions int  // 0: no process has run yet
	To         int  // a resize to this number has begun
	Restoring  bool // a restore has begun
}

const restoring = "restore:"

// text is the form in which it is kept.
func (r Recorded) text() string {
	switch {
	case r.To != 0:
		return fmt.Sprintf("%d>%d", r.Partitions, r.To)
	case r.Restoring:
		return restoring + strconv.Itoa(r.Partitions)
	}
	return strconv.Itoa(r.Partitions)
}

func recordedOf(v string) (r Recorded, err error) {
	text, to, resizing := strings.Cut(v, ">")
	if resizing {
		if r.To, err = strconv.Atoi(to); err != nil {
			return r, fmt.Errorf("meta.partitions is %q", v)
		}
	}
	text, r.Restoring = strings.CutPrefix(text, restoring)
	if r.Partitions, err = strconv.Atoi(text); err != nil {
		return r, fmt.Errorf("meta.partitions is %q", v)
	}
	return r, nil
}

// Busy says which command has not come to its end, and what to do; nil if none.
func (r Recorded) Busy() error {
	switch {
	case r.To != 0:
		return chat.E(chat.Conflict, "the number of partitions is being changed from %d to %d: run chatctl partitions resize --to %d to its end",
			r.Partitions, r.To, r.To)
	case r.Restoring:
		return chat.E(chat.Conflict, "a backup is being restored: run chatctl restore to its end")
	}
	return nil
}

// Recorded reads it.
func (s *Server) Recorded(ctx context.Context) (Recorded, error) {
	var v string
	err := s.one(ctx, "read the number of partitions", "SELECT v FROM "+s.table("meta")+" WHERE k = 'partitions'", nil, &v)
	if errors.Is(err, sql.ErrNoRows) || noSchema(err) {
		return Recorded{}, nil
	}
	if err != nil {
		return Recorded{}, err
	}
	return recordedOf(v)
}

// Record replaces what is kept, if it is still the same: Conflict if not.
func (s *Server) Record(ctx context.Context, was, is Recorded) error {
	res, err := s.pool.ExecContext(ctx, "UPDATE "+s.table("meta")+" SET v = ? WHERE k = 'partitions' AND v = ?", is.text(), was.text())
	if err != nil {
		return failed("record the number of partitions", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 && was != is {
		return chat.E(chat.Conflict, "the recorded number of partitions is no longer %s: does another command run?", was.text())
	}
	return nil
}

// agree checks that a running process still has the installation's number of partitions. Which one that is a process learns at its start;
// afterwards a command may have changed it.
func (s *Store) agree(ctx context.Context) error {
	var v string
	err := s.d.SQL().QueryRowContext(ctx, "SELECT v FROM meta WHERE k = 'partitions'").Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return db.Failed("read the number of partitions", err)
	}
	if v == strconv.Itoa(s.d.Partitions()) {
		return nil
	}
	r, err := recordedOf(v)
	if err == nil {
		err = r.Busy()
	}
	if err == nil {
		err = chat.E(chat.Conflict, "this installation has %d partitions now, this process is configured for %d", r.Partitions, s.d.Partitions())
	}
	return s.d.Lasting(err, "set rabbitmq.partitions to the installation's number, and start the process again")
}

// Renumber gives the rooms after one their partitions, of n, at most limit of them. It returns the last room that it looked at, 0 at the
// end, and how many it changed.
func (s *Store) Renumber(ctx context.Context, after chat.RoomID, n, limit int) (last chat.RoomID, changed int, err error) {
	err = s.d.Tx(ctx, "renumber rooms", db.Repeatable, func(tx db.Tx) error {
		last, changed = 0, 0
		rows := []struct {
			ID        chat.RoomID
			Partition int `gorm:"column:partition_no"`
		}{}
		if err := tx.Raw("SELECT id, partition_no FROM rooms WHERE id > ? ORDER BY id LIMIT ?", after, limit).Scan(&rows).Error; err != nil {
			return err
		}
		wrong := map[int][]chat.RoomID{}
		for _, r := range rows {
			if p := r.ID.Partition(n); p != r.Partition {
				wrong[p] = append(wrong[p], r.ID)
				changed++
			}
		}
		for p, ids := range wrong {
			if err := tx.Exec("UPDATE rooms SET partition_no = ? WHERE id IN ?", p, ids).Error; err != nil {
				return err
			}
		}
		if len(rows) == limit {
			last = rows[len(rows)-1].ID
		}
		return nil
	})
	return last, changed, err
}

// Session is a connection of somebody to the installation's database.
type Session struct{ User, From string }

// Sessions lists the connections to the database but this one. all is false where the account sees its own only, because it lacks the right
// PROCESS.
func (s *Server) Sessions(ctx context.Context) (list []Session, all bool, err error) {
	var n int
	if err := s.one(ctx, "look at the account's rights", "SELECT COUNT(*) FROM information_schema.user_privileges WHERE privilege_type = 'PROCESS'", nil, &n); err != nil {
		return nil, false, err
	}
	err = s.each(ctx, "list sessions", "SELECT user, COALESCE(host, '') FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID()", []any{s.name},
		func(scan func(...any) error) error {
			var one Session
			err := scan(&one.User, &one.From)
			list = append(list, one)
			return err
		})
	return list, n > 0, err
}

// Workers counts the workers that beat within deadAfter by the server's clock; none without a schema.
func (s *Server) Workers(ctx context.Context, deadAfter int64) (n int, err error) {
	err = s.one(ctx, "count workers", "SELECT COUNT(*) FROM "+s.table("workers")+" WHERE beat_at > UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND", []any{deadAfter}, &n)
	if noSchema(err) {
		return 0, nil
	}
	return n, err
}
