package broker

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// intake is one incarnation of a consuming channel.
type intake struct {
	ch         *amqp.Channel
	acker      *acker
	deliveries <-chan amqp.Delivery
}

// openIntake consumes a queue on a new channel with at most prefetch deliveries unacknowledged.
func openIntake(conn *amqp.Connection, queue string, prefetch int) (*intake, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	// Per consumer: a limit for the whole channel is an error from RabbitMQ 4.3 on.
	if err := ch.Qos(prefetch, 0, false); err != nil {
		_ = ch.Close()
		return nil, fmt.Errorf("prefetch: %w", err)
	}
	d, err := ch.Consume(queue, "c", false, false, false, false, nil)
	if err != nil {
		_ = ch.Close()
		return nil, fmt.Errorf("consume %s: %w", queue, err)
	}
	return &intake{ch: ch, acker: newAcker(ch.Ack, func() bool { return !ch.IsClosed() }), deliveries: d}, nil
}

// close sends the acks that wait and closes the channel, which hands the rest of the window back in
// order. It returns when the broker has said so, or when kill has ended the connection.
func (in *intake) close(kill func()) {
	in.acker.close()
	t := time.AfterFunc(closeGrace, kill)
	_ = in.ch.Close()
	t.Stop()
}
