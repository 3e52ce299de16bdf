package hub

import "chat-service/internal/envelope"

// Profile sends a frame about a user to their own sockets, and to those that are in one of their rooms, to each once. It is left out for
// sockets that lag: it can be read again.
func (h *Hub) Profile(sw *Sweep, d *envelope.Delivery) {
	see := map[Socket]bool{}
	for _, s := range h.Of(d.User) {
		see[s] = true
	}
	for _, p := range d.Points {
		sh := h.roomShard(p.Room)
		sh.mu.Lock()
		if rm := sh.rooms[p.Room]; rm != nil {
			for _, m := range rm.members {
				see[m.s] = see[m.s] || !m.doubt
			}
		}
		sh.mu.Unlock()
	}
	f := Text(d.Frame)
	for s, sees := range see {
		switch {
		case !sees:
		case s.Lags():
			h.o.Metrics.Dropped.Inc()
		default:
			sw.Put(s, f)
		}
	}
}
