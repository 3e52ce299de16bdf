package hub

import (
	"slices"
	"sync"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// roomPhase is where a room stands with its owner: see the package's comment.
type roomPhase uint8

const (
	attaching roomPhase = iota // the head isn't known: entries are held
	running                    // delivering delivered+1, +2, …
	repairing                  // behind a gap: entries are held
)

const (
	lingerMS    = 5_000 // a room without sockets stays attached this long, for those that reconnect
	resendMS    = 2_000 // an unanswered Attach is sent again after this, doubled with every try up to resendMax
	resendMax   = 16_000
	headWaitMS  = 500   // how long the entries up to an announced head may be on their way
	retryMS     = 1_000 // pause before another repair, if one was answered and a gap remains
	repairTries = 5     // repairs in a row that leave a gap before the sockets must resync
	overflowMax = 2     // overflows in one gap after which the hub jumps to the head instead of delivering
	leavesMax   = 4_096 // pending leaves of a room; one more has all of them applied at once
	addedGap    = 100   // entries that somebody who was just added may lack and still gets one by one
)

// room is one room's continuity: what was delivered, what is held behind a gap, who leaves when. The shard's lock
// guards it.
type room struct {
	id        chat.RoomID
	epoch     uint64
	delivered chat.Seq
	announced chat.Seq // the highest seq that is known to be announced
	skipped   chat.Seq // the highest seq that was passed without its own delivery: who left up to it isn't known
	number    uint64   // of the last Attach, 0 before the first
	members   []member
	held      map[chat.Seq]*envelope.Delivery // mostly nil
	heldBytes int
	leaves    []leaving
	asked     []chat.UserID            // whose membership the current repair asks for
	reads     map[chat.UserID]chat.Seq // read pointers that were shown; mostly nil
	changes   *changes                 // mostly nil

	resendAt int64 // when to send Attach again, in Unix milliseconds like the next two; 0: not due
	lookAt   int64 // when to look whether a repair is needed
	dropAt   int64 // when to detach, if there is still no socket

	phase     roomPhase
	waiting   bool  // the last Attach is unanswered
	doubt     bool  // some member is in doubt
	tries     uint8 // repairs in a row that left a gap
	resends   uint8 // of the last Attach
	overflows uint8 // in the current gap
}

// member is a socket in a room. It gets entries above asOf: up to there, its welcome or joined frame has said what
// there is. In doubt it gets none: its user may have left above asOf, at a seq that was skipped, until a repair has
// answered.
type member struct {
	s     Socket
	asOf  chat.Seq
	has   chat.Seq // up to here a sync has brought the entries, perhaps in a later form: the first one isn't sent after it
	doubt bool
	added bool // by the entry at asOf: what follows it is a message for them, and not yet a part of any history

	behind  bool           // they lack changes, and get none until they are told so: see changes
	leaving bool           // a repair says that they aren't a member, and the entry that says so is to come: they get no changes
	changes chat.ChangeSeq // up to here their welcome, their joined frame or a head has told what changed
	from    chat.Seq       // the first entry that they may see; 0: unknown
}

// leaving is a user who may see entries up to seq; user 0 is everybody. It concerns those of the user's sockets that
// were attached as of a seq from since to below seq.
type leaving struct {
	user   chat.UserID
	since  chat.Seq
	seq    chat.Seq
	reason chat.LeaveReason
}

type roomShard struct {
	mu    sync.Mutex
	rooms map[chat.RoomID]*room
	timed map[*room]struct{} // those that have something due
}

func (h *Hub) schedule(sh *roomShard, rm *room) { sh.timed[rm] = struct{}{} }

// repeat does for an entry that was delivered, or skipped, what may still be to do.
func (h *Hub) repeat(sw *Sweep, sh *roomShard, rm *room, d *envelope.Delivery) {
	h.o.Metrics.Repeats.Inc()
	h.ack(sw, d)
	if d.Seq <= rm.skipped {
		h.added(sw, sh, d)
	}
	h.settle(sw, sh, rm)
}

// added attaches the sockets of the users that an entry adds. They get what comes after it.
func (h *Hub) added(sw *Sweep, sh *roomShard, d *envelope.Delivery) {
	var f Frame
	for _, u := range d.Added {
		for _, s := range h.Of(u) {
			head, fresh := h.attachLocked(sw, sh, s, envelope.Point{Room: d.Room, Seq: d.Seq, Epoch: d.Epoch, Changes: d.Changes, From: d.From})
			if !fresh {
				h.confirm(sw, sh, s, d)
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
			if head != (Head{}) {
				sw.Put(s, head.frame(d.Room))
			}
		}
	}
}

// confirm notes that the user of a socket in the room was added by an entry: an earlier leave doesn't count any more, and
// the socket isn't in doubt any more, unless entries after it were skipped.
func (h *Hub) confirm(sw *Sweep, sh *roomShard, s Socket, d *envelope.Delivery) {
	rm, seq := sh.rooms[d.Room], d.Seq
	if rm == nil || seq > rm.delivered || rm.phase == attaching ||
		h.memberships.out(rm.id, s.User(), membership{epoch: d.Epoch, seq: seq}) { // they have left again
		return
	}
	for i := range rm.members {
		m := &rm.members[i]
		if m.s != s {
			continue
		}
		if seq > m.asOf {
			m.asOf, m.from = seq, d.From
			h.leaves(sh, rm, m, false)
		}
		if m.doubt && seq >= rm.skipped {
			m.doubt = false
			rm.knows(m)
			sw.Put(s, rm.headFrame(rm.delivered))
		}
		return
	}
}

// aside does what an entry asks for beside delivering it to the room: it acks, and attaches the users that it adds.
func (h *Hub) aside(sw *Sweep, sh *roomShard, d *envelope.Delivery) {
	h.ack(sw, d)
	h.added(sw, sh, d)
}

// addLeaves notes who leaves with an entry, before it is that entry's turn: a repair must not detach them earlier.
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

// settle detaches those who got everything that they may see, and applies the changes that came after it.
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
	h.takeLater(sw, sh, rm)
}

// settleAll detaches all who leave, whether or not they got everything.
func (h *Hub) settleAll(sw *Sweep, sh *roomShard, rm *room) {
	for _, l := range rm.leaves {
		h.expel(sw, sh, rm, l, l.seq)
	}
	rm.leaves = nil
}

// expel detaches the sockets that a leave concerns. Their `left` frame says seq.
func (h *Hub) expel(sw *Sweep, sh *roomShard, rm *room, l leaving, seq chat.Seq) {
	back := chat.Seq(0)
	if l.user != 0 {
		// If the user is back already, and the entry that says so was passed or dropped, they stay, from that entry on.
		if back = h.memberships.in(rm.id, l.user, rm.epoch); rm.held[back] != nil {
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
			m.asOf, m.from = back, 0
			if back < rm.skipped {
				rm.doubt, m.doubt = true, true
			} else {
				rm.knows(m)
				sw.Put(m.s, rm.headFrame(back))
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

func (h *Hub) resyncFrame(rm *room) Frame {
	h.o.Metrics.Resyncs.Inc()
	return Text(protocol.AppendResync(nil, rm.id, rm.epoch, ""))
}
