package gateway

import (
	"slices"
	"sync"
	"sync/atomic"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// hub knows which session is in which room and under which user, and what each room has delivered.
//
// Its methods that take a sweep queue frames and leave the flushing to the caller.
type hub struct {
	id      chat.GatewayID
	m       *Metrics
	now     func() int64
	publish func(room chat.RoomID, c *envelope.Command) error
	sockets *registry
	numbers atomic.Uint64 // of Attach and Detach, for this boot

	maxHeld, maxHeldBytes int
	heldBytes             atomic.Int64 // of all rooms

	facts facts
	rooms [shards]roomShard
	users [shards]userShard
}

type roomShard struct {
	mu    sync.Mutex
	rooms map[chat.RoomID]*room
	timed map[*room]struct{} // those with something due
}

type userShard struct {
	mu    sync.Mutex
	users map[chat.UserID]*userEntry
}

// userEntry is what is here of one user: sockets, and the sessions that watch his presence.
type userEntry struct {
	sockets  []*session
	watchers []*session
}

func newHub(o *Options, now func() int64, sockets *registry, publish func(chat.RoomID, *envelope.Command) error) *hub {
	h := &hub{id: o.ID, m: o.Metrics, now: now, publish: publish, sockets: sockets, maxHeld: o.HeldEntries, maxHeldBytes: o.HeldBytes}
	for i := range shards {
		h.rooms[i].rooms, h.rooms[i].timed = map[chat.RoomID]*room{}, map[*room]struct{}{}
		h.users[i].users = map[chat.UserID]*userEntry{}
	}
	return h
}

func (h *hub) roomShard(id chat.RoomID) *roomShard { return &h.rooms[chat.PartitionOf(uint64(id), shards)] }
func (h *hub) userShard(id chat.UserID) *userShard { return &h.users[chat.PartitionOf(uint64(id), shards)] }

// add lists a session under its user.
func (h *hub) add(s *session) {
	us := h.userShard(s.user)
	us.mu.Lock()
	e := us.entry(s.user)
	e.sockets = append(e.sockets, s)
	us.mu.Unlock()
}

func (us *userShard) entry(u chat.UserID) *userEntry {
	e := us.users[u]
	if e == nil {
		e = &userEntry{}
		us.users[u] = e
	}
	return e
}

// of returns a user's sockets.
func (h *hub) of(u chat.UserID) []*session {
	us := h.userShard(u)
	us.mu.Lock()
	defer us.mu.Unlock()
	if e := us.users[u]; e != nil {
		return slices.Clone(e.sockets)
	}
	return nil
}

// forget removes an ended session from everywhere; rooms and watch are what it held.
func (h *hub) forget(s *session, rooms []*room, watch []chat.UserID) {
	for _, rm := range rooms {
		sh := h.roomShard(rm.id)
		sh.mu.Lock()
		h.detach(sh, rm, s)
		sh.mu.Unlock()
	}
	h.unwatch(s, watch)
	if s.user == 0 {
		return
	}
	us := h.userShard(s.user)
	us.mu.Lock()
	if e := us.users[s.user]; e != nil {
		e.sockets = without(e.sockets, s)
		us.tidy(s.user, e)
	}
	us.mu.Unlock()
}

func (us *userShard) tidy(u chat.UserID, e *userEntry) {
	if len(e.sockets)+len(e.watchers) == 0 {
		delete(us.users, u)
	}
}

// without removes s, not keeping the order.
func without(l []*session, s *session) []*session {
	if i := slices.Index(l, s); i >= 0 {
		l[i] = l[len(l)-1]
		l[len(l)-1] = nil
		return l[:len(l)-1]
	}
	return l
}

// attach puts a session into a room whose membership was read at p. It returns the seq that the room has delivered where that
// is above p: the session then lacks what lies between. Nothing happens where the user is known to have left since, or
// where the session is there already.
func (h *hub) attach(sw *sweep, s *session, p envelope.Point) (head chat.Seq) {
	sh := h.roomShard(p.Room)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	head, _ = h.attachLocked(sw, sh, s, p)
	return head
}

// attachLocked also tells whether the session is new in the room.
func (h *hub) attachLocked(sw *sweep, sh *roomShard, s *session, p envelope.Point) (head chat.Seq, fresh bool) {
	if h.facts.out(p.Room, s.user, fact{epoch: p.Epoch, seq: p.Seq}) {
		return 0, false
	}
	rm := sh.rooms[p.Room]
	if rm == nil {
		rm = &room{id: p.Room, epoch: p.Epoch}
	}
	s.mu.Lock()
	if s.gone || s.phase == closing || slices.Contains(s.rooms, rm) {
		s.mu.Unlock()
		return 0, false
	}
	s.rooms = append(s.rooms, rm)
	s.mu.Unlock()
	if sh.rooms[p.Room] == nil {
		sh.rooms[p.Room] = rm
		h.m.Rooms.Inc()
	}
	if p.Epoch > rm.epoch && rm.epoch != 0 {
		h.newEpoch(sw, sh, rm, p.Epoch)
	}
	rm.members = append(rm.members, member{s, p.Seq})
	rm.dropAt = 0
	switch {
	case p.Epoch < rm.epoch && p.Epoch != 0:
		sw.put(s, h.resyncFrame(rm))
		rm.members[len(rm.members)-1].asOf = 0
	case rm.cold():
		rm.epoch = max(rm.epoch, p.Epoch)
		_ = h.ask(sh, rm, false) // sent again when due
	case rm.phase != attaching && rm.delivered > p.Seq:
		return rm.delivered, true
	}
	return 0, true
}

// leave takes one socket out of a room, telling it so; false where it isn't there.
func (h *hub) leave(s *session, id chat.RoomID) bool {
	sh := h.roomShard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rm := sh.rooms[id]
	if rm == nil || !h.detach(sh, rm, s) {
		return false
	}
	s.send(textFrame(protocol.AppendLeft(nil, id, 0, chat.LeftUnsub)))
	return true
}

// detach removes a session from a room; the last one starts the room's end.
func (h *hub) detach(sh *roomShard, rm *room, s *session) bool {
	i := slices.IndexFunc(rm.members, func(m member) bool { return m.s == s })
	if i < 0 {
		return false
	}
	h.drop(sh, rm, i)
	return true
}

// drop removes the member at i, moving the last one to its place.
func (h *hub) drop(sh *roomShard, rm *room, i int) {
	s, last := rm.members[i].s, len(rm.members)-1
	rm.members[i] = rm.members[last]
	rm.members[last] = member{}
	rm.members = rm.members[:last]
	s.mu.Lock()
	if j := slices.Index(s.rooms, rm); j >= 0 {
		s.rooms[j] = s.rooms[len(s.rooms)-1]
		s.rooms[len(s.rooms)-1] = nil
		s.rooms = s.rooms[:len(s.rooms)-1]
	}
	s.mu.Unlock()
	if last == 0 {
		rm.dropAt = h.now() + lingerMS + jitterMS(lingerMS/5)
		h.time(sh, rm)
	}
}

// turn does what is due in the rooms.
func (h *hub) turn(sw *sweep, now int64) {
	for i := range h.rooms {
		sh := &h.rooms[i]
		sh.mu.Lock()
		for rm := range sh.timed {
			h.due(sh, rm, now)
		}
		sh.mu.Unlock()
	}
	h.facts.age(now)
	h.m.HeldBytes.Set(float64(h.heldBytes.Load()))
	sw.flush()
}

// reattach asks for the heads of one shard's rooms again. It stops at the first command that the bus refuses.
func (h *hub) reattach(shard int) error {
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

// reattachRoom is reattach for one room.
func (h *hub) reattachRoom(id chat.RoomID) {
	sh := h.roomShard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if rm := sh.rooms[id]; rm != nil && len(rm.members) > 0 && !rm.waiting {
		_ = h.ask(sh, rm, false) // tried again when due
	}
}
