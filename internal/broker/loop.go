package broker

import (
	"context"
	"errors"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// maxNacks bounds how often a message is offered to a broker that refuses it.
	maxNacks = 5
	// maxStrikes bounds how many channels one message may take down.
	maxStrikes = 3
	nackPause  = 50 * time.Millisecond // before the first repeat, doubling
	never      = time.Hour
)

// serve publishes over s until it is lost or ctx ends, and returns once everything that s left
// without a verdict is queued again.
func (p *Publisher) serve(ctx context.Context, s sink) error {
	ses := p.attach(s)
	err := p.pump(ctx, ses)
	p.detach(ses, err)
	return err
}

func (p *Publisher) attach(s sink) *session {
	ses := &session{sink: s, down: make(chan struct{}), settled: make(chan struct{})}
	p.mu.Lock()
	p.session, p.blocked = ses, false
	p.noteAway()
	p.mu.Unlock()
	return ses
}

// detach waits until the verdict goroutine has queued the unconfirmed entries again. After a channel
// exception they are suspects: they are sent one at a time, so that a message that kills channels
// is found out and does not stop the others for ever.
func (p *Publisher) detach(ses *session, err error) {
	var e *amqp.Error
	ses.soft = errors.As(err, &e) && e.Server && e.Recover
	p.mu.Lock()
	ses.single = p.suspect > 0
	p.mu.Unlock()
	close(ses.down)
	poke(p.work) // it may not have seen this session yet
	<-ses.settled
}

func (p *Publisher) pump(ctx context.Context, ses *session) error {
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
			case err := <-ses.sink.lost():
				return lostBy(err)
			case <-ctx.Done():
			}
			continue
		}
		scratch = e.frame(scratch)
		if err := p.send(ses, e); err != nil {
			return p.whyLost(ses, err)
		}
	}
	return context.Cause(ctx)
}

// send publishes one entry. When that fails the entry is first in line again; what was sent before
// it goes before it.
func (p *Publisher) send(ses *session, e *entry) error {
	p.m.Published.Inc()
	if e.repeat {
		p.m.Republished.Inc()
	} else {
		p.m.BatchRecords.Observe(float64(e.records))
	}
	c, err := ses.sink.publish(e)
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

// whyLost prefers the broker's reason to the write's: the former tells a channel exception.
func (p *Publisher) whyLost(ses *session, err error) error {
	select {
	case e := <-ses.sink.lost():
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

// next takes what is to be published now, or tells how long to wait for it.
func (p *Publisher) next(now time.Time) (*entry, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit := p.o.Unconfirmed
	if p.suspect > 0 {
		limit = 1
	}
	if p.blocked || p.sent.n >= limit {
		return nil, never // woken by the broker or by a verdict
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

// growth returns the batches that wait so long for company; 0 is Options.BatchDelay, while something is unconfirmed.
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

// flush ends the growth of batches, of all targets at once: after it none of them goes unfilled for their delay, so a record
// after a pause goes at once and a stream of them goes in few messages. The caller holds mu.
func (p *Publisher) flush(g *growth, now time.Time) {
	for e := g.open.head; e != nil; e = g.open.head {
		p.seal(e)
	}
	g.flushed = now
}

// nextReady finds the first entry whose target has no refused one before it, and holds the others.
// The caller holds mu.
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

// take removes the entry from its list and names it. The caller holds mu.
func (p *Publisher) take(e *entry) *entry {
	e.remove()
	if e.id == "" {
		p.seq++
		e.id = p.id + strconv.FormatUint(p.seq, 36)
	}
	return e
}

// seal ends a batch's growth. The caller holds mu.
func (p *Publisher) seal(e *entry) {
	e.owner.growing = nil
	e.remove()
	p.ready.pushBack(e)
	p.m.InFlightBytes.Add(float64(e.bytes))
}
