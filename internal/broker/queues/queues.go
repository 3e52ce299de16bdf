// Package queues looks at the inbound queues of an installation, and removes or empties them: for operators' commands, while no process runs.
package queues

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/broker"
)

// Inbound is one partition's queue. A quorum queue counts the active consumer only; a classic one those that stand by, too. Messages that a
// consumer has got and not acknowledged aren't counted: without consumers there are none.
type Inbound struct {
	There               bool
	Messages, Consumers int
}

// Look looks at the queues of the options' partitions. It declares nothing.
func Look(ctx context.Context, o broker.Options) ([]Inbound, error) {
	all := make([]Inbound, o.WithDefaults().Partitions)
	err := broker.Visit(ctx, o, func(conn *amqp.Connection) (err error) {
		for p := range all {
			if all[p], err = look(conn, o.InQueue(p)); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// Remove deletes the queues of partitions from up to to, which must be empty and without consumers, and returns how many there were.
func Remove(ctx context.Context, o broker.Options, from, to int) (n int, err error) {
	err = broker.Visit(ctx, o, func(conn *amqp.Connection) error {
		for p := from; p < to; p++ {
			name := o.InQueue(p)
			q, err := look(conn, name)
			switch {
			case err != nil:
				return err
			case !q.There:
				continue
			case q.Messages > 0 || q.Consumers > 0:
				return fmt.Errorf("queue %s has %d messages and %d consumers: it isn't deleted", name, q.Messages, q.Consumers)
			}
			if err := with(conn, func(ch *amqp.Channel) error { _, err := ch.QueueDelete(name, false, false, false); return err }); err != nil {
				return fmt.Errorf("delete queue %s: %w", name, err)
			}
			n++
		}
		return nil
	})
	return n, err
}

// Purge empties the queues of the options' partitions, and returns how many messages were in them.
func Purge(ctx context.Context, o broker.Options) (n int, err error) {
	err = broker.Visit(ctx, o, func(conn *amqp.Connection) error {
		for p := range o.WithDefaults().Partitions {
			name := o.InQueue(p)
			q, err := look(conn, name)
			if err != nil {
				return err
			}
			if !q.There {
				continue
			}
			err = with(conn, func(ch *amqp.Channel) error {
				purged, err := ch.QueuePurge(name, false)
				n += purged
				return err
			})
			if err != nil {
				return fmt.Errorf("empty queue %s: %w", name, err)
			}
		}
		return nil
	})
	return n, err
}

func look(conn *amqp.Connection, name string) (q Inbound, err error) {
	err = with(conn, func(ch *amqp.Channel) error { // a missing queue closes the channel
		said, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		q = Inbound{There: true, Messages: said.Messages, Consumers: said.Consumers}
		return err
	})
	var refused *amqp.Error
	if errors.As(err, &refused) && refused.Code == amqp.NotFound {
		return Inbound{}, nil
	}
	if err != nil {
		return q, fmt.Errorf("look at queue %s: %w", name, err)
	}
	return q, nil
}

// with runs fn on a channel of its own.
func with(conn *amqp.Connection, fn func(ch *amqp.Channel) error) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	err = fn(ch)
	_ = ch.Close() // an error has closed it
	return err
}
