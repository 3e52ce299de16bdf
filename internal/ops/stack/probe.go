package stack

import (
	"context"
	"net"
	"strconv"
	"time"

	"chat-service/internal/ops/stack/greeting"
)

// probe asks a server, in its own protocol, whether it accepts clients.
func probe(ctx context.Context, k Kind, host string, port int) error {
	ctx, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(end)
	}
	switch k {
	case Redis:
		return greeting.Redis(c)
	case RabbitMQ:
		return greeting.RabbitMQ(c)
	default:
		return greeting.MySQL(c)
	}
}

// reach only reports whether a server given from outside listens: it may speak TLS.
func reach(ctx context.Context, addr string) error {
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return c.Close()
}
