package server

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"chat-service/internal/chat"
)

// Attempts asks the shared throttle, and the process's own one while that is unavailable: guessing stays slow without
// Redis.
type Attempts struct {
	shared  Throttle // nil: always unavailable
	local   *localThrottle
	lines   lines
	metrics *Metrics
}

// NewAttempts counts attempts in shared, which may be nil.
func NewAttempts(shared Throttle, now func() time.Time, metrics *Metrics) *Attempts {
	return &Attempts{shared: shared, local: newLocalThrottle(now), lines: lines{of: map[string]*line{}}, metrics: metrics}
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

// Allow takes n from the allowance of what, which who has: an address, or a user. It returns nil or chat.RateLimited.
func (a *Attempts) Allow(ctx context.Context, what, who string, r chat.Rate, n int) error {
	if r.Off() {
		return nil
	}
	return a.refuse(what, a.take(ctx, what+":"+who, r, n))
}

// take takes n from a key's allowance, or returns how long until they are there.
func (a *Attempts) take(ctx context.Context, key string, r chat.Rate, n int) (wait time.Duration) {
	if wait := a.local.refused(key); wait > 0 {
		return wait
	}
	if a.shared != nil {
		if wait, err := a.shared.Allow(ctx, key, r, n, 0); err == nil {
			if wait <= 0 {
				_, _ = a.local.Allow(ctx, key, r, n, 0) // so that nobody has it anew here while the shared one is unavailable
			} else if n == 1 { // less may be there for those who ask for less
				a.local.remember(key, wait)
			}
			return wait
		}
	}
	a.metrics.Degraded.WithLabelValues("throttle").Inc()
	wait, _ = a.local.Allow(ctx, key, r, n, 0) // memory does not fail
	return wait
}

// Refund gives back n that Allow took: what they were taken for didn't happen.
func (a *Attempts) Refund(ctx context.Context, what, who string, r chat.Rate, n int) {
	if r.Off() || n <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = a.local.Refund(ctx, what+":"+who, r, n)
	a.local.forget(what + ":" + who)
	if a.shared != nil && a.shared.Refund(ctx, what+":"+who, r, n) != nil {
		a.metrics.Degraded.WithLabelValues("throttle").Inc()
	}
}

// pace bounds one user's, or one key's, requests to this process, after a burst of twice as many; 0 is no bound.
func (a *Attempts) pace(who string, perSecond int) error {
	if perSecond <= 0 {
		return nil
	}
	wait, _ := a.local.Allow(context.Background(), "requests:"+who, chat.Rate{Limit: float64(perSecond), Per: time.Second, Burst: 2 * perSecond}, 1, 0)
	return a.refuse("requests", wait)
}

// Stranger takes a request without a valid token, or one whose token is still to be looked up, from its address's allowance in this
// process. A valid access token is never refused for it; who asks with a refresh token shares the address's fate.
func (a *Attempts) Stranger(address string, r chat.Rate) error {
	if r.Off() {
		return nil
	}
	wait, _ := a.local.Allow(context.Background(), "tokens:"+address, r, 1, 0)
	return a.refuse("tokens", wait)
}

// NoStranger gives back what Stranger took: the token was valid.
func (a *Attempts) NoStranger(address string, r chat.Rate) {
	if !r.Off() {
		_ = a.local.Refund(context.Background(), "tokens:"+address, r, 1)
	}
}

// Search takes a search from a user's allowance: a search without a hit costs the database most.
func (a *Attempts) Search(ctx context.Context, user chat.UserID, r chat.Rate) error {
	return a.Allow(ctx, "searches", user.String(), r, 1)
}

// Message takes one of a user's allowance of messages, from which gateways and workers take, too. Whoever is far from its end in
// this process costs no question: what they take is reported when they come near to it (docs/adr/0016).
func (a *Attempts) Message(ctx context.Context, user chat.UserID, r chat.Rate) error {
	if r.Off() {
		return nil
	}
	key := chat.MessagesOf(user)
	wait, unreported := a.local.spend(key, r)
	if wait > 0 || unreported == 0 {
		return a.refuse("messages", wait)
	}
	if a.shared != nil {
		if wait, err := a.shared.Allow(ctx, key, r, 1, unreported-1); err == nil {
			return a.refuse("messages", wait)
		}
	}
	a.metrics.Degraded.WithLabelValues("throttle").Inc() // this process has judged already
	return nil
}

// React takes a reaction from its room's allowance in this process. Who is refused did nothing wrong, and comes back within some time that
// is spread, as at a gateway (docs/adr/0018).
func (a *Attempts) React(room chat.RoomID, r chat.Rate) error {
	if r.Off() {
		return nil
	}
	wait, _ := a.local.Allow(context.Background(), "reactions:"+room.String(), r, 1, 0)
	if wait > 0 {
		wait += rand.N(chat.CrowdWait)
	}
	return a.refuse("reactions", wait)
}

// NoReaction gives back what React took: the room isn't one in which the caller may react, so that strangers use up nothing of it.
func (a *Attempts) NoReaction(room chat.RoomID, r chat.Rate) {
	if !r.Off() {
		_ = a.local.Refund(context.Background(), "reactions:"+room.String(), r, 1)
	}
}

// Try is a try at an account's password that was counted and is still to be judged.
type Try struct {
	attempts               *Attempts
	account, from, address string
	failures               chat.Rate // of the address
}

// Try counts a try at an account's password from a place, before it is judged. address pays for it too if it isn't empty: it may
// fail so often, at whatever accounts. chat.RateLimited: it must not be judged.
func (a *Attempts) Try(ctx context.Context, account, from, address string, failures chat.Rate) (*Try, error) {
	t := &Try{attempts: a, account: account, from: from, address: address, failures: failures}
	if address != "" {
		if err := a.Allow(ctx, "failures", address, failures, 1); err != nil {
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
	if t.address != "" {
		t.attempts.Refund(ctx, "failures", t.address, t.failures, 1)
	}
}

// refuse turns a wait into an error that says how long it is.
func (a *Attempts) refuse(what string, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	a.metrics.Throttled.WithLabelValues(what).Inc()
	return &chat.Error{Kind: chat.RateLimited, Msg: "too many " + throttled[what] + ": wait a while", RetryAfter: wait}
}

// localKeys bounds what the local throttle remembers of each kind.
const localKeys = 10_000

// localThrottle is a Throttle of this process alone, which counts as the shared one does. It holds a bounded number of keys,
// those that were used last: a flood of names must not use up memory, and the limits per address still hold against the flood.
type localThrottle struct {
	now func() time.Time

	mu         sync.Mutex
	tries      *simplelru.LRU[string, tries]
	allowances *simplelru.LRU[string, allowance]
	refusals   *simplelru.LRU[string, refusedLast]
}

// refusedLast is what the shared throttle said last of an allowance that is used up: until then one can't be taken, and until again that
// is believed.
type refusedLast struct{ until, again time.Time }

// refusalFor is how long a refusal is believed without asking, while nothing is given back here: a flood costs one question in that time.
const refusalFor = time.Second

// allowance is up to when an allowance is used, and how much of that nobody else knows of.
type allowance struct {
	used       time.Time
	unreported int
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
	l.allowances, _ = simplelru.NewLRU[string, allowance](localKeys, nil)
	l.refusals, _ = simplelru.NewLRU[string, refusedLast](localKeys, nil)
	return l
}

// remember keeps a refusal.
func (l *localThrottle) remember(key string, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.refusals.Add(key, refusedLast{now.Add(wait), now.Add(min(wait, refusalFor))})
}

// refused returns the rest of a remembered refusal's wait; 0 if there is none, or it is to be asked for again.
func (l *localThrottle) refused(key string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if x, ok := l.refusals.Get(key); ok && now.Before(x.again) {
		return x.until.Sub(now)
	}
	return 0
}

func (l *localThrottle) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusals.Remove(key)
}

// Allow implements Throttle.
func (l *localThrottle) Allow(_ context.Context, key string, r chat.Rate, n, _ int) (wait time.Duration, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x, _ := l.allowances.Get(key)
	x.used, wait = r.Take(x.used, l.now(), n)
	l.allowances.Add(key, x)
	return wait, nil
}

// Refund implements Throttle.
func (l *localThrottle) Refund(_ context.Context, key string, r chat.Rate, n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x, ok := l.allowances.Get(key); ok {
		x.used = x.used.Add(-r.Step() * time.Duration(min(n, max(r.Burst, 1))))
		l.allowances.Add(key, x)
	}
	return nil
}

// spend takes one. It returns how many were taken since that was reported last, this one included, once that has to be reported;
// before that, 0.
func (l *localThrottle) spend(key string, r chat.Rate) (wait time.Duration, unreported int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	x, _ := l.allowances.Get(key)
	if !x.used.After(now) {
		x.unreported = 0 // what was taken longer ago has come back
	}
	if x.used, wait = r.Take(x.used, now, 1); wait == 0 {
		x.unreported++
	}
	if wait == 0 && r.Near(x.used, now) {
		unreported, x.unreported = x.unreported, 0
	}
	l.allowances.Add(key, x)
	return wait, unreported
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
