package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	"chat-service/internal/faults"
)

// Script is a transaction of two round trips: what it must know is asked at once, what it decides is written at once, the
// COMMIT included. A statement by itself costs a round trip more, in each of which row locks are held and, on a busy machine,
// four programs wait for a CPU.
type Script interface {
	// Ask begins anew and returns what is to be looked up, in this order.
	Ask() []Query
	// Decide is called when all rows were taken, and returns what is to be written, in this order.
	Decide() []*Statement
}

// Query is a statement and what takes its rows.
type Query struct {
	Statement
	Row func(*sql.Rows) error
}

// Play runs a script under the policy of Tx.
func (p *pool) Play(ctx context.Context, verb string, rerun Again, s Script) error {
	return p.tx(ctx, verb, rerun, func() (committing bool, err error) { return p.play(ctx, s) })
}

func (p *pool) play(ctx context.Context, s Script) (committing bool, err error) {
	conn, err := p.scripts.Conn(ctx)
	if err != nil {
		return false, err
	}
	done := func(err error) error {
		if err != nil {
			rollback(ctx, conn)
		}
		_ = conn.Close() // says only that rollback has given it up
		return err
	}
	if err := ask(ctx, conn, s.Ask()); err != nil {
		return false, done(err)
	}
	packets := packed(s.Decide())
	last := len(packets) - 1
	for i := range packets[:last] {
		if _, err := conn.ExecContext(ctx, packets[i].String(), packets[i].args...); err != nil {
			return false, done(err)
		}
	}
	commit := func(ctx context.Context) error {
		_, err := conn.ExecContext(ctx, packets[last].String(), packets[last].args...)
		return done(err)
	}
	if faults.Planted("ack_before_commit") {
		time.AfterFunc(30*time.Millisecond, func() { _ = commit(context.WithoutCancel(ctx)) })
		return false, nil
	}
	return true, commit(ctx)
}

// ask begins the transaction and takes all rows.
func ask(ctx context.Context, conn *sql.Conn, qs []Query) (err error) {
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
			if err := qs[i].Row(rows); err != nil {
				return err
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	return nil
}

// packetBytes bounds what is written at once well below max_allowed_packet (16 MiB on MariaDB), even if every byte is escaped.
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
	n := s.text.Len()
	for _, a := range s.args {
		switch a := a.(type) {
		case string:
			n += len(a)
		case []byte:
			n += len(a)
		default:
			n += 20
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
