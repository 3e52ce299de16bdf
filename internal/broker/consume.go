package broker

import (
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/envelope"
)

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

// consume hands deliveries to the handler and acknowledges each when it returns.
func (s *subscription) consume(in *inbound) {
	for m := range in.received {
		s.handle(m.Body)
		in.acker.ack(m.DeliveryTag)
	}
}

const (
	ackDelay = time.Millisecond // longest time that an ack waits to be sent with others
	ackBatch = 100              // deliveries after which it is sent at once
)

// acker collects the acks of one channel incarnation. Deliveries done without a hole are acknowledged by one
// multiple ack; those behind a hole singly when the delay is over, so that they do not
// use up the prefetch. The lock is held while sending, because a multiple ack that arrives after a
// higher one is a channel error.
type acker struct {
	ch ackChannel

	mu     sync.Mutex
	upto   uint64          // everything up to here is done
	last   uint64          // highest done tag at or below upto that was not acked singly
	acked  uint64          // highest tag sent as multiple
	beyond map[uint64]bool // done behind a hole; true when acked singly
	singly int             // how many of beyond wait to be acked
	timer  *time.Timer
	armed  bool
	closed bool
}

// ackChannel is the consuming channel as the acker sees it.
type ackChannel interface {
	Ack(tag uint64, multiple bool) error
	IsClosed() bool
}

func newAcker(ch ackChannel) *acker {
	a := &acker{ch: ch, beyond: map[uint64]bool{}}
	a.timer = time.AfterFunc(never, a.tick)
	a.timer.Stop()
	return a
}

// live reports whether the channel is open, so that an ack can still arrive.
func (a *acker) live() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.closed && !a.ch.IsClosed()
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

// flushBeyond acknowledges what is done behind holes. The caller holds mu.
func (a *acker) flushBeyond() {
	for tag, sent := range a.beyond {
		if !sent {
			a.beyond[tag] = true
			_ = a.ch.Ack(tag, false)
		}
	}
	a.singly = 0
}

// advance moves over what was done behind a hole that is now filled. The caller holds mu.
func (a *acker) advance() {
	for {
		sent, done := a.beyond[a.upto+1]
		if !done {
			return
		}
		a.upto++
		delete(a.beyond, a.upto)
		if !sent {
			a.last = a.upto
			a.singly--
		}
	}
}

// close acknowledges what is done and drops every later ack.
func (a *acker) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flush(true)
	a.closed = true
	a.timer.Stop()
}
