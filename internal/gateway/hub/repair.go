package hub

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// hold keeps an entry behind a gap. If it doesn't fit, everything that is held is dropped: the repair brings it again.
func (h *Hub) hold(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	rm.announced = max(rm.announced, d.Seq)
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

// heldSize is what a held entry counts, in bytes.
func heldSize(d *envelope.Delivery) int {
	return len(d.Frame) + len(d.Bare) + len(d.Mine) + len(d.Ack) + len(d.Event) + len(d.JoinedTo) + 8*(len(d.Added)+len(d.Removed)) + 512
}

// unhold takes an entry out of what is held; nil if it isn't held.
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

// overflow drops what is held. Entries that add users are kept if they fit by themselves, because a repair doesn't
// bring their `joined` frames; else their users are attached at once. Pending leaves stay.
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

// deliverHeld delivers held entries for as long as the next one is among them.
func (h *Hub) deliverHeld(sw *Sweep, sh *roomShard, rm *room) {
	for {
		d := h.unhold(rm, rm.delivered+1)
		if d == nil {
			return
		}
		h.step(sw, sh, rm, d)
	}
}

// purge drops held entries that were passed by a jump. They still ack, and attach the users that they add.
func (h *Hub) purge(sw *Sweep, sh *roomShard, rm *room) {
	for _, seq := range slices.Sorted(maps.Keys(rm.held)) {
		if seq <= rm.delivered {
			h.aside(sw, sh, h.unhold(rm, seq))
		}
	}
}

// systemKind is in the frame of every system message, and of few others: in a text its quotes are escaped, in data they aren't.
var systemKind = []byte(`"kind":"system"`)

// jumps reports whether an answer to a repair leaves a gap that nothing else will close.
func (rm *room) jumps(d *envelope.Delivery) bool {
	next := func(e envelope.Entry) bool { return e.Seq == rm.delivered+1 }
	return rm.delivered < d.Seq && (rm.overflows > overflowMax || !slices.ContainsFunc(d.Entries, next))
}

// moved notes who was added and who leaves by the entries that a repair brings. The entries themselves say so: their notices are lost, and
// somebody who left among them may be back by now, or have left once more.
func (h *Hub) moved(sw *Sweep, sh *roomShard, rm *room, entries []envelope.Entry) {
	for i := range entries {
		if !bytes.Contains(entries[i].Frame, systemKind) {
			continue
		}
		var shown protocol.Message
		if json.Unmarshal(entries[i].Frame, &shown) != nil {
			continue
		}
		m := chat.Message{Kind: shown.Kind, Content: shown.Content}
		d := envelope.Delivery{Room: rm.id, Epoch: rm.epoch, Seq: entries[i].Seq, Added: m.Added()}
		if d.Removed, d.All, d.Reason = m.Removed(); len(d.Removed) > 0 || d.All {
			h.addLeaves(sw, sh, rm, &d)
		}
		h.memberships.noteAll(&d)
	}
}

// repaired applies the answer to a repair: it delivers what was missing or, if that isn't whole, jumps to the head.
func (h *Hub) repaired(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	before, whole, lost := rm.delivered, rm.overflows <= overflowMax, false
	h.returned(sw, rm, d.Entries)
	for i := range d.Entries {
		e := &d.Entries[i]
		if !whole || e.Seq != rm.delivered+1 {
			continue
		}
		x := h.unhold(rm, e.Seq) // it has more than the entry: ack, event, joined
		if x == nil {
			x = &envelope.Delivery{Room: rm.id, Epoch: rm.epoch, Seq: e.Seq, Frame: e.Frame}
			lost = lost || bytes.Contains(e.Frame, systemKind)
		}
		h.step(sw, sh, rm, x)
	}
	for i := range d.Entries {
		for _, u := range d.Entries[i].Added {
			h.requestRoom(envelope.Point{Room: rm.id, Seq: d.Entries[i].Seq, Epoch: rm.epoch}, u)
		}
	}
	if whole {
		h.deliverHeld(sw, sh, rm)
	}
	behind := rm.delivered < d.Seq
	if lost || behind {
		h.doubtRoom(rm)
	}
	switch {
	case whole && rm.delivered > before && len(rm.members) > 0 && (behind || len(rm.held) > 0):
		_ = h.ask(sh, rm, true) // the answer was cut, or there is another gap: from here again
		return
	case behind:
		h.jump(sw, sh, rm, d.Seq, false)
	}
	h.closeGap(sw, sh, rm)
}

// returned has users who left and came back behind the gap go on from where they came back: what is between isn't for
// them, and where exactly they left isn't known here. Their clients must load the room again from there.
func (h *Hub) returned(sw *Sweep, rm *room, entries []envelope.Entry) {
	back := map[chat.UserID]chat.Seq{}
	for i := range entries {
		for _, u := range entries[i].Added {
			if !h.memberships.out(rm.id, u, membership{epoch: rm.epoch, seq: entries[i].Seq}) { // else they have left again
				back[u] = entries[i].Seq
			}
		}
	}
	if len(back) == 0 {
		return
	}
	for i := range rm.members {
		m := &rm.members[i]
		if seq := back[m.s.User()]; m.asOf < seq {
			m.asOf, m.from = seq, 0
			rm.knows(m)
			sw.Put(m.s, rm.headFrame(seq))
			sw.Put(m.s, h.resyncFrame(rm))
		}
	}
}

// review applies what a repair says about the users that it asked for. Who isn't a member is detached, unless it is
// known at which seq they leave: that is waited for. Who is one, and was in doubt, gets the head and everything after
// it.
func (h *Hub) review(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	in := make(map[chat.UserID]bool, len(d.Users))
	froms := make(map[chat.UserID]chat.Seq, len(d.Froms))
	for i, u := range d.Users {
		if in[u] = true; i < len(d.Froms) {
			froms[u] = d.Froms[i]
		}
	}
	for _, u := range rm.asked {
		if in[u] {
			continue
		}
		h.memberships.note(rm.id, u, membership{rm.epoch, d.Seq, false})
		known := chat.Seq(0) // the last known leave: who was attached before it goes then, or with one before it
		for _, l := range rm.leaves {
			if (l.user == u || l.user == 0) && (l.seq <= d.Seq || !rm.jumps(d)) { // else they may have been away before it
				known = max(known, l.seq)
			}
		}
		h.expel(sw, sh, rm, leaving{u, known, d.Seq + 1, chat.LeftSelf}, rm.delivered)
		h.partedUser(u)
	}
	h.doubtOthers(rm, d)
	rm.doubt = false
	head := max(rm.delivered, d.Seq)
	var f Frame
	for i := range rm.members {
		m := &rm.members[i]
		if m.asOf <= d.Seq { // else what is known of them is newer
			h.ranges(sh, rm, m, in, froms)
		}
		switch {
		case !m.doubt:
		case !in[m.s.User()]: // attached after the repair was sent, or about to leave
			rm.doubt = true
		default:
			if f == nil {
				f = rm.headFrame(head)
			}
			sw.Put(m.s, f)
			m.doubt, m.asOf = false, head
			rm.knows(m)
		}
	}
}

// ranges notes what a repair says of a member beside their membership: what they may see, and whether they are about to leave.
func (h *Hub) ranges(sh *roomShard, rm *room, m *member, in map[chat.UserID]bool, froms map[chat.UserID]chat.Seq) {
	u := m.s.User()
	if from := froms[u]; from != 0 {
		m.from = from
	}
	if _, asked := slices.BinarySearch(rm.asked, u); asked {
		h.leaves(sh, rm, m, !in[u])
	}
}

// doubtOthers puts those in doubt who were attached after the repair was sent: it skips entries, and didn't ask about
// them.
func (h *Hub) doubtOthers(rm *room, d *envelope.Delivery) {
	if rm.phase != repairing {
		return
	}
	rm.skipped = max(rm.skipped, d.Seq)
	for i := range rm.members {
		m := &rm.members[i]
		if _, asked := slices.BinarySearch(rm.asked, m.s.User()); !asked && m.asOf < d.Seq {
			m.doubt = true
		}
	}
}

// jump goes on after seq without what is before it, and sends the sockets `resync`, so that their clients load it.
// unchecked means that it isn't known who is still a member: the sockets are in doubt until another repair has
// answered.
func (h *Hub) jump(sw *Sweep, sh *roomShard, rm *room, seq chat.Seq, unchecked bool) {
	rm.delivered, rm.skipped = seq, seq
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
		m.doubt = m.doubt || unchecked
		rm.doubt = rm.doubt || unchecked
	}
	h.purge(sw, sh, rm)
	h.settle(sw, sh, rm)
}

// closeGap goes on after an answer or an entry that may have closed the gap: with delivering, with another repair,
// or, after too many of those, with a jump.
func (h *Hub) closeGap(sw *Sweep, sh *roomShard, rm *room) {
	h.deliverHeld(sw, sh, rm)
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
		_ = h.ask(sh, rm, true) // repeated when due
	case !rm.waiting && rm.tries >= repairTries:
		rm.tries = 0
		h.jump(sw, sh, rm, slices.Min(slices.Collect(maps.Keys(rm.held)))-1, true)
		h.closeGap(sw, sh, rm)
	case !rm.waiting:
		rm.tries++
		rm.lookAt = h.o.Now() + retryMS + h.o.Jitter(retryMS)
		h.schedule(sh, rm)
	}
}
