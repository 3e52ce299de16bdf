package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"slices"
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

// tx runs once as often as it takes; committing: the error came with the COMMIT, whose outcome is then unknown.
func (p *pool) tx(ctx context.Context, verb string, rerun Again, once func() (committing bool, err error)) error {
	for try := 1; ; try++ {
		committing, err := once()
		if err == nil {
			return nil
		}
		repeatable := conflicted(err) || lost(err) && (!committing || rerun == Repeatable)
		if !repeatable || !p.again(ctx, verb, try, err) {
			return Failed(verb, err)
		}
	}
}

// again waits before another try; false means that there must be none.
func (p *pool) again(ctx context.Context, verb string, try int, err error) bool {
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
		if p.hooks.Retry != nil {
			p.hooks.Retry(verb, reason(err))
		}
		if !pause(ctx, txPauseFirst+rand.N(txPauseMax-txPauseFirst)) {
			break
		}
	}
	return Failed(verb, err)
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

// Ask runs queries, in order, and hands each row to the query that it answers. Empty queries are left out.
type Ask func(qs ...Query) error

// Query is a statement and what takes its rows.
type Query struct {
	Statement
	into []any
	take func()
}

// Into says where the query's columns go, and what is called for each row when they are there.
func (q *Query) Into(cells []any, take func()) { q.into, q.take = cells, take }

// row takes one row.
func (q *Query) row(rows *sql.Rows) error {
	err := rows.Scan(q.into...)
	if err == nil {
		q.take()
	}
	return err
}

// Play runs a transaction of two round trips under the policy of Tx, and without calling its hook: body asks once, for all that it must know, and
// returns what is to be written, which goes to the server together with the COMMIT. A statement by itself would cost a
// round trip more, in each of which row locks are held and, on a busy machine, four programs wait for a CPU.
func (p *pool) Play(ctx context.Context, verb string, rerun Again, body func(ask Ask) ([]*Statement, error)) error {
	return p.tx(ctx, verb, rerun, func() (committing bool, err error) { return p.play(ctx, body) })
}

func (p *pool) play(ctx context.Context, body func(ask Ask) ([]*Statement, error)) (committing bool, err error) {
	conn, err := p.scripts.Conn(ctx)
	if err != nil {
		return false, err
	}
	done := func(err error) error {
		if err != nil {
			rollback(ctx, conn)
		}
		_ = conn.Close() // reports only that rollback has given it up
		return err
	}
	writes, err := body(func(qs ...Query) error { return ask(ctx, conn, qs) })
	if err != nil {
		return false, done(err)
	}
	packets := packed(writes)
	last := len(packets) - 1
	for i := range packets[:last] {
		if _, err := conn.ExecContext(ctx, packets[i].String(), packets[i].args...); err != nil {
			return false, done(err)
		}
	}
	return commit(ctx, func(ctx context.Context) error {
		_, err := conn.ExecContext(ctx, packets[last].String(), packets[last].args...)
		return done(err)
	})
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

// ask begins the transaction and takes all rows.
func ask(ctx context.Context, conn *sql.Conn, qs []Query) (err error) {
	qs = slices.DeleteFunc(qs, func(q Query) bool { return q.empty() })
	var all Statement
	all.Add("START TRANSACTION")
	for i := range qs {
		all.Add("; ")
		all.Join(&qs[i].Statement)
	}
	rows, err := conn.QueryContext(ctx, all.String(), all.args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for i := range qs { // the driver passes over the answer to START TRANSACTION, which has no columns
		if i > 0 && !rows.NextResultSet() {
			return errors.Join(rows.Err(), errors.New("an answer is missing"))
		}
		for rows.Next() {
			if err := qs[i].row(rows); err != nil {
				return err
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	return nil
}

// packetBytes bounds what is written at once well below max_allowed_packet (16 MiB on MariaDB), even if every byte is
// escaped.
const packetBytes = 4 << 20

// packed joins statements, the COMMIT behind them, to as few packets as may be.
func packed(ss []*Statement) []Statement {
	packets := make([]Statement, 1, 2)
	for _, s := range ss {
		p := &packets[len(packets)-1]
		if p.text.Len() > 0 && p.size()+s.size() > packetBytes {
			packets = append(packets, Statement{})
			p = &packets[len(packets)-1]
		}
		p.Join(s)
		p.Add("; ")
	}
	packets[len(packets)-1].Add("COMMIT")
	return packets
}

// size is about what the statement takes on the wire.
func (s *Statement) size() int {
	n := s.text.Len() + 20*len(s.args)
	for _, a := range s.args {
		if text, ok := a.(string); ok { // whatever else is written is short
			n += len(text)
		}
	}
	return n
}

// rollback leaves no transaction on a connection that goes back to the pool.
func rollback(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
