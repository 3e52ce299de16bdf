package broker

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Visit runs fn on a connection to one of the nodes, which is closed afterwards, and when ctx ends. It declares nothing.
func Visit(ctx context.Context, o Options, fn func(conn *amqp.Connection) error) error {
	o, err := o.ready()
	if err != nil {
		return err
	}
	o, conn, raw, err := o.dialAny(ctx, "look")
	if err != nil {
		return o.judge(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer func() {
		stop()
		_ = conn.Close()
	}()
	return o.judge(fn(conn))
}
