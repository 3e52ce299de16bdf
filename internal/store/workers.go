package store

import (
	"context"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// Beat records that the worker is alive, by the database's clock, and what it can do. A worker's first beat clears away workers that
// have been dead for an hour.
func (d *DB) Beat(ctx context.Context, w chat.LiveWorker) error {
	joined := strings.Join(w.Features, ",")
	return d.Tx(ctx, "beat", db.Repeatable, func(tx db.Tx) error {
		res := tx.Exec("UPDATE workers SET beat_at = UTC_TIMESTAMP(6), features = ? WHERE boot = ?", joined, w.Boot)
		if res.Error != nil || res.RowsAffected > 0 {
			return res.Error
		}
		if err := tx.Exec("DELETE FROM workers WHERE beat_at < UTC_TIMESTAMP(6) - INTERVAL 1 HOUR").Error; err != nil {
			return err
		}
		err := tx.Exec("INSERT INTO workers (boot, started_at, beat_at, features) VALUES (?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), ?)", w.Boot, joined).Error
		if db.Duplicate(err, "") { // two beats of one boot at once
			return nil
		}
		return err
	})
}

// Workers returns the workers that beat within deadAfter by the database's clock, by ascending boot.
func (d *DB) Workers(ctx context.Context, deadAfter time.Duration) ([]chat.LiveWorker, error) {
	var rows []struct{ Boot, Features string }
	err := d.Retry(ctx, "read workers", func(tx db.Tx) error {
		return tx.Raw("SELECT boot, features FROM workers WHERE beat_at > UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND ORDER BY boot",
			deadAfter.Microseconds()).Scan(&rows).Error
	})
	ws := make([]chat.LiveWorker, len(rows))
	for i, r := range rows {
		ws[i].Boot = r.Boot
		if r.Features != "" {
			ws[i].Features = strings.Split(r.Features, ",")
		}
	}
	return ws, err
}

// Retire takes the worker boot off the list at db.Once, for a clean stop.
func (d *DB) Retire(ctx context.Context, boot string) error {
	return d.Retry(ctx, "retire", func(tx db.Tx) error {
		return tx.Exec("DELETE FROM workers WHERE boot = ?", boot).Error
	})
}
