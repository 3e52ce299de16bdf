package broker

import (
	"context"
	"errors"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// maxNacks bounds how often a message that the broker refuses is published.
	maxNacks = 5
	// maxStrikes bounds how many channels one message may take down.
	maxStrikes = 3
	nackPause  = 50 * time.Millisecond // before the first repeat, doubling
	never      = time.Hour
)

// serve publishes over s until it is lost or ctx ends, and returns once everything that s left
// unconfirmed is queued again.
func (p *Publisher) serve(ctx context.Context, s sink) error {
	inc := p.attach(s)
	err := p.loop(ctx, inc)
	p.detach(inc, err)
	return err
}

func (p *Publisher) attach(s sink) *incarnation {
	inc := &incarnation{sink: s, down: make(chan struct{}), settled: make(chan struct{})}
	p.mu.Lock()
	p.current, p.blocked = inc, false
	p.noteOutage()
	p.mu.Unlock()
	return inc
}

// detach waits until the confirm goroutine has queued the unconfirmed entries again. After a channel
// exception any of them may be the cause: they are sent one at a time, so that a message that kills channels
// is identified and does not stop the others for ever.
func (p *Publisher) detach(inc *incarnation, err error) {
	var e *amqp.Error
	inc.soft = errors.As(err, &e) && e.Server && e.Recover
	p.mu.Lock()
	inc.single = p.suspect > 0
	p.mu.Unlock()
	close(inc.down)
	poke(p.work) // it may not have seen this incarnation yet
	<-inc.settled
}

func (p *Publisher) loop(ctx context.Context, inc *incarnation) error {
	var scratch [][]byte
	timer := time.NewTimer(never)
	defer timer.Stop()
	for ctx.Err() == nil {
		e, wait := p.next(time.Now())
		if e == nil {
			timer.Reset(wait)
			select {
			case <-p.wake:
			case <-timer.C:
			case err := <-inc.sink.lost():
				return lostBy(err)
			case <-ctx.Done():
			}
			continue
		}
		scratch = e.frame(scratch)
		if err := p.send(inc, e); err != nil {
			return p.whyLost(inc, err)
		}
	}
	return context.Cause(ctx)
}

// send publishes one entry. When that fails the entry is put back at the front of ready; settle then puts
// those sent before it in front of it.
func (p *Publisher) send(inc *incarnation, e *entry) error {
	p.m.Published.Inc()
	if e.repeat {
		p.m.Republished.Inc()
	} else {
		p.m.BatchRecords.Observe(float64(e.records))
	}
	c, err := inc.sink.publish(e)
	e.repeat = true
	p.mu.Lock()
	if err != nil {
		p.ready.pushFront(e)
		p.mu.Unlock()
		return err
	}
	e.confirm = c
	p.sent.pushBack(e)
	first := p.sent.n == 1
	p.mu.Unlock()
	if first {
		poke(p.work)
	}
	return nil
}

// whyLost prefers the broker's reason to the write error: only the former identifies a channel exception.
func (p *Publisher) whyLost(inc *incarnation, err error) error {
	select {
	case e := <-inc.sink.lost():
		if e != nil {
			return e
		}
	default:
	}
	return err
}

func lostBy(err *amqp.Error) error {
	if err == nil {
		return amqp.ErrClosed
	}
	return err
}

// next returns the entry to be published now, or how long to wait before looking again.
func (p *Publisher) next(now time.Time) (*entry, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit := p.o.Unconfirmed
	if p.suspect > 0 {
		limit = 1
	}
	if p.blocked || p.sent.n >= limit {
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
	if e := p.later.head; e != nil {
		if d := e.due.Sub(now); d > 0 {
			wait = min(wait, d)
		} else {
			return p.take(e), 0
		}
	}
	if e := p.nextReady(); e != nil {
		return p.take(e), 0
	}
	return nil, wait
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

// flush seals the batches of all targets at once. None of them is flushed unfilled again within the delay, so that a record
// after a pause is sent at once and a stream of records in few messages. The caller holds mu.
func (p *Publisher) flush(g *growth, now time.Time) {
	for e := g.open.head; e != nil; e = g.open.head {
		p.seal(e)
	}
	g.flushed = now
}

// nextReady finds the first entry whose target has no refused entry before it, and moves the others to held: overtaking
// would break the target's order. The caller holds mu.
func (p *Publisher) nextReady() *entry {
	for e := p.ready.head; e != nil; e = p.ready.head {
		if len(p.refused) == 0 || e.nacks > 0 || p.refused[e.target] == 0 {
			return e
		}
		e.remove()
		p.held.pushBack(e)
	}
	return nil
}

// take removes the entry from its list and gives it a message id, if it has none. The caller holds mu.
func (p *Publisher) take(e *entry) *entry {
	e.remove()
	if e.id == "" {
		p.seq++
		e.id = p.id + strconv.FormatUint(p.seq, 36)
	}
	return e
}

// seal closes a batch to further records and queues it. The caller holds mu.
func (p *Publisher) seal(e *entry) {
	e.owner.growing = nil
	e.remove()
	p.ready.pushBack(e)
	p.m.InFlightBytes.Add(float64(e.bytes))
}
