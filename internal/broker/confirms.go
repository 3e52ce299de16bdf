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
		head, inc := p.oldest()
		var done, down <-chan struct{}
		wait := never
		if inc != nil {
			down = inc.down
		}
		if head != nil && !c.cut {
			done, wait = head.Done(), stuck
		}
		timer.Reset(wait)
		select {
		case <-done:
			c.collect(inc, false)
		case <-timer.C:
			if inc != nil && !c.cut {
				c.collect(inc, true)
			}
		case <-down:
			c.settle(inc)
		case <-p.workWhen(done == nil):
		case <-p.quit:
			c.abort()
			return
		}
	}
}

// workWhen waits for new work only while no confirm is pending.
func (p *Publisher) workWhen(idle bool) <-chan struct{} {
	if idle {
		return p.work
	}
	return nil
}

func (p *Publisher) oldest() (confirm, *incarnation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sent.head == nil {
		return nil, p.current
	}
	return p.sent.head.confirm, p.current
}

// confirmer is the state of the confirm goroutine; no other goroutine touches it.
type confirmer struct {
	p        *Publisher
	batch    []*entry
	returned map[string]struct{} // ids that came back, and whose confirm is still to come
	cut      bool                // the channel is lost: unresolved confirms mean nothing any more, settle follows
}

// collect finishes the confirmed entries: those at the front, or with all set those behind unconfirmed ones, too.
func (c *confirmer) collect(inc *incarnation, all bool) {
	p := c.p
	now := time.Now()
	p.mu.Lock()
	for e := p.sent.head; e != nil; {
		next := e.next
		if !resolved(e.confirm) {
			if !all {
				break
			}
		} else if e.confirm.Acked() {
			e.remove()
			c.batch = append(c.batch, e)
		} else if !inc.sink.alive() {
			c.cut = true // unknown, not refused
			if !all {
				break
			}
		} else {
			c.refuse(e, now)
		}
		e = next
	}
	c.release()
	p.mu.Unlock()
	// A return comes before its confirm, so all that matter are there by now.
	for id, ok := inc.sink.returned(); ok; id, ok = inc.sink.returned() {
		c.returned[id] = struct{}{}
	}
	c.finish(func(e *entry) error { return c.outcome(e) })
	poke(p.wake)
}

func resolved(c confirm) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// outcome of an acknowledged entry: nil, or ErrUnroutable when the broker returned it before it acknowledged it.
func (c *confirmer) outcome(e *entry) error {
	if len(c.returned) > 0 {
		if _, back := c.returned[e.id]; back {
			delete(c.returned, e.id)
			c.p.m.Returned.Inc()
			return ErrUnroutable
		}
	}
	c.p.m.Confirmed.Inc()
	return nil
}

// release gives the batch's share of the window back, before the done functions run. The caller
// holds mu.
func (c *confirmer) release() {
	p := c.p
	for _, e := range c.batch {
		p.records -= e.records
		p.bytes -= e.bytes
		p.m.InFlightBytes.Sub(float64(e.bytes))
		if p.suspect > 0 {
			p.suspect--
		}
		if e.owner != nil {
			e.owner.pending -= e.records
		}
		if e.nacks > 0 {
			p.unhold(e.target)
		}
	}
	if p.closing && p.records == 0 {
		poke(p.drained)
	}
}

// finish calls the done functions of the batch, each with its entry's outcome.
func (c *confirmer) finish(outcome func(*entry) error) {
	for i, e := range c.batch {
		var err error
		if e.nacks >= maxNacks {
			err = ErrUnavailable
		} else {
			err = outcome(e)
		}
		for _, done := range e.dones {
			c.call(done, err)
		}
		e.recycle()
		c.batch[i] = nil
	}
	c.batch = c.batch[:0]
}

// call survives a panicking done function: the others are still called.
func (c *confirmer) call(done func(error), err error) {
	if done == nil {
		return
	}
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
	arena, body, ends, dones := e.arena[:0], e.body[:0], e.ends[:0], e.dones
	clear(dones)
	if e.owner == nil {
		body = nil // the caller's
	}
	if cap(arena) > keepArena || cap(body) > keepArena {
		arena, body = nil, nil
	}
	*e = entry{arena: arena, body: body, ends: ends, dones: dones[:0]}
	entries.Put(e)
}
