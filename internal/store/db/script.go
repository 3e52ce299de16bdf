package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"time"
)

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

// Play runs a transaction of two round trips under the policy of Tx: body asks once, for all that it must know, and
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
