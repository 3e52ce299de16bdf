package store

import (
	"context"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
)

// How often a transaction runs before it gives up, and how long it waits in between.
const (
	txTries   = 5
	txWaitMin = 5 * time.Millisecond
	txWaitMax = 50 * time.Millisecond
)

// again says what a lost COMMIT means to a transaction.
type again bool

const (
	// repeatable transactions find their first run by a unique key or have no effect twice: they run again.
	repeatable again = true
	// once transactions would do it twice: the caller hears Unavailable and looks.
	once again = false
)

// tx runs fn in a transaction, as often as it takes. fn must set its results afresh in each run, and must not
// swallow an error of the database. fn's own verdicts (*chat.Error) roll back and come back as they are.
func (d *DB) tx(ctx context.Context, verb string, rerun again, fn func(g *gorm.DB) error) error {
	began := time.Now()
	err := d.tryTx(ctx, verb, rerun, fn)
	if d.o.Hooks.Tx != nil {
		d.o.Hooks.Tx(verb, time.Since(began), err)
	}
	return failed(verb, err)
}

func (d *DB) tryTx(ctx context.Context, verb string, rerun again, fn func(g *gorm.DB) error) error {
	for try := 1; ; try++ {
		committing, err := d.runTx(ctx, fn)
		switch {
		case err == nil:
			return nil
		case conflicted(err):
		case lost(err) && (!committing || rerun == repeatable):
		default:
			return err
		}
		if try == txTries || ctx.Err() != nil {
			return err
		}
		if d.o.Hooks.Retry != nil {
			d.o.Hooks.Retry(verb, reason(err))
		}
		if !pause(ctx, txWaitMin+rand.N(txWaitMax-txWaitMin)) {
			return err
		}
	}
}

// runTx runs fn once; committing tells that an error came from the COMMIT, whose outcome is then unknown.
func (d *DB) runTx(ctx context.Context, fn func(g *gorm.DB) error) (committing bool, err error) {
	g := d.g.WithContext(ctx).Begin()
	if g.Error != nil {
		return false, g.Error
	}
	open := true
	defer func() {
		if open {
			g.Rollback()
		}
	}()
	if err := fn(g); err != nil {
		return false, err
	}
	open = false
	return true, g.Commit().Error
}

// retry runs a single statement (its own transaction) under the same policy.
func (d *DB) retry(ctx context.Context, verb string, fn func(g *gorm.DB) error) error {
	var err error
	for try := 1; try <= txTries; try++ {
		err = fn(d.g.WithContext(ctx))
		if err == nil || !conflicted(err) && !lost(err) || ctx.Err() != nil {
			break
		}
		if d.o.Hooks.Retry != nil {
			d.o.Hooks.Retry(verb, reason(err))
		}
		if !pause(ctx, txWaitMin+rand.N(txWaitMax-txWaitMin)) {
			break
		}
	}
	return failed(verb, err)
}

func reason(err error) string {
	if conflicted(err) {
		return "conflict"
	}
	return "lost"
}

// pause waits; false means that ctx ended first.
func pause(ctx context.Context, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
