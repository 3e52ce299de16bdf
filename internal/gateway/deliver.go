package gateway

import (
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

const welcomeLife = 30 * time.Second

// Deliver applies one batch of Deliveries. The consumer calls it, for one batch at a time, in the order in which they came.
// It keeps nothing of batch and doesn't wait for sockets.
func (g *Gateway) Deliver(batch []byte) {
	records, err := envelope.Records(batch)
	if err != nil {
		g.m.BadDeliveries.Inc()
		g.o.Log.Error("a batch of deliveries can't be read", "error", err)
	}
	for _, r := range records {
		d, err := envelope.DecodeDelivery(r)
		if err != nil {
			g.m.BadDeliveries.Inc()
			g.o.Log.Error("a delivery can't be read", "error", err)
			continue
		}
		if !d.Kind.Known() { // a worker of a later release: what a room lacks by it is repaired as any other gap
			g.m.unknown.Inc()
			continue
		}
		g.m.kinds[d.Kind].Inc()
		g.apply(&g.deliver, &d)
	}
	g.writers.flush(&g.deliver)
}

func (g *Gateway) apply(sw *hub.Sweep, d *envelope.Delivery) {
	switch d.Kind {
	case envelope.InRoom:
		g.hub.InRoom(sw, d)
	case envelope.ToSocket:
		if s := g.addressed(d); s != nil {
			s.Answered(d.Frame)
			sw.Put(s, hub.Text(d.Frame))
		}
	case envelope.ToUser:
		g.toUser(sw, d)
	case envelope.Aside:
		g.hub.Aside(sw, d)
	case envelope.Welcome:
		g.welcome(sw, d)
	case envelope.Attached:
		if d.Gateway == g.o.ID {
			g.hub.Attached(sw, d)
		}
	case envelope.Joined:
		g.joined(sw, d)
	case envelope.Watched:
		if s := g.addressed(d); s != nil {
			sw.Put(s, hub.Text(d.Frame))
			g.hub.Watched(s, d.Users)
		}
	case envelope.Close:
		g.closes(d)
	case envelope.Presences:
		g.hub.Presences(sw, d.States)
	case envelope.Heads:
		if len(d.Users) > 0 {
			g.hub.Newcomers(d.Points, d.Users)
		} else {
			g.hub.Heads(sw, d.Points)
		}
	case envelope.Reassert:
		if d.Room != 0 {
			g.hub.ReattachRoom(d.Room)
		} else {
			g.rounds.assert.Store(true)
			g.rounds.reattach.Store(true)
		}
	}
}

// addressed is the local socket that a delivery names; nil where it is another gateway's or gone.
func (g *Gateway) addressed(d *envelope.Delivery) *socket {
	if d.Gateway != g.o.ID {
		return nil
	}
	return g.sockets.find(d.Socket)
}

func (g *Gateway) toUser(sw *hub.Sweep, d *envelope.Delivery) {
	if d.Seq != 0 && !g.hub.ReadTo(d.Room, d.User, d.Seq) {
		return
	}
	var f hub.Frame
	for _, s := range g.hub.Of(d.User) {
		if d.Gateway == g.o.ID && d.Socket == s.(*socket).id {
			continue
		}
		if f == nil {
			f = hub.Text(d.Frame)
		}
		sw.Put(s, f)
	}
}

// welcome makes a connecting session live: its frame goes first, then what was queued meanwhile, then it is attached.
func (g *Gateway) welcome(sw *hub.Sweep, d *envelope.Delivery) {
	s := g.addressed(d)
	if s == nil {
		if d.Gateway == g.o.ID { // it ended meanwhile; who welcomes it may have registered it after its end was told
			g.disconnects.add(envelope.Command{Kind: envelope.Disconnect, Socket: d.Socket, User: d.User, Session: d.Session})
		}
		return
	}
	now := g.now()
	if d.At != 0 && now-d.At > welcomeLife.Milliseconds() {
		s.closeConnecting(protocol.CloseResync, jitter(time.Second))
		return
	}
	if !s.welcomed(hub.Text(d.Frame), now) {
		return
	}
	heads := map[chat.RoomID]chat.Seq{}
	for _, p := range d.Points {
		if head := g.hub.Attach(sw, s, p); head != 0 {
			heads[p.Room] = head
		}
	}
	if len(heads) > 0 {
		sw.Put(s, hub.Text(protocol.AppendHead(nil, heads)))
	}
	s.uncork(sw)
}

func (g *Gateway) joined(sw *hub.Sweep, d *envelope.Delivery) {
	s := g.addressed(d)
	if s == nil {
		return
	}
	sw.Put(s, hub.Text(d.Frame))
	if head := g.hub.Attach(sw, s, envelope.Point{Room: d.Room, Seq: d.Seq, Epoch: d.Epoch}); head != 0 {
		sw.Put(s, hub.Text(protocol.AppendHead(nil, map[chat.RoomID]chat.Seq{d.Room: head})))
	}
}

// closes ends one socket, or a user's: all, those of some login sessions, or all but one login session's.
func (g *Gateway) closes(d *envelope.Delivery) {
	code, retry := protocol.CloseCode(d.Code), time.Duration(d.RetryMS)*time.Millisecond
	if d.Socket != 0 {
		if s := g.addressed(d); s != nil {
			s.close(code, retry)
		}
		return
	}
	for _, x := range g.hub.Of(d.User) {
		s := x.(*socket)
		switch {
		case d.Session != "" && s.session == d.Session:
		case len(d.Sessions) > 0 && !slices.Contains(d.Sessions, s.session):
		default:
			s.close(code, retry)
		}
	}
}
