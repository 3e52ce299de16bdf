package hub

import (
	"bytes"
	"cmp"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

const (
	tellWithinMS = 1_000 // clients that must sync changes are told within this, so that they don't all ask at once
	tellsPerTurn = 100   // and so many of a room per turn
	laterMax     = 256   // changes of a room that wait for the entries before them
	crowd        = 64    // members here, from which a room's changes are written after what other rooms get
)

// changes is what the hub knows of a room's changes; nil in a room that never had one.
//
// A change is delivered once the entry that was the room's last then was: so it comes neither before the message that it concerns nor
// to somebody who had left by then. It is held for that, within bounds, and for nothing else. If changes before it are missing, the
// clients are told how far the room's changes have come (`head`), and sync: that is rare, and no room is held up by it. Clients whose
// first visible entry isn't known are told the same in place of each change.
type changes struct {
	at        chat.ChangeSeq       // the last that was delivered, or that clients are told to sync up to
	announced chat.ChangeSeq       // the highest that is known to be announced
	later     []*envelope.Delivery // what waits for its entry, ascending
	bytes     int                  // of later
	tellAt    int64                // when to tell the members that are behind, in Unix milliseconds like lookAt; 0: not due
	lookAt    int64                // when to look whether announced ones have come
	recalls   recalls              // the last ones
}

// due reports whether anything is to be done at some time.
func (c *changes) due() bool { return c != nil && (c.tellAt != 0 || c.lookAt != 0) }

// changeSeq is how far the room's changes have come here; 0: there were none, or it isn't known.
func (rm *room) changeSeq() chat.ChangeSeq {
	if rm.changes == nil {
		return 0
	}
	return rm.changes.at
}

// Changed applies one change of a room's messages. It answers who asked for it at once: it is committed.
func (h *Hub) Changed(sw *Sweep, d *envelope.Delivery) {
	sh := h.roomShard(d.Room)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	h.ack(sw, d)
	rm := sh.rooms[d.Room]
	switch {
	case rm == nil || rm.cold():
		return
	case d.Epoch > rm.epoch && rm.epoch != 0:
		h.newEpoch(sw, sh, rm, d.Epoch)
		if rm.cold() {
			return
		}
	case d.Epoch < rm.epoch && d.Epoch != 0:
		return
	}
	if rm.changes == nil {
		rm.changes = &changes{}
	}
	h.change(sw, sh, rm, d)
}

// change delivers a change, ignores it as a repeat, has it wait for its entry, or has the clients sync.
func (h *Hub) change(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	c := rm.changes
	c.announced = max(c.announced, d.Changes)
	switch {
	case rm.phase == attaching:
		h.wait(rm, d)
	case d.AtSeq > rm.delivered && len(rm.members) > 0:
		h.wait(rm, d)
		h.noteHead(sh, rm, d.AtSeq) // it was announced before
	case d.Changes <= c.at:
		h.o.Metrics.Repeats.Inc()
	case d.Prev > c.at && !skipsChanges():
		h.missed(sh, rm, d.Changes)
	default:
		h.tell(sw, sh, rm, d)
	}
}

// wait keeps a change until the entry before it was delivered. If too many wait, one mark is left of all of them, which is a gap when its
// time comes.
func (h *Hub) wait(rm *room, d *envelope.Delivery) {
	later := rm.changes.later
	i, there := slices.BinarySearchFunc(later, d.Changes, func(x *envelope.Delivery, n chat.ChangeSeq) int { return cmp.Compare(x.Changes, n) })
	if there {
		return
	}
	x := *d
	x.Frame, x.Bare, x.Mine, x.Ack = bytes.Clone(d.Frame), bytes.Clone(d.Bare), bytes.Clone(d.Mine), nil
	rm.changes.later = slices.Insert(later, i, &x)
	total := h.weigh(rm, heldSize(&x))
	if len(later) < laterMax && rm.changes.bytes <= h.o.HeldBytes && total <= 64*int64(h.o.HeldBytes) {
		return
	}
	h.o.Metrics.Overflows.Inc()
	mark := envelope.Delivery{Kind: envelope.Changed, Room: rm.id}
	for _, l := range rm.changes.later {
		mark.Changes, mark.AtSeq = max(mark.Changes, l.Changes), max(mark.AtSeq, l.AtSeq)
	}
	mark.Prev = mark.Changes
	h.dropLater(rm)
	rm.changes.later = []*envelope.Delivery{&mark}
	h.weigh(rm, heldSize(&mark))
}

// weigh counts what the changes that wait have come to weigh more, and returns what all that is held does.
func (h *Hub) weigh(rm *room, more int) (total int64) {
	rm.changes.bytes += more
	return h.heldBytes.Add(int64(more))
}

// dropLater forgets the changes that wait.
func (h *Hub) dropLater(rm *room) {
	if rm.changes != nil {
		h.weigh(rm, -rm.changes.bytes)
		rm.changes.later = nil
	}
}

// takeLater applies the changes whose entries were delivered.
func (h *Hub) takeLater(sw *Sweep, sh *roomShard, rm *room) {
	for c := rm.changes; c != nil && len(c.later) > 0 && rm.phase != attaching; {
		d := c.later[0]
		if d.AtSeq > rm.delivered && len(rm.members) > 0 {
			return
		}
		c.later[0] = nil
		c.later = c.later[1:]
		h.weigh(rm, -heldSize(d))
		h.change(sw, sh, rm, d)
	}
}

// tell delivers a change: with the message to those who may see that, without it to the others.
func (h *Hub) tell(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	rm.changes.at = d.Changes
	rm.changes.recalls.note(d.Frame, h.o.Now())
	var full, bare, mine Frame
	put := func(s Socket, f *Frame, payload []byte) {
		if *f == nil {
			*f = Text(payload)
		}
		if len(rm.members) >= crowd {
			sw.PutLater(s, *f)
		} else {
			sw.Put(s, *f)
		}
	}
	for i := range rm.members {
		m := &rm.members[i]
		switch {
		case d.Changes <= m.changes || m.behind: // their welcome tells it, or a head will
		case m.doubt || m.leaving:
			m.behind = true // they are told when it is known that they are still members
		case m.from == 0:
			m.behind = true
			h.tellSoon(sh, rm)
		case d.Seq >= m.from || showsHidden():
			put(m.s, &full, d.Frame)
		default:
			put(m.s, &bare, d.Bare)
		}
		if len(d.Mine) > 0 && m.s.User() == d.User && !m.doubt && !m.leaving && !h.asked(d, m.s) {
			put(m.s, &mine, d.Mine)
		}
	}
}

// asked reports whether a change was asked for by this socket.
func (h *Hub) asked(d *envelope.Delivery, s Socket) bool {
	return d.Gateway == h.o.ID && d.Socket != 0 && h.o.Find(d.Socket) == s
}

// missed goes on after a change without some up to it: clients that lack them are told to sync.
func (h *Hub) missed(sh *roomShard, rm *room, n chat.ChangeSeq) {
	h.o.Metrics.ChangeGaps.Inc()
	rm.changes.at = n
	h.behind(sh, rm)
}

// behind notes which members lack changes.
func (h *Hub) behind(sh *roomShard, rm *room) {
	for i := range rm.members {
		if m := &rm.members[i]; m.changes < rm.changes.at {
			m.behind = true
			h.tellSoon(sh, rm)
		}
	}
}

// tellSoon makes telling the members that are behind due.
func (h *Hub) tellSoon(sh *roomShard, rm *room) {
	if c := rm.changes; c.tellAt == 0 {
		c.tellAt = h.o.Now() + 1 + h.o.Jitter(tellWithinMS)
		h.schedule(sh, rm)
	}
}

// dueChanges does what is due about a room's changes.
func (h *Hub) dueChanges(sw *Sweep, sh *roomShard, rm *room, now int64) {
	c := rm.changes
	if c == nil || rm.phase == attaching {
		return
	}
	if c.lookAt != 0 && now >= c.lookAt {
		c.lookAt = 0
		switch {
		case c.announced <= c.at || len(c.later) > 0: // what waits shows what is missing when its time comes
		case rm.delivered < rm.announced: // somebody may leave by what is to come
			h.lookForChanges(sh, rm)
		default:
			h.missed(sh, rm, c.announced)
		}
	}
	if c.tellAt == 0 || now < c.tellAt {
		return
	}
	c.tellAt = 0
	var f Frame
	told := 0
	for i := range rm.members {
		m := &rm.members[i]
		if !m.behind || m.doubt || m.leaving {
			continue
		}
		if told++; told > tellsPerTurn {
			c.tellAt = now
			return
		}
		if f == nil {
			f = Head{Changes: c.at}.frame(rm.id)
		}
		rm.knows(m)
		sw.Put(m.s, f)
	}
}

// leaves notes whether a member is about to leave: they may have been away in between, and then changes are not for them.
func (h *Hub) leaves(sh *roomShard, rm *room, m *member, leaving bool) {
	m.leaving = leaving
	if m.behind && !leaving {
		h.tellSoon(sh, rm)
	}
}

// knows notes that a member is being told how far the room's changes have come, and syncs them.
func (rm *room) knows(m *member) { m.behind, m.changes = false, max(m.changes, rm.changeSeq()) }

// beginChanges starts after the announced changes, or earlier if what waits reaches back from them without a gap.
func (h *Hub) beginChanges(sh *roomShard, rm *room, head chat.ChangeSeq) {
	if rm.changes == nil {
		if head == 0 {
			return
		}
		rm.changes = &changes{}
	}
	c := rm.changes
	c.announced = max(c.announced, head)
	c.at = head
	for i := len(c.later) - 1; i >= 0; i-- {
		if d := c.later[i]; d.Changes == c.at {
			c.at = d.Prev
		}
	}
	h.behind(sh, rm)
}

// noteChanges notes how far a room's changes were announced. If they haven't come after headWaitMS, the clients are told to sync.
func (h *Hub) noteChanges(sh *roomShard, rm *room, head chat.ChangeSeq) {
	if rm.changes == nil {
		if head == 0 {
			return
		}
		rm.changes = &changes{}
	}
	rm.changes.announced = max(rm.changes.announced, head)
	if rm.changes.announced > rm.changes.at && rm.phase != attaching && len(rm.members) > 0 {
		h.lookForChanges(sh, rm)
	}
}

func (h *Hub) lookForChanges(sh *roomShard, rm *room) {
	if c := rm.changes; c.lookAt == 0 {
		c.lookAt = h.o.Now() + headWaitMS
		h.schedule(sh, rm)
	}
}

// Head is how far a room has been delivered beyond what a socket knows: its client must sync. Zero: not at all.
type Head struct {
	Seq     chat.Seq
	Changes chat.ChangeSeq
}

func (x Head) frame(id chat.RoomID) Frame {
	var heads Heads
	heads.Add(id, x)
	return heads.Frame()
}

// headFrame tells a room's last seq, and how far its changes have come.
func (rm *room) headFrame(seq chat.Seq) Frame { return Head{seq, rm.changeSeq()}.frame(rm.id) }

// Heads collects what one `head` frame tells. Its zero value is ready to use.
type Heads struct {
	rooms   map[chat.RoomID]chat.Seq
	changes map[chat.RoomID]chat.ChangeSeq
}

// Add adds a room, unless its head is zero.
func (x *Heads) Add(id chat.RoomID, head Head) {
	if head.Seq != 0 {
		if x.rooms == nil {
			x.rooms = map[chat.RoomID]chat.Seq{}
		}
		x.rooms[id] = head.Seq
	}
	if head.Changes != 0 {
		if x.changes == nil {
			x.changes = map[chat.RoomID]chat.ChangeSeq{}
		}
		x.changes[id] = head.Changes
	}
}

// Frame makes the frame; nil if there is nothing to tell.
func (x *Heads) Frame() Frame {
	if len(x.rooms)+len(x.changes) == 0 {
		return nil
	}
	return Text(protocol.AppendHead(nil, x.rooms, x.changes))
}
