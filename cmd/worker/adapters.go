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
	"chat-service/internal/store"
	"chat-service/internal/worker"
)

// sockets, leases and routes show state.State as the worker's ports name it; dead does so for the store.
type (
	sockets struct {
		*state.State
		partitions int
	}
	leases struct{ *state.State }
	routes struct{ *state.State }
	fleet  struct{ *store.DB }
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

// Register enters sockets into the registry.
func (s sockets) Register(ctx context.Context, xs []worker.Socket) ([]worker.Registered, error) {
	rs, err := s.RegisterAll(ctx, stored(xs))
	out := make([]worker.Registered, len(rs))
	for i, r := range rs {
		out[i] = worker.Registered{First: r.First, OfSession: shown(r.OfSession)}
	}
	return out, err
}

// Unregister takes sockets out of the registry.
func (s sockets) Unregister(ctx context.Context, xs []worker.Socket) ([]int, error) {
	return s.UnregisterAll(ctx, stored(xs))
}

func stored(xs []worker.Socket) []state.Socket {
	out := make([]state.Socket, len(xs))
	for i, x := range xs {
		out[i] = state.Socket(x)
	}
	return out
}

func shown(xs []state.Socket) []worker.Socket {
	out := make([]worker.Socket, len(xs))
	for i, x := range xs {
		out[i] = worker.Socket(x)
	}
	return out
}

// OfflineDue claims users whose grace has run out. Nearly always there are none, which one question tells.
func (s sockets) OfflineDue(ctx context.Context, owned []int, now time.Time, limit int) (due []chat.UserID, err error) {
	owned, err = s.PartitionsDue(ctx, owned, now)
	for i := 0; i < len(owned) && err == nil; i++ {
		var more []chat.UserID
		more, err = s.State.OfflineDue(ctx, owned[i], s.partitions, now, limit)
		due = append(due, more...)
	}
	return due, err
}

// BeatGateway renews a gateway's lease.
func (l leases) BeatGateway(ctx context.Context, g chat.GatewayID, lease time.Duration) error {
	return l.State.Beat(ctx, g, lease)
}

// Routes reads rooms' routes.
func (r routes) Routes(ctx context.Context, rooms []chat.RoomID) (map[chat.RoomID]worker.Route, error) {
	found, err := r.State.Routes(ctx, rooms)
	out := make(map[chat.RoomID]worker.Route, len(found))
	for id, e := range found {
		out[id] = worker.Route(e)
	}
	return out, err
}

// Quarantine puts a command away.
func (f fleet) Quarantine(ctx context.Context, d worker.Dead) error {
	return f.DB.Quarantine(ctx, store.DeadCommand(d))
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

// closed translates the publisher's end.
func closed(err error) error {
	if errors.Is(err, broker.ErrClosed) {
		return fmt.Errorf("%w: %w", context.Canceled, err)
	}
	return err
}

func (b bus) ToAll(batch []byte, done func(error)) error {
	return closed(b.pub.Publish(b.o.Out(), batch, func(err error) {
		if errors.Is(err, broker.ErrUnroutable) {
			err = nil // no gateway runs: nobody misses it
		}
		done(closed(err))
	}))
}

// intake hands what the broker delivers to the worker; nothing comes before set.
type intake struct {
	once sync.Once
	here chan struct{}
	w    *worker.Worker
}

func newIntake() *intake { return &intake{here: make(chan struct{})} }

func (i *intake) set(w *worker.Worker) { i.once.Do(func() { i.w = w; close(i.here) }) }

// beats takes gateways' heartbeats; the queue is consumed from the start on.
func (i *intake) beats(d *broker.Delivery) {
	<-i.here
	i.w.Beats(d.Body)
	_ = d.Ack()
}

func (i *intake) Opened(int, uint64) {}

func (i *intake) Handle(p int, gen uint64, d *broker.Delivery) {
	i.w.Take(worker.Batch{
		Partition: p, Gen: gen, Body: d.Body, Redelivered: d.Redelivered,
		Ack: func() { _ = d.Ack() }, Live: d.Live,
	})
}

func (i *intake) Closed(p int, gen uint64) { i.w.Closed(p, gen) }

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
