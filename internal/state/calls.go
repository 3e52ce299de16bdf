package state

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Calls spare the workers from looking at the outbox all the time. They are hints: whoever writes to the outbox calls after the commit,
// workers that receive the call look at once, and a call that is lost costs a pause between two looks.

const (
	callPing  = 5 * time.Second        // silence after which the listener asks whether the connection lives
	callAgain = 250 * time.Millisecond // pause before it connects anew
)

// CallNotifier calls the workers. Notifications that come while a call is under way are one more call, so nobody waits for it.
type CallNotifier struct {
	s      *State
	due    chan struct{}
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// NewCallNotifier makes a notifier; it calls from Start to Stop.
func NewCallNotifier(s *State) *CallNotifier {
	return &CallNotifier{s: s, due: make(chan struct{}, 1)}
}

// Notify has the workers look at the outbox. It doesn't wait.
func (n *CallNotifier) Notify() {
	select {
	case n.due <- struct{}{}:
	default:
	}
}

// Start begins to call.
func (n *CallNotifier) Start(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-n.due:
				_ = n.s.Call(ctx) // else the workers look by themselves, later
			}
		}
	})
	return nil
}

// Stop ends calling; it waits for the call under way.
func (n *CallNotifier) Stop(context.Context) error {
	if n.cancel != nil {
		n.cancel()
	}
	n.done.Wait()
	return nil
}

// Call has the workers look at the outbox.
func (s *State) Call(ctx context.Context) error {
	return s.do(ctx, "call", func(ctx context.Context) error { return s.rdb().Publish(ctx, s.callChannel(), "").Err() })
}

// AwaitCalls calls called for every call until ctx ends, and live whenever calls have become, or are no longer, receivable: after a
// connection was made, which may have missed some, and after it was lost, or didn't answer for 10 s. Both functions are called from one
// goroutine.
func (s *State) AwaitCalls(ctx context.Context, called func(), live func(bool)) {
	for ctx.Err() == nil {
		s.awaitOnce(ctx, called, live)
		live(false)
		select {
		case <-ctx.Done():
		case <-time.After(callAgain):
		}
	}
}

// awaitOnce listens over one connection.
func (s *State) awaitOnce(ctx context.Context, called func(), live func(bool)) {
	sub := s.rdb().Subscribe(ctx)
	closed := sync.OnceFunc(func() { _ = sub.Close() })
	defer closed()
	defer context.AfterFunc(ctx, closed)()
	if err := sub.Subscribe(ctx, s.callChannel()); err != nil {
		return
	}
	for asked := false; ; {
		m, err := sub.ReceiveTimeout(ctx, callPing)
		var ne net.Error
		switch {
		case err == nil:
			asked = false
		case errors.As(err, &ne) && ne.Timeout() && !asked && sub.Ping(ctx) == nil:
			asked = true
			continue
		default:
			return
		}
		switch m.(type) {
		case *redis.Subscription:
			live(true)
		case *redis.Message:
			called()
		}
	}
}
