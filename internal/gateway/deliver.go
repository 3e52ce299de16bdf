package gateway

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

// Deliver applies one batch of Deliveries. The consumer calls it for one batch at a time, in the order in which they
// came. It keeps nothing of batch and doesn't wait for sockets.
func (g *Gateway) Deliver(batch []byte) {
	records, err := envelope.Records(batch)
	if err != nil {
		g.unreadable("batch", err)
	}
	for _, r := range records {
		g.applyOne(r)
	}
	g.delivery = envelope.Delivery{} // it refers to the batch
	g.writers.flush(&g.deliver)
}

// applyOne applies one Delivery. A panic loses what was left of it: its room asks for its head, as after an
// interruption, and clients that lack an entry see the gap. A kind that isn't known came from a worker of a later
// release; if a room's entry was in it, the next one shows the gap, and the hub has it repaired as any other.
func (g *Gateway) applyOne(record []byte) {
	defer g.rescue(inDelivery, nil)
	d := &g.delivery // one for all, so that none is allocated: nothing below keeps it
	var err error
	if *d, err = envelope.DecodeDelivery(record); err != nil {
		g.unreadable("record", err)
		return
	}
	if a, ok := g.appliers[d.Kind]; ok {
		a.count.Inc()
		a.apply(g, &g.deliver, d)
	} else {
		g.m.UnknownDeliveries.Inc()
	}
}

func (g *Gateway) unreadable(what string, err error) {
	g.m.BadDeliveries.Inc()
	g.o.Log.Error("a delivery can't be read", "what", what, "error", err)
}

// apply does what a delivery asks for, queues its frames and collects the sockets that are to be written to. It keeps
// nothing of the delivery.
type apply func(*Gateway, *hub.Sweep, *envelope.Delivery)

// applier is what the gateway does with a kind of delivery, and its count.
type applier struct {
	apply apply
	count prometheus.Counter
}

// applies is the gateway's part of the registry of deliveries: a test walks the registry through it. What isn't in it
// is unknown to this process.
var applies = map[envelope.DeliveryKind]apply{
	envelope.InRoom:    (*Gateway).inRoom,
	envelope.ToSocket:  (*Gateway).toSocket,
	envelope.ToUser:    (*Gateway).toUser,
	envelope.Aside:     (*Gateway).aside,
	envelope.Welcome:   (*Gateway).welcome,
	envelope.Attached:  (*Gateway).attached,
	envelope.Joined:    (*Gateway).joined,
	envelope.Watched:   (*Gateway).watched,
	envelope.Close:     (*Gateway).closes,
	envelope.Presences: (*Gateway).presences,
	envelope.Heads:     (*Gateway).heads,
	envelope.Reassert:  (*Gateway).reassert,
	envelope.Profile:   (*Gateway).profile,
	envelope.Changed:   (*Gateway).changed,
}

// newAppliers joins the appliers with their counters.
func newAppliers(m *Metrics) map[envelope.DeliveryKind]applier {
	all := map[envelope.DeliveryKind]applier{}
	for _, table := range []map[envelope.DeliveryKind]apply{applies, probeApplies} {
		for kind, f := range table {
			all[kind] = applier{f, m.Deliveries.WithLabelValues(kind.String())}
		}
	}
	return all
}

// Applied lists the kinds of deliveries that the gateway applies, for a test that compares tables
// (internal/test/tables).
func Applied() []envelope.DeliveryKind {
	return slices.AppendSeq(slices.Collect(maps.Keys(applies)), maps.Keys(probeApplies))
}

// inRoom applies an entry of a room's log. The hub keeps its order, and answers its sender.
func (g *Gateway) inRoom(sw *hub.Sweep, d *envelope.Delivery) {
	if d.Ref == "" && len(d.Ack) > 0 {
		d.Ref = legacyRef(d)
	}
	g.hub.InRoom(sw, d)
}

// changed applies a change to a message. The hub keeps its place, and answers who asked for it.
func (g *Gateway) changed(sw *hub.Sweep, d *envelope.Delivery) { g.hub.Changed(sw, d) }

// toSocket passes a frame to one socket. If it answers a send, that isn't waited for any more.
func (g *Gateway) toSocket(sw *hub.Sweep, d *envelope.Delivery) {
	if d.Ref == "" {
		d.Ref = legacyRef(d)
	}
	if s := g.addressed(d); s != nil {
		s.Answered(d.Ref)
		g.hub.CaughtUp(sw, s, d)
	}
}

// addressed returns the local socket that a delivery names; nil if it is another gateway's or gone.
func (g *Gateway) addressed(d *envelope.Delivery) *socket {
	if d.Gateway != g.o.ID {
		return nil
	}
	return g.sockets.find(d.Socket)
}

// toUser passes a frame to all sockets of a user but the one that caused it. A read pointer that is behind one that was
// shown already is left out.
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

// aside passes a frame to a room's sockets outside its sequence.
func (g *Gateway) aside(sw *hub.Sweep, d *envelope.Delivery) { g.hub.Aside(sw, d) }

// profile shows a user's new profile to those who share a room with them.
func (g *Gateway) profile(sw *hub.Sweep, d *envelope.Delivery) { g.hub.Profile(sw, d) }

// welcomeLife is how old a welcome may be when it is applied: what the hub remembers of memberships must reach back
// further.
const welcomeLife = 30 * time.Second

// welcome makes a connecting socket live: it gets the welcome, then what was queued meanwhile, and is attached to its
// rooms.
func (g *Gateway) welcome(sw *hub.Sweep, d *envelope.Delivery) {
	s := g.addressed(d)
	if s == nil {
		if d.Gateway == g.o.ID { // it ended meanwhile, and the worker may have registered it after it handled its Disconnect
			g.disconnects.add(envelope.Command{Kind: envelope.Disconnect, Socket: d.Socket, User: d.User, Session: d.Session})
		}
		return
	}
	now := g.o.Now().UnixMilli()
	if d.At != 0 && now-d.At > welcomeLife.Milliseconds() {
		s.closeConnecting(protocol.CloseResync, jitter(time.Second))
		return
	}
	if !s.welcomed(hub.Text(d.Frame), now, protocol.FeaturesOf(d.Features)) {
		return
	}
	var heads hub.Heads
	for _, p := range d.Points {
		heads.Add(p.Room, g.hub.Attach(sw, s, p))
	}
	if f := heads.Frame(); f != nil {
		sw.Put(s, f)
	}
	s.start(sw)
}

// attached passes the owner's answer to the hub that asked.
func (g *Gateway) attached(sw *hub.Sweep, d *envelope.Delivery) {
	if d.Gateway == g.o.ID {
		g.hub.Attached(sw, d)
	}
}

// joined answers a join_room: the socket gets the frame, then the room's entries, and a head if it missed some
// meanwhile.
func (g *Gateway) joined(sw *hub.Sweep, d *envelope.Delivery) {
	s := g.addressed(d)
	if s == nil {
		return
	}
	sw.Put(s, hub.Text(d.Frame))
	var heads hub.Heads
	heads.Add(d.Room, g.hub.Attach(sw, s, envelope.Point{Room: d.Room, Seq: d.Seq, Epoch: d.Epoch, Changes: d.Changes, From: d.From}))
	if f := heads.Frame(); f != nil {
		sw.Put(s, f)
	}
}

// watched answers a presence frame: the socket gets the snapshot, then the changes. After a review it gets a snapshot if it missed some.
func (g *Gateway) watched(sw *hub.Sweep, d *envelope.Delivery) {
	if s := g.addressed(d); s != nil && g.hub.Watched(s, d) {
		sw.Put(s, hub.Text(d.Frame))
	}
}

// closes ends one socket, or a user's: all of them, those of some sessions, or all but those of one session.
func (g *Gateway) closes(_ *hub.Sweep, d *envelope.Delivery) {
	code, retry := protocol.CloseCode(d.Code), time.Duration(d.RetryMS)*time.Millisecond
	if d.Socket != 0 {
		if s := g.addressed(d); s != nil {
			s.close(code, retry)
		}
		return
	}
	for _, x := range g.hub.Of(d.User) {
		s := x.(*socket)
		renewed := s.renewedBy()
		switch {
		case d.Session != "" && s.session == d.Session && (renewed == "" || renewed == d.Session):
		case len(d.Sessions) > 0 && !slices.Contains(d.Sessions, s.session) && !slices.Contains(d.Sessions, renewed):
		default:
			s.close(code, retry)
		}
	}
}

// presences passes on who went online or offline to those who watch them. With a socket, whose login session has too
// many, it pings that one, and ends it if its client doesn't answer.
func (g *Gateway) presences(sw *hub.Sweep, d *envelope.Delivery) {
	if d.Socket == 0 {
		g.hub.Presences(sw, d.States)
	} else if s := g.addressed(d); s != nil && s.prove(g.o.Now().UnixMilli()) {
		sw.Ready = append(sw.Ready, s)
	}
}

// heads applies a digest: of the rooms' heads, or of the users who were added to them.
func (g *Gateway) heads(sw *hub.Sweep, d *envelope.Delivery) {
	if len(d.Users) > 0 {
		g.hub.Newcomers(d.Points, d.Users)
	} else {
		g.hub.Heads(sw, d.Points)
	}
}

// reassert starts the rounds that report every socket and every room again, or reports one room.
func (g *Gateway) reassert(_ *hub.Sweep, d *envelope.Delivery) {
	if d.Room != 0 {
		g.hub.ReattachRoom(d.Room)
		return
	}
	g.rounds.assert.Store(true)
	g.rounds.reattach.Store(true)
}

// find returns the socket or nil.
func (r *registry) find(id chat.SocketID) *socket {
	sh := &r.shards[id%shards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.m[id]
}

// forHub is find for the hub, where no socket must be a nil interface.
func (r *registry) forHub(id chat.SocketID) hub.Socket {
	if s := r.find(id); s != nil {
		return s
	}
	return nil
}

// Answered notes that an ack or an error for the send with this client_msg_id is being queued. An empty ref answers
// nothing: no send has it.
func (s *socket) Answered(ref string) { s.answered(ref) }

// answered forgets an unanswered send and frees its place in the window.
func (s *socket) answered(ref string) (p pending, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.sends {
		if p = s.sends[i]; p.ref.Ref == ref {
			s.forgetSend(i)
			s.g.window.release(int(p.bytes))
			return p, true
		}
	}
	return pending{}, false
}

// forgetSend removes one unanswered send and keeps the order of the others. The caller holds s.mu and releases the
// window.
func (s *socket) forgetSend(i int) {
	s.sends = slices.Delete(s.sends, i, i+1)
	if len(s.sends) == 0 && cap(s.sends) > 16 {
		s.sends = nil
	}
}

func (w *window) release(bytes int) {
	w.n.Add(-1)
	w.bytes.Add(-int64(bytes))
}
