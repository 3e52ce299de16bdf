package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/schema"
)

// DB is the primary's pool, and one pool for each replica. Safe for use by many goroutines.
//
// Each pool holds at most MaxOpen connections; a verb that finds none free waits for one until its ctx ends. A
// verb uses one connection at a time, so a process needs about as many as it has verbs running at once.
type DB struct {
	p        *db.Pool
	o        Options
	replicas []*replica
	turn     atomic.Uint32 // replicas take turns
}

// Open makes the pools. It doesn't dial: an unreachable server shows at the first verb.
func Open(_ context.Context, o Options) (*DB, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	d := &DB{o: o.withDefaults()}
	p, err := d.o.open(d.o.primary())
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	d.p = p
	for _, addr := range d.o.Replicas {
		p, err := d.o.open(addr)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open replica %s: %w", addr, err), d.Close())
		}
		d.replicas = append(d.replicas, &replica{addr: addr, p: p})
	}
	return d, nil
}

func (o Options) open(addr string) (*db.Pool, error) {
	size := db.Size{MaxOpen: o.MaxOpen, MaxIdle: o.MaxIdle, Lifetime: o.ConnMaxLifetime, IdleExpiry: o.ConnMaxIdleTime}
	return db.Open(o.driverConfig(addr), size, func() time.Time { return micros(o.Now()) }, db.Hooks{Tx: o.Hooks.Tx, Retry: o.Hooks.Retry})
}

// Close closes all pools, after the verbs in flight.
func (d *DB) Close() error {
	errs := []error{d.p.Close()}
	for _, r := range d.replicas {
		errs = append(errs, r.p.Close())
	}
	return errors.Join(errs...)
}

// Stats describes the primary's pool, for metrics.
func (d *DB) Stats() sql.DBStats { return d.p.Stats() }

// Migrate brings the schema up to this program's version; several processes may do so at once. It has a pool of its
// own, because a migration may take longer than any other statement is given.
func (d *DB) Migrate(ctx context.Context) error {
	o := d.o
	o.ReadTimeout = 0
	db, err := db.Dialer(o.driverConfig(o.primary()))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return errors.Join(schema.Up(ctx, db), db.Close())
}

// SchemaReady tells whether the schema is at least as new as this program: the error says what to run.
func (d *DB) SchemaReady(ctx context.Context) error { return schema.Ready(ctx, d.p.DB()) }

// AwaitReady waits until the server answers and its schema is new enough, and says every second in the log what is missing;
// then it agrees with the installation on the number of partitions: Conflict where that has another one. ctx ends the wait.
func (d *DB) AwaitReady(ctx context.Context) error {
	for {
		err := d.SchemaReady(ctx)
		if err == nil {
			err = d.Partitions(ctx, d.o.Partitions)
		}
		if err == nil || chat.KindOf(err) == chat.Conflict {
			return err
		}
		d.o.Logger.WarnContext(ctx, "waiting for mysql", "err", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// now is the application's clock as the database keeps it.
func (d *DB) now() time.Time { return micros(d.o.Now()) }

func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// partition returns the room's partition in this installation.
func (d *DB) partition(room chat.RoomID) int { return room.Partition(d.o.Partitions) }
