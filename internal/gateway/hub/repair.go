package hub

import (
	"bytes"
	"maps"
	"math/rand/v2"
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

// overflow drops what is held. Users whom it adds are attached now, because no repair tells of them; pending leaves stay.
func (h *Hub) overflow(sw *Sweep, sh *roomShard, rm *room) {
	h.o.Metrics.Overflows.Inc()
	held := rm.held
	h.unholdAll(rm)
	rm.overflows = min(rm.overflows+1, overflowMax+1)
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
	switch rm.phase {
	case attaching:
		h.begin(sw, sh, rm, d.Seq)
	case repairing:
		h.repaired(sw, sh, rm, d)
	case running:
		h.heard(sh, rm, d.Seq)
	}
}

// begin starts delivering behind the announced head, or earlier as far as what is held reaches back without a gap.
func (h *Hub) begin(sw *Sweep, sh *roomShard, rm *room, head chat.Seq) {
	for rm.held[head] != nil {
		head--
	}
	rm.delivered, rm.phase = head, running
	var f Frame
	for _, m := range rm.members {
		if m.asOf < head {
			if f == nil {
				f = headFrame(rm.id, head)
			}
			sw.Put(m.s, f)
		}
	}
	h.purge(sw, sh, rm)
	h.settle(sw, sh, rm)
	h.closeGap(sw, sh, rm)
}

// repaired ends the access of those who are members no more, then delivers what was missing.
func (h *Hub) repaired(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	if d.Repair {
		h.review(sw, sh, rm, d)
	}
	before, whole := rm.delivered, rm.overflows <= overflowMax
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
	if whole {
		h.drain(sw, sh, rm)
	}
	switch {
	case rm.delivered >= d.Seq:
	case whole && rm.delivered > before && len(rm.members) > 0:
		_ = h.ask(sh, rm, true) // the answer was cut: from here again
		return
	default:
		h.jump(sw, sh, rm, d.Seq)
	}
	h.closeGap(sw, sh, rm)
}

// review detaches the users whom a repair asked about and who aren't members, except where it is known at which seq they
// leave: that is waited for.
func (h *Hub) review(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	for _, u := range rm.asked {
		if slices.Contains(d.Users, u) ||
			slices.ContainsFunc(rm.leaves, func(l leaving) bool { return l.user == u || l.user == 0 }) {
			continue
		}
		h.facts.note(rm.id, u, fact{rm.epoch, d.Seq, false})
		h.expel(sw, sh, rm, leaving{u, d.Seq + 1, chat.LeftSelf}, rm.delivered)
	}
	rm.asked = nil
}

// jump goes on behind seq without what lies before it, and tells the sessions to load it.
func (h *Hub) jump(sw *Sweep, sh *roomShard, rm *room, seq chat.Seq) {
	rm.delivered = seq
	var f Frame
	for _, m := range rm.members {
		if m.asOf < seq {
			if f == nil {
				f = h.resyncFrame(rm)
			}
			sw.Put(m.s, f)
		}
	}
	h.purge(sw, sh, rm)
	h.settle(sw, sh, rm)
}

// closeGap goes on after an answer or an entry that may have closed the gap: delivering, or with another repair.
func (h *Hub) closeGap(sw *Sweep, sh *roomShard, rm *room) {
	h.drain(sw, sh, rm)
	switch {
	case len(rm.held) == 0:
		if rm.phase == repairing {
			rm.waiting = false
		}
		rm.phase, rm.tries, rm.overflows = running, 0, 0
		h.heard(sh, rm, rm.want)
	case len(rm.members) == 0:
		for _, seq := range slices.Sorted(maps.Keys(rm.held)) {
			h.aside(sw, sh, h.unhold(rm, seq))
		}
		h.cool(rm)
	case rm.phase == running:
		_ = h.ask(sh, rm, true) // sent again when due
	case !rm.waiting && rm.tries >= repairTries:
		rm.tries = 0
		h.jump(sw, sh, rm, slices.Min(slices.Collect(maps.Keys(rm.held)))-1)
		h.closeGap(sw, sh, rm)
	case !rm.waiting:
		rm.tries++
		rm.lookAt = h.o.Now() + retryMS + jitterMS(retryMS)
		h.time(sh, rm)
	}
}

// heard notes an announced head: if it hasn't come after a moment, it is fetched.
func (h *Hub) heard(sh *roomShard, rm *room, head chat.Seq) {
	rm.want = max(rm.want, head)
	if rm.phase == running && rm.want > rm.delivered && rm.lookAt == 0 {
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
	rm.lookAt, rm.tries, rm.overflows, rm.asked = 0, 0, 0, nil
	if len(rm.members) == 0 {
		return
	}
	f := h.resyncFrame(rm)
	for i := range rm.members {
		rm.members[i].asOf = 0
		sw.Put(rm.members[i].s, f)
	}
}

func jitterMS(n int64) int64 {
	if n <= 0 {
		return 0
	}
	return rand.Int64N(n)
}
