package deliver

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

const (
	parcelRecords = 256      // records in one batch at most
	parcelBytes   = 32 << 10 // bytes after which a batch is closed
)

// Parcels are deliveries in the order in which they must reach the broker, and what waits for them. Batches for single gateways are
// open side by side; a batch for all closes them, and the other way round, so that no room's entries overtake each other. Use
// NewParcels. One goroutine at a time may add to them.
type Parcels struct {
	closed []*parcel
	open   map[chat.GatewayID]*parcel
	order  []*parcel // the open ones, as they were opened
	whole  bool      // what is added now must not be divided
	full   bool      // meanwhile a batch has become as large as one should be

	tickets []*Ticket
	then    []func()
}

// parcel is one batch in the making. An empty to means every gateway.
type parcel struct {
	to      chat.GatewayID
	records [][]byte
	size    int
}

// NewParcels returns empty parcels.
func NewParcels() *Parcels { return &Parcels{open: map[chat.GatewayID]*parcel{}} }

// ToGateway adds a delivery for one gateway.
func (ps *Parcels) ToGateway(g chat.GatewayID, d *envelope.Delivery) { ps.add(g, d.Append(nil)) }

// ToAll adds a delivery for every gateway.
func (ps *Parcels) ToAll(d *envelope.Delivery) { ps.add("", d.Append(nil)) }

// ToGateways adds a room's delivery for the gateways of a route, encoded once for all of them but its origin (d.Gateway): only that
// one gets the ack, and it gets the delivery whether it is in the route or not. Dead gateways are left out.
func (p *Publisher) ToGateways(route map[chat.GatewayID]uint64, d *envelope.Delivery, ps *Parcels) {
	origin := d.Gateway
	if origin != "" {
		ps.ToGateway(origin, d)
	}
	plain := *d
	if len(d.Ack) > 0 { // without an ack, Gateway and Socket name a socket that every gateway must know, to leave it out
		plain.Gateway, plain.Socket, plain.Ack, plain.Ref = "", 0, nil, ""
	}
	var record []byte
	dead := *p.dead.Load()
	for g := range route {
		if g == origin || dead[g] {
			continue
		}
		if record == nil {
			record = plain.Append(nil)
		}
		ps.add(g, record)
	}
}

func (ps *Parcels) add(to chat.GatewayID, record []byte) {
	p := ps.open[to]
	if p == nil {
		if _, all := ps.open[""]; all != (to == "") && len(ps.open) > 0 {
			ps.close()
		}
		p = &parcel{to: to}
		ps.open[to] = p
		ps.order = append(ps.order, p)
	}
	p.records = append(p.records, record)
	p.size += len(record)
	switch full := p.size >= parcelBytes || len(p.records) >= parcelRecords; {
	case full && ps.whole:
		ps.full = true
	case full:
		ps.close()
	}
}

// Whole has what is added from now on, until it is called again or the parcels are published, travel in one batch for each gateway: it
// arrives as a whole or not at all. The caller bounds it.
func (ps *Parcels) Whole() {
	if ps.full {
		ps.close()
	}
	ps.whole = true
}

func (ps *Parcels) close() {
	ps.whole, ps.full = false, false
	ps.closed = append(ps.closed, ps.order...)
	ps.order = nil
	clear(ps.open)
}

// Answers has the ticket settled once when everything is confirmed.
func (ps *Parcels) Answers(t *Ticket) { ps.tickets = append(ps.tickets, t) }

// Then has f called when everything is confirmed, before tickets are settled. f must not block.
func (ps *Parcels) Then(f func()) { ps.then = append(ps.then, f) }

func (ps *Parcels) confirmed() {
	for _, f := range ps.then {
		f()
	}
	for _, t := range ps.tickets {
		t.Settle()
	}
}

// Publisher gives parcels to the broker. Use New; any goroutine may publish.
type Publisher struct {
	bus  Bus
	gone func(g chat.GatewayID, upTo uint64)
	m    *Metrics

	attaches sync.Map // chat.GatewayID → *atomic.Uint64: its highest attach number; one entry per gateway boot that lives
	dead     atomic.Pointer[map[chat.GatewayID]bool]

	mu      sync.Mutex
	refused []*batch      // by the broker, to be offered again; no more than its window holds
	wake    chan struct{} // refused isn't empty
}

// batch is a parcel on its way.
type batch struct {
	to        chat.GatewayID
	upTo      uint64 // the gateway's highest attach number when the batch was made
	body      []byte
	confirmed func()
}

// New makes a Publisher. gone is called, and must not block, when a gateway's queue wasn't there: its attaches up to that number are
// void, a later one belongs to the queue that took its place.
func New(bus Bus, gone func(g chat.GatewayID, upTo uint64), m *Metrics) *Publisher {
	p := &Publisher{bus: bus, gone: gone, m: m, wake: make(chan struct{}, 1)}
	p.dead.Store(&map[chat.GatewayID]bool{})
	return p
}

// Publish gives the parcels to the broker in order, waiting while it is full or unavailable, and returns when it has taken them. When
// all are confirmed (or their gateway is gone) what waits for them is done. When ctx ends before, that never happens: the inbound
// batches stay unacknowledged and come again. Run must be running.
func (p *Publisher) Publish(ctx context.Context, ps *Parcels) {
	ps.close()
	if len(ps.closed) == 0 {
		ps.confirmed()
		return
	}
	var left atomic.Int64
	left.Store(int64(len(ps.closed)))
	for _, x := range ps.closed {
		b := &batch{
			to: x.to, upTo: p.attached(x.to), body: envelope.Frame(make([]byte, 0, x.size+4*len(x.records)+2), x.records),
			confirmed: func() {
				if left.Add(-1) == 0 {
					ps.confirmed()
				}
			},
		}
		if !p.offer(ctx, b) {
			return
		}
		p.m.Published.Inc()
	}
}

// offer gives a batch to the bus, as often as it takes; false when ctx has ended or the bus is closed.
func (p *Publisher) offer(ctx context.Context, b *batch) bool {
	err := p.give(b)
	return err == nil || p.insist(ctx, b, err)
}

// give offers a batch once.
func (p *Publisher) give(b *batch) error {
	done := func(err error) { p.done(b, err) }
	if b.to == "" {
		return p.bus.ToAll(b.body, done)
	}
	return p.bus.ToGateway(b.to, b.body, done)
}

// insist offers a batch that was refused, because of err, until the bus takes it.
func (p *Publisher) insist(ctx context.Context, b *batch, err error) bool {
	for pause := time.Millisecond; err != nil; pause = min(2*pause, 100*time.Millisecond) {
		if errors.Is(err, context.Canceled) {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
		err = p.give(b)
	}
	return true
}

// done takes the broker's answer to a batch.
func (p *Publisher) done(b *batch, err error) {
	if err == nil || returnIsLost() {
		b.confirmed()
	} else {
		p.undelivered(b, err)
	}
}

// undelivered takes the error of a batch: its gateway is gone, or it is offered again.
func (p *Publisher) undelivered(b *batch, err error) {
	switch {
	case chat.KindOf(err) == chat.NotFound:
		p.m.Unroutable.Inc()
		p.gone(b.to, b.upTo)
		b.confirmed()
	case errors.Is(err, context.Canceled): // the bus was closed: the inbound batch comes again
	default:
		p.retry(b)
	}
}

// retry has Run offer a batch again.
func (p *Publisher) retry(b *batch) {
	p.mu.Lock()
	p.refused = append(p.refused, b)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run offers refused batches again, in their order, until ctx ends.
func (p *Publisher) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		p.mu.Lock()
		again := p.refused
		p.refused = nil
		p.mu.Unlock()
		for _, b := range again {
			if !p.offer(ctx, b) {
				return
			}
		}
	}
}

// NoteAttach keeps the highest number of a gateway boot's attaches.
func (p *Publisher) NoteAttach(g chat.GatewayID, number uint64) {
	v, _ := p.attaches.LoadOrStore(g, new(atomic.Uint64))
	for n := v.(*atomic.Uint64); ; {
		old := n.Load()
		if old >= number || n.CompareAndSwap(old, number) {
			return
		}
	}
}

func (p *Publisher) attached(g chat.GatewayID) uint64 {
	if n, ok := p.attaches.Load(g); ok {
		return n.(*atomic.Uint64).Load()
	}
	return 0
}

// Forget drops what is known of a gateway boot's attaches: it is dead.
func (p *Publisher) Forget(g chat.GatewayID) { p.attaches.Delete(g) }

// Dead names the gateways that get no room deliveries any more, in place of those named before.
func (p *Publisher) Dead(gateways map[chat.GatewayID]bool) { p.dead.Store(&gateways) }

// Ticket acknowledges an inbound batch when everything in it is settled. NewTicket makes one that is held once.
type Ticket struct {
	left atomic.Int32
	ack  func()
}

// NewTicket returns a ticket that is held once, by its maker.
func NewTicket(ack func()) *Ticket {
	t := &Ticket{ack: ack}
	t.left.Store(1)
	return t
}

// Hold makes the ticket wait for one Settle more.
func (t *Ticket) Hold() { t.left.Add(1) }

// Settle gives back one hold; the last one acknowledges the batch.
func (t *Ticket) Settle() {
	if t.left.Add(-1) == 0 {
		t.ack()
	}
}
