package hub

import (
	"bytes"
	"maps"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// hold keeps an entry behind a gap. What doesn't fit drops all that is held: the repair brings it again.
func (h *Hub) hold(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	rm.want = max(rm.want, d.Seq)
	if rm.held[d.Seq] != nil {
		return
	}
	if rm.held == nil {
		rm.held = map[chat.Seq]*envelope.Delivery{}
	}
	c := *d
	c.Frame, c.Ack = bytes.Clone(d.Frame), bytes.Clone(d.Ack)
	c.Event, c.JoinedTo = bytes.Clone(d.Event), bytes.Clone(d.JoinedTo)
	rm.held[d.Seq] = &c
	rm.heldBytes += heldSize(&c)
	total := h.heldBytes.Add(int64(heldSize(&c)))
	if len(rm.held) > h.o.HeldEntries || rm.heldBytes > h.o.HeldBytes || total > 64*int64(h.o.HeldBytes) {
		h.overflow(sw, sh, rm)
	}
}

func heldSize(d *envelope.Delivery) int {
	return len(d.Frame) + len(d.Ack) + len(d.Event) + len(d.JoinedTo) + 8*(len(d.Added)+len(d.Removed)) + 512
}

// unhold takes an entry out of what is held; nil where it isn't there.
func (h *Hub) unhold(rm *room, seq chat.Seq) *envelope.Delivery {
	d := rm.held[seq]
	if d != nil {
		delete(rm.held, seq)
		rm.heldBytes -= heldSize(d)
		h.heldBytes.Add(-int64(heldSize(d)))
	}
	return d
}

func (h *Hub) unholdAll(rm *room) {
	h.heldBytes.Add(-int64(rm.heldBytes))
	rm.held, rm.heldBytes = nil, 0
}

// overflow drops what is held, except, as far as they fit by themselves, entries that add users: no repair tells of those.
// Where they don't fit the users are attached at once. Pending leaves stay.
func (h *Hub) overflow(sw *Sweep, sh *roomShard, rm *room) {
	h.o.Metrics.Overflows.Inc()
	rm.overflows = min(rm.overflows+1, overflowMax+1)
	for seq, d := range rm.held {
		if len(d.Added) == 0 {
			h.unhold(rm, seq)
		}
	}
	if len(rm.held) <= h.o.HeldEntries/2 && rm.heldBytes <= h.o.HeldBytes/2 {
		return
	}
	held := rm.held
	h.unholdAll(rm)
	for _, seq := range slices.Sorted(maps.Keys(held)) {
		h.added(sw, sh, held[seq])
	}
}

// drain delivers what is held as far as it follows.
func (h *Hub) drain(sw *Sweep, sh *roomShard, rm *room) {
	for {
		d := h.unhold(rm, rm.delivered+1)
		if d == nil {
			return
		}
		h.step(sw, sh, rm, d)
	}
}

// purge gives up held entries that were passed by a jump: only their acks and additions are left to do.
func (h *Hub) purge(sw *Sweep, sh *roomShard, rm *room) {
	for _, seq := range slices.Sorted(maps.Keys(rm.held)) {
		if seq <= rm.delivered {
			h.aside(sw, sh, h.unhold(rm, seq))
		}
	}
}

// Attached applies the owner's answer to the Attach that is on its way.
func (h *Hub) Attached(sw *Sweep, d *envelope.Delivery) {
	sh := h.roomShard(d.Room)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rm := sh.rooms[d.Room]
	if rm == nil || !rm.waiting || d.Number != rm.number || d.Epoch < rm.epoch && d.Epoch != 0 {
		return
	}
	if d.Epoch > rm.epoch {
		if rm.epoch != 0 {
			h.leaveEpoch(sw, sh, rm, d.Epoch)
		}
		rm.epoch = d.Epoch
	}
	rm.waiting = false
	if d.Repair {
		h.review(sw, sh, rm, d)
	}
	rm.asked = nil
	switch rm.phase {
	case attaching:
		h.begin(sw, sh, rm, d.Seq)
	case repairing:
		h.repaired(sw, sh, rm, d)
	case running:
		h.heard(sh, rm, d.Seq)
	}
}

// begin starts delivering behind the announced head, or earlier as far as what is held reaches back without a gap. Those who were just
// added may lack entries that were announced before the owner knew of this gateway: for them it starts where they came in, and a repair
// at once brings the rest. Members whose asOf is still below are in doubt, which the repair ends, too.
func (h *Hub) begin(sw *Sweep, sh *roomShard, rm *room, head chat.Seq) {
	rm.want = max(rm.want, head)
	at := head
	for rm.held[at] != nil {
		at--
	}
	for i := range rm.members {
		if m := &rm.members[i]; m.added && m.asOf+addedGap >= head {
			at = min(at, m.asOf)
		}
	}
	rm.delivered, rm.blind, rm.phase = at, at, running
	for i := range rm.members {
		if m := &rm.members[i]; m.asOf < at {
			rm.doubt, m.doubt = true, true
		}
	}
	h.purge(sw, sh, rm)
	h.settle(sw, sh, rm)
	h.closeGap(sw, sh, rm)
	if rm.doubt || rm.delivered < head {
		h.lookBehind(sh, rm)
	}
}

// repaired delivers what was missing.
func (h *Hub) repaired(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	before, whole := rm.delivered, rm.overflows <= overflowMax
	h.returned(sw, rm, d.Entries)
	for i := range d.Entries {
		e := &d.Entries[i]
		if !whole || e.Seq != rm.delivered+1 {
			continue
		}
		x := h.unhold(rm, e.Seq) // it knows more than the entry: acks, additions
		if x == nil {
			x = &envelope.Delivery{Room: rm.id, Epoch: rm.epoch, Seq: e.Seq, Frame: e.Frame}
		}
		h.step(sw, sh, rm, x)
	}
	for i := range d.Entries {
		for _, u := range d.Entries[i].Added {
			h.recall(envelope.Point{Room: rm.id, Seq: d.Entries[i].Seq, Epoch: rm.epoch}, u)
		}
	}
	if whole {
		h.drain(sw, sh, rm)
	}
	behind := rm.delivered < d.Seq
	switch {
	case whole && rm.delivered > before && len(rm.members) > 0 && (behind || len(rm.held) > 0):
		_ = h.ask(sh, rm, true) // the answer was cut, or there is another gap: from here again
		return
	case behind:
		h.jump(sw, sh, rm, d.Seq, false)
	}
	h.closeGap(sw, sh, rm)
}

// returned has those who left and came back behind the gap go on from where they came back: what lies between is not theirs,
// and where exactly they had left isn't known here. They are told to load the room anew from there.
func (h *Hub) returned(sw *Sweep, rm *room, entries []envelope.Entry) {
	back := map[chat.UserID]chat.Seq{}
	for i := range entries {
		for _, u := range entries[i].Added {
			back[u] = entries[i].Seq
		}
	}
	if len(back) == 0 {
		return
	}
	for i := range rm.members {
		m := &rm.members[i]
		if seq := back[m.s.User()]; m.asOf < seq {
			m.asOf = seq
			sw.Put(m.s, headFrame(rm.id, seq))
			sw.Put(m.s, h.resyncFrame(rm))
		}
	}
}

// review applies what a repair tells of the users it asked about: who is no member is detached, except where it is known at
// which seq he leaves, which is waited for; who is one, and was in doubt, gets what comes from here on, and the head.
func (h *Hub) review(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	in := make(map[chat.UserID]bool, len(d.Users))
	for _, u := range d.Users {
		in[u] = true
	}
	for _, u := range rm.asked {
		if in[u] {
			continue
		}
		h.facts.note(rm.id, u, fact{rm.epoch, d.Seq, false})
		known := chat.Seq(0) // those who were attached before it are to go there
		for _, l := range rm.leaves {
			if l.user == u || l.user == 0 {
				known = max(known, l.seq)
			}
		}
		h.expel(sw, sh, rm, leaving{u, known, d.Seq + 1, chat.LeftSelf}, rm.delivered)
	}
	h.doubtOthers(rm, d)
	rm.doubt = false
	head := max(rm.delivered, d.Seq)
	var f Frame
	for i := range rm.members {
		m := &rm.members[i]
		switch {
		case !m.doubt:
		case !in[m.s.User()]: // attached since, or about to leave
			rm.doubt = true
		default:
			if f == nil {
				f = headFrame(rm.id, head)
			}
			sw.Put(m.s, f)
			m.doubt, m.asOf = false, head
		}
	}
}

// doubtOthers puts those in doubt who were attached after the repair was asked for, where it passes entries blindly.
func (h *Hub) doubtOthers(rm *room, d *envelope.Delivery) {
	if rm.phase != repairing {
		return
	}
	rm.blind = max(rm.blind, d.Seq)
	for i := range rm.members {
		m := &rm.members[i]
		if _, asked := slices.BinarySearch(rm.asked, m.s.User()); !asked && m.asOf < d.Seq {
			m.doubt = true
		}
	}
}

// jump goes on behind seq without what lies before it, and tells the sessions to load it. Where it jumps blindly, another
// repair tells who of them may go on.
func (h *Hub) jump(sw *Sweep, sh *roomShard, rm *room, seq chat.Seq, blindly bool) {
	rm.delivered, rm.blind = seq, seq
	var f Frame
	for i := range rm.members {
		m := &rm.members[i]
		if m.asOf >= seq {
			continue
		}
		if f == nil {
			f = h.resyncFrame(rm)
		}
		sw.Put(m.s, f)
		m.doubt = m.doubt || blindly
		rm.doubt = rm.doubt || blindly
	}
	h.purge(sw, sh, rm)
	h.settle(sw, sh, rm)
}

// closeGap goes on after an answer or an entry that may have closed the gap: delivering, or with another repair.
func (h *Hub) closeGap(sw *Sweep, sh *roomShard, rm *room) {
	h.drain(sw, sh, rm)
	switch {
	case len(rm.held) == 0:
		if rm.phase == repairing && !rm.doubt {
			rm.waiting = false
		}
		rm.phase, rm.tries, rm.overflows = running, 0, 0
		h.lookSoon(sh, rm)
	case len(rm.members) == 0:
		h.cool(sw, sh, rm)
	case rm.phase == running:
		_ = h.ask(sh, rm, true) // sent again when due
	case !rm.waiting && rm.tries >= repairTries:
		rm.tries = 0
		h.jump(sw, sh, rm, slices.Min(slices.Collect(maps.Keys(rm.held)))-1, true)
		h.closeGap(sw, sh, rm)
	case !rm.waiting:
		rm.tries++
		rm.lookAt = h.o.Now() + retryMS + h.o.Jitter(retryMS)
		h.time(sh, rm)
	}
}

// heard notes an announced head: if it hasn't come after a moment, it is fetched.
func (h *Hub) heard(sh *roomShard, rm *room, head chat.Seq) {
	rm.want = max(rm.want, head)
	h.lookSoon(sh, rm)
}

// lookSoon makes lookBehind due where there is a reason.
func (h *Hub) lookSoon(sh *roomShard, rm *room) {
	if rm.phase == running && rm.lookAt == 0 && (rm.doubt || rm.want > rm.delivered) {
		rm.lookAt = h.o.Now() + headWaitMS
		h.time(sh, rm)
	}
}

// Heads applies a digest of announced heads.
func (h *Hub) Heads(sw *Sweep, points []envelope.Point) {
	for _, p := range points {
		sh := h.roomShard(p.Room)
		sh.mu.Lock()
		rm := sh.rooms[p.Room]
		switch {
		case rm == nil || rm.cold() || p.Epoch < rm.epoch && p.Epoch != 0:
		case p.Epoch > rm.epoch && rm.epoch != 0:
			h.newEpoch(sw, sh, rm, p.Epoch)
		default:
			h.heard(sh, rm, p.Seq)
		}
		sh.mu.Unlock()
	}
}

// Newcomers applies a digest of additions: users[i] was added to points[i].Room at its seq, some time ago.
func (h *Hub) Newcomers(points []envelope.Point, users []chat.UserID) {
	for i := range min(len(points), len(users)) {
		h.recall(points[i], users[i])
	}
}

// recall has the sessions of a user who was added to a room ask for it where they aren't in it: the entry that said so is lost.
func (h *Hub) recall(p envelope.Point, u chat.UserID) {
	sessions := h.Of(u)
	if len(sessions) == 0 || h.facts.out(p.Room, u, fact{epoch: p.Epoch, seq: p.Seq}) {
		return
	}
	for _, s := range sessions {
		seat := s.Seat()
		seat.mu.Lock()
		here := seat.gone || slices.Contains(seat.quiet, p.Room) || slices.ContainsFunc(seat.rooms, func(r *room) bool { return r.id == p.Room })
		seat.mu.Unlock()
		if !here {
			s.Recall(p.Room)
		}
	}
}

// newEpoch begins a room anew: seqs of before and after don't compare.
func (h *Hub) newEpoch(sw *Sweep, sh *roomShard, rm *room, epoch uint64) {
	h.leaveEpoch(sw, sh, rm, epoch)
	rm.waiting = false
	if len(rm.members) > 0 {
		_ = h.ask(sh, rm, false) // sent again when due
	}
}

// leaveEpoch tells the sessions to resync and forgets what was delivered and held.
func (h *Hub) leaveEpoch(sw *Sweep, sh *roomShard, rm *room, epoch uint64) {
	for _, seq := range slices.Sorted(maps.Keys(rm.held)) {
		h.ack(sw, rm.held[seq])
	}
	h.unholdAll(rm)
	h.settleAll(sw, sh, rm)
	rm.epoch, rm.delivered, rm.want, rm.phase = epoch, 0, 0, attaching
	rm.lookAt, rm.tries, rm.overflows, rm.asked, rm.blind, rm.reads = 0, 0, 0, nil, 0, nil
	if len(rm.members) == 0 {
		return
	}
	f := h.resyncFrame(rm)
	for i := range rm.members {
		rm.members[i].asOf = 0
		sw.Put(rm.members[i].s, f)
	}
}
