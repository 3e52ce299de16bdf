package sockets

import (
	"context"
	"sync"
	"time"

	"chat-service/internal/chat"
)

const (
	graceMax    = 100_000         // users that are remembered; more are not
	sweptWithin = 3 * time.Second // a user whose grace ended longer ago was announced
	assertTime  = 8 * time.Second // in which gateways report their sockets again
)

// graces remembers for whom this worker has asked that they be announced as offline: Redis may lose it, and nobody else knows that
// these users' last sockets have closed.
type graces struct {
	mu    sync.Mutex
	waits []waiting
}

type waiting struct {
	user chat.UserID
	at   time.Time
}

// note keeps users until their time.
func (g *graces) note(now time.Time, users []chat.UserID, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	over := 0
	for over < len(g.waits) && now.Sub(g.waits[over].at) > sweptWithin {
		over++
	}
	g.waits = g.waits[over:]
	for _, u := range users[:min(len(users), max(graceMax-len(g.waits), 0))] {
		g.waits = append(g.waits, waiting{u, at})
	}
}

// pending returns who wasn't announced yet, perhaps.
func (g *graces) pending(now time.Time) (users []chat.UserID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range g.waits {
		if now.Sub(w.at) <= sweptWithin {
			users = append(users, w.user)
		}
	}
	return users
}

// graceAnew asks again, after Redis has lost it, when the gateways have had the time to report who is connected.
func (s *Sockets) graceAnew(ctx context.Context) {
	now := s.o.Now()
	users := s.graces.pending(now)
	if len(users) == 0 {
		return
	}
	at := now.Add(max(s.o.OfflineGrace, assertTime))
	if err := s.o.Registry.OfflineLater(ctx, users, at); err != nil {
		s.o.Metrics.StateErrors.Inc()
		return
	}
	s.graces.note(now, users, at)
}
