package broker

import (
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func (s *subscription) consume(in *inbound) {
	for m := range in.deliveries {
		if !in.acker.live() {
			return
		}
		s.o.Metrics.count(&m)
		s.handle(newDelivery(&m, in.acker))
	}
}

// consume hands deliveries to the handler. The library closes the deliveries when the channel or the
// connection ends and also, leaving both open, when the broker cancels the consumer.
func (p *partition) consume(in *inbound, gen uint64) error {
	return guard(func() {
		p.c.h.Opened(p.i, gen)
		for m := range in.deliveries {
			if !in.acker.live() {
				return
			}
			p.active.Store(true)
			p.c.o.Metrics.count(&m)
			p.c.h.Handle(p.i, gen, newDelivery(&m, in.acker))
		}
	})
}

// count counts a delivery.
func (m *Metrics) count(d *amqp.Delivery) {
	m.Delivered.Inc()
	if d.Redelivered {
		m.Redelivered.Inc()
	}
}

// Delivery is one AMQP message as a consumer sees it. It is held by the broker until Ack, and given
// to another consumer when the channel it came on is closed before.
type Delivery struct {
	// Body is the consumer's to keep.
	Body []byte
	// Redelivered is true when the message was delivered before, perhaps to another consumer.
	Redelivered bool
	// Count is how often the delivery failed before, as far as the queue type counts; else 0.
	Count int
	// MessageID is the publisher's id of the message, the same on repeats.
	MessageID string

	tag   uint64
	acker *acker
}

func newDelivery(m *amqp.Delivery, a *acker) *Delivery {
	return &Delivery{
		Body: m.Body, Redelivered: m.Redelivered, Count: deliveryCount(m.Headers), MessageID: m.MessageId,
		tag: m.DeliveryTag, acker: a,
	}
}

func deliveryCount(h amqp.Table) int {
	switch n := h["x-delivery-count"].(type) {
	case int64:
		return int(n)
	case int32:
		return int(n)
	case int:
		return n
	}
	return 0
}

// Live reports whether the delivery can still be acknowledged. When it can't, another consumer may
// have the message already: start nothing new for it.
func (d *Delivery) Live() bool { return d.acker == nil || d.acker.live() }

func (a *acker) live() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.closed && a.alive()
}

// Ack tells the broker that the message has been handled, at once or up to 1 ms later together with
// others. An Ack on a channel that is gone is dropped and returns nil: the broker redelivers. A
// second Ack does nothing. It may be called from any goroutine and in any order.
func (d *Delivery) Ack() error {
	if d.acker != nil {
		d.acker.ack(d.tag)
	}
	return nil
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
	send  func(tag uint64, multiple bool) error
	alive func() bool // whether the channel is open

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

func newAcker(send func(tag uint64, multiple bool) error, alive func() bool) *acker {
	a := &acker{send: send, alive: alive, beyond: map[uint64]bool{}}
	a.timer = time.AfterFunc(never, a.tick)
	a.timer.Stop()
	return a
}

func (a *acker) ack(tag uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, done := a.beyond[tag]; a.closed || done || tag <= a.upto {
		return
	}
	if tag == a.upto+1 {
		a.advance(tag)
	} else {
		a.beyond[tag] = false
		a.singly++
	}
	if a.last-min(a.acked, a.last) >= ackBatch {
		a.flushRun()
		return
	}
	if !a.armed {
		a.armed = true
		a.timer.Reset(ackDelay)
	}
}

// advance moves past tag and everything done directly behind it. The caller holds mu.
func (a *acker) advance(tag uint64) {
	a.upto, a.last = tag, tag
	for len(a.beyond) > 0 {
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

func (a *acker) tick() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed = false
	a.flush()
}

// flush sends everything that is done. The caller holds mu.
func (a *acker) flush() {
	if a.closed {
		return
	}
	a.flushRun()
	if a.singly == 0 {
		return
	}
	for tag, sent := range a.beyond {
		if !sent {
			a.beyond[tag] = true
			_ = a.send(tag, false) // a dead channel: the broker redelivers
		}
	}
	a.singly = 0
}

// flushRun acknowledges everything done without a hole. The caller holds mu.
func (a *acker) flushRun() {
	if a.last > a.acked {
		a.acked = a.last
		_ = a.send(a.last, true) // a dead channel: the broker redelivers
	}
}

// close acknowledges what is done and drops every later ack.
func (a *acker) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flush()
	a.closed = true
	a.timer.Stop()
}
