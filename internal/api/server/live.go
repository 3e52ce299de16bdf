package server

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"chat-service/internal/chat"
)

const (
	// liveFor is how long a session's liveness is believed: a logout in another process ends REST access within it.
	liveFor = 3 * time.Second
	// liveSessions is how many sessions' liveness is remembered at most.
	liveSessions = 20_000
)

// ErrEnded is the answer to a session that may not act any more.
var ErrEnded error = chat.E(chat.Unauthenticated, "this session has ended: log in again")

// LiveCache remembers for a moment which sessions may act, so that not every request asks the store. What this
// process ends is forgotten at once; what another one ends, after liveFor. It is bounded: the session that was used
// longest ago is dropped first, and costs a query when it comes back.
//
// The entries carry their own end instead of leaving it to the expirable LRU: that one reads the system's clock, and
// starts a goroutine that never ends.
type LiveCache struct {
	port Liveness
	ttl  time.Duration
	now  func() time.Time

	mu    sync.Mutex
	known *simplelru.LRU[chat.SessionID, liveEntry]
	gen   uint64 // raised whenever something is forgotten: an answer that was read before it is not kept
}

type liveEntry struct {
	user  chat.UserID
	err   error // nil: it may act
	until time.Time
}

// NewLiveCache makes an empty cache in front of port.
func NewLiveCache(port Liveness, now func() time.Time) *LiveCache {
	return newLiveCache(port, liveFor, liveSessions, now)
}

// newLiveCache is NewLiveCache with other bounds, for tests.
func newLiveCache(port Liveness, ttl time.Duration, size int, now func() time.Time) *LiveCache {
	known, err := simplelru.NewLRU[chat.SessionID, liveEntry](size, nil)
	if err != nil {
		panic(err) // only a size below 1 is refused
	}
	return &LiveCache{port: port, ttl: ttl, now: now, known: known}
}

// check returns nil if the session may act, ErrEnded if not, and the store's error, which isn't remembered, if that
// is unknown.
func (l *LiveCache) check(ctx context.Context, user chat.UserID, id chat.SessionID) error {
	e, ok, gen := l.look(user, id)
	if ok {
		return e.err
	}
	session, account, err := l.port.Session(ctx, id, user)
	switch chat.KindOf(err) {
	case chat.NotFound, chat.Unauthenticated, chat.Forbidden, chat.Blocked, chat.TokenExpired:
		e.err = ErrEnded
	default:
		if err != nil {
			return err
		}
	}
	if session.User != user || !session.RevokedAt.IsZero() || account.Status == chat.Disabled ||
		!session.ExpiresAt.IsZero() && l.now().After(session.ExpiresAt) {
		e.err = ErrEnded
	}
	l.keep(id, liveEntry{user: user, err: e.err, until: l.now().Add(l.ttl)}, gen)
	return e.err
}

// look returns what is remembered and still fresh, and the generation in which it looked.
func (l *LiveCache) look(user chat.UserID, id chat.SessionID) (e liveEntry, ok bool, gen uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok = l.known.Get(id); !ok || e.user != user || !l.now().Before(e.until) {
		return liveEntry{}, false, l.gen
	}
	return e, true, l.gen
}

// keep remembers an answer, unless something was forgotten since it was asked for: it may be the session that just
// ended.
func (l *LiveCache) keep(id chat.SessionID, e liveEntry, gen uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if gen == l.gen {
		l.known.Add(id, e)
	}
}

// Forget makes the next check of a session ask the store.
func (l *LiveCache) Forget(id chat.SessionID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gen++
	l.known.Remove(id)
}

// ForgetUser does the same for all sessions of a user.
func (l *LiveCache) ForgetUser(user chat.UserID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gen++
	for _, id := range l.known.Keys() {
		if e, ok := l.known.Peek(id); ok && e.user == user {
			l.known.Remove(id)
		}
	}
}
