package server

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"chat-service/internal/chat"
)

// Attempts asks the shared throttle, and the process's own one while that is unavailable: guessing stays slow without
// Redis.
type Attempts struct {
	shared  Throttle // nil: always unavailable
	local   Throttle
	metrics *Metrics
}

// NewAttempts counts attempts in shared, which may be nil.
func NewAttempts(shared Throttle, now func() time.Time, metrics *Metrics) *Attempts {
	return &Attempts{shared: shared, local: newLocalThrottle(now), metrics: metrics}
}

// first runs ask on the shared throttle, then on the local one if that failed.
func (a *Attempts) first(ask func(Throttle) (time.Duration, error)) time.Duration {
	if a.shared != nil {
		if d, err := ask(a.shared); err == nil {
			return d
		}
	}
	a.metrics.Degraded.WithLabelValues("throttle").Inc()
	d, _ := ask(a.local) // memory does not fail
	return d
}

// Allow takes one of limit attempts a minute at what, which who makes; limit 0 allows all. It returns nil or
// chat.RateLimited.
func (a *Attempts) Allow(ctx context.Context, what, who string, limit int) error {
	if limit <= 0 {
		return nil
	}
	wait := a.first(func(t Throttle) (time.Duration, error) {
		ok, wait, err := t.Allow(ctx, what+":"+who, limit, limit, time.Minute)
		if ok {
			wait = 0
		}
		return wait, err
	})
	return a.refuse(what, wait)
}

// pace bounds one user's requests to this process, after a burst of twice as many; 0 is no bound.
func (a *Attempts) pace(user chat.UserID, perSecond int) error {
	if perSecond <= 0 {
		return nil
	}
	_, wait, _ := a.local.Allow(context.Background(), "requests:"+user.String(), perSecond, 2*perSecond, time.Second)
	return a.refuse("requests", wait)
}

// Due returns chat.RateLimited while an account has to wait after failures.
func (a *Attempts) Due(ctx context.Context, account string) error {
	wait := a.first(func(t Throttle) (time.Duration, error) { return t.Delay(ctx, account) })
	return a.refuse("account", wait)
}

// Failed notes a failed attempt on an account.
func (a *Attempts) Failed(ctx context.Context, account string) {
	a.first(func(t Throttle) (time.Duration, error) { return t.Fail(ctx, account) })
}

// Cleared forgets an account's failures.
func (a *Attempts) Cleared(ctx context.Context, account string) {
	a.first(func(t Throttle) (time.Duration, error) { return 0, t.Clear(ctx, account) })
}

// refuse turns a wait into an error that says how long it is.
func (a *Attempts) refuse(what string, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	a.metrics.Throttled.WithLabelValues(what).Inc()
	return &chat.Error{Kind: chat.RateLimited, Msg: "too many attempts: wait a while", RetryAfter: wait}
}

// How the local throttle counts, which is as the shared one does: a few failures are free, then the delay doubles.
const (
	freeFailures = 3
	firstDelay   = time.Second
	longestDelay = 5 * time.Minute
	localKeys    = 10_000
)

// localThrottle is a Throttle of this process alone. It holds a bounded number of keys, and forgets all of them when
// that is reached: a flood of names must not use up memory, and the limit per address still holds against the flood.
type localThrottle struct {
	now func() time.Time

	mu       sync.Mutex
	failures map[string]failures
	buckets  map[string]*rate.Limiter
}

type failures struct {
	n     int
	until time.Time
}

// newLocalThrottle makes one that has seen nothing.
func newLocalThrottle(now func() time.Time) *localThrottle {
	return &localThrottle{now: now, failures: map[string]failures{}, buckets: map[string]*rate.Limiter{}}
}

// Allow implements Throttle.
func (l *localThrottle) Allow(_ context.Context, key string, limit, burst int, per time.Duration) (bool, time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) >= localKeys {
			clear(l.buckets)
		}
		b = rate.NewLimiter(rate.Limit(float64(limit)/per.Seconds()), burst)
		l.buckets[key] = b
	}
	wait := take(b, l.now())
	return wait <= 0, wait, nil
}

// Fail implements Throttle.
func (l *localThrottle) Fail(_ context.Context, key string) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) >= localKeys {
		clear(l.failures)
	}
	f := l.failures[key]
	f.n++
	var wait time.Duration
	if over := f.n - freeFailures; over > 0 {
		wait = min(firstDelay<<min(over-1, 16), longestDelay)
	}
	f.until = l.now().Add(wait)
	l.failures[key] = f
	return wait, nil
}

// Delay implements Throttle.
func (l *localThrottle) Delay(_ context.Context, key string) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.failures[key]
	if !ok {
		return 0, nil
	}
	return max(0, f.until.Sub(l.now())), nil
}

// Clear implements Throttle.
func (l *localThrottle) Clear(_ context.Context, key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.failures, key)
	return nil
}

// take takes one token, or returns how long until there is one.
func take(b *rate.Limiter, now time.Time) time.Duration {
	r := b.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}
