package server

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chat-service/internal/chat"
)

// asked counts the questions to a throttle.
type asked struct {
	Throttle
	n atomic.Int64
}

func (a *asked) Allow(ctx context.Context, key string, r chat.Rate, n, elsewhere int) (time.Duration, error) {
	a.n.Add(1)
	return a.Throttle.Allow(ctx, key, r, n, elsewhere)
}

// TestAwait: what comes at once gets its turn one after the other as the allowance comes back; what doesn't fit into the patience is
// refused at once, other keys don't wait, and who waits asks nothing.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &asked{Throttle: newLocalThrottle(time.Now)}
		a := NewAttempts(shared, time.Now, NewMetrics(nil))
		r := chat.Rate{Limit: 240, Per: time.Minute, Burst: 10}
		var mu sync.Mutex
		var served []time.Duration
		began := time.Now()
		var all sync.WaitGroup
		var refused atomic.Int64
		for range 100 {
			all.Go(func() {
				err := a.Await(t.Context(), "register", "1.1.1.1", r, 5*time.Second)
				if err != nil {
					if e := chat.As(err); e.Kind != chat.RateLimited || e.RetryAfter != 5*time.Second || time.Since(began) != 0 {
						t.Errorf("refused after %v: %v", time.Since(began), err)
					}
					refused.Add(1)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				served = append(served, time.Since(began))
			})
		}
		synctest.Wait()
		if n := refused.Load(); n < 100-10-20 || n > 100-20 { // the first ten may leave the line before the others come
			t.Errorf("%d are refused", n)
		}
		if err := a.Await(t.Context(), "register", "2.2.2.2", r, 5*time.Second); err != nil || time.Since(began) != 0 {
			t.Errorf("another address waited %v: %v", time.Since(began), err)
		}
		all.Wait()
		for i, at := range served {
			if want := max(0, time.Duration(i-9)*250*time.Millisecond); at != want {
				t.Errorf("number %d is served after %v, want %v", i+1, at, want)
			}
		}
		if n := shared.n.Load(); n > int64(2*len(served)+1) {
			t.Errorf("%d questions for %d answers", n, len(served))
		}
		if n := len(a.lines.of); n != 0 {
			t.Errorf("%d lines are left", n)
		}
		time.Sleep(time.Hour)
		for range 200 { // one by one nobody is refused
			if err := a.Await(t.Context(), "register", "1.1.1.1", r, 5*time.Second); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestAwaitEnds: nobody waits longer than their patience or their request, and what comes back too slowly isn't waited for.
func TestAwaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAttempts(nil, time.Now, NewMetrics(nil))
		await := func(ctx context.Context, r chat.Rate) (time.Duration, error) {
			began := time.Now()
			err := a.Await(ctx, "login", "1.1.1.1", r, 5*time.Second)
			return time.Since(began), err
		}
		slow := chat.PerMinute(6)
		for range 6 {
			if d, err := await(t.Context(), slow); err != nil || d != 0 {
				t.Fatal(d, err)
			}
		}
		if d, err := await(t.Context(), slow); chat.As(err).RetryAfter != 10*time.Second || d != 0 {
			t.Errorf("refused after %v: %v", d, err)
		}
		r := chat.Rate{Limit: 1, Per: 3 * time.Second, Burst: 1}
		time.Sleep(time.Hour)
		if d, err := await(t.Context(), r); err != nil || d != 0 {
			t.Fatal(d, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if d, err := await(ctx, r); chat.KindOf(err) != chat.RateLimited || d != time.Second {
			t.Errorf("a request that ended: %v after %v", err, d)
		}
		if d, err := await(t.Context(), r); err != nil || d != 2*time.Second {
			t.Errorf("%v after %v", err, d)
		}
		go func() { _, _ = await(t.Context(), r) }()
		synctest.Wait() // it is the first now
		if d, err := await(t.Context(), r); chat.KindOf(err) != chat.RateLimited || d != 0 {
			t.Errorf("the line is longer than the patience: %v after %v", err, d)
		}
		if d, err := await(t.Context(), chat.Rate{}); err != nil || d != 0 {
			t.Errorf("off: %v after %v", err, d)
		}
		time.Sleep(time.Minute)
	})
}
