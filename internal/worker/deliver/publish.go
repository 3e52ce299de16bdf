package worker

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/faults"
)

const (
	parcelRecords = 256      // records in one delivery batch at most
	parcelBytes   = 32 << 10 // bytes after which a delivery batch is closed
)

// parcel is one delivery batch in the making. To is "" for every gateway.
type parcel struct {
	to      chat.GatewayID
	records [][]byte
	size    int
}

// parcels collects deliveries in the order in which they must reach the broker. Batches for single gateways are open
// side by side; a batch for all closes them, and the other way round, so that no room's entries overtake each other.
type parcels struct {
	done []*parcel
	open map[chat.GatewayID]*parcel
	// order keeps the open parcels as they were opened
	order []*parcel
}

func newParcels() *parcels { return &parcels{open: map[chat.GatewayID]*parcel{}} }

func (ps *parcels) gateway(g chat.GatewayID, d *envelope.Delivery) { ps.add(g, d.Append(nil)) }

func (ps *parcels) all(d *envelope.Delivery) { ps.add("", d.Append(nil)) }

func (ps *parcels) add(to chat.GatewayID, record []byte) {
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
	if p.size >= parcelBytes || len(p.records) >= parcelRecords {
		ps.close()
	}
}

func (ps *parcels) close() {
	ps.done = append(ps.done, ps.order...)
	ps.order = nil
	clear(ps.open)
}

// toRoom routes one entry or aside of a room: encoded once for all gateways, with the ack only for the sender's. Where
// the routes can't be told, or membership changes with it, it goes to every gateway.
func (c *committer) toRoom(d *envelope.Delivery, out *parcels) {
	r := c.room(d.Room)
	c.w.o.Metrics.Announced.Inc()
	if !c.hears(d.Room) || !r.settled(time.Now()) || d.All || len(d.Added) > 0 || len(d.Removed) > 0 {
		c.w.o.Metrics.Fanned.Inc()
		out.all(d)
		return
	}
	origin, ack := d.Gateway, d.Ack
	if origin != "" {
		out.gateway(origin, d)
	}
	plain := *d
	plain.Gateway, plain.Socket, plain.Ack = "", 0, nil
	if len(ack) == 0 { // an aside names the socket to leave out
		plain.Gateway, plain.Socket = d.Gateway, d.Socket
	}
	var record []byte
	dead := *c.w.dead.Load()
	for g := range r.gateways {
		if g == origin || dead[g] {
			continue
		}
		if record == nil {
			record = plain.Append(nil)
		}
		out.add(g, record)
	}
}

// hears tells whether the gateways' attaches of a room come to this worker, and not to one that stands still, thought dead.
func (c *committer) hears(id chat.RoomID) bool {
	return c.part(id.Partition(c.w.o.Partitions), 0).gen > 0
}

// ask asks every gateway to attach rooms again whose routes were lost.
func (c *committer) ask(rooms []chat.RoomID, out *parcels) {
	for _, id := range rooms {
		out.all(&envelope.Delivery{Kind: envelope.Reassert, Room: id})
	}
}

// publish gives the parcels to the broker in order, waiting while it is full or away, and calls then once all of them are
// confirmed (or their gateway is gone). If the worker is being abandoned, then is never called: the inbound batches stay
// unacknowledged and come again.
func (w *Worker) publish(ctx context.Context, out *parcels, then func()) {
	out.close()
	if len(out.done) == 0 {
		then()
		return
	}
	var left atomic.Int64
	left.Store(int64(len(out.done)))
	for _, p := range out.done {
		until := w.attached(p.to)
		body := envelope.Frame(make([]byte, 0, p.size+4*len(p.records)+2), p.records)
		var settle func(error)
		settle = func(err error) {
			switch {
			case err == nil || faults.Planted("lose_return"):
			case chat.KindOf(err) == chat.NotFound:
				w.o.Metrics.Unroutable.Inc()
				w.gone(p.to, until)
			case w.ctx.Err() != nil || errors.Is(err, context.Canceled):
				return
			default: // the broker refused it repeatedly
				w.worked.Go(func() { w.offer(w.ctx, p.to, body, settle) })
				return
			}
			if left.Add(-1) == 0 {
				then()
			}
		}
		if !w.offer(ctx, p.to, body, settle) {
			return
		}
		w.o.Metrics.Published.Inc()
	}
}

// offer repeats until the broker's adapter takes the batch; false when the worker is being abandoned.
func (w *Worker) offer(ctx context.Context, to chat.GatewayID, body []byte, settle func(error)) bool {
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		var err error
		if to == "" {
			err = w.o.Bus.ToAll(body, settle)
		} else {
			err = w.o.Bus.ToGateway(to, body, settle)
		}
		if err == nil {
			return true
		}
		if errors.Is(err, context.Canceled) {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

// everAttached is above every number of an attach.
const everAttached = math.MaxUint64

// gone tells the committers of a gateway whose queue wasn't there, or that has died (everAttached): its attaches up to that
// number are void. A later one is of the queue that took its place.
func (w *Worker) gone(g chat.GatewayID, until uint64) {
	for _, c := range w.committers {
		c.nudge(work{gone: g, until: until})
	}
}

// attached is the highest attach number heard of a gateway boot.
func (w *Worker) attached(g chat.GatewayID) uint64 {
	if n, ok := w.numbers.Load(g); ok {
		return n.(*atomic.Uint64).Load()
	}
	return 0
}

// noteAttach keeps the highest.
func (w *Worker) noteAttach(g chat.GatewayID, number uint64) {
	v, _ := w.numbers.LoadOrStore(g, new(atomic.Uint64))
	for n := v.(*atomic.Uint64); ; {
		old := n.Load()
		if old >= number || n.CompareAndSwap(old, number) {
			return
		}
	}
}
