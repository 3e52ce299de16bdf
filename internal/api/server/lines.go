package server

import (
	"context"
	"sync"
	"time"

	"chat-service/internal/chat"
)

// lines are those who wait for an allowance to come back, one line for each key. Their number is bounded by what an allowance gives
// within the wait.
type lines struct {
	mu sync.Mutex
	of map[string]*line
}

// line is one key's: how many are in it, and a place for the first.
type line struct {
	n     int
	first chan struct{}
}

// join returns the key's line, unless so many are in it.
func (ls *lines) join(key string, most int) (l *line, ok bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l = ls.of[key]
	if l == nil {
		l = &line{first: make(chan struct{}, 1)}
		ls.of[key] = l
	}
	if l.n >= most {
		return nil, false
	}
	l.n++
	return l, true
}

func (ls *lines) leave(key string, l *line) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.n--; l.n == 0 {
		delete(ls.of, key)
	}
}

// Await is Allow for one, for callers who would rather wait than be refused: it makes even what came at once. It waits up to patience,
// in a line that is no longer than what the allowance gives within that time; only its first asks, so that waiting costs nothing.
func (a *Attempts) Await(ctx context.Context, what, who string, r chat.Rate, patience time.Duration) error {
	most := 0
	if !r.Off() {
		most = int(patience / r.Step())
	}
	if most == 0 {
		return a.Allow(ctx, what, who, r, 1)
	}
	key := what + ":" + who
	l, ok := a.lines.join(key, most)
	if !ok {
		return a.refuse(what, patience)
	}
	defer a.lines.leave(key, l)
	over := time.NewTimer(patience + r.Step()) // the last of a full line has its turn when the patience ends
	defer over.Stop()
	select {
	case l.first <- struct{}{}:
	case <-over.C:
		return a.refuse(what, patience)
	case <-ctx.Done():
		return a.refuse(what, patience)
	}
	defer func() { <-l.first }()
	for {
		wait := a.take(ctx, key, r, 1)
		if wait <= 0 {
			return nil
		}
		back := time.NewTimer(wait)
		select {
		case <-back.C:
		case <-over.C:
			back.Stop()
			return a.refuse(what, wait)
		case <-ctx.Done():
			back.Stop()
			return a.refuse(what, wait)
		}
	}
}
