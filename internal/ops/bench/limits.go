package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chat-service/internal/ops/bench/limits"
)

// Limit is the rate that a server alone reaches on the product's path, with no product code in between.
type Limit struct {
	Server string  `json:"server"`
	Work   string  `json:"work"`
	PerS   float64 `json:"per_s"` // application messages or rows
}

// Limits measures RabbitMQ (two hops: confirmed persistent into a durable queue, transient to a gateway's queue) and MySQL
// (multi-row INSERTs, one commit each), every point for d. A server without an address is left out.
func Limits(ctx context.Context, sys System, queueType string, d time.Duration, say Progress) ([]Limit, error) {
	var out []Limit
	add := func(l Limit) {
		say("%-9s %-46s %s/s", l.Server, l.Work, Number(l.PerS))
		out = append(out, l)
	}
	if sys.AMQP != "" {
		for _, batch := range []int{1, 16, 64} {
			rate, err := limits.TwoHops(ctx, sys.AMQP, queueType, batch, d)
			if err != nil {
				return out, fmt.Errorf("rabbitmq: %w", err)
			}
			add(Limit{"rabbitmq", fmt.Sprintf("two hops, %s, %d per AMQP message", queueType, batch), rate})
		}
	}
	if sys.MySQL != "" {
		db, err := openMySQL(sys.MySQL)
		if err != nil {
			return out, err
		}
		defer db.Close()
		for _, rows := range []int{1, 64} {
			for _, writers := range []int{1, 4} {
				rate, err := limits.Inserts(ctx, db, rows, writers, d)
				if err != nil {
					return out, fmt.Errorf("mysql: %w", err)
				}
				add(Limit{"mysql", fmt.Sprintf("%d rows per commit, %d writers", rows, writers), rate})
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no address is given: use --amqp, --mysql or both")
	}
	return out, nil
}
