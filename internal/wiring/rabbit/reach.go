package rabbit

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"time"

	"chat-service/internal/config"
)

// reachWithin bounds one attempt to reach an address.
const reachWithin = 3 * time.Second

// Reach returns a part's Run that tries every address of a cluster once, at the start, and says which doesn't answer: a process works with
// one of them, and finds out about the others when it has lost that one.
func Reach(c config.RabbitMQ, log *slog.Logger) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		reachAll(ctx, c, log)
		<-ctx.Done()
		return nil
	}
}

func reachAll(ctx context.Context, c config.RabbitMQ, log *slog.Logger) {
	all := c.Addresses()
	if len(all) < 2 {
		return // whoever connects says it
	}
	for _, text := range all {
		reach(ctx, text, log)
	}
}

func reach(ctx context.Context, text string, log *slog.Logger) {
	u, err := url.Parse(text)
	if err != nil {
		return // the configuration was refused for it
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{true: "5671", false: "5672"}[u.Scheme == "amqps"]
	}
	addr := net.JoinHostPort(u.Hostname(), port)
	conn, err := (&net.Dialer{Timeout: reachWithin}).DialContext(ctx, "tcp", addr)
	if err == nil {
		_ = conn.Close()
		return
	}
	if ctx.Err() == nil {
		log.WarnContext(ctx, "an address of rabbitmq.urls doesn't answer, the others are used: start that node, or take the address out", "addr", addr, "err", err)
	}
}
