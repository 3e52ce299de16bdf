package hub

import (
	"slices"
	"sync"
	"sync/atomic"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// Shards is the number of parts in which rooms are kept, and in which Reattach walks them.
const Shards = 64

// Options configure a Hub. All must be set.
type Options struct {
	// ID is the gateway's. Deliveries name it if their sender is a socket of this hub.
	ID chat.GatewayID
	// Now returns Unix milliseconds.
	Now func() int64
	// Jitter returns a random number from 0 to below n, which is above 0.
	Jitter func(n int64) int64
	// Find returns the local socket with this id, nil if there is none.
	Find func(chat.SocketID) Socket
	// Publish sends a command to a room's partition without blocking; an error means that it wasn't sent.
	Publish func(room chat.RoomID, c *envelope.Command) error
	// HeldEntries and HeldBytes bound what one room holds behind a gap. All rooms together hold at most 64 times
	// HeldBytes. What doesn't fit is dropped, and fetched again by the repair.
	HeldEntries int
	HeldBytes   int
	Metrics     *Metrics
}

// Hub keeps the rooms and users of one gateway. Methods that take a Sweep queue frames and leave the writing to the
// caller. The methods that apply deliveries are called from one goroutine, all others from any.
type Hub struct {
	o           Options
	numbers     atomic.Uint64 // of Attach and Detach, counting up for this boot
	heldBytes   atomic.Int64  // of all rooms
	memberships memberships
	reviews     reviews
	rooms       [Shards]roomShard
	users       [Shards]userShard
}

// State is what the hub keeps with a socket. Its zero value is ready to use.
type State struct {
	Patient atomic.Bool // what is queued may wait; whoever takes this away has the socket written to

	mu           sync.Mutex
	gone         bool // forgotten: in no room and in no index, for good
	rooms        []*room
	watch        []chat.UserID
	review       review // of watch
	unsubscribed []chat.RoomID
}

// In reports whether the socket is in a room.
func (s *State) In(id chat.RoomID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.rooms, func(rm *room) bool { return rm.id == id })
}

type userShard struct {
	mu    sync.Mutex
	users map[chat.UserID]*userEntry
}

// userEntry is what the hub has of one user: their sockets, and the sockets that watch their presence.
type userEntry struct {
	sockets  []Socket
	watchers []Socket
}

// New makes an empty hub.
func New(o Options) *Hub {
	h := &Hub{o: o}
	for i := range Shards {
		h.rooms[i].rooms, h.rooms[i].timed = map[chat.RoomID]*room{}, map[*room]struct{}{}
		h.users[i].users = map[chat.UserID]*userEntry{}
	}
	return h
}

func (h *Hub) userShard(id chat.UserID) *userShard {
	return &h.users[chat.PartitionOf(uint64(id), Shards)]
}

// Add lists a socket under its user.
func (h *Hub) Add(s Socket) {
	us := h.userShard(s.User())
	us.mu.Lock()
	e := us.entry(s.User())
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

// Of returns a user's sockets.
func (h *Hub) Of(u chat.UserID) []Socket {
	us := h.userShard(u)
	us.mu.Lock()
	defer us.mu.Unlock()
	if e := us.users[u]; e != nil {
		return slices.Clone(e.sockets)
	}
	return nil
}

// Forget removes an ended socket from everywhere, for good.
func (h *Hub) Forget(s Socket) {
	state := s.State()
	state.mu.Lock()
	state.gone = true
	rooms, watch := state.rooms, state.watch
	state.rooms, state.watch = nil, nil
	state.mu.Unlock()
	for _, rm := range rooms {
		h.forgetIn(rm, s)
	}
	h.unwatch(s, watch)
	us := h.userShard(s.User())
	us.mu.Lock()
	if e := us.users[s.User()]; e != nil {
		e.sockets = without(e.sockets, s)
		us.tidy(s.User(), e)
	}
	us.mu.Unlock()
}

// forgetIn takes an ended socket out of a room.
func (h *Hub) forgetIn(rm *room, s Socket) {
	sh := h.roomShard(rm.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	h.detach(sh, rm, s)
}

func (us *userShard) tidy(u chat.UserID, e *userEntry) {
	if len(e.sockets)+len(e.watchers) == 0 {
		delete(us.users, u)
	}
}

// without removes s from l and doesn't keep the order.
func without(l []Socket, s Socket) []Socket {
	if i := slices.Index(l, s); i >= 0 {
		l[i] = l[len(l)-1]
		l[len(l)-1] = nil
		return l[:len(l)-1]
	}
	return l
}

// Attach puts a socket into a room whose membership was read at p. If the room has delivered more than p, it returns
// that: the socket lacks what is between, and its client must be sent the head (if the membership is in doubt,
// the hub sends it later). Nothing happens if the user is known to have left since, or if the socket is in the room
// already.
func (h *Hub) Attach(sw *Sweep, s Socket, p envelope.Point) (head Head) {
	sh := h.roomShard(p.Room)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	head, _ = h.attachLocked(sw, sh, s, p)
	return head
}

// attachLocked also reports whether the socket is new in the room. The caller holds the shard's lock.
func (h *Hub) attachLocked(sw *Sweep, sh *roomShard, s Socket, p envelope.Point) (head Head, fresh bool) {
	if h.memberships.out(p.Room, s.User(), membership{epoch: p.Epoch, seq: p.Seq}) {
		return Head{}, false
	}
	rm := sh.rooms[p.Room]
	if rm == nil {
		rm = &room{id: p.Room, epoch: p.Epoch}
	}
	state := s.State()
	state.mu.Lock()
	if state.gone || slices.Contains(state.rooms, rm) {
		state.mu.Unlock()
		return Head{}, false
	}
	state.rooms = append(state.rooms, rm)
	if i := slices.Index(state.unsubscribed, p.Room); i >= 0 {
		state.unsubscribed = slices.Delete(state.unsubscribed, i, i+1)
	}
	state.mu.Unlock()
	if sh.rooms[p.Room] == nil {
		sh.rooms[p.Room] = rm
		h.o.Metrics.Rooms.Inc()
	}
	if p.Epoch > rm.epoch && rm.epoch != 0 {
		h.newEpoch(sw, sh, rm, p.Epoch)
	}
	rm.members = append(rm.members, member{s: s, asOf: p.Seq, changes: p.Changes, from: p.From})
	rm.dropAt = 0
	m := &rm.members[len(rm.members)-1]
	switch {
	case p.Epoch < rm.epoch && p.Epoch != 0:
		sw.Put(s, h.resyncFrame(rm))
		m.asOf, m.has, m.changes, m.from = 0, 0, 0, 0
	case rm.cold():
		rm.epoch = max(rm.epoch, p.Epoch)
		_ = h.ask(sh, rm, false) // repeated when due
	case rm.phase != attaching && p.Seq < rm.skipped:
		rm.doubt, m.doubt = true, true
		h.lookSoon(sh, rm)
	case rm.phase != attaching:
		if p.Seq < rm.delivered {
			head.Seq = rm.delivered
		}
		if at := rm.changeSeq(); p.Changes < at {
			head.Changes = at
		}
		if head.Changes != 0 {
			rm.knows(m)
		}
	}
	return head, true
}

// Leave takes one socket out of a room and sends it `left`; false if it isn't in the room. The user stays a member.
func (h *Hub) Leave(sw *Sweep, s Socket, id chat.RoomID) bool {
	sh := h.roomShard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rm := sh.rooms[id]
	if rm == nil || !slices.ContainsFunc(rm.members, func(m member) bool { return m.s == s }) {
		return false
	}
	state := s.State()
	state.mu.Lock()
	state.unsubscribed = append(state.unsubscribed, id) // before it leaves: requestRoom may look in between
	state.mu.Unlock()
	h.detach(sh, rm, s)
	sw.Put(s, Text(protocol.AppendLeft(nil, id, 0, chat.LeftUnsub)))
	return true
}

// detach removes a socket from a room.
func (h *Hub) detach(sh *roomShard, rm *room, s Socket) {
	if i := slices.IndexFunc(rm.members, func(m member) bool { return m.s == s }); i >= 0 {
		h.drop(sh, rm, i)
	}
}

// drop removes the member at i; the last one takes its place. After the last one the room stays for a while.
func (h *Hub) drop(sh *roomShard, rm *room, i int) {
	state, last := rm.members[i].s.State(), len(rm.members)-1
	rm.members[i] = rm.members[last]
	rm.members[last] = member{}
	rm.members = rm.members[:last]
	state.mu.Lock()
	if j := slices.Index(state.rooms, rm); j >= 0 {
		state.rooms[j] = state.rooms[len(state.rooms)-1]
		state.rooms[len(state.rooms)-1] = nil
		state.rooms = state.rooms[:len(state.rooms)-1]
	}
	state.mu.Unlock()
	if last == 0 {
		rm.dropAt = h.o.Now() + lingerMS + h.o.Jitter(lingerMS/5)
		h.schedule(sh, rm)
	}
}

// Turn does what is due in the rooms. It must be called several times per second.
func (h *Hub) Turn(sw *Sweep, now int64) {
	for i := range h.rooms {
		h.turnShard(sw, &h.rooms[i], now)
	}
	h.memberships.age(now)
	h.reviews.turn(now)
	h.o.Metrics.HeldBytes.Set(float64(h.heldBytes.Load()))
}

func (h *Hub) turnShard(sw *Sweep, sh *roomShard, now int64) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for rm := range sh.timed {
		h.due(sw, sh, rm, now)
	}
}
