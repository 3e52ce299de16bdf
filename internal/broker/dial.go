package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// dial connects and shakes hands, bounded by ctx and by the options' timeouts. Closing the net.Conn
// ends the connection whatever state the library is in.
func (o Options) dial(ctx context.Context, purpose string) (*amqp.Connection, net.Conn, error) {
	var raw net.Conn
	props := amqp.NewConnectionProperties()
	props.SetClientConnectionName(o.Name + " " + purpose)
	stop := func() bool { return true }
	conn, err := amqp.DialConfig(o.URL, amqp.Config{
		Heartbeat:  o.Heartbeat,
		Properties: props,
		// The library fills in the server's name on it.
		TLSClientConfig: o.TLS.Clone(),
		Dial: func(network, addr string) (net.Conn, error) {
			d := net.Dialer{Timeout: min(cmp.Or(o.dialling, o.DialTimeout), o.DialTimeout)}
			c, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			raw = c
			stop = context.AfterFunc(ctx, func() { _ = c.Close() })
			// The library clears this after the handshake.
			if err := c.SetDeadline(time.Now().Add(d.Timeout)); err != nil {
				return nil, errors.Join(err, c.Close())
			}
			return &timedConn{Conn: c, timeout: o.WriteTimeout}, nil
		},
	})
	stop()
	if err != nil {
		if raw != nil {
			// After a handshake that our side refused, the library's reader still waits on an open socket.
			_ = raw.Close()
		}
		return nil, nil, fmt.Errorf("dial: %w", err)
	}
	return conn, raw, nil
}

// backoff yields jittered, doubling pauses.
type backoff struct {
	min, max, next time.Duration
}

func (b *backoff) reset() { b.next = 0 }

// pause returns the next pause: between half and all of a value that doubles up to max.
func (b *backoff) pause() time.Duration {
	b.next = min(max(2*b.next, b.min), b.max)
	return b.next/2 + rand.N(b.next/2+1)
}

// sleep waits for d or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// timedConn gives every write a deadline: the library sets none, and a broker that stops reading
// would block a publish for ever.
type timedConn struct {
	net.Conn
	timeout time.Duration
}
