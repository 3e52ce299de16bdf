package operator

import (
	"context"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// Beat records that the worker is alive, by the database's clock, and what it can do. A worker's first beat deletes
// workers that have been dead for an hour.
func (s *Store) Beat(ctx context.Context, w chat.LiveWorker) error {
	joined := strings.Join(w.Features, ",")
	return s.d.Tx(ctx, "beat", db.Repeatable, func(tx db.Tx) error {
		res := tx.Exec("UPDATE workers SET beat_at = UTC_TIMESTAMP(6), features = ? WHERE boot = ?", joined, w.Boot)
		if res.Error != nil || res.RowsAffected > 0 {
			return res.Error
		}
		if err := tx.Exec("DELETE FROM workers WHERE beat_at < UTC_TIMESTAMP(6) - INTERVAL 1 HOUR").Error; err != nil {
			return err
		}
		err := tx.Exec("INSERT INTO workers (boot, started_at, beat_at, features)"+
			" VALUES (?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), ?)", w.Boot, joined).Error
		if db.Duplicate(err, "") { // two beats of one boot at once
			return nil
		}
		return err
	})
}

// Workers returns the workers that beat within deadAfter by the database's clock, by ascending boot.
func (s *Store) Workers(ctx context.Context, deadAfter time.Duration) ([]chat.LiveWorker, error) {
	var rows []table.Worker
	err := s.d.Retry(ctx, "read workers", func(tx db.Tx) (err error) {
		live := tx.Where("beat_at > UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND", deadAfter.Microseconds())
		rows, err = table.Workers.Find(live.Order("boot"))
		return err
	})
	ws := make([]chat.LiveWorker, len(rows))
	for i, r := range rows {
		ws[i] = r.Live()
	}
	return ws, err
}

// Retire takes a worker off the list at once, for a clean stop.
func (s *Store) Retire(ctx context.Context, boot string) error {
	return s.d.Retry(ctx, "retire", func(tx db.Tx) error {
		return tx.Exec("DELETE FROM workers WHERE boot = ?", boot).Error
	})
}

// Quarantine keeps a command that can't be carried out, for an operator to look at.
func (s *Store) Quarantine(ctx context.Context, c chat.DeadCommand) error {
	return s.d.Tx(ctx, "quarantine", db.Once, func(tx db.Tx) error { return s.outbox.SetAside(tx, c) })
}

// Burden is what the installation has not got rid of: for how long the oldest announcement in the outbox has waited, and how many commands
// were set aside.
func (s *Store) Burden(ctx context.Context) (waits time.Duration, dead int64, err error) {
	var us int64
	err = s.d.Retry(ctx, "weigh the burden", func(tx db.Tx) error {
		return tx.Raw("SELECT COALESCE((SELECT TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(6)) FROM outbox ORDER BY id LIMIT 1), 0),"+
			" (SELECT COUNT(*) FROM dead_commands)").Row().Scan(&us, &dead)
	})
	return max(0, time.Duration(us)*time.Microsecond), dead, err
}
