package server

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
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

// failureWindow is the time that an address's failures are counted over.
const failureWindow = time.Hour

// Try is a try at an account's password that was counted and is still to be judged.
type Try struct {
	attempts               *Attempts
	account, from, address string
	failures               int
}

// Try counts a try at an account's password from a place, before it is judged. address pays for it too if it isn't empty: it may
// fail failures times an hour, at whatever accounts; 0 is no bound. chat.RateLimited: it must not be judged.
func (a *Attempts) Try(ctx context.Context, account, from, address string, failures int) (*Try, error) {
	t := &Try{attempts: a, account: account, from: from, address: address, failures: failures}
	if t.charged() {
		wait := a.first(func(th Throttle) (time.Duration, error) {
			ok, wait, err := th.Allow(ctx, t.key(), failures, failures, failureWindow)
			if ok {
				wait = 0
			}
			return wait, err
		})
		if err := a.refuse("failures", wait); err != nil {
			return nil, err
		}
	}
	wait := a.first(func(th Throttle) (time.Duration, error) { return th.Try(ctx, account, from) })
	if err := a.refuse("account", wait); err != nil {
		t.refund(ctx) // nothing was judged: the address learnt nothing
		return nil, err
	}
	return t, nil
}

func (t *Try) charged() bool { return t.address != "" && t.failures > 0 }

func (t *Try) key() string { return "failures:" + t.address }

// Passed forgets the place's failures and remembers it as known.
func (t *Try) Passed(ctx context.Context) { t.settle(ctx, true) }

// Unjudged takes the try back: nobody could say whether it was right.
func (t *Try) Unjudged(ctx context.Context) { t.settle(ctx, false) }

// settle outlives its request: a try that passed must not count as a failure because the client hung up. A zero Try was not
// counted.
func (t *Try) settle(ctx context.Context, passed bool) {
	if t.attempts == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	t.attempts.first(func(th Throttle) (time.Duration, error) { return 0, th.Settle(ctx, t.account, t.from, passed) })
	t.refund(ctx)
}

func (t *Try) refund(ctx context.Context) {
	if t.charged() {
		t.attempts.first(func(th Throttle) (time.Duration, error) { return 0, th.Refund(ctx, t.key(), t.failures, failureWindow) })
	}
}

// refuse turns a wait into an error that says how long it is.
func (a *Attempts) refuse(what string, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	a.metrics.Throttled.WithLabelValues(what).Inc()
	return &chat.Error{Kind: chat.RateLimited, Msg: "too many attempts: wait a while", RetryAfter: wait}
}

// localKeys bounds what the local throttle remembers of each kind.
const localKeys = 10_000

// localThrottle is a Throttle of this process alone, which counts as the shared one does. It holds a bounded number of keys,
// those that were used last: a flood of names must not use up memory, and the limits per address still hold against the flood.
type localThrottle struct {
	now func() time.Time

	mu      sync.Mutex
	tries   *simplelru.LRU[string, tries]
	buckets *simplelru.LRU[string, *rate.Limiter]
}

type tries struct {
	n         int
	at, until time.Time
	known     bool
}

// newLocalThrottle makes one that has seen nothing.
func newLocalThrottle(now func() time.Time) *localThrottle {
	l := &localThrottle{now: now}
	l.tries, _ = simplelru.NewLRU[string, tries](localKeys, nil) // only a size below 1 is refused
	l.buckets, _ = simplelru.NewLRU[string, *rate.Limiter](localKeys, nil)
	return l
}

// Allow implements Throttle.
func (l *localThrottle) Allow(_ context.Context, key string, limit, burst int, per time.Duration) (bool, time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets.Get(key)
	if !ok {
		b = rate.NewLimiter(rate.Limit(float64(limit)/per.Seconds()), burst)
		l.buckets.Add(key, b)
	}
	wait := take(b, l.now())
	return wait <= 0, wait, nil
}

// Refund implements Throttle.
func (l *localThrottle) Refund(_ context.Context, key string, _ int, _ time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, ok := l.buckets.Get(key); ok {
		b.ReserveN(l.now(), -1)
	}
	return nil
}

// placeKey and accountKey can't be taken for each other, nor one place for another: the account's length parts them.
func placeKey(account, from string) string { return strconv.Itoa(len(account)) + ":" + account + from }

func accountKey(account string) string { return "*" + account }

// Try implements Throttle.
func (l *localThrottle) Try(_ context.Context, account, from string) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	place, _ := l.tries.Get(placeKey(account, from))
	all, _ := l.tries.Get(accountKey(account))
	wait := place.until.Sub(now)
	if !place.known {
		wait = max(wait, all.until.Sub(now))
	}
	if wait > 0 {
		return wait, nil
	}
	l.tries.Add(placeKey(account, from), place.count(now, chat.FreeTries))
	if !place.known {
		l.tries.Add(accountKey(account), all.count(now, chat.FreeStrangerTries))
	}
	return 0, nil
}

func (t tries) count(now time.Time, free int) tries {
	if now.Sub(t.at) > chat.TriesForgotten {
		t.n = 0
	}
	t.n, t.at, t.until = t.n+1, now, now
	if over := t.n - free; over > 0 {
		t.until = now.Add(min(chat.FirstTryDelay<<min(over-1, 16), chat.LongestTryDelay))
	}
	return t
}

// Settle implements Throttle.
func (l *localThrottle) Settle(_ context.Context, account, from string, passed bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	back := func(key string) {
		if t, ok := l.tries.Get(key); ok && t.n > 0 {
			t.n, t.until = t.n-1, time.Time{}
			l.tries.Add(key, t)
		}
	}
	if place, _ := l.tries.Get(placeKey(account, from)); !place.known {
		back(accountKey(account))
	}
	if passed {
		l.tries.Add(placeKey(account, from), tries{known: true})
	} else {
		back(placeKey(account, from))
	}
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
