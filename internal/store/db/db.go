package db

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
)

// DB is the primary's connections and those to each replica, with the clock and the limits that all stores share. The
// stores of users, rooms and messages are opened over one DB. Safe for use by many goroutines.
//
// A transaction or statement uses one connection at a time, so a process needs about as many as it has verbs running at
// once; when all are in use, the next one waits until its ctx ends.
type DB struct {
	*pool    // of the primary
	replicas []*replica
	turn     atomic.Uint32 // replicas take turns
	o        Options
}

// Open makes the pools. It doesn't dial: an unreachable server shows at the first statement.
func Open(o Options) (*DB, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	d := &DB{o: o.withDefaults()}
	p, err := d.o.open(d.o.primary(), newPrimary(d.o))
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	d.pool = p
	for _, addr := range d.o.Replicas {
		p, err := d.o.open(addr, nil)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open replica %s: %w", addr, err), d.Close())
		}
		d.replicas = append(d.replicas, &replica{addr: addr, pool: p})
	}
	return d, nil
}

// Close closes all pools, after the statements in flight.
func (d *DB) Close() error {
	errs := []error{d.pool.Close()}
	for _, r := range d.replicas {
		errs = append(errs, r.pool.Close())
	}
	return errors.Join(errs...)
}

// SQL is the primary's pool underneath, for libraries that know nothing of gorm.
func (d *DB) SQL() *sql.DB { return d.db }

// DialPatient opens a pool of its own to the primary whose statements may take as long as they need: a migration takes
// longer than any other statement may. The caller closes it.
func (d *DB) DialPatient() (*sql.DB, error) {
	o := d.o
	o.ReadTimeout = 0
	return dial(o.driverConfig(o.primary()), nil)
}

// Now is the application's clock, in the precision of a DATETIME(6).
func (d *DB) Now() time.Time { return Micros(d.o.Now()) }

// Micros is t as a DATETIME(6) keeps it: UTC, cut to microseconds.
func Micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// Partitions is the number of partitions that this process is configured for.
func (d *DB) Partitions() int { return d.o.Partitions }

// Limits are the limits that the rules apply. Zero fields mean no limit.
func (d *DB) Limits() chat.Limits { return d.o.Limits }

// Log is where the stores write what an operator should know.
func (d *DB) Log() *slog.Logger { return d.o.Logger }

// Hooks are what the caller of Open wants to know of.
func (d *DB) Hooks() Hooks { return d.o.Hooks }
