package main

import (
	"sync"
	"time"

	"chat-service/internal/broker"
	"chat-service/internal/state"
	"chat-service/internal/worker"
)

// ringing calls the workers after each transaction but those that leave nothing in the outbox and are many.
func ringing(b *state.Bell) func(verb string, took time.Duration, err error) {
	return func(verb string, _ time.Duration, err error) {
		switch verb {
		case "append", "mark read", "beat", "sweep":
		default:
			if err == nil {
				b.Ring()
			}
		}
	}
}

// intake hands what the broker delivers to the worker; nothing comes before set.
type intake struct {
	once sync.Once
	here chan struct{}
	*worker.Worker
}

func newIntake() *intake { return &intake{here: make(chan struct{})} }

func (i *intake) set(w *worker.Worker) { i.once.Do(func() { i.Worker = w; close(i.here) }) }

// beats takes gateways' heartbeats; the queue is consumed from the start on.
func (i *intake) beats(body []byte) {
	<-i.here
	i.Beats(body)
}

// Opened is part of the broker's port; a worker waits for the first delivery.
func (i *intake) Opened(int, uint64) {}

// ears are the partitions' consumers, together with the control queue by which gateways are heard.
type ears struct {
	*broker.Consumers
	control *broker.ControlConsumer

	mu sync.Mutex
	up time.Time
}

// Up tells since when the control queue has been consumed. It is asked every second: an outage shorter than that passes
// for none, as a lease outlives it by far.
func (e *ears) Up() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.control.Ready() != nil:
		e.up = time.Time{}
	case e.up.IsZero():
		e.up = time.Now()
	}
	return e.up
}
