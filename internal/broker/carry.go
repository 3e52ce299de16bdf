package broker

import (
	"context"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

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
	if inc.opened != nil && !inc.opened[e.target] {
		p.open(inc, e)
	}
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

func (s channelSink) publish(e *entry) (confirm, error) {
	msg := amqp.Publishing{MessageId: e.id, Body: e.body, DeliveryMode: amqp.Transient}
	if e.target.Persistent {
		msg.DeliveryMode = amqp.Persistent
	}
	if e.target.TTL > 0 {
		msg.Expiration = strconv.FormatInt(e.target.TTL.Milliseconds(), 10)
	}
	c, err := s.ch.PublishWithDeferredConfirm(e.target.Exchange, e.target.Key, e.target.Mandatory, false, msg)
	return waitsFor(c), err
}

// Write writes b or fails after the timeout; a failed write ends the connection.
func (c *timedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// awaitConfirms takes the broker's confirms, oldest first, and calls the done functions, until quit. It is the publisher's
// second goroutine; it never publishes, so that a done function that takes long delays no message that is ready.
func (p *Publisher) awaitConfirms() {
	defer close(p.confirmsDone)
	c := confirmer{p: p, returned: map[string]struct{}{}}
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		p.mu.Lock()
		oldest, inc := p.sent.head, p.current
		p.mu.Unlock()
		var confirmed, down <-chan struct{}
		var late <-chan time.Time
		work := p.work
		if inc != nil {
			down = inc.down
		}
		if oldest != nil && !c.cut {
			timer.Reset(stuck)
			confirmed, late, work = oldest.confirm.Done(), timer.C, nil
		}
		select {
		case <-confirmed:
			c.collect(inc, false)
		case <-late:
			c.collect(inc, true)
		case <-down:
			c.settle(inc)
		case <-work: // something was sent, or a channel came or went
		case <-p.quit:
			c.abort()
			return
		}
	}
}

// collect takes the confirmed entries out of the window, up to the first that isn't confirmed, or with all set past it, and
// calls their done functions in that order.
func (c *confirmer) collect(inc *incarnation, all bool) {
	c.p.mu.Lock()
	var next *entry
	for e := c.p.sent.head; e != nil; e = next {
		next = e.next
		select {
		case <-e.confirm.Done():
			if e.confirm.Acked() {
				c.release(e, nil)
				continue
			}
			if c.refused(inc, e) {
				continue
			}
		default:
		}
		if !all {
			break
		}
	}
	c.p.mu.Unlock()
	for len(inc.returns) > 0 { // a return comes before its confirm, so all that matter are there by now
		c.returned[(<-inc.returns).MessageId] = struct{}{}
	}
	c.finish()
	poke(c.p.wake)
}

// release gives the entry's share of the window back, before its done functions are called. The caller holds mu.
func (c *confirmer) release(e *entry, err error) {
	p := c.p
	e.remove()
	e.err = err
	c.done = append(c.done, e)
	p.records -= e.records
	p.bytes -= e.bytes
	p.m.InFlightBytes.Sub(float64(e.bytes))
	if e.owner != nil {
		e.owner.pending -= e.records
	}
	if e.nacks > 0 || e.first || p.suspect > 0 || p.closing {
		p.freed(e)
	}
}

// finish calls the done functions of the released entries. Of those acknowledged, the ones that the broker returned before are
// unroutable.
func (c *confirmer) finish() {
	for i, e := range c.done {
		if _, back := c.returned[e.id]; back && e.err == nil {
			delete(c.returned, e.id)
			e.err = ErrUnroutable
			c.p.m.Returned.Inc()
		} else if e.err == nil {
			c.p.m.Confirmed.Inc()
		}
		for _, done := range e.dones {
			if done != nil {
				c.call(done, e.err)
			}
		}
		e.recycle()
		c.done[i] = nil
	}
	c.done = c.done[:0]
}

// call survives a panicking done function: the others are still called.
func (c *confirmer) call(done func(error), err error) {
	defer func() {
		if r := recover(); r != nil {
			c.p.o.Logger.Error("done function panicked", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	done(err)
}

// recycle returns the entry to the pool; no reference to it may be left.
func (e *entry) recycle() {
	clear(e.dones)
	if e.owner == nil {
		e.body = nil // the caller's
	}
	if max(cap(e.arena), cap(e.body)) > keepArena {
		e.arena, e.body = nil, nil
	}
	*e = entry{arena: e.arena[:0], body: e.body[:0], ends: e.ends[:0], dones: e.dones[:0]}
	entries.Put(e)
}

// received yields what the channel delivers, in order, while it lives. The library closes the deliveries when the channel or the
// connection ends and also, leaving both open, when the broker cancels the consumer.
func (in *inbound) received(yield func(amqp.Delivery) bool) {
	for m := range in.deliveries {
		if !in.acker.live() {
			return
		}
		in.m.delivered(m.Redelivered)
		if !yield(m) {
			return
		}
	}
}

// consume hands deliveries to the handler, which holds a batch until it calls its Ack.
func (p *partition) consume(in *inbound, gen uint64) {
	for m := range in.received {
		p.active.Store(true)
		tag := m.DeliveryTag
		p.c.h.Take(envelope.Batch{
			Partition: p.i, Gen: gen, Body: m.Body, Redelivered: m.Redelivered,
			Ack: func() { in.acker.ack(tag) }, Live: in.acker.live,
		})
	}
}

// live reports whether the channel is open, so that an ack can still arrive.
func (a *acker) live() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.closed && !a.ch.IsClosed()
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

// ack notes that a delivery is done. The broker gets the ack within ackDelay, together with others. A second ack of a delivery does
// nothing, and one on a lost channel is dropped: the broker redelivers.
func (a *acker) ack(tag uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, done := a.beyond[tag]; a.closed || done || tag <= a.upto {
		return
	}
	if tag == a.upto+1 {
		a.upto, a.last = tag, tag
		if len(a.beyond) > 0 {
			a.advance()
		}
	} else {
		a.beyond[tag] = false
		a.singly++
	}
	if a.last-a.acked >= ackBatch {
		a.flush(false)
	} else if !a.armed {
		a.armed = true
		a.timer.Reset(ackDelay)
	}
}

// tick ends the delay.
func (a *acker) tick() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed = false
	a.flush(true)
}

// flush acknowledges everything done without a hole, and with all set, one by one, what is done behind holes. An error means
// that the channel is gone. The caller holds mu.
func (a *acker) flush(all bool) {
	if a.closed {
		return
	}
	if a.last > a.acked {
		a.acked = a.last
		_ = a.ch.Ack(a.last, true)
	}
	if all && a.singly > 0 {
		a.flushBeyond()
	}
}

// consume hands deliveries to the handler and acknowledges each when it returns.
func (s *subscription) consume(in *inbound) {
	for m := range in.received {
		s.handle(m.Body)
		in.acker.ack(m.DeliveryTag)
	}
}
