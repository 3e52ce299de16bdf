package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
)

// How often a transaction runs before it gives up, and how long it waits in between.
const (
	txTries      = 5
	txPauseFirst = 5 * time.Millisecond
	txPauseMax   = 50 * time.Millisecond
)

// Again says what a lost COMMIT means to a transaction.
type Again bool

const (
	// Repeatable transactions find their first run by a unique key or have no effect twice: they run again.
	Repeatable Again = true
	// Once transactions would do it twice: the caller gets Unavailable and has to look.
	Once Again = false
)

// Tx is gorm's handle on a transaction, or on a connection for one statement. It passes between the stores, so that the
// writes of several of them are one transaction.
type Tx struct{ *gorm.DB }

// Tx runs fn in a transaction, as often as it takes. fn must set its results afresh in each run, and must not
// swallow an error of the database. fn's own errors (*chat.Error) roll back and are returned as they are.
func (p *pool) Tx(ctx context.Context, verb string, rerun Again, fn func(tx Tx) error) error {
	began := time.Now()
	err := p.tx(ctx, verb, rerun, func() (bool, error) { return p.runTx(ctx, fn) })
	if p.hooks.Tx != nil {
		p.hooks.Tx(verb, time.Since(began), err)
	}
	return err
}

// again waits before another try; false means that there must be none.
func (p *pool) again(ctx context.Context, verb string, try int, err error) bool {
	p.heed(ctx, err)
	if try == txTries || ctx.Err() != nil {
		return false
	}
	if p.hooks.Retry != nil {
		p.hooks.Retry(verb, reason(err))
	}
	return pause(ctx, txPauseFirst+rand.N(txPauseMax-txPauseFirst))
}

// runTx runs fn once.
func (p *pool) runTx(ctx context.Context, fn func(tx Tx) error) (committing bool, err error) {
	g := p.g.WithContext(ctx).Begin()
	if g.Error != nil {
		return false, g.Error
	}
	open := true
	defer func() {
		if open {
			g.Rollback()
		}
	}()
	if err := fn(Tx{g}); err != nil {
		return false, err
	}
	open = false
	return true, g.Commit().Error
}

// Retry runs a single statement (its own transaction) under the same policy.
func (p *pool) Retry(ctx context.Context, verb string, fn func(tx Tx) error) error {
	var err error
	for try := 1; try <= txTries; try++ {
		err = fn(Tx{p.g.WithContext(ctx)})
		if err == nil || !conflicted(err) && !lost(err) || ctx.Err() != nil {
			break
		}
		p.heed(ctx, err)
		if p.hooks.Retry != nil {
			p.hooks.Retry(verb, reason(err))
		}
		if !pause(ctx, txPauseFirst+rand.N(txPauseMax-txPauseFirst)) {
			break
		}
	}
	return Failed(verb, err)
}

// heed leaves a primary that refused a write.
func (p *pool) heed(ctx context.Context, err error) {
	if p.primary != nil && refusesWrites(err) && Number(err) != 0 {
		p.primary.leave(ctx, err)
	}
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

// Ask runs the queries within a transaction that does more, one by one.
func (tx Tx) Ask(qs ...Query) error {
	for i := range qs {
		if qs[i].empty() {
			continue
		}
		if err := qs[i].Each(tx, qs[i].row); err != nil {
			return err
		}
	}
	return nil
}

// Write runs statements within a transaction that does more, one by one.
func (tx Tx) Write(ss ...*Statement) error {
	for _, s := range ss {
		if _, err := s.Exec(tx); err != nil {
			return err
		}
	}
	return nil
}

// rollback leaves no transaction on a connection that goes back to the pool.
func rollback(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
