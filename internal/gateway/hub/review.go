package hub

import (
	"slices"
	"sync"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// Who shares no room with somebody any more may not watch them. Only the workers know all rooms, so after a notice that somebody
// left a room, the watch lists that it may affect are reviewed: their presence is withheld until a worker has confirmed them.

const (
	reviewAgainMS  = 2_000  // an unanswered review is asked for again after this, doubled with every try up to resendMax
	reviewsPerTurn = 64     // so that a popular user's leaving is no burst
	recentMS       = 30_000 // how long a watch list may be on its way that was judged before somebody left
	allRooms       = 1_000  // rooms that a welcome lists: a socket that has as many may be in more
)

// review is what a socket's watch list is reviewed for. The State's lock guards it.
type review struct {
	doubted []chat.UserID // ascending; mostly nil
	number  uint64        // of the last request; 0: there is none
	missed  bool          // a change was withheld
	tries   uint8
	dueAt   int64 // when to ask, in Unix milliseconds
}

// reviews are the sockets under review, and who left a room lately.
type reviews struct {
	mu     sync.Mutex
	due    map[Socket]struct{}
	number uint64
	left   map[chat.UserID]int64 // until when, in Unix milliseconds
}

// parted begins the reviews that a loss of membership makes necessary.
func (h *Hub) parted(d *envelope.Delivery) {
	for _, u := range d.Removed {
		h.partedUser(u)
	}
	if d.All {
		for _, u := range h.usersIn(d.Room) {
			h.partedUser(u)
		}
	}
}

// usersIn returns whose sockets are in a room, or are members without receiving it.
func (h *Hub) usersIn(id chat.RoomID) (users []chat.UserID) {
	in := func(s Socket) bool {
		state := s.State()
		state.mu.Lock()
		defer state.mu.Unlock()
		return len(state.rooms) >= allRooms || slices.Contains(state.unsubscribed, id) ||
			slices.ContainsFunc(state.rooms, func(r *room) bool { return r.id == id })
	}
	for i := range h.users {
		us := &h.users[i]
		us.mu.Lock()
		for u, e := range us.users {
			if slices.ContainsFunc(e.sockets, in) {
				users = append(users, u)
			}
		}
		us.mu.Unlock()
	}
	return users
}

// partedUser puts in doubt whom a user who left a room watches, and who watches them.
func (h *Hub) partedUser(u chat.UserID) {
	now := h.o.Now()
	h.reviews.mu.Lock()
	if h.reviews.left == nil {
		h.reviews.left = map[chat.UserID]int64{}
	}
	h.reviews.left[u] = now + recentMS
	h.reviews.mu.Unlock()
	for _, s := range h.Of(u) {
		h.doubt(s, now, func(chat.UserID) bool { return true })
	}
	for _, s := range h.watchers(u) {
		h.doubt(s, now, func(v chat.UserID) bool { return v == u })
	}
}

// doubtRoom puts in doubt whom the sockets of a room watch: who left it among entries whose notices were lost isn't known here.
func (h *Hub) doubtRoom(rm *room) {
	now := h.o.Now()
	for i := range rm.members {
		h.doubt(rm.members[i].s, now, func(chat.UserID) bool { return true })
	}
}

// doubtRecent puts in doubt what a worker said about a watch list if one of its users left a room lately: it may have said so
// before that.
func (h *Hub) doubtRecent(s Socket, users []chat.UserID) {
	h.reviews.mu.Lock()
	left := h.reviews.left
	_, self := left[s.User()]
	var recent []chat.UserID
	for _, u := range users {
		if _, ok := left[u]; len(left) > 0 && (self || ok) {
			recent = append(recent, u)
		}
	}
	h.reviews.mu.Unlock()
	if len(recent) > 0 {
		h.doubt(s, h.o.Now(), func(u chat.UserID) bool { return slices.Contains(recent, u) })
	}
}

// doubt withholds the changes of those of a socket's watch list that which selects, and has them reviewed. Nobody but oneself can be
// watched without a room in common.
func (h *Hub) doubt(s Socket, now int64, which func(chat.UserID) bool) {
	h.reviews.mu.Lock()
	defer h.reviews.mu.Unlock()
	state := s.State()
	state.mu.Lock()
	defer state.mu.Unlock()
	some := false
	for _, u := range state.watch {
		if u != s.User() && which(u) {
			state.review.doubted, some = append(state.review.doubted, u), true
		}
	}
	if state.gone || !some {
		return
	}
	slices.Sort(state.review.doubted)
	state.review.doubted = slices.Compact(state.review.doubted)
	if state.review.number == 0 { // else the next request is due already, with a pause if a worker didn't understand the last one
		state.review.dueAt = now + pauseAfter(state.review.tries)
	} else {
		state.review.dueAt = min(state.review.dueAt, now+reviewAgainMS)
	}
	h.reviews.number++
	state.review.number = h.reviews.number // an answer to an earlier request says nothing about what is doubted now
	if h.reviews.due == nil {
		h.reviews.due = map[Socket]struct{}{}
	}
	h.reviews.due[s] = struct{}{}
}

func pauseAfter(tries uint8) int64 {
	if tries == 0 {
		return 0
	}
	return min(int64(reviewAgainMS)<<(tries-1), resendMax)
}

// turn asks for the reviews that are due.
func (r *reviews) turn(now int64) {
	for _, ask := range r.take(now) {
		ask()
	}
}

func (r *reviews) take(now int64) (asks []func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for u, until := range r.left {
		if until < now {
			delete(r.left, u)
		}
	}
	for s := range r.due {
		if len(asks) == reviewsPerTurn {
			break
		}
		state := s.State()
		state.mu.Lock()
		switch {
		case state.gone || len(state.review.doubted) == 0:
			delete(r.due, s)
		case state.review.dueAt <= now:
			state.review.tries = min(state.review.tries+1, 4)
			state.review.dueAt = now + pauseAfter(state.review.tries)
			users, number := slices.Clone(state.watch), state.review.number
			asks = append(asks, func() { s.ReviewWatch(users, number) })
		}
		state.mu.Unlock()
	}
	return asks
}

// reviewed ends a review: who may not be watched any more leaves the list. It reports whether the snapshot must make up for what was
// withheld meanwhile.
func (h *Hub) reviewed(s Socket, d *envelope.Delivery) (show bool) {
	state := s.State()
	state.mu.Lock()
	if state.gone || d.Number != state.review.number {
		state.mu.Unlock()
		return false
	}
	var lost, kept []chat.UserID
	for _, u := range state.watch {
		if slices.Contains(d.Users, u) {
			kept = append(kept, u)
		} else {
			lost = append(lost, u)
		}
	}
	show = state.review.missed && len(kept) > 0
	state.watch, state.review = kept, review{}
	state.mu.Unlock()
	h.unwatch(s, lost)
	return show
}

// withheld reports whether a change about a user must not reach a watcher now.
func withheld(s Socket, u chat.UserID) bool {
	state := s.State()
	state.mu.Lock()
	defer state.mu.Unlock()
	_, doubted := slices.BinarySearch(state.review.doubted, u)
	state.review.missed = state.review.missed || doubted
	return doubted
}
