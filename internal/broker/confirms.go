package broker

import (
	"runtime/debug"
	"time"
)

// stuck is how long the oldest confirm may be missing before later ones are looked for: one queue
// without a quorum must not hold up the others.
const stuck = 20 * time.Millisecond

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

// confirmer is the state of the confirm goroutine; no other goroutine touches it.
type confirmer struct {
	p        *Publisher
	done     []*entry            // out of the window; finish calls their done functions
	returned map[string]struct{} // ids that came back, and whose confirm is still to come
	cut      bool                // the channel is lost: unresolved confirms mean nothing any more, settle follows
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
	if e.nacks > 0 || p.suspect > 0 || p.closing {
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

const keepArena = 128 << 10 // larger buffers go to the collector

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
