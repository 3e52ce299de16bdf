package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// leaveOnce is how long the errors of statements that were in flight when the connections were closed are taken for the same event.
const leaveOnce = 250 * time.Millisecond

// askServer is asked on each new connection, without any right: does the server take writes, and which one is it?
const askServer = "SELECT @@GLOBAL.read_only, CONCAT(@@hostname, ':', @@port, ', server_id ', @@server_id)"

// noWrites is what the log says when the primary is none.
const noWrites = "the database takes no writes, senders are told to try again"

// primary keeps the connections to the server that takes writes, those of all pools. The name or proxy that leads there may lead to another
// server at any time, while the old one goes on answering reads on open connections, with what is no longer true. So a new connection is
// used only if its server takes writes. When it is another server than before, those to others are closed; when a write is refused, all
// are.
type primary struct {
	addr string
	log  *slog.Logger

	mu      sync.Mutex
	conns   map[*primaryConn]struct{}
	server  string    // the one that took writes last
	refuses bool      // the one that was reached last takes none
	left    time.Time // when all connections were closed last
}

func newPrimary(o Options) *primary {
	return &primary{addr: o.primary(), log: o.Logger, conns: map[*primaryConn]struct{}{}}
}

// primaryConn is one connection; the driver finds a TCP connection in it.
type primaryConn struct {
	*net.TCPConn
	of     *primary
	server string // "" until the server has answered
}

// Close closes it.
func (c *primaryConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.TCPConn.Close()
}

// dialled is where dial leaves what it has dialled, in a context: the driver doesn't give it out.
type dialled struct{}

// dial is the driver's DialFunc.
func (p *primary) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	into, asked := ctx.Value(dialled{}).(**primaryConn)
	if !ok || !asked {
		return conn, nil
	}
	c := &primaryConn{TCPConn: tcp, of: p}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c], *into = struct{}{}, c
	return c, nil
}

// primaryConnector opens connections that primary keeps.
type primaryConnector struct {
	connector
	of *primary
}

// Connect dials, and asks the server whether it takes writes.
func (c primaryConnector) Connect(ctx context.Context) (driver.Conn, error) {
	var raw *primaryConn
	conn, err := c.connector.Connect(context.WithValue(ctx, dialled{}, &raw))
	if err != nil {
		return nil, err
	}
	asked := time.Now()
	readOnly, server, err := serverOf(ctx, conn)
	if err == nil {
		err = c.of.judge(ctx, raw, asked, readOnly, server)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func serverOf(ctx context.Context, conn driver.Conn) (readOnly bool, server string, err error) {
	q, ok := conn.(driver.QueryerContext)
	if !ok {
		return false, "", errors.New("mysql driver can't query on a bare connection")
	}
	rows, err := q.QueryContext(ctx, askServer, nil)
	if err != nil {
		return false, "", fmt.Errorf("ask whether the server takes writes: %w", err)
	}
	cells := make([]driver.Value, 2)
	if err := errors.Join(rows.Next(cells), rows.Close()); err != nil {
		return false, "", fmt.Errorf("ask whether the server takes writes: %w", err)
	}
	return on(text(cells[0])), text(cells[1]), nil
}

func text(v driver.Value) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}

// on reads a switch as either server writes it: MariaDB 12 has words where others have numbers.
func on(v string) bool { return v != "0" && v != "OFF" }

// readOnlyError refuses a server that takes no writes. Waiting may mend it.
type readOnlyError struct{ addr, server string }

func (e *readOnlyError) Error() string {
	return fmt.Sprintf("mysql %s (%s) takes no writes: read_only is ON. It is a replica, or was demoted: lead database.host to the primary, or make it "+
		"the primary (SET GLOBAL read_only=OFF)", e.addr, e.server)
}

// errLeft ends a connection whose server said that it takes writes when all others were just being closed: it may have been before.
var errLeft = fmt.Errorf("a write was refused meanwhile: %w", driver.ErrBadConn)

// judge takes what a server says of itself, asked at that time.
func (p *primary) judge(ctx context.Context, conn *primaryConn, asked time.Time, readOnly bool, server string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left.After(asked) {
		return errLeft
	}
	was := p.server
	if conn != nil {
		conn.server = server
	}
	if readOnly {
		err := &readOnlyError{p.addr, server}
		if !p.refuses {
			p.log.WarnContext(ctx, noWrites, "err", err)
		}
		p.refuses = true
		p.closeLocked(func(c *primaryConn) bool { return c.server == server && c != conn })
		return err
	}
	if was != "" && was != server {
		p.log.WarnContext(ctx, "the primary is another server now", "addr", p.addr, "server", server, "was", was)
		p.closeLocked(func(c *primaryConn) bool { return c.server != server })
	} else if p.refuses {
		p.log.InfoContext(ctx, "the database takes writes again", "addr", p.addr, "server", server)
	}
	p.server, p.refuses = server, false
	return nil
}

// leave closes all connections, because one of them was refused a write, or its server says that it would be: what is read on the others
// may be old.
func (p *primary) leave(ctx context.Context, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.left) < leaveOnce {
		return
	}
	p.left = now
	n := p.closeLocked(func(*primaryConn) bool { return true })
	if !p.refuses {
		p.log.WarnContext(ctx, noWrites, "err", &readOnlyError{p.addr, p.server}, "said", err, "connections_closed", n)
	}
	p.refuses = true
}

// TakesWrites asks the primary whether it is one, for those who only read. If not, all connections to it are closed.
func (d *DB) TakesWrites(ctx context.Context) error {
	var readOnly, server string
	err := d.SQL().QueryRowContext(ctx, askServer).Scan(&readOnly, &server)
	if err == nil && on(readOnly) {
		err = &readOnlyError{d.primary.addr, server}
		d.primary.leave(ctx, err)
	}
	return Failed("ask whether the database takes writes", err)
}

// closeLocked closes those whose server has answered and which are meant; the others are still going to ask.
func (p *primary) closeLocked(meant func(*primaryConn) bool) (n int) {
	for c := range p.conns {
		if c.server != "" && meant(c) {
			delete(p.conns, c)
			_ = c.TCPConn.Close() // whoever uses it finds it lost
			n++
		}
	}
	return n
}
