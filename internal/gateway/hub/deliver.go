package hub

import (
	"encoding/binary"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// InRoom applies one entry of a room's log: at once if it is the next one, else when it will be. Entries may come in
// any order, and more than once.
func (h *Hub) InRoom(sw *Sweep, d *envelope.Delivery) {
	leave := d.All || len(d.Removed) > 0
	if leave || len(d.Added) > 0 {
		h.memberships.noteAll(d)
		h.parted(d)
	}
	sh := h.roomShard(d.Room)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rm := sh.rooms[d.Room]
	switch {
	case rm == nil || rm.cold():
		h.aside(sw, sh, d)
		return
	case d.Epoch > rm.epoch && rm.epoch != 0:
		h.newEpoch(sw, sh, rm, d.Epoch)
	case d.Epoch < rm.epoch && d.Epoch != 0:
		h.ack(sw, d)
		return
	}
	if leave && !forgetsLeaves() {
		h.addLeaves(sw, sh, rm, d)
	}
	h.arrive(sw, sh, rm, d)
}

func (h *Hub) roomShard(id chat.RoomID) *roomShard {
	return &h.rooms[chat.PartitionOf(uint64(id), Shards)]
}

// cold reports whether the head isn't known and wasn't asked for. Only rooms without sockets are cold.
func (rm *room) cold() bool { return rm.phase == attaching && !rm.waiting }

// arrive delivers an entry, ignores it as a repeat, or holds it behind a gap.
func (h *Hub) arrive(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	switch {
	case rm.cold():
		h.aside(sw, sh, d)
	case rm.phase == attaching:
		h.hold(sw, sh, rm, d)
	case d.Seq <= rm.delivered:
		h.repeat(sw, sh, rm, d)
	case d.Seq == rm.delivered+1:
		h.step(sw, sh, rm, d)
		if rm.phase == repairing {
			h.closeGap(sw, sh, rm)
		}
	case len(rm.members) == 0:
		h.cool(sw, sh, rm)
		h.aside(sw, sh, d)
	case rm.stepsOver():
		h.step(sw, sh, rm, d)
	default:
		h.hold(sw, sh, rm, d)
		if rm.phase == running {
			_ = h.ask(sh, rm, true) // repeated when due
		}
	}
}

// step delivers the next entry: its message to the members but its sender, the ack to the sender, then the `room`
// frame, then `joined` to the users that it adds and `left` to those who leave with it.
func (h *Hub) step(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	rm.delivered = d.Seq
	origin := h.origin(d)
	if len(d.Frame) > 0 && len(rm.members) > 0 {
		f := Text(d.Frame)
		for i := range rm.members {
			if m := &rm.members[i]; m.s != origin && m.gets(d.Seq) && m.has < d.Seq {
				sw.Put(m.s, f)
			}
		}
	}
	h.ack(sw, d)
	if len(d.Event) > 0 && len(rm.members) > 0 {
		f := Text(d.Event)
		for i := range rm.members {
			if m := &rm.members[i]; m.gets(d.Seq) {
				sw.Put(m.s, f)
			}
		}
	}
	if len(d.Added) > 0 {
		h.added(sw, sh, d)
	}
	if len(rm.leaves) > 0 || rm.changes != nil {
		h.settle(sw, sh, rm)
	}
}

// origin returns the local socket that sent an entry, nil if there is none.
func (h *Hub) origin(d *envelope.Delivery) Socket {
	if len(d.Ack) == 0 || d.Gateway != h.o.ID {
		return nil
	}
	return h.o.Find(d.Socket)
}

func (m *member) gets(seq chat.Seq) bool { return m.asOf < seq && !m.doubt }

// CaughtUp queues a frame for one socket: the answers to a sync show messages as they were when they were read, and those that were
// recalled since are shown so. It notes that the socket has a room's entries up to d.Seq with it: those that are still on their way show
// a message as it was sent, which may have been edited or recalled since. d.Room 0: the frame is about no room's entries.
func (h *Hub) CaughtUp(sw *Sweep, s Socket, d *envelope.Delivery) {
	if d.Room == 0 {
		sw.Put(s, Text(d.Frame))
		return
	}
	sh := h.roomShard(d.Room)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rm := sh.rooms[d.Room]
	if rm == nil || rm.epoch != d.Epoch {
		sw.Put(s, Text(d.Frame))
		return
	}
	if i := slices.IndexFunc(rm.members, func(m member) bool { return m.s == s }); i >= 0 {
		rm.members[i].has = max(rm.members[i].has, d.Seq)
	}
	sw.Put(s, Text(rm.asKnown(d, h.o.Now()))) // under the lock: a recall that comes now must come behind it
}

// ack answers the sender. To answer a repeat again does no harm.
func (h *Hub) ack(sw *Sweep, d *envelope.Delivery) {
	if s := h.origin(d); s != nil {
		s.Answered(d.Ref)
		sw.Put(s, Text(d.Ack))
	}
}

// Sweep collects the sockets that have something to write, so that each is scheduled once for all the frames of a
// batch.
type Sweep struct {
	Ready []Socket
	Later []Socket // those that have nothing but what may wait for what others get: see PutLater
}

// Put queues a frame for a socket.
func (sw *Sweep) Put(s Socket, f Frame) {
	if s.Push(f) {
		sw.Ready = append(sw.Ready, s)
	}
}

// PutLater queues a frame that may wait for the frames of others, for a moment that whoever writes them bounds. It keeps its place among
// the frames of its socket, and the next one that is put there in the usual way takes it along.
func (sw *Sweep) PutLater(s Socket, f Frame) {
	if s.Push(f) {
		s.State().Patient.Store(true)
		sw.Later = append(sw.Later, s)
	}
}

// PutAll queues a frame for many sockets.
func (sw *Sweep) PutAll(l []Socket, f Frame) {
	for _, s := range l {
		sw.Put(s, f)
	}
}

// Frame is one whole WebSocket frame as a server sends it: header and payload. It is never changed, and shared by all
// sockets that receive it.
type Frame []byte

// Text makes a text frame. It copies the payload.
func Text(payload []byte) Frame { return Encode(0x1, payload) }

// Encode makes an unfragmented, unmasked frame with this opcode. It copies the payload.
func Encode(op byte, payload []byte) Frame {
	f := make(Frame, 0, 10+len(payload))
	f = append(f, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		f = append(f, byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 127), uint64(n))
	}
	return append(f, payload...)
}
