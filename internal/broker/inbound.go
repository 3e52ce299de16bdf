package broker

import (
	"fmt"
	"sync"
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

const (
	ackDelay = time.Millisecond // longest time that an ack waits to be sent with others
	ackBatch = 100              // deliveries after which it is sent at once
)

// acker collects the acks of one channel incarnation. Deliveries done without a hole are acknowledged by one
// multiple ack; those behind a hole singly when the delay is over, so that they do not
// use up the prefetch. The lock is held while sending, because a multiple ack that arrives after a
// higher one is a channel error.
type acker struct {
	ch ackChannel

	mu     sync.Mutex
	upto   uint64          // everything up to here is done
	last   uint64          // highest done tag at or below upto that was not acked singly
	acked  uint64          // highest tag sent as multiple
	beyond map[uint64]bool // done behind a hole; true when acked singly
	singly int             // how many of beyond wait to be acked
	timer  *time.Timer
	armed  bool
	closed bool
}

// ackChannel is the consuming channel as the acker sees it.
type ackChannel interface {
	Ack(tag uint64, multiple bool) error
	IsClosed() bool
}

func newAcker(ch ackChannel) *acker {
	a := &acker{ch: ch, beyond: map[uint64]bool{}}
	a.timer = time.AfterFunc(never, a.tick)
	a.timer.Stop()
	return a
}

// flushBeyond acknowledges what is done behind holes. The caller holds mu.
func (a *acker) flushBeyond() {
	for tag, sent := range a.beyond {
		if !sent {
			a.beyond[tag] = true
			_ = a.ch.Ack(tag, false)
		}
	}
	a.singly = 0
}

// advance moves over what was done behind a hole that is now filled. The caller holds mu.
func (a *acker) advance() {
	for {
		sent, done := a.beyond[a.upto+1]
		if !done {
			return
		}
		a.upto++
		delete(a.beyond, a.upto)
		if !sent {
			a.last = a.upto
			a.singly--
		}
	}
}

// close acknowledges what is done and drops every later ack.
func (a *acker) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flush(true)
	a.closed = true
	a.timer.Stop()
}
