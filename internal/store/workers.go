package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"chat-service/internal/store/pool"
)

// Beat says that the worker boot lives, by the database's clock. A worker's first beat clears away workers that
// have been dead for an hour.
func (d *DB) Beat(ctx context.Context, boot string) error {
	return d.p.Tx(ctx, "beat", pool.Repeatable, func(g *gorm.DB) error {
		res := g.Exec("UPDATE workers SET beat_at = UTC_TIMESTAMP(6) WHERE boot = ?", boot)
		if res.Error != nil || res.RowsAffected > 0 {
			return res.Error
		}
		if err := g.Exec("DELETE FROM workers WHERE beat_at < UTC_TIMESTAMP(6) - INTERVAL 1 HOUR").Error; err != nil {
			return err
		}
		err := g.Exec("INSERT INTO workers (boot, started_at, beat_at) VALUES (?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))", boot).Error
		if pool.Duplicate(err, "") { // two beats of one boot at once
			return nil
		}
		return err
	})
}

// Workers returns the boots that beat within deadAfter by the database's clock, ascending.
func (d *DB) Workers(ctx context.Context, deadAfter time.Duration) ([]string, error) {
	var boots []string
	err := d.p.Retry(ctx, "read workers", func(g *gorm.DB) error {
		return g.Raw("SELECT boot FROM workers WHERE beat_at > UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND ORDER BY boot",
			deadAfter.Microseconds()).Scan(&boots).Error
	})
	return boots, err
}

// Retire takes the worker boot off the list at pool.Once, for a clean stop.
func (d *DB) Retire(ctx context.Context, boot string) error {
	return d.p.Retry(ctx, "retire", func(g *gorm.DB) error {
		return g.Exec("DELETE FROM workers WHERE boot = ?", boot).Error
	})
}
