package hub

import (
	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// Aside sends a frame outside the room's sequence (typing, reads) to the room's sockets, except those of d.User. It
// is left out for sockets that lag.
func (h *Hub) Aside(sw *Sweep, d *envelope.Delivery) {
	sh := h.roomShard(d.Room)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rm := sh.rooms[d.Room]
	if rm == nil || len(rm.members) == 0 || d.Seq != 0 && !rm.readTo(d.User, d.Seq) {
		return
	}
	f := Text(d.Frame)
	for _, m := range rm.members {
		switch {
		case d.User != 0 && m.s.User() == d.User || m.doubt:
		case m.s.Lags():
			h.o.Metrics.Dropped.Inc()
		default:
			sw.Put(m.s, f)
		}
	}
}

// readsMax bounds the read pointers that a room remembers. One more makes it forget all, and then a late repeat may
// be shown.
const readsMax = 256

// readTo notes a read pointer that is about to be shown; false if a later one was shown already. After a crash
// announcements are repeated, and may be late.
func (rm *room) readTo(u chat.UserID, seq chat.Seq) bool {
	if seq < rm.reads[u] {
		return false
	}
	if rm.reads == nil || len(rm.reads) >= readsMax {
		rm.reads = map[chat.UserID]chat.Seq{}
	}
	rm.reads[u] = seq
	return true
}

// ReadTo notes that a user's read pointer in a room is about to be shown to their own sockets; false if a later one
// was shown already.
func (h *Hub) ReadTo(id chat.RoomID, u chat.UserID, seq chat.Seq) bool {
	sh := h.roomShard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rm := sh.rooms[id]
	return rm == nil || rm.readTo(u, seq)
}
