package server

import (
	"container/list"
	"context"
	"sync"
	"time"

	"chat-service/internal/chat"
)

// LiveCache remembers for a moment which sessions may act, so that not every request asks the store. What this process
// ends is forgotten at once; what another one ends, after ttl. It holds at most size sessions: the one that was asked for
// longest ago goes first, and costs a query when it comes back.
type LiveCache struct {
	port Liveness
	ttl  time.Duration
	size int
	now  func() time.Time

	mu    sync.Mutex
	byID  map[chat.SessionID]*list.Element
	order *list.List // of *liveEntry, latest use first
	gen   uint64     // raised by every forgetting: a verdict read before it is not kept
}

type liveEntry struct {
	id      chat.SessionID
	user    chat.UserID
	verdict error // nil: it may act
	until   time.Time
}

const (
	// liveFor is how long a session's validity is believed: a logout elsewhere ends REST access within it.
	liveFor      = 3 * time.Second
	liveSessions = 20_000 // whose validity is remembered at most
)

// NewLiveCache makes an empty cache in front of port.
func NewLiveCache(port Liveness, now func() time.Time) *LiveCache {
	return newLiveCache(port, liveFor, liveSessions, now)
}

func newLiveCache(port Liveness, ttl time.Duration, size int, now func() time.Time) *LiveCache {
	return &LiveCache{port: port, ttl: ttl, size: size, now: now, byID: map[chat.SessionID]*list.Element{}, order: list.New()}
}

// check returns nil where the session may act. Failures to find out are not remembered.
func (l *LiveCache) check(ctx context.Context, user chat.UserID, id chat.SessionID) error {
	known, gen := l.look(user, id)
	if known != nil {
		return known.verdict
	}
	var verdict error
	session, account, err := l.port.Session(ctx, id, user)
	switch chat.KindOf(err) {
	case chat.NotFound, chat.Unauthenticated, chat.Forbidden, chat.Blocked, chat.TokenExpired:
		verdict = ErrEnded
	default:
		if err != nil {
			return err
		}
	}
	if err != nil || session.User != user || !session.RevokedAt.IsZero() || account.Status == chat.Disabled ||
		!session.ExpiresAt.IsZero() && l.now().After(session.ExpiresAt) {
		verdict = ErrEnded
	}
	l.keep(&liveEntry{id: id, user: user, verdict: verdict, until: l.now().Add(l.ttl)}, gen)
	return verdict
}

// ErrEnded is the verdict on a session that may not act any more.
var ErrEnded error = chat.E(chat.Unauthenticated, "this session has ended: log in again")

// look returns what is remembered, nil where nothing fresh is.
func (l *LiveCache) look(user chat.UserID, id chat.SessionID) (e *liveEntry, gen uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	el := l.byID[id]
	if el == nil {
		return nil, l.gen
	}
	e = el.Value.(*liveEntry)
	if e.user != user || !l.now().Before(e.until) {
		return nil, l.gen
	}
	l.order.MoveToFront(el)
	return e, l.gen
}

func (l *LiveCache) keep(e *liveEntry, gen uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if gen != l.gen {
		return
	}
	if el := l.byID[e.id]; el != nil {
		l.drop(el)
	}
	l.byID[e.id] = l.order.PushFront(e)
	for l.order.Len() > l.size {
		l.drop(l.order.Back())
	}
}

func (l *LiveCache) drop(el *list.Element) {
	delete(l.byID, el.Value.(*liveEntry).id)
	l.order.Remove(el)
}

// Forget makes the next check of a session ask the store.
func (l *LiveCache) Forget(id chat.SessionID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gen++
	if el := l.byID[id]; el != nil {
		l.drop(el)
	}
}

// ForgetUser does the same for all sessions of a user.
func (l *LiveCache) ForgetUser(user chat.UserID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gen++
	for el := l.order.Front(); el != nil; {
		next := el.Next()
		if el.Value.(*liveEntry).user == user {
			l.drop(el)
		}
		el = next
	}
}
