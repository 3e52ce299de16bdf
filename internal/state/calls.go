package state

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Calls spare the workers from looking at the outbox all the time. They are hints: whoever writes to the outbox calls when it is
// committed, who can hear looks at once, and a call that is lost costs a pause between two looks.

const (
	callPing  = 5 * time.Second        // silence after which the listener asks whether the connection lives
	callAgain = 250 * time.Millisecond // pause before it connects anew
)

// Bell calls the workers. Rings that come while a call is under way are one more call, so nobody waits for it.
type Bell struct {
	s      *State
	rung   chan struct{}
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// NewBell makes a bell; it is heard from Start to Stop.
func NewBell(s *State) *Bell { return &Bell{s: s, rung: make(chan struct{}, 1)} }

// Ring has the workers look at the outbox. It doesn't wait.
func (b *Bell) Ring() {
	select {
	case b.rung <- struct{}{}:
	default:
	}
}

// Start begins to call.
func (b *Bell) Start(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	b.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-b.rung:
				_ = b.s.Call(ctx) // the workers look by themselves, later
			}
		}
	})
	return nil
}

// Stop ends calling; it waits for the call under way.
func (b *Bell) Stop(context.Context) error {
	if b.cancel != nil {
		b.cancel()
	}
	b.done.Wait()
	return nil
}

// Call has the workers look at the outbox.
func (s *State) Call(ctx context.Context) error {
	return s.do(ctx, "call", func(ctx context.Context) error { return s.rdb.Publish(ctx, s.callChannel(), "").Err() })
}

// HearCalls listens until ctx ends. live tells whenever it has become true or untrue that calls can be heard: after a connection was
// made, which may have missed some, and after it was lost, or didn't answer for 10 s. Both functions are called from one goroutine.
func (s *State) HearCalls(ctx context.Context, heard func(), live func(bool)) {
	for ctx.Err() == nil {
		s.hearOnce(ctx, heard, live)
		live(false)
		select {
		case <-ctx.Done():
		case <-time.After(callAgain):
		}
	}
}

// hearOnce listens over one connection.
func (s *State) hearOnce(ctx context.Context, heard func(), live func(bool)) {
	sub := s.rdb.Subscribe(ctx)
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
			heard()
		}
	}
}
