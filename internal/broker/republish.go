package broker

import (
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// maxNacks bounds how often a message that the broker refuses is published.
	maxNacks = 5
	// maxStrikes bounds how many channels one message may take down.
	maxStrikes = 3
	nackPause  = 50 * time.Millisecond // before the first repeat, doubling
	// renewNacks is from how many refusals of a message on the connection is given up for another, at most once per renewPause.
	renewNacks = 2
	renewPause = 200 * time.Millisecond
	never      = time.Hour
)

// refused handles a confirm that is no ack, and reports whether that is the broker's answer: when the channel is lost, the outcome is
// unknown, not a refusal. The caller holds mu.
func (c *confirmer) refused(inc *incarnation, e *entry) bool {
	if !inc.sink.alive() {
		c.cut = true
		return false
	}
	c.refuse(e)
	return true
}

// open notes that a target is published to for the first time on a channel. RabbitMQ may refuse the first message for a quorum queue on a
// channel, while the queue has no leader, and take the second: the others are held until it is confirmed. The caller holds mu.
func (p *Publisher) open(inc *incarnation, e *entry) {
	inc.opened[e.target] = true
	if e.first = true; e.nacks == 0 {
		p.refused[e.target]++
	}
}

// freed lets those go on that an ended entry held up: the held ones of its target, suspects, and Close. The caller holds mu.
func (p *Publisher) freed(e *entry) {
	if e.nacks > 0 || e.first {
		p.unhold(e.target)
	}
	if p.suspect > 0 {
		p.suspect--
	}
	if p.closing && p.records == 0 {
		poke(p.drained)
	}
}

// refuse handles a nack: the entry waits and is sent again, or is given up. The caller holds mu.
func (c *confirmer) refuse(e *entry) {
	if e.nacks++; e.nacks == 1 && !e.first {
		c.p.refused[e.target]++
	}
	e.first = false // what was held for it stays so, until it ends
	if e.nacks >= maxNacks {
		c.release(e, ErrUnavailable)
		return
	}
	e.remove()
	e.due = time.Now().Add(nackPause << (e.nacks - 1))
	c.p.later.pushBack(e)
	if e.nacks >= renewNacks && time.Since(c.renewed) > renewPause {
		c.renewed = time.Now()
		c.renew()
	}
}

// renew gives the connection up for another. RabbitMQ 3.10 remembers with a channel where a quorum queue's leader was when the channel
// first published to it: if that was on a node that has just been lost, the channel's messages to it are refused until the node is back.
func (c *confirmer) renew() {
	if c.p.link == nil {
		return
	}
	c.p.o.Logger.Warn("the broker refuses messages again and again: another connection is tried")
	c.p.link.kill()
}

// pick is next's choice while messages are refused: a refused one whose pause is over, else the first that has no refused one
// of its target before it. It moves the others to held: overtaking would break the target's order. The caller holds mu.
func (p *Publisher) pick(now time.Time, wait time.Duration) (*entry, time.Duration) {
	if e := p.later.head; e != nil {
		d := e.due.Sub(now)
		if d <= 0 {
			return e, 0
		}
		wait = min(wait, d)
	}
	for e := p.ready.head; e != nil; e = p.ready.head {
		if e.nacks > 0 || p.refused[e.target] == 0 {
			return e, 0
		}
		e.remove()
		p.held.pushBack(e)
	}
	return nil, wait
}

// unhold lets a target's held entries go once none of it is refused any more. The caller holds mu.
func (p *Publisher) unhold(t Target) {
	if p.refused[t]--; p.refused[t] > 0 {
		return
	}
	delete(p.refused, t)
	for e := p.held.tail; e != nil; {
		prev := e.prev
		if e.target == t {
			e.remove()
			p.ready.pushFront(e)
		}
		e = prev
	}
}

// whyLost prefers the broker's reason to the write error: only the former identifies a channel exception.
func (p *Publisher) whyLost(inc *incarnation, err error) error {
	select {
	case e := <-inc.closes:
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

// settle takes the last confirms of a lost channel and queues everything else again, in the old
// order and before anything new.
func (c *confirmer) settle(inc *incarnation) {
	c.collect(inc, true)
	p := c.p
	p.mu.Lock()
	left := p.sent.n
	for e := p.sent.tail; e != nil; e = p.sent.tail {
		e.remove()
		e.confirm = nil
		if e.first && e.nacks == 0 {
			p.unhold(e.target)
		}
		e.first = false
		p.ready.pushFront(e)
	}
	c.suspect(inc, left)
	p.current, p.blocked = nil, false
	p.noteOutage()
	p.mu.Unlock()
	c.finish()
	clear(c.returned)
	c.cut = false
	close(inc.settled)
}

// suspect marks the entries that may have caused the channel exception, and gives up a message that
// has done so repeatedly while it was the only one in flight. The caller holds mu.
func (c *confirmer) suspect(inc *incarnation, left int) {
	p := c.p
	if !inc.soft {
		return
	}
	p.suspect = max(p.suspect, left)
	if e := p.ready.head; inc.single && left == 1 {
		if e.strikes++; e.strikes >= maxStrikes {
			c.release(e, ErrUnroutable)
			p.m.Returned.Inc()
		}
	}
}
