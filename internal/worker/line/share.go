package line

import (
	"context"
	"sync"
	"time"

	"chat-service/internal/chat"
)

const (
	shareEvery = 100 * time.Millisecond
	shareUsers = 1000 // reported at once; further ones wait for the next time
	// queued is for how long messages may have waited in the queues, while a partition changed hands, and come all at once then: so much
	// more than the burst is taken here. What one gateway takes, it has bounded itself.
	queued = 4 * time.Second
)

// spent is what users took of their allowances of messages, as far as it hasn't come back: nobody's who hasn't sent lately.
type spent struct {
	step, room int64 // of the rate, in nanoseconds; without a bound step is 0, and nothing is ever used

	mu   sync.Mutex
	by   map[chat.UserID]account
	some sync.Cond // signalled when somebody has spent
}

// account is up to when a user's allowance is used, in Unix nanoseconds, and how much of that the other processes don't know of.
type account struct {
	used       int64
	unreported int
}

func (s *spent) bound(r chat.Rate) {
	s.by, s.some.L = map[chat.UserID]account{}, &s.mu
	if s.room = int64(queued); !r.Off() {
		s.step, s.room = int64(r.Step()), int64(r.Room()+queued)
	}
}

// take takes one from a user's allowance, and returns how long to wait until there is one.
func (s *spent) take(u chat.UserID, at time.Time) (wait int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, a := at.UnixNano(), s.by[u]
	used := max(a.used, now) + s.step
	if wait = used - now - s.room; wait > 0 {
		return wait
	}
	s.by[u] = account{used, a.unreported + 1}
	s.some.Signal()
	return 0
}

// tooMany refuses a message that is beyond its sender's allowance for so many nanoseconds.
func tooMany(wait int64) *chat.Error {
	return &chat.Error{Kind: chat.RateLimited, Msg: "too many messages", RetryAfter: time.Duration(wait)}
}

// Share reports what those users took who are nearer to the end of their allowance, and learns what other processes gave them, until ctx
// ends: so they have one allowance, and no message waits for Redis (docs/adr/0016). While Redis is unavailable each process counts by
// itself. While nobody sends, it sleeps.
func (l *Line) Share(ctx context.Context) {
	defer context.AfterFunc(ctx, func() {
		l.spent.mu.Lock()
		defer l.spent.mu.Unlock()
		l.spent.some.Broadcast()
	})()
	for l.spent.await(ctx) {
		sctx, cancel := context.WithTimeout(ctx, l.o.Patience)
		l.share(sctx)
		cancel()
		select {
		case <-ctx.Done():
		case <-time.After(shareEvery):
		}
	}
}

// await waits until somebody has spent something, and reports false when ctx ends.
func (s *spent) await(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.by) == 0 && ctx.Err() == nil {
		s.some.Wait()
	}
	return ctx.Err() == nil
}

// share is one report.
func (l *Line) share(ctx context.Context) {
	users, taken := l.unshared(l.o.Now())
	if len(users) == 0 {
		return
	}
	used, err := l.o.Allowances.Spend(ctx, l.o.Rate, taken)
	if err != nil {
		l.o.Metrics.StateErrors.Inc() // what was taken is not reported again: it comes back within seconds
		return
	}
	now := l.o.Now().UnixNano()
	l.spent.mu.Lock()
	defer l.spent.mu.Unlock()
	for i, u := range users {
		if a, there := l.spent.by[u]; there {
			a.used = max(a.used, now+int64(used[i]))
			l.spent.by[u] = a
		}
	}
}

// unshared forgets whose allowance is whole again, and returns who took enough to be reported, and how much.
func (l *Line) unshared(now time.Time) (users []chat.UserID, taken []chat.Taken) {
	l.spent.mu.Lock()
	defer l.spent.mu.Unlock()
	for u, a := range l.spent.by {
		switch {
		case a.used <= now.UnixNano():
			delete(l.spent.by, u)
		case a.unreported > 0 && len(users) < shareUsers && l.o.Rate.Near(time.Unix(0, a.used), now):
			users, taken = append(users, u), append(taken, chat.Taken{Key: chat.MessagesOf(u), N: a.unreported})
			l.spent.by[u] = account{used: a.used}
		}
	}
	return users, taken
}
