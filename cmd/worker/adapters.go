package main

import (
	"errors"
	"sync"
	"time"

	"chat-service/internal/broker"
	"chat-service/internal/state"
	"chat-service/internal/store/webhooks"
	"chat-service/internal/worker"
)

// notifying calls the workers after each transaction, except after those that leave nothing in the outbox and are many.
func notifying(n *state.CallNotifier) func(verb string, took time.Duration, err error) {
	return func(verb string, _ time.Duration, err error) {
		switch verb {
		case "mark read", "beat", "sweep", webhooks.Settle:
		default:
			if err == nil {
				n.Notify()
			}
		}
	}
}

// inbound hands what the broker delivers to the worker; until set everything waits.
type inbound struct {
	once  sync.Once
	ready chan struct{}
	*worker.Worker
}

func newInbound() *inbound { return &inbound{ready: make(chan struct{})} }

func (i *inbound) set(w *worker.Worker) { i.once.Do(func() { i.Worker = w; close(i.ready) }) }

// beats takes gateways' heartbeats; the queue is consumed from the start on.
func (i *inbound) beats(body []byte) {
	<-i.ready
	i.Beats(body)
}

// Opened is part of the broker's port; a worker waits for the first delivery.
func (i *inbound) Opened(int, uint64) {}

// queues are the partitions' consumers, together with the control queue by which heartbeats arrive, and the way out.
type queues struct {
	*broker.Consumers
	control *broker.ControlConsumer
	out     *broker.Publisher
	now     func() time.Time

	mu sync.Mutex
	up time.Time
}

// Able is nil while the process can do a worker's work.
func (q *queues) Able() error {
	return errors.Join(q.Consumers.Able(), q.control.Ready(), q.out.Able())
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
