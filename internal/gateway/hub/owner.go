package hub

import (
	"maps"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// ask sends a new Attach: for the head or, as a repair, for what is missing and for who is still a member. An error
// of the bus may be ignored: the Attach is due again.
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

// sendAttach sends the room's Attach, the first time or again with the same number, and makes it due again.
func (h *Hub) sendAttach(sh *roomShard, rm *room) error {
	pause := min(int64(resendMS)<<rm.resends, resendMax)
	rm.resends = min(rm.resends+1, 8)
	rm.resendAt = h.o.Now() + pause + h.o.Jitter(pause/2)
	h.schedule(sh, rm)
	c := envelope.Command{Kind: envelope.Attach, Room: rm.id, Number: rm.number}
	if rm.asked != nil {
		c.Repair, c.Seq, c.Users = true, rm.delivered, rm.asked
	}
	return h.o.Publish(rm.id, &c)
}

// due does what is due in a room and takes it off the list if nothing else will be.
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
		_ = h.sendAttach(sh, rm) // repeated when due
	}
	if rm.lookAt != 0 && now >= rm.lookAt {
		rm.lookAt = 0
		h.lookBehind(sh, rm)
	}
	h.dueChanges(sw, sh, rm, now)
	if !rm.waiting && rm.lookAt == 0 && rm.dropAt == 0 && !rm.changes.due() {
		delete(sh.timed, rm)
	}
}

// lookBehind begins a repair if the room is still behind what was announced, or has members in doubt.
func (h *Hub) lookBehind(sh *roomShard, rm *room) {
	if rm.waiting || rm.phase == attaching || len(rm.members) == 0 ||
		len(rm.held) == 0 && rm.announced <= rm.delivered && !rm.doubt {
		return
	}
	_ = h.ask(sh, rm, true) // repeated when due
}

// cool has a room without sockets forget where it stands. Users that a held entry adds are attached after that, and
// find it cold.
func (h *Hub) cool(sw *Sweep, sh *roomShard, rm *room) {
	held := rm.held
	h.unholdAll(rm)
	h.dropLater(rm)
	rm.phase, rm.waiting, rm.doubt, rm.lookAt, rm.changes = attaching, false, false, 0, nil
	for _, seq := range slices.Sorted(maps.Keys(held)) {
		h.aside(sw, sh, held[seq])
	}
}

// Attached applies the owner's answer. Answers to any but the room's last Attach are ignored.
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
		h.moved(sw, sh, rm, d.Entries)
		h.review(sw, sh, rm, d)
	}
	rm.asked = nil
	switch rm.phase {
	case attaching:
		h.beginChanges(sh, rm, d.Changes)
		h.begin(sw, sh, rm, d.Seq)
	case repairing:
		h.repaired(sw, sh, rm, d)
		h.noteChanges(sh, rm, d.Changes)
	case running:
		h.noteHead(sh, rm, d.Seq)
		h.noteChanges(sh, rm, d.Changes)
	}
}

// begin starts delivering after the announced head, or earlier if what is held reaches back from it without a gap.
// Members who were just added may lack entries that were announced before the owner knew of this gateway: for them it
// starts where they were added, and a repair at once brings the rest. Members who were attached as of less are in
// doubt, which that repair ends, too.
func (h *Hub) begin(sw *Sweep, sh *roomShard, rm *room, head chat.Seq) {
	rm.announced = max(rm.announced, head)
	at := head
	for rm.held[at] != nil {
		at--
	}
	for i := range rm.members {
		if m := &rm.members[i]; m.added && m.asOf+addedGap >= head {
			at = min(at, m.asOf)
		}
	}
	rm.delivered, rm.skipped, rm.phase = at, at, running
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

// noteHead notes an announced head. If its entries haven't come after headWaitMS, they are fetched.
func (h *Hub) noteHead(sh *roomShard, rm *room, head chat.Seq) {
	rm.announced = max(rm.announced, head)
	h.lookSoon(sh, rm)
}

// lookSoon makes lookBehind due if there is a reason for it.
func (h *Hub) lookSoon(sh *roomShard, rm *room) {
	if rm.phase == running && rm.lookAt == 0 && (rm.doubt || rm.announced > rm.delivered) {
		rm.lookAt = h.o.Now() + headWaitMS
		h.schedule(sh, rm)
	}
}

// Heads applies a digest: how far rooms have been announced.
func (h *Hub) Heads(sw *Sweep, points []envelope.Point) {
	for _, p := range points {
		h.head(sw, p)
	}
}

func (h *Hub) head(sw *Sweep, p envelope.Point) {
	sh := h.roomShard(p.Room)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rm := sh.rooms[p.Room]
	switch {
	case rm == nil || rm.cold() || p.Epoch < rm.epoch && p.Epoch != 0:
	case p.Epoch > rm.epoch && rm.epoch != 0:
		h.newEpoch(sw, sh, rm, p.Epoch)
	default:
		h.noteHead(sh, rm, p.Seq)
		h.noteChanges(sh, rm, p.Changes)
	}
}

// Newcomers applies a digest: users[i] was added to points[i].Room at its seq, some time ago.
func (h *Hub) Newcomers(points []envelope.Point, users []chat.UserID) {
	for i := range min(len(points), len(users)) {
		h.requestRoom(points[i], users[i])
	}
}

// requestRoom has those sockets of a user who was added to a room ask for it that aren't in it: the entry that said
// so is lost.
func (h *Hub) requestRoom(p envelope.Point, u chat.UserID) {
	sessions := h.Of(u)
	if len(sessions) == 0 || h.memberships.out(p.Room, u, membership{epoch: p.Epoch, seq: p.Seq}) {
		return
	}
	for _, s := range sessions {
		state := s.State()
		state.mu.Lock()
		here := state.gone || slices.Contains(state.unsubscribed, p.Room) ||
			slices.ContainsFunc(state.rooms, func(r *room) bool { return r.id == p.Room })
		state.mu.Unlock()
		if !here {
			s.RequestRoom(p.Room)
		}
	}
}

// Reattach asks for the heads of one shard's rooms again. It stops at the first command that the bus refuses, and
// returns that error.
func (h *Hub) Reattach(shard int) error {
	sh := &h.rooms[shard]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, rm := range sh.rooms {
		if len(rm.members) == 0 || rm.waiting {
			continue
		}
		if err := h.ask(sh, rm, false); err != nil {
			return err
		}
	}
	return nil
}

// ReattachRoom asks for one room's head again.
func (h *Hub) ReattachRoom(id chat.RoomID) {
	sh := h.roomShard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if rm := sh.rooms[id]; rm != nil && len(rm.members) > 0 && !rm.waiting {
		_ = h.ask(sh, rm, false) // repeated when due
	}
}

// newEpoch begins a room again: the room was recreated or restored, and its seqs can't be compared with those before.
func (h *Hub) newEpoch(sw *Sweep, sh *roomShard, rm *room, epoch uint64) {
	h.leaveEpoch(sw, sh, rm, epoch)
	rm.waiting = false
	if len(rm.members) > 0 {
		_ = h.ask(sh, rm, false) // repeated when due
	}
}

// leaveEpoch sends the sockets `resync` and forgets what was delivered and held.
func (h *Hub) leaveEpoch(sw *Sweep, sh *roomShard, rm *room, epoch uint64) {
	for _, seq := range slices.Sorted(maps.Keys(rm.held)) {
		h.ack(sw, rm.held[seq])
	}
	h.unholdAll(rm)
	h.dropLater(rm)
	rm.changes = nil
	h.settleAll(sw, sh, rm)
	rm.epoch, rm.delivered, rm.announced, rm.phase = epoch, 0, 0, attaching
	rm.lookAt, rm.tries, rm.overflows, rm.asked, rm.skipped, rm.reads = 0, 0, 0, nil, 0, nil
	if len(rm.members) == 0 {
		return
	}
	f := h.resyncFrame(rm)
	for i := range rm.members {
		m := &rm.members[i]
		m.asOf, m.has, m.changes, m.from, m.behind, m.leaving = 0, 0, 0, 0, false, false
		sw.Put(m.s, f)
	}
}
