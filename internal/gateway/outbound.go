package gateway

import (
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
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
		g.m.kinds[d.Kind].Inc()
		g.apply(&g.deliver, &d)
	}
	g.deliver.flush()
}

func (g *Gateway) apply(sw *sweep, d *envelope.Delivery) {
	switch d.Kind {
	case envelope.InRoom:
		g.hub.inRoom(sw, d)
	case envelope.ToSocket:
		if s := g.addressed(d); s != nil {
			s.answer(d.Frame)
			sw.put(s, textFrame(d.Frame))
		}
	case envelope.ToUser:
		g.toUser(sw, d)
	case envelope.Aside:
		g.hub.asides(sw, d)
	case envelope.Welcome:
		g.welcome(sw, d)
	case envelope.Attached:
		if d.Gateway == g.o.ID {
			g.hub.attached(sw, d)
		}
	case envelope.Joined:
		g.joined(sw, d)
	case envelope.Watched:
		if s := g.addressed(d); s != nil {
			sw.put(s, textFrame(d.Frame))
			g.hub.watched(s, d.Users)
		}
	case envelope.Close:
		g.closes(d)
	case envelope.Presences:
		g.hub.presences(sw, d.States)
	case envelope.Heads:
		g.hub.heads(sw, d.Points)
	case envelope.Reassert:
		if d.Room != 0 {
			g.hub.reattachRoom(d.Room)
		} else {
			g.rounds.assert.Store(true)
			g.rounds.reattach.Store(true)
		}
	}
}

// addressed is the local socket that a delivery names; nil where it is another gateway's or gone.
func (g *Gateway) addressed(d *envelope.Delivery) *session {
	if d.Gateway != g.o.ID {
		return nil
	}
	return g.sockets.find(d.Socket)
}

func (g *Gateway) toUser(sw *sweep, d *envelope.Delivery) {
	var f frame
	for _, s := range g.hub.of(d.User) {
		if d.Gateway == g.o.ID && d.Socket == s.id {
			continue
		}
		if f == nil {
			f = textFrame(d.Frame)
		}
		sw.put(s, f)
	}
}

// asides passes an ephemeral frame to a room's sessions; those that lag do without it.
func (h *hub) asides(sw *sweep, d *envelope.Delivery) {
	sh := h.roomShard(d.Room)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rm := sh.rooms[d.Room]
	if rm == nil || len(rm.members) == 0 {
		return
	}
	f := textFrame(d.Frame)
	for _, m := range rm.members {
		switch {
		case d.User != 0 && m.s.user == d.User:
		case m.s.lags():
			h.m.FramesDropped.Inc()
		default:
			sw.put(m.s, f)
		}
	}
}

// welcome makes a connecting session live: its frame goes first, then what was queued meanwhile, then it is attached.
func (g *Gateway) welcome(sw *sweep, d *envelope.Delivery) {
	s := g.addressed(d)
	if s == nil {
		return
	}
	now := g.now()
	if d.At != 0 && now-d.At > welcomeLife.Milliseconds() {
		s.closeConnecting(protocol.CloseResync, jitter(time.Second))
		return
	}
	if !s.welcomed(textFrame(d.Frame), now) {
		return
	}
	heads := map[chat.RoomID]chat.Seq{}
	for _, p := range d.Points {
		if head := g.hub.attach(sw, s, p); head != 0 {
			heads[p.Room] = head
		}
	}
	if len(heads) > 0 {
		sw.put(s, textFrame(protocol.AppendHead(nil, heads)))
	}
	s.uncork(sw)
}

// closeConnecting ends a session that still waits for its welcome.
func (s *session) closeConnecting(code protocol.CloseCode, retry time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == connecting {
		s.closeLocked(code, retry)
	}
}

// welcomed puts the welcome before all that is queued and starts the reader; false where the session doesn't wait for it.
// Nothing is written until uncork.
func (s *session) welcomed(f frame, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != connecting || s.gone {
		return false
	}
	s.enqueue(f)
	q := s.out.frames
	copy(q[1:], q)
	q[0] = f
	s.phase, s.writing = live, true
	s.seen.Store(now)
	s.nextPing = now + s.g.pingPause()
	s.g.wheel.move(s, min(s.nextPing, s.expiry.Load()))
	return true
}

// uncork lets the writers at a session that was welcomed and starts its reader.
func (s *session) uncork(sw *sweep) {
	sw.ready = append(sw.ready, s)
	s.mu.Lock()
	s.startLocked()
	s.mu.Unlock()
}

func (g *Gateway) pingPause() int64 {
	ms := g.o.PingInterval.Milliseconds()
	return ms - ms/5 + jitterMS(ms*2/5)
}

func (g *Gateway) joined(sw *sweep, d *envelope.Delivery) {
	s := g.addressed(d)
	if s == nil {
		return
	}
	sw.put(s, textFrame(d.Frame))
	if head := g.hub.attach(sw, s, envelope.Point{Room: d.Room, Seq: d.Seq, Epoch: d.Epoch}); head != 0 {
		sw.put(s, headFrame(d.Room, head))
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
	for _, s := range g.hub.of(d.User) {
		switch {
		case d.Session != "" && s.login == d.Session:
		case len(d.Sessions) > 0 && !slices.Contains(d.Sessions, s.login):
		default:
			s.close(code, retry)
		}
	}
}

