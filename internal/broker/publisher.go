package broker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Publisher sends messages over one connection with asynchronous confirms. All methods may be
// called from any goroutine.
//
// Two goroutines serve it: one publishes (loop), one takes the broker's confirms and calls the
// done functions (awaitConfirms). A done function must not block: everything waits behind it. It may
// publish.
type Publisher struct {
	o    Options
	m    *Metrics
	link *link
	id   string // begins every message id

	mu        sync.Mutex // guards everything down to wake
	growths   []*growth  // open batches by their delay; those of Options.BatchDelay first
	ready     list       // to be published, in this order
	later     list       // refused by the broker, waiting to be sent again
	held      list       // behind a refused entry of the same target
	sent      list       // published, not yet confirmed
	records   int        // window: accepted and not done
	bytes     int
	refused   map[Target]int // entries that were refused and are not yet confirmed or given up
	current   *incarnation   // nil while there is no channel
	suspect   int            // entries at the front to be sent one at a time, see detach
	blocked   bool           // by the broker
	downSince time.Time      // since when down or blocked; zero when neither
	closing   bool

	besideBusy   bool
	besides      sync.WaitGroup // the goroutine of a message beside the others
	wake         chan struct{}  // the publish loop has something to look at
	work         chan struct{}  // the confirm goroutine has something to look at
	drained      chan struct{}  // closing, and nothing left
	quit         chan struct{}  // the publish loop has ended for good
	confirmsDone chan struct{}  // the confirm goroutine has ended
	end          sync.Once

	seq     uint64   // of the message ids; the publish loop's, as scratch is
	scratch [][]byte // the records of the batch that is being framed
}

// growth is the open batches that share a delay.
type growth struct {
	delay   time.Duration
	even    bool      // also while nothing is unconfirmed
	open    list      // by age
	flushed time.Time // when unfilled ones were last sealed
}

// incarnation is the publishing channel from one connect to the next.
type incarnation struct {
	sink    sink
	returns <-chan amqp.Return // messages that no queue took; a message's return arrives before its confirm
	closes  <-chan *amqp.Error // why the channel was lost; closed when it is closed
	down    chan struct{}      // closed when the publish loop has stopped using it
	settled chan struct{}      // closed when its unconfirmed entries are queued again
	opened  map[Target]bool    // what was published to; nil: that doesn't matter
	soft    bool               // it ended by a channel exception, which one of the messages may have caused
	single  bool               // only one message at a time was in flight when it ended
}

// sink is the publishing channel as the publish loop sees it.
type sink interface {
	// publish hands the entry's body to the socket.
	publish(e *entry) (confirm, error)
	// alive is false from before the moment at which a lost channel's confirms resolve.
	alive() bool
	// beside publishes a body on a channel of its own and waits for its confirm.
	beside(t Target, body []byte) error
}

// confirm is the broker's answer to one message, still to come until Done is closed.
type confirm interface {
	Done() <-chan struct{}
	Acked() bool
}

// NewPublisher starts dialing in the background; it fails only for invalid options. Until the first
// connection is there, publishing works as in an outage: accepted for Options.Patience.
func NewPublisher(o Options) (*Publisher, error) {
	o, err := o.ready()
	if err != nil {
		return nil, err
	}
	p := newPublisher(o)
	p.link = &link{o: o, purpose: "publish", serve: p.serveConnection, blocked: p.block, oldest: p.oldestUnconfirmed}
	p.link.start()
	return p, nil
}

func newPublisher(o Options) *Publisher {
	var id [4]byte
	_, _ = rand.Read(id[:]) // never fails
	p := &Publisher{
		o: o, m: o.Metrics, id: hex.EncodeToString(id[:]) + "-",
		growths: []*growth{{delay: o.BatchDelay}}, refused: map[Target]int{}, downSince: time.Now(),
		wake: make(chan struct{}, 1), work: make(chan struct{}, 1), drained: make(chan struct{}, 1),
		quit: make(chan struct{}), confirmsDone: make(chan struct{}),
	}
	go p.awaitConfirms()
	return p
}

// growth returns the set of open batches with this delay; 0 means Options.BatchDelay, which counts only while something is
// unconfirmed.
func (p *Publisher) growth(delay time.Duration) *growth {
	p.mu.Lock()
	defer p.mu.Unlock()
	if delay == 0 {
		return p.growths[0]
	}
	for _, g := range p.growths[1:] {
		if g.delay == delay {
			return g
		}
	}
	g := &growth{delay: delay, even: true}
	p.growths = append(p.growths, g)
	return g
}

// serveConnection serves one connection: it declares the topology, opens a channel in confirm mode and publishes.
func (p *Publisher) serveConnection(ctx context.Context, conn *amqp.Connection, ready func()) error {
	if err := p.o.withShared(conn, topology.inbound); err != nil {
		return err
	}
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	inc := &incarnation{
		sink: channelSink{ch, conn},
		// At most this many can come back before collect empties it, so the library never drops one.
		returns: ch.NotifyReturn(make(chan amqp.Return, p.o.Unconfirmed)),
		closes:  ch.NotifyClose(make(chan *amqp.Error, 1)),
	}
	if err := ch.Confirm(false); err != nil {
		return fmt.Errorf("confirm mode: %w", err)
	}
	ready()
	return p.serve(ctx, inc)
}

func (s channelSink) alive() bool { return !s.ch.IsClosed() }

// serve publishes over inc until it is lost or ctx ends, and returns once everything that it left unconfirmed is queued again.
func (p *Publisher) serve(ctx context.Context, inc *incarnation) error {
	inc.down, inc.settled = make(chan struct{}), make(chan struct{})
	if p.o.QueueType == Quorum {
		inc.opened = map[Target]bool{}
	}
	p.mu.Lock()
	p.current, p.blocked = inc, false
	p.noteOutage()
	p.mu.Unlock()
	err := p.loop(ctx, inc)
	p.detach(inc, err)
	return err
}

// block records that the broker accepts no messages, or accepts them again.
func (p *Publisher) block(active bool) {
	p.mu.Lock()
	p.blocked = active
	p.noteOutage()
	p.mu.Unlock()
	poke(p.wake)
}

// noteOutage starts or stops the clock of Options.Patience. The caller holds mu.
func (p *Publisher) noteOutage() {
	switch gone := p.current == nil || p.blocked; {
	case !gone:
		p.downSince = time.Time{}
	case p.downSince.IsZero():
		p.downSince = time.Now()
	}
}

// Ready returns nil while messages flow, else an ErrUnavailable with the reason.
func (p *Publisher) Ready() error { return p.link.Ready() }

// State returns the condition of the connection.
func (p *Publisher) State() State { return p.link.State() }

// Blocked reports whether the broker refuses messages for lack of memory or disk.
func (p *Publisher) Blocked() bool { return p.link.State() == Blocked }

// Pending returns how many records are accepted and not yet done.
func (p *Publisher) Pending() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.records
}

// Close refuses new messages, sends those accepted, waits for their confirms within ctx and ends the
// connection. What is unconfirmed then is done with ErrClosed, and the error says how much.
func (p *Publisher) Close(ctx context.Context) error {
	left := p.drain(ctx)
	if err := p.link.close(ctx); err != nil {
		return err
	}
	p.finish()
	p.besides.Wait() // the connection has ended: so do they
	if left > 0 {
		return fmt.Errorf("%w with %d records unconfirmed: %w", ErrClosed, left, ctx.Err())
	}
	return nil
}

// drain waits until nothing is left or ctx ends, and returns what is left.
func (p *Publisher) drain(ctx context.Context) int {
	p.mu.Lock()
	p.closing = true
	left := p.records
	p.mu.Unlock()
	poke(p.wake)
	for left > 0 {
		select {
		case <-p.drained:
		case <-ctx.Done():
			return p.Pending()
		}
		left = p.Pending()
	}
	return 0
}

// finish ends the confirm goroutine once the publish loop has ended.
func (p *Publisher) finish() {
	p.end.Do(func() { close(p.quit) })
	<-p.confirmsDone
}

// abort ends everything that is left.
func (c *confirmer) abort() {
	p := c.p
	p.mu.Lock()
	p.closing = true
	for _, g := range p.growths {
		p.flush(g, time.Now())
	}
	for _, l := range []*list{&p.sent, &p.later, &p.held, &p.ready} {
		for e := l.head; e != nil; e = l.head {
			c.release(e, ErrClosed)
		}
	}
	p.mu.Unlock()
	c.finish()
}

// channelSink publishes on a real channel.
type channelSink struct {
	ch   *amqp.Channel
	conn *amqp.Connection
}

// stuck is how long the oldest confirm may be missing before later ones are looked for: one queue
// without a quorum must not hold up the others.
const stuck = 20 * time.Millisecond

// confirmer is the state of the confirm goroutine; no other goroutine touches it.
type confirmer struct {
	p        *Publisher
	done     []*entry            // out of the window; finish calls their done functions
	returned map[string]struct{} // ids that came back, and whose confirm is still to come
	renewed  time.Time           // when the connection was last given up because of refusals
	cut      bool                // the channel is lost: unresolved confirms mean nothing any more, settle follows
}
