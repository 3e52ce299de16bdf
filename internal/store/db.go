package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"chat-service/internal/chat"
)

// DB is the primary's pool, and one pool for each replica. Safe for use by many goroutines.
//
// Each pool holds at most MaxOpen connections; a verb that finds none free waits for one until its ctx ends. A
// verb uses one connection at a time, so a process needs about as many as it has verbs running at once.
type DB struct {
	g        *gorm.DB
	o        Options
	replicas []*replica
	turn     atomic.Uint32 // replicas take turns
}

// Open makes the pools. It doesn't dial: an unreachable server shows at the first verb, or at Ping.
func Open(_ context.Context, o Options) (*DB, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	d := &DB{o: o.withDefaults()}
	g, err := openPool(d.o, d.o.primary())
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	d.g = g
	for _, addr := range d.o.Replicas {
		g, err := openPool(d.o, addr)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open replica %s: %w", addr, err), d.Close())
		}
		d.replicas = append(d.replicas, &replica{addr: addr, g: g})
	}
	return d, nil
}

func openPool(o Options, addr string) (*gorm.DB, error) {
	c, err := newConnector(o.driverConfig(addr))
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(c)
	pool.SetMaxOpenConns(max(o.MaxOpen, 0))
	pool.SetMaxIdleConns(o.MaxIdle)
	pool.SetConnMaxLifetime(o.ConnMaxLifetime)
	pool.SetConnMaxIdleTime(o.ConnMaxIdleTime)
	g, err := gorm.Open(gormmysql.New(gormmysql.Config{
		Conn: pool,
		// The version is not asked for, and RETURNING never used: the same SQL must run on MariaDB and MySQL.
		SkipInitializeWithVersion: true,
		DisableWithReturning:      true,
	}), &gorm.Config{
		Logger:                 logger.Discard,
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		NowFunc:                func() time.Time { return micros(o.Now()) },
	})
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return g, nil
}

// Close closes all pools, after the verbs in flight.
func (d *DB) Close() error {
	errs := []error{closePool(d.g)}
	for _, r := range d.replicas {
		errs = append(errs, closePool(r.g))
	}
	return errors.Join(errs...)
}

func closePool(g *gorm.DB) error {
	pool, err := g.DB()
	if err != nil {
		return err
	}
	return pool.Close()
}

// Ping asks the primary for a sign of life; replicas are not needed to work.
func (d *DB) Ping(ctx context.Context) error {
	pool, err := d.pool()
	if err != nil {
		return err
	}
	return failed("ping", pool.PingContext(ctx))
}

// Stats describes the primary's pool, for metrics.
func (d *DB) Stats() sql.DBStats {
	pool, err := d.pool()
	if err != nil {
		return sql.DBStats{}
	}
	return pool.Stats()
}

func (d *DB) pool() (*sql.DB, error) { return d.g.DB() }

// now is the application's clock as the database keeps it.
func (d *DB) now() time.Time { return micros(d.o.Now()) }

func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// partition returns the room's partition in this installation.
func (d *DB) partition(room chat.RoomID) int { return room.Partition(d.o.Partitions) }
