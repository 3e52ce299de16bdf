package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-service/internal/chat"
)

// State is the adapter to Redis. Its methods may be used by many goroutines.
type State struct {
	client  atomic.Pointer[client]
	opt     Options
	prefix  string
	metrics *Metrics
	breaker *breaker

	joining sync.Mutex
	before  redis.UniversalClient // of before join, in use until all is closed
	closed  bool
}

// client is one for a server, a cluster or a sentinels' master.
type client struct{ redis.UniversalClient }

func (s *State) rdb() redis.UniversalClient { return s.client.Load().UniversalClient }

// do runs one verb under the breaker, its deadline and the metrics, and translates its error.
func (s *State) do(ctx context.Context, verb string, f func(context.Context) error) error {
	start := time.Now()
	ok, probe := s.breaker.enter(start)
	if !ok {
		return s.refused(verb)
	}
	call, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	err := f(call)
	o := answered
	if err != nil {
		o = s.blame(ctx, err)
	}
	now := time.Now()
	s.metrics.Open.Set(s.breaker.leave(now, o, probe))
	s.metrics.Seconds.WithLabelValues(verb).Observe(now.Sub(start).Seconds())
	if err != nil {
		err = s.failed(verb, err)
	}
	return err
}

// refused is the error of a verb that the breaker doesn't let go.
func (s *State) refused(verb string) error {
	s.metrics.Refused.WithLabelValues(verb).Inc()
	return chat.Wrap(chat.Unavailable, fmt.Errorf("redis %s: %w", verb, s.breaker.refusal()), "")
}

// failed is the error of a verb that Redis didn't answer, or answered with an error.
func (s *State) failed(verb string, err error) error {
	s.metrics.Errors.WithLabelValues(verb).Inc()
	return chat.Wrap(chat.Unavailable, fmt.Errorf("redis %s: %w", verb, err), "")
}

// blame has the breaker and the client note why a call failed, and returns what that shows about the server.
func (s *State) blame(caller context.Context, err error) outcome {
	o := judge(caller, err)
	s.breaker.blame(o, err)
	s.heed(err)
	return o
}

var errOpen = errors.New("not asked: it did not answer lately")

// judge is what an error shows about the server: an error reply is an answer too, unless it says that the server
// can't serve.
func judge(caller context.Context, err error) outcome {
	var reply redis.Error
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		return unclear
	case redis.IsLoadingError(err), redis.IsReadOnlyError(err), redis.IsClusterDownError(err), redis.IsMasterDownError(err), redis.IsMaxClientsError(err):
		return failed
	case errors.As(err, &reply):
		return answered
	default:
		return failed
	}
}

func (s *State) key(tag, tail string) string { return s.prefix + ":{" + tag + "}:" + tail }

// breaker spares callers a server that doesn't answer: after limit failures in a row it refuses everything, except one
// probe per pause.
type breaker struct {
	limit int
	pause time.Duration

	mu       sync.Mutex
	failures int
	retryAt  time.Time // while open: when the next probe may go
	probing  bool
	cause    error // the last failure
}

// blame notes why a call failed: those that the breaker refuses then say so, too.
func (b *breaker) blame(o outcome, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o == failed {
		b.cause = err
	}
}

// refusal is the error of a call that may not go.
func (b *breaker) refusal() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cause == nil {
		return errOpen
	}
	return fmt.Errorf("%w: %w", errOpen, b.cause)
}

// enter reports whether a call may go, and whether it is the probe. now is monotonic.
func (b *breaker) enter(now time.Time) (ok, probe bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < b.limit {
		return true, false
	}
	return b.probes(now)
}

// probes reports for an open breaker whether a call may go, which is the probe then. The caller holds mu.
func (b *breaker) probes(now time.Time) (ok, probe bool) {
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

// leave books a call's outcome and returns 1 if the breaker is open now, else 0.
func (b *breaker) leave(now time.Time, o outcome, probe bool) (open float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	}
	switch o {
	case answered:
		b.failures = 0
	case failed:
		b.fail(now)
	}
	return float64(b.failures / b.limit) // there are never more
}

// fail counts a failure; from limit in a row on the breaker is open. The caller holds mu.
func (b *breaker) fail(now time.Time) {
	b.failures = min(b.failures+1, b.limit)
	if b.failures == b.limit {
		b.retryAt = now.Add(b.pause)
	}
}
