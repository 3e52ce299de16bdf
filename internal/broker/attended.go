package broker

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Attended counts the consumers of each partition's queue, −1 where there is no queue. It declares nothing. A quorum queue counts the
// active consumer only; a classic one those that stand by, too.
func Attended(ctx context.Context, o Options) ([]int, error) {
	o, err := o.ready()
	if err != nil {
		return nil, err
	}
	o, conn, raw, err := o.dialAny(ctx, "look")
	if err != nil {
		return nil, o.judge(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer func() {
		stop()
		_ = conn.Close()
	}()
	counts := make([]int, o.Partitions)
	for i := range counts {
		if counts[i], err = o.attended(conn, i); err != nil {
			return nil, o.judge(err)
		}
	}
	return counts, nil
}

func (o Options) attended(conn *amqp.Connection, p int) (n int, err error) {
	err = o.withTopology(conn, func(t topology) error { // a missing queue closes the channel
		q, err := t.ch.QueueDeclarePassive(o.inQueue(p), true, false, false, false, nil)
		var refused *amqp.Error
		switch {
		case errors.As(err, &refused) && refused.Code == amqp.NotFound:
			n, err = -1, nil
		case err != nil:
			err = fmt.Errorf("look at queue %s: %w", o.inQueue(p), err)
		default:
			n = q.Consumers
		}
		return err
	})
	return n, err
}
