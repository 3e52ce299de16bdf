package broker

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// inbound is one incarnation of a consuming channel: what the broker delivers on it, and the acks that go back.
type inbound struct {
	ch         *amqp.Channel
	acker      *acker
	m          *Metrics
	deliveries <-chan amqp.Delivery
}

// openInbound consumes a queue on a new channel with at most prefetch deliveries unacknowledged.
func (o Options) openInbound(conn *amqp.Connection, queue string, prefetch int) (*inbound, error) {
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
	return &inbound{ch: ch, acker: newAcker(ch), m: o.Metrics, deliveries: d}, nil
}

// close sends the pending acks and closes the channel, which returns the rest of the window to the queue in
// order. It waits for the broker's answer, at most closeGrace; then kill ends the connection.
func (in *inbound) close(kill func()) {
	in.acker.close()
	t := time.AfterFunc(closeGrace, kill)
	_ = in.ch.Close()
	t.Stop()
}
