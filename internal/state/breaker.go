package state

import (
	"sync"
	"time"
)

// breaker spares callers a server that doesn't answer: after limit failures in a row it refuses everything, except one
// probe per pause.
type breaker struct {
	limit int
	pause time.Duration

	mu       sync.Mutex
	failures int
	retryAt  time.Time // while open: when the next probe may go
	probing  bool
}

// enter reports whether a call may go, and whether it is the probe. now is monotonic.
func (b *breaker) enter(now time.Time) (ok, probe bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < b.limit {
		return true, false
	}
	if b.probing || now.Before(b.retryAt) {
		return false, false
	}
	b.probing = true
	return true, true
}

// outcome is what a call showed about the server.
type outcome uint8

const (
	answered outcome = iota
	failed
	unclear // the caller gave up: it shows nothing
)

// leave books a call's outcome and returns whether the breaker is open now.
func (b *breaker) leave(now time.Time, o outcome, probe bool) (open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	}
	switch o {
	case answered:
		b.failures = 0
	case failed:
		b.failures = min(b.failures+1, b.limit)
		if b.failures == b.limit {
			b.retryAt = now.Add(b.pause)
		}
	}
	return b.failures >= b.limit
}
