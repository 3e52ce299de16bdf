package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"chat-service/internal/broker"
	"chat-service/internal/chat"
	"chat-service/internal/state"
	"chat-service/internal/worker"
)

// notifying calls the workers after each transaction, except after those that leave nothing in the outbox and are many.
func notifying(n *state.CallNotifier) func(verb string, took time.Duration, err error) {
	return func(verb string, _ time.Duration, err error) {
		switch verb {
		case "append", "mark read", "beat", "sweep":
		default:
			if err == nil {
				n.Notify()
			}
		}
	}
}

// bus publishes deliveries.
type bus struct {
	pub *broker.Publisher
	o   broker.Options
}

func (b bus) ToGateway(g chat.GatewayID, batch []byte, done func(error)) error {
	return closed(b.pub.Publish(b.o.Gateway(b.o.Prefix+".gw."+string(g)), batch, func(err error) {
		if errors.Is(err, broker.ErrUnroutable) {
			err = chat.E(chat.NotFound, "gateway %s has no queue", g)
		}
		done(closed(err))
	}))
}

// closed translates the error of a publisher that has ended.
func closed(err error) error {
	if errors.Is(err, broker.ErrClosed) {
		return fmt.Errorf("%w: %w", context.Canceled, err)
	}
	return err
}

func (b bus) ToAll(batch []byte, done func(error)) error {
	return closed(b.pub.Publish(b.o.Out(), batch, func(err error) {
		if errors.Is(err, broker.ErrUnroutable) {
			err = nil // no gateway runs: nobody lacks it
		}
		done(closed(err))
	}))
}

// inbound hands what the broker delivers to the worker; until set everything waits.
type inbound struct {
	once  sync.Once
	ready chan struct{}
	w     *worker.Worker
}

func newInbound() *inbound { return &inbound{ready: make(chan struct{})} }

func (i *inbound) set(w *worker.Worker) { i.once.Do(func() { i.w = w; close(i.ready) }) }

// beats takes gateways' heartbeats; the queue is consumed from the start on.
func (i *inbound) beats(d *broker.Delivery) {
	<-i.ready
	i.w.Beats(d.Body)
	_ = d.Ack()
}

func (i *inbound) Opened(int, uint64) {}

func (i *inbound) Handle(p int, gen uint64, d *broker.Delivery) {
	i.w.Take(worker.Batch{
		Partition: p, Gen: gen, Body: d.Body, Redelivered: d.Redelivered,
		Ack: func() { _ = d.Ack() }, Live: d.Live,
	})
}

func (i *inbound) Closed(p int, gen uint64) { i.w.Closed(p, gen) }

// queues are the partitions' consumers, together with the control queue by which heartbeats arrive.
type queues struct {
	*broker.Consumers
	control *broker.ControlConsumer
	now     func() time.Time

	mu sync.Mutex
	up time.Time
}

// Up is since when the control queue has been consumed. It is asked every second: an outage shorter than that isn't noticed, which does
// no harm, because a lease is far longer.
func (q *queues) Up() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.control.Ready() != nil:
		q.up = time.Time{}
	case q.up.IsZero():
		q.up = q.now()
	}
	return q.up
}
