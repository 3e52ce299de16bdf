package hub

import (
	"maps"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/faults"
	"chat-service/internal/protocol"
)

// roomPhase is where a room stands with its owner.
type roomPhase uint8

const (
	attaching roomPhase = iota // the head isn't known yet: entries are held
	running                    // delivering delivered+1, +2, …
	repairing                  // behind a gap: entries are held
)

const (
	lingerMS    = 5_000  // a room without sessions stays attached this long, so that reconnects don't flap
	resendMS    = 2_000  // an unanswered Attach is sent again; doubled with every try up to resendMax
	resendMax   = 16_000 //
	headWaitMS  = 500    // a head above what was delivered may be on its way
	retryMS     = 1_000  // pause before another repair where one was answered and a gap remains
	repairTries = 5      // repairs in a row that leave a gap before the sessions must resync
	overflowMax = 2      // overflows in one gap after which its next repair isn't awaited whole
	leavesMax   = 4_096  // pending leaves of a room; more are applied at once
	addedGap    = 100    // entries that somebody just added may lack and still gets one by one
)

// room is one room's continuity: what was delivered, what is held behind a gap, who leaves when. Its shard's lock guards it.
type room struct {
	id        chat.RoomID
	epoch     uint64
	delivered chat.Seq
	want      chat.Seq // the highest seq known to be announced
	blind     chat.Seq // the highest seq passed without its own delivery: who left there isn't known
	number    uint64   // of the last Attach; 0: none yet
	members   []member
	held      map[chat.Seq]*envelope.Delivery // nil mostly
	heldBytes int
	leaves    []leaving
	asked     []chat.UserID            // by the repair on its way
	reads     map[chat.UserID]chat.Seq // pointers that were shown; nil mostly

	resendAt int64 // Unix milliseconds, as the others; 0: not due
	lookAt   int64
	dropAt   int64

	phase     roomPhase
	waiting   bool // an Attach is unanswered
	doubt     bool // there is a member in doubt
	tries     uint8
	resends   uint8
	overflows uint8
}

// member is a session in a room. It gets entries above asOf: what is below, welcome or joined told it of. In doubt it gets
// none: its user may have left above asOf, at a seq that was passed blindly, and a repair is to tell.
type member struct {
	s     Session
	asOf  chat.Seq
	doubt bool
	added bool // by the entry at asOf, so what follows it is a message for it, and not yet a part of any history
}

func (m *member) gets(seq chat.Seq) bool { return m.asOf < seq && !m.doubt }

// leaving is a user who may see entries up to seq; user 0 is everybody. It concerns his sessions that were attached as of a
// seq below that, and not below since.
type leaving struct {
	user   chat.UserID
	since  chat.Seq
	seq    chat.Seq
	reason chat.LeaveReason
}

// cold tells that nobody has been asked for the head: only rooms without sessions are.
func (rm *room) cold() bool { return rm.phase == attaching && !rm.waiting }

func (h *Hub) time(sh *roomShard, rm *room) { sh.timed[rm] = struct{}{} }

// ask sends a new Attach: for the head, or with repair for what is missing and for who is still a member.
func (h *Hub) ask(sh *roomShard, rm *room, repair bool) error {
	rm.number, rm.asked, rm.waiting, rm.resends = h.numbers.Add(1), nil, true, 0
	if repair {
		h.o.Metrics.Repairs.Inc()
		rm.phase = repairing
		for _, m := range rm.members {
			rm.asked = append(rm.asked, m.s.User())
		}
		slices.Sort(rm.asked)
		rm.asked = slices.Compact(rm.asked)
	} else if rm.phase != running {
		rm.phase = attaching
	}
	return h.sendAttach(sh, rm)
}

// sendAttach sends the Attach, again with the same number where it stays unanswered.
func (h *Hub) sendAttach(sh *roomShard, rm *room) error {
	pause := min(int64(resendMS)<<rm.resends, resendMax)
	rm.resends = min(rm.resends+1, 8)
	rm.resendAt = h.o.Now() + pause + h.o.Jitter(pause/2)
	h.time(sh, rm)
	c := envelope.Command{Kind: envelope.Attach, Room: rm.id, Number: rm.number}
	if rm.asked != nil {
		c.Repair, c.Seq, c.Users = true, rm.delivered, rm.asked
	}
	return h.o.Publish(rm.id, &c)
}

// due does what is due in a room and forgets its times where nothing is left.
func (h *Hub) due(sw *Sweep, sh *roomShard, rm *room, now int64) {
	if rm.dropAt != 0 && now >= rm.dropAt && len(rm.members) == 0 {
		if h.cool(sw, sh, rm); len(rm.members) > 0 {
			return
		}
		c := envelope.Command{Kind: envelope.Detach, Room: rm.id, Number: h.numbers.Add(1)}
		if h.o.Publish(rm.id, &c) != nil {
			rm.dropAt = now + resendMS
			return
		}
		delete(sh.rooms, rm.id)
		delete(sh.timed, rm)
		h.o.Metrics.Rooms.Dec()
		return
	}
	if rm.waiting && now >= rm.resendAt && len(rm.members) > 0 {
		_ = h.sendAttach(sh, rm) // due again
	}
	if rm.lookAt != 0 && now >= rm.lookAt {
		rm.lookAt = 0
		h.lookBehind(sh, rm)
	}
	if !rm.waiting && rm.lookAt == 0 && rm.dropAt == 0 {
		delete(sh.timed, rm)
	}
}

// lookBehind repairs where the room is still behind what is known to be announced, or unsure of its members.
func (h *Hub) lookBehind(sh *roomShard, rm *room) {
	if rm.waiting || rm.phase == attaching || len(rm.members) == 0 ||
		len(rm.held) == 0 && rm.want <= rm.delivered && !rm.doubt {
		return
	}
	_ = h.ask(sh, rm, true) // sent again when due
}

// InRoom applies one entry of a room's log in its order.
func (h *Hub) InRoom(sw *Sweep, d *envelope.Delivery) {
	for _, u := range d.Removed {
		h.facts.note(d.Room, u, fact{d.Epoch, d.Seq, false})
	}
	for _, u := range d.Added {
		h.facts.note(d.Room, u, fact{d.Epoch, d.Seq, true})
	}
	if d.All {
		h.facts.note(d.Room, 0, fact{d.Epoch, d.Seq, false})
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
	if !faults.Planted("skip_membership") {
		h.addLeaves(sw, sh, rm, d)
	}
	h.arrive(sw, sh, rm, d)
}

func (h *Hub) arrive(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	switch {
	case rm.cold():
		h.aside(sw, sh, d)
	case rm.phase == attaching:
		h.hold(sw, sh, rm, d)
	case d.Seq <= rm.delivered:
		h.o.Metrics.Repeats.Inc()
		h.ack(sw, d)
		if d.Seq <= rm.blind {
			h.added(sw, sh, d)
		}
		h.settle(sw, sh, rm)
	case d.Seq == rm.delivered+1:
		h.step(sw, sh, rm, d)
		if rm.phase == repairing {
			h.closeGap(sw, sh, rm)
		}
	case len(rm.members) == 0:
		h.cool(sw, sh, rm)
		h.aside(sw, sh, d)
	case faults.Planted("hub_no_gap") && rm.phase == running:
		h.step(sw, sh, rm, d)
	default:
		h.hold(sw, sh, rm, d)
		if rm.phase == running {
			_ = h.ask(sh, rm, true) // sent again when due
		}
	}
}

// aside does what an entry asks for besides its room's sessions: its ack and the users it adds.
func (h *Hub) aside(sw *Sweep, sh *roomShard, d *envelope.Delivery) {
	h.ack(sw, d)
	h.added(sw, sh, d)
}

// cool lets a room without sessions forget where it stands. Users whom a held entry adds are attached then, and find it cold.
func (h *Hub) cool(sw *Sweep, sh *roomShard, rm *room) {
	held := rm.held
	h.unholdAll(rm)
	rm.phase, rm.waiting, rm.doubt, rm.lookAt = attaching, false, false, 0
	for _, seq := range slices.Sorted(maps.Keys(held)) {
		h.aside(sw, sh, held[seq])
	}
}

// step delivers the entry that comes next.
func (h *Hub) step(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	rm.delivered = d.Seq
	origin := h.origin(d)
	if len(d.Frame) > 0 && len(rm.members) > 0 {
		f := Text(d.Frame)
		for i := range rm.members {
			if m := &rm.members[i]; m.s != origin && m.gets(d.Seq) {
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
	h.added(sw, sh, d)
	h.settle(sw, sh, rm)
}

// origin is the local socket that an entry came from, nil where there is none.
func (h *Hub) origin(d *envelope.Delivery) Session {
	if len(d.Ack) == 0 || d.Gateway != h.o.ID {
		return nil
	}
	return h.o.Find(d.Socket)
}

// ack answers the origin. An ack for a repeat does no harm.
func (h *Hub) ack(sw *Sweep, d *envelope.Delivery) {
	if s := h.origin(d); s != nil {
		s.Answered(d.Ack)
		sw.Put(s, Text(d.Ack))
	}
}

// added attaches the sockets of the users whom an entry adds, from that entry on.
func (h *Hub) added(sw *Sweep, sh *roomShard, d *envelope.Delivery) {
	var f Frame
	for _, u := range d.Added {
		for _, s := range h.Of(u) {
			head, fresh := h.attachLocked(sw, sh, s, envelope.Point{Room: d.Room, Seq: d.Seq, Epoch: d.Epoch})
			if !fresh {
				h.confirm(sw, sh.rooms[d.Room], s, d.Seq)
				continue
			}
			ms := sh.rooms[d.Room].members
			ms[len(ms)-1].added = ms[len(ms)-1].asOf == d.Seq
			if len(d.JoinedTo) == 0 {
				continue
			}
			if f == nil {
				f = Text(d.JoinedTo)
			}
			sw.Put(s, f)
			if head != 0 {
				sw.Put(s, headFrame(d.Room, head))
			}
		}
	}
}

// confirm notes that a session which is in the room was added at seq: a leave before it is over, and so is a doubt, unless
// more was passed blindly since.
func (h *Hub) confirm(sw *Sweep, rm *room, s Session, seq chat.Seq) {
	if rm == nil || seq > rm.delivered || rm.phase == attaching {
		return
	}
	for i := range rm.members {
		m := &rm.members[i]
		if m.s != s {
			continue
		}
		m.asOf = max(m.asOf, seq)
		if m.doubt && seq >= rm.blind {
			m.doubt = false
			sw.Put(s, headFrame(rm.id, rm.delivered))
		}
		return
	}
}

func headFrame(id chat.RoomID, seq chat.Seq) Frame {
	return Text(protocol.AppendHead(nil, map[chat.RoomID]chat.Seq{id: seq}))
}

func (h *Hub) resyncFrame(rm *room) Frame {
	h.o.Metrics.Resyncs.Inc()
	return Text(protocol.AppendResync(nil, rm.id, rm.epoch, ""))
}

func (h *Hub) addLeaves(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	add := func(u chat.UserID) {
		l := leaving{u, 0, d.Seq, d.Reason}
		if !slices.Contains(rm.leaves, l) {
			rm.leaves = append(rm.leaves, l)
		}
	}
	if d.All {
		add(0)
	}
	for _, u := range d.Removed {
		add(u)
	}
	if len(rm.leaves) > leavesMax {
		h.settleAll(sw, sh, rm)
	}
}

// settle detaches those who have got all that they may see.
func (h *Hub) settle(sw *Sweep, sh *roomShard, rm *room) {
	for i := 0; i < len(rm.leaves); {
		l := rm.leaves[i]
		if l.seq > rm.delivered {
			i++
			continue
		}
		rm.leaves = slices.Delete(rm.leaves, i, i+1)
		h.expel(sw, sh, rm, l, l.seq)
	}
}

// settleAll detaches all who are to leave, whether or not they have got everything.
func (h *Hub) settleAll(sw *Sweep, sh *roomShard, rm *room) {
	for _, l := range rm.leaves {
		h.expel(sw, sh, rm, l, l.seq)
	}
	rm.leaves = nil
}

// expel detaches a user's sessions that were attached before his leave, showing them seq as the place of it.
func (h *Hub) expel(sw *Sweep, sh *roomShard, rm *room, l leaving, seq chat.Seq) {
	back := chat.Seq(0)
	if l.user != 0 {
		// He is back already, and the entry that says so was passed or dropped: he stays, from there on.
		if back = h.facts.in(rm.id, l.user, rm.epoch); rm.held[back] != nil {
			back = 0
		}
	}
	var f Frame
	for i := len(rm.members) - 1; i >= 0; i-- {
		m := &rm.members[i]
		if l.user != 0 && m.s.User() != l.user || m.asOf < l.since || m.asOf >= l.seq {
			continue
		}
		if back > l.seq {
			m.asOf = back
			if back < rm.blind {
				rm.doubt, m.doubt = true, true
			} else {
				sw.Put(m.s, headFrame(rm.id, back))
			}
			continue
		}
		if f == nil {
			f = Text(protocol.AppendLeft(nil, rm.id, seq, l.reason))
		}
		sw.Put(m.s, f)
		h.drop(sh, rm, i)
	}
}

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
