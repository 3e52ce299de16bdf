package hub

import (
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// Watched sets whose presence a socket watches, in place of what it watched before, or takes the answer to a review. The
// list was bounded when its frame was decoded. It reports whether the answer's snapshot is to be shown.
func (h *Hub) Watched(s Socket, d *envelope.Delivery) (show bool) {
	if d.Repair {
		return h.reviewed(s, d)
	}
	h.watch(s, d.Users)
	h.doubtRecent(s, d.Users)
	return true
}

func (h *Hub) watch(s Socket, users []chat.UserID) {
	users = slices.Clone(users)
	slices.Sort(users)
	users = slices.Compact(users)
	state := s.State()
	state.mu.Lock()
	if state.gone {
		state.mu.Unlock()
		return
	}
	before := state.watch
	state.watch, state.review.doubted, state.review.number = users, nil, 0
	state.mu.Unlock()
	h.unwatch(s, before)
	for _, u := range users {
		us := h.userShard(u)
		us.mu.Lock()
		state.mu.Lock()
		gone := state.gone // Forget removed only what was listed before it
		state.mu.Unlock()
		if !gone {
			e := us.entry(u)
			e.watchers = append(e.watchers, s)
		}
		us.mu.Unlock()
	}
}

func (h *Hub) unwatch(s Socket, users []chat.UserID) {
	for _, u := range users {
		us := h.userShard(u)
		us.mu.Lock()
		if e := us.users[u]; e != nil {
			e.watchers = without(e.watchers, s)
			us.tidy(u, e)
		}
		us.mu.Unlock()
	}
}

// watchers returns the sockets that watch a user.
func (h *Hub) watchers(u chat.UserID) []Socket {
	us := h.userShard(u)
	us.mu.Lock()
	defer us.mu.Unlock()
	if e := us.users[u]; e != nil {
		return slices.Clone(e.watchers)
	}
	return nil
}

// Presences sends watchers the users who went online or offline: a frame for each watcher, or one for all if it is
// about one user.
func (h *Hub) Presences(sw *Sweep, states []envelope.Presence) {
	if len(states) == 1 {
		ws := slices.DeleteFunc(h.watchers(states[0].User), func(s Socket) bool { return withheld(s, states[0].User) })
		if len(ws) == 0 {
			return
		}
		f := Text(protocol.AppendPresence(nil, []chat.Presence{presence(states[0])}))
		sw.PutAll(ws, f)
		return
	}
	per := map[Socket][]chat.Presence{}
	for _, st := range states {
		for _, s := range h.watchers(st.User) {
			if !withheld(s, st.User) {
				per[s] = append(per[s], presence(st))
			}
		}
	}
	for s, ps := range per {
		sw.Put(s, Text(protocol.AppendPresence(nil, ps)))
	}
}

func presence(p envelope.Presence) chat.Presence {
	c := chat.Presence{User: p.User, Online: p.Online, Known: true}
	if p.LastSeen != 0 {
		c.LastSeen = time.UnixMilli(p.LastSeen)
	}
	return c
}
