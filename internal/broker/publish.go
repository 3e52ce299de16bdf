package broker

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/chat"
)

// Batcher packs records for one target into AMQP messages. A batch is flushed when it is full, and otherwise as
// BatchOptions.Delay says: no delay at a low rate, few messages at a high one. Methods may be called from any goroutine;
// records keep the order of the calls. A batcher has no goroutine and needs no closing.
type Batcher struct {
	p      *Publisher
	target Target
	frame  func(dst []byte, records [][]byte) []byte
	o      BatchOptions

	among   *growth
	growing *entry // the batch that takes records; guarded by p.mu, as all below
	pending int
}

// NewBatcher makes a batcher over p. frame appends the records, joined into one body, to dst and
// returns it; it is called from the publisher's goroutine and keeps neither.
func NewBatcher(p *Publisher, t Target, frame func(dst []byte, records [][]byte) []byte, o BatchOptions) *Batcher {
	o.Records = max(or(o.Records, 64), 1)
	o.Bytes = max(or(o.Bytes, 32<<10), 1)
	o.Pending = max(or(o.Pending, p.o.WindowRecords/2), 1)
	return &Batcher{p: p, target: t, frame: frame, o: o, among: p.growth(o.Delay)}
}

// Publish adds a record to its partition's batch; the order of the calls is kept. Errors and done are those of
// Publisher.Publish. The record is copied.
func (c *Commands) Publish(partition int, record []byte, done func(error)) error {
	return c.in[partition].Add(record, done)
}

// Add copies the record into the batch. Errors and done are those of Publisher.Publish.
func (b *Batcher) Add(record []byte, done func(error)) error {
	p := b.p
	p.mu.Lock()
	if err := p.admit(len(record), b); err != nil {
		p.mu.Unlock()
		return err
	}
	if e := b.growing; e != nil && len(e.arena)+len(record) > b.o.Bytes {
		p.seal(e)
	}
	e, wake := b.growing, b.growing == nil
	if wake {
		e = entries.Get().(*entry)
		e.owner, e.target, b.growing = b, b.target, e
		b.among.open.pushBack(e)
	}
	e.arena = append(e.arena, record...)
	e.ends = append(e.ends, len(e.arena))
	e.dones = append(e.dones, done)
	e.records++
	e.bytes += len(record)
	if e.records >= b.o.Records || len(e.arena) >= b.o.Bytes {
		p.seal(e)
		wake = true
	}
	p.mu.Unlock()
	if wake {
		poke(p.wake)
	}
	return nil
}

// ToGateway publishes a batch for one gateway. The batch belongs to the bus until done is called.
func (d *Deliveries) ToGateway(g chat.GatewayID, batch []byte, done func(error)) error {
	to := d.gateway
	to.Key += string(g)
	err := d.p.Publish(to, batch, func(err error) {
		if err != nil {
			err = untaken(g, err)
		}
		done(err)
	})
	if err != nil {
		err = untaken(g, err)
	}
	return err
}

// Publish enqueues one AMQP message. It returns ErrFull, ErrUnavailable, ErrTooLarge or ErrClosed at
// once when the message is not accepted. Else done, which may be nil, is called exactly once, from
// the publisher's own goroutine and in the order of publishing per target where possible: nil =
// confirmed, ErrUnroutable = no queue took it, ErrUnavailable = the broker refused it repeatedly,
// ErrClosed = closed before. The body belongs to the publisher until then.
func (p *Publisher) Publish(t Target, body []byte, done func(error)) error {
	p.mu.Lock()
	if err := p.admit(len(body), nil); err != nil {
		p.mu.Unlock()
		return err
	}
	e := entries.Get().(*entry)
	e.target, e.body, e.records, e.bytes = t, body, 1, len(body)
	e.dones = append(e.dones, done)
	p.ready.pushBack(e)
	p.mu.Unlock()
	p.m.InFlightBytes.Add(float64(len(body)))
	poke(p.wake)
	return nil
}

// admit takes one record of n bytes into the window, and into the batcher's share of it if b isn't nil. The caller holds mu.
func (p *Publisher) admit(n int, b *Batcher) error {
	switch {
	case p.closing:
		return ErrClosed
	case b != nil && b.pending >= b.o.Pending:
		p.m.full.Inc()
		return fmt.Errorf("%w: %s%s", ErrFull, b.target.Exchange, b.target.Key)
	case n > p.o.MaxBody:
		return fmt.Errorf("%w: %d bytes of at most %d", ErrTooLarge, n, p.o.MaxBody)
	case !p.downSince.IsZero() && time.Since(p.downSince) > p.o.Patience:
		p.m.unavailable.Inc()
		return ErrUnavailable
	case p.records >= p.o.WindowRecords || p.bytes+n > p.o.WindowBytes:
		p.m.full.Inc()
		return ErrFull
	}
	p.records++
	p.bytes += n
	if b != nil {
		b.pending++
	}
	return nil
}

// poke wakes a goroutine that may be asleep; one pending wake-up is enough.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// loop publishes what is ready over inc until that is lost or ctx ends. It is the only goroutine that publishes, so messages
// leave in the order in which next returns them.
func (p *Publisher) loop(ctx context.Context, inc *incarnation) error {
	timer := time.NewTimer(never)
	defer timer.Stop()
	for ctx.Err() == nil {
		e, wait := p.next(time.Now())
		if e != nil {
			if err := p.send(inc, e); err != nil {
				return p.whyLost(inc, err)
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-p.wake:
		case <-timer.C:
		case err := <-inc.closes:
			return lostBy(err)
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// next returns the entry to be published now, or how long to wait before looking again.
func (p *Publisher) next(now time.Time) (*entry, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blocked || p.sent.n >= p.o.Unconfirmed || p.suspect > 0 && p.sent.n > 0 {
		return nil, never // woken when the broker unblocks or confirms
	}
	wait := never
	for _, g := range p.growths {
		if g.open.head == nil {
			continue
		}
		if since := now.Sub(g.flushed); since < g.delay && (p.sent.n > 0 || g.even) && !p.closing {
			wait = min(wait, g.delay-since)
		} else {
			p.flush(g, now)
		}
	}
	e := p.ready.head
	if len(p.refused) > 0 {
		e, wait = p.pick(now, wait)
	}
	if e != nil {
		e.remove()
	}
	return e, wait
}

// flush seals the batches of all targets at once. None of them is flushed unfilled again within the delay, so that a record
// after a pause is sent at once and a stream of records in few messages. The caller holds mu.
func (p *Publisher) flush(g *growth, now time.Time) {
	for e := g.open.head; e != nil; e = g.open.head {
		p.seal(e)
	}
	g.flushed = now
}

// seal closes a batch to further records and queues it. The caller holds mu.
func (p *Publisher) seal(e *entry) {
	e.owner.growing = nil
	e.remove()
	p.ready.pushBack(e)
	p.m.InFlightBytes.Add(float64(e.bytes))
}

// send publishes one entry. When that fails the entry is put back at the front of ready; settle then puts
// those sent before it in front of it.
func (p *Publisher) send(inc *incarnation, e *entry) error {
	p.m.published(e)
	if e.id == "" { // else it is sent again, with the same id and body
		p.seq++
		e.id = p.id + strconv.FormatUint(p.seq, 36)
		if e.owner != nil {
			p.frame(e)
		}
	}
	c, err := inc.sink.publish(e)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.ready.pushFront(e)
		return err
	}
	e.confirm = c
	p.sent.pushBack(e)
	if p.sent.n == 1 {
		poke(p.work)
	}
	return nil
}

// frame joins the records of a batch into one body.
func (p *Publisher) frame(e *entry) {
	records, from := p.scratch[:0], 0
	for _, to := range e.ends {
		records = append(records, e.arena[from:to:to])
		from = to
	}
	e.body = e.owner.frame(e.body[:0], records)
	clear(records)
	p.scratch = records
}

// channelSink publishes on a real channel.
type channelSink struct {
	ch   *amqp.Channel
	conn *amqp.Connection
}

func (s channelSink) publish(e *entry) (confirm, error) {
	msg := amqp.Publishing{MessageId: e.id, Body: e.body, DeliveryMode: amqp.Transient}
	if e.target.Persistent {
		msg.DeliveryMode = amqp.Persistent
	}
	if e.target.TTL > 0 {
		msg.Expiration = strconv.FormatInt(e.target.TTL.Milliseconds(), 10)
	}
	return s.ch.PublishWithDeferredConfirm(e.target.Exchange, e.target.Key, e.target.Mandatory, false, msg)
}

// timedConn gives every write a deadline: the library sets none, and a broker that stops reading
// would block a publish for ever.
type timedConn struct {
	net.Conn
	timeout time.Duration
}

// Write writes b or fails after the timeout; a failed write ends the connection.
func (c *timedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// entry is one AMQP message in flight: open while a batcher may add to it, then ready, then sent
// until the broker confirms it. It is in at most one list.
type entry struct {
	prev, next *entry
	in         *list

	target Target
	owner  *Batcher // nil for a body that was published by itself
	arena  []byte   // the batcher's records, back to back
	ends   []int    // where each record ends in arena
	body   []byte   // what goes on the wire
	dones  []func(error)

	records, bytes int // share of the publishing window

	id      string // given when it is first sent
	confirm confirm
	nacks   int       // refusals by the broker
	err     error     // how it ended; nil: acknowledged
	strikes int       // channels that died while this was the only message in flight
	due     time.Time // not before, after a refusal
}

var entries = sync.Pool{New: func() any { return new(entry) }}

// list is a doubly linked list through the entries themselves, so that a batch leaves the middle of
// it without a search.
type list struct {
	head, tail *entry
	n          int
}

func (l *list) pushBack(e *entry) {
	e.in, e.prev, e.next = l, l.tail, nil
	if l.tail == nil {
		l.head = e
	} else {
		l.tail.next = e
	}
	l.tail = e
	l.n++
}

func (l *list) pushFront(e *entry) {
	e.in, e.prev, e.next = l, nil, l.head
	if l.head == nil {
		l.tail = e
	} else {
		l.head.prev = e
	}
	l.head = e
	l.n++
}

// remove takes e out of the list it is in.
func (e *entry) remove() {
	l := e.in
	if e.prev == nil {
		l.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.in, e.prev, e.next = nil, nil, nil
	l.n--
}
