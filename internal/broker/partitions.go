package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/broker/nodes"
	"chat-service/internal/envelope"
)

// PartitionHandler receives what partitions deliver. All three methods are called from the partition's
// own goroutine, in the order Opened, Take …, Closed; gen is new for each opening and rises. A
// panic closes the channel, so that everything unacknowledged is delivered again.
type PartitionHandler interface {
	// Opened: the partition is consumed; a standby receives nothing for now.
	Opened(p int, gen uint64)
	// Take receives one delivery, which the broker holds until Ack. It may block: at most prefetch deliveries wait behind it.
	Take(b envelope.Batch)
	// Closed: no more deliveries of gen will come, and its acks are dropped.
	Closed(p int, gen uint64)
}

// Consumers consumes a changing set of partitions over one connection, one channel each. The queue
// is single active consumer: of several processes that consume a partition one receives, the others
// stand by until its channel is closed.
type Consumers struct {
	o        Options
	prefetch int
	h        PartitionHandler
	link     *link
	gen      atomic.Uint64

	set sync.Mutex // serialises Set and Close

	mu     sync.Mutex
	conn   *amqp.Connection // nil while down
	change chan struct{}    // closed and renewed when conn changes
	parts  map[int]*partition
	gone   bool
}

// NewConsumers starts dialing in the background and consumes nothing until Set. prefetch bounds the
// unacknowledged deliveries per partition, 1 to 65,535. It fails only for invalid options.
func NewConsumers(o Options, prefetch int, h PartitionHandler) (*Consumers, error) {
	o, err := o.ready()
	if err != nil {
		return nil, err
	}
	c := &Consumers{o: o, prefetch: min(max(prefetch, 1), 1<<16-1), h: h, change: make(chan struct{}), parts: map[int]*partition{}}
	c.link = &link{o: o, purpose: "consume", serve: c.serve}
	c.link.start()
	return c, nil
}

// serve lends the connection to the partitions until it is lost.
func (c *Consumers) serve(ctx context.Context, conn *amqp.Connection, ready func()) error {
	// Of all partitions: who may not use a queue must not come to own it.
	if err := c.o.withTopology(conn, topology.inbound); err != nil {
		return err
	}
	c.lend(conn)
	defer c.lend(nil)
	ready()
	<-ctx.Done()
	return context.Cause(ctx)
}

func (c *Consumers) lend(conn *amqp.Connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	close(c.change)
	c.change = make(chan struct{})
}

// borrow waits for a live connection.
func (c *Consumers) borrow(ctx context.Context) (*amqp.Connection, error) {
	for {
		c.mu.Lock()
		conn, change := c.conn, c.change
		c.mu.Unlock()
		if conn != nil && !conn.IsClosed() {
			return conn, nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Set makes exactly these partitions consumed: owned ones at once, standbys after StandbyDelay each time that a channel is
// opened, so that the owner's consumer is first and becomes the active one. It returns once the channels of the released
// partitions are closed, so that another process receives their unacknowledged deliveries in order; their Closed follows
// as soon as a Take in progress returns. A partition that was owned and becomes a standby is released first. Numbers
// outside 0 … Partitions−1 are ignored.
func (c *Consumers) Set(owned, standby []int) {
	c.set.Lock()
	defer c.set.Unlock()
	c.mu.Lock()
	var leaving []*partition
	for i, p := range c.parts {
		if p.stopped() {
			continue
		}
		stays := slices.Contains(owned, i) || slices.Contains(standby, i) && p.standby.Load()
		if c.gone || !stays {
			leaving = append(leaving, p)
		}
	}
	var wg sync.WaitGroup
	for _, p := range leaving {
		p.cancel()
		wg.Go(p.release)
	}
	for _, i := range owned {
		c.take(i, false)
	}
	for _, i := range standby {
		if !slices.Contains(owned, i) {
			c.take(i, true)
		}
	}
	c.mu.Unlock()
	wg.Wait()
}

// take starts consuming a partition, unless it is consumed already. The caller holds mu.
func (c *Consumers) take(i int, standby bool) {
	if i < 0 || i >= c.o.Partitions || c.gone {
		return
	}
	old := c.parts[i]
	if old == nil || old.stopped() {
		c.parts[i] = c.startPartition(i, old, standby)
		return
	}
	old.standby.Store(standby)
}

// Yield returns a standby partition that has become active here to its owner: its channel is
// closed and opened again after StandbyDelay.
func (c *Consumers) Yield(p int) {
	c.set.Lock()
	defer c.set.Unlock()
	c.mu.Lock()
	old := c.parts[p]
	if old == nil || old.stopped() || !old.standby.Load() {
		c.mu.Unlock()
		return
	}
	old.cancel()
	c.parts[p] = c.startPartition(p, old, true)
	c.mu.Unlock()
	old.release()
}

// Active reports whether the partition has received a delivery on its present channel, which proves
// that it is not standing by. An empty queue proves nothing: AMQP doesn't notify a consumer that it has become active.
func (c *Consumers) Active(p int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	part := c.parts[p]
	return part != nil && part.active.Load()
}

// Ready returns nil while connected, else an ErrUnavailable with the reason.
func (c *Consumers) Ready() error { return c.link.Ready() }

// State returns the condition of the connection.
func (c *Consumers) State() State { return c.link.State() }

// Close releases all partitions, waits within ctx for their handlers, and ends the connection.
func (c *Consumers) Close(ctx context.Context) error {
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
	c.Set(nil, nil)
	err := c.link.close(ctx)
	c.mu.Lock()
	parts := maps.Clone(c.parts)
	c.mu.Unlock()
	for i, p := range parts {
		select {
		case <-p.done:
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("partition %d: handler has not returned: %w", i, ctx.Err()))
		}
	}
	return err
}

// partition is one consumed partition; it outlives connections and ends by release.
type partition struct {
	c       *Consumers
	i       int
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	standby atomic.Bool
	active  atomic.Bool

	mu sync.Mutex // held while opening, so that release finds a channel or knows that none will be opened
	in *inbound

	tries int // to open it in vain; of its goroutine
}

// startPartition begins consuming once the predecessor, if any, has ended.
func (c *Consumers) startPartition(i int, old *partition, standby bool) *partition {
	ctx, cancel := context.WithCancel(context.Background())
	p := &partition{c: c, i: i, ctx: ctx, cancel: cancel, done: make(chan struct{})}
	p.standby.Store(standby)
	go func() {
		defer close(p.done)
		if old != nil {
			<-old.done
		}
		p.run()
	}()
	return p
}

func (p *partition) stopped() bool { return p.ctx.Err() != nil }

// release closes the channel, even while the handler is running.
func (p *partition) release() {
	p.cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut()
}

// shut closes the present channel. The caller holds mu.
func (p *partition) shut() {
	if p.in != nil {
		p.in.close(p.c.link.kill)
		p.in = nil
	}
	p.active.Store(false)
}

func (p *partition) run() {
	wait := backoff{min: p.c.o.BackoffMin, max: p.c.o.BackoffMax}
	for !p.stopped() {
		conn, err := p.c.borrow(p.ctx)
		if err != nil {
			return
		}
		if p.standby.Load() {
			if sleep(p.ctx, p.c.o.StandbyDelay); p.stopped() {
				return
			}
		}
		began := time.Now()
		err = p.incarnation(conn)
		if p.stopped() {
			return
		}
		if time.Since(began) > settled {
			wait.reset()
		}
		pause := wait.pause()
		err = p.c.o.judge(err)
		p.c.link.refuse(err)
		level := slog.LevelWarn
		if conn.IsClosed() {
			level = slog.LevelDebug // the link reports it, once for all partitions
		}
		p.c.o.Logger.Log(p.ctx, level, "partition lost its channel", "partition", p.i, "error", err, "retry_in", pause)
		sleep(p.ctx, pause)
	}
}

// incarnation consumes over one channel until the channel ends.
func (p *partition) incarnation(conn *amqp.Connection) error {
	in, err := p.open(conn)
	if err != nil {
		return err
	}
	gen := p.c.gen.Add(1)
	err = guard(func() {
		p.c.h.Opened(p.i, gen)
		p.consume(in, gen)
	})
	p.mu.Lock()
	p.shut()
	p.mu.Unlock()
	err = errors.Join(err, guard(func() { p.c.h.Closed(p.i, gen) }))
	if err != nil {
		p.c.o.Logger.Error("partition handler failed", "partition", p.i, "error", err)
		return errHandler
	}
	return errCancelled
}

func (p *partition) open(conn *amqp.Connection) (*inbound, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped() {
		return nil, p.ctx.Err()
	}
	hard := time.AfterFunc(nodes.Setup(len(p.c.o.urls()), p.tries, setupGrace), p.c.link.kill)
	defer hard.Stop()
	p.tries++
	err := p.c.o.withTopology(conn, func(t topology) error { return t.in(p.i) })
	if err != nil {
		return nil, err
	}
	if p.in, err = p.c.o.openInbound(conn, p.c.o.InQueue(p.i), p.c.prefetch); err == nil {
		p.tries = 0
	}
	return p.in, err
}

// guard runs fn and turns a panic into an error.
func guard(fn func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("handler panicked: %v\n%s", r, debug.Stack())
		}
	}()
	fn()
	return nil
}
