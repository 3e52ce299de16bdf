package gateway

import (
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// watched sets whose presence a session watches. The list was bounded when its frame was decoded.
func (h *hub) watched(s *session, users []chat.UserID) {
	users = slices.Clone(users)
	slices.Sort(users)
	users = slices.Compact(users)
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return
	}
	before := s.watch
	s.watch = users
	s.mu.Unlock()
	h.unwatch(s, before)
	for _, u := range users {
		us := h.userShard(u)
		us.mu.Lock()
		s.mu.Lock()
		gone := s.gone // finish removes what was listed before it
		s.mu.Unlock()
		if !gone {
			e := us.entry(u)
			e.watchers = append(e.watchers, s)
		}
		us.mu.Unlock()
	}
}

func (h *hub) unwatch(s *session, users []chat.UserID) {
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

// watchers returns who watches a user.
func (h *hub) watchers(u chat.UserID) []*session {
	us := h.userShard(u)
	us.mu.Lock()
	defer us.mu.Unlock()
	if e := us.users[u]; e != nil {
		return slices.Clone(e.watchers)
	}
	return nil
}

// presences tells watchers who came and went: one frame for each watcher, one shared frame where it is about one user.
func (h *hub) presences(sw *sweep, states []envelope.Presence) {
	if len(states) == 1 {
		ws := h.watchers(states[0].User)
		if len(ws) == 0 {
			return
		}
		f := textFrame(protocol.AppendPresence(nil, []chat.Presence{presence(states[0])}))
		for _, s := range ws {
			sw.put(s, f)
		}
		return
	}
	per := map[*session][]chat.Presence{}
	for _, st := range states {
		for _, s := range h.watchers(st.User) {
			per[s] = append(per[s], presence(st))
		}
	}
	for s, ps := range per {
		sw.put(s, textFrame(protocol.AppendPresence(nil, ps)))
	}
}

func presence(p envelope.Presence) chat.Presence {
	c := chat.Presence{User: p.User, Online: p.Online, Known: true}
	if p.LastSeen != 0 {
		c.LastSeen = time.UnixMilli(p.LastSeen)
	}
	return c
}
