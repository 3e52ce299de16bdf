package hub

import (
	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// Aside passes an ephemeral frame to a room's sessions, except those of d.User; those that lag do without it.
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

// readsMax bounds the pointers that a room remembers; more make it forget all, and a late repeat may show then.
const readsMax = 256

// readTo notes a pointer that is about to be shown; false where a later one was shown already. Announcements come again
// after a crash, and late.
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

// ReadTo notes that a user's read pointer in a room is about to be shown to his own sockets; false where it is behind one that
// was shown already.
func (h *Hub) ReadTo(id chat.RoomID, u chat.UserID, seq chat.Seq) bool {
	sh := h.roomShard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rm := sh.rooms[id]
	return rm == nil || rm.readTo(u, seq)
}
