package broker

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/chat"
)

// State is the condition of a connection.
type State int32

const (
	// Down means not connected, or connected and not yet set up.
	Down State = iota
	// Up means usable.
	Up
	// Blocked means that the broker accepts no messages because it is short of memory or disk.
	Blocked
)

// String names the state in lower case.
func (s State) String() string { return [...]string{"down", "up", "blocked"}[s] }

const (
	closeGrace = 2 * time.Second  // for the broker's answer to a polite close
	setupGrace = 20 * time.Second // for topology and channels; a cluster in trouble answers slowly or never
	settled    = 2 * time.Second  // an incarnation that lived so long resets the backoff
)

// link keeps one connection alive: it dials for ever, calls serve on every
// incarnation, and notices loss and blocking. One goroutine runs it all; a second one per incarnation
// reads the library's notifications, because the library drops those that are not read in time.
type link struct {
	o       Options
	purpose string // label in metrics and in the broker's list
	// serve uses one incarnation until ctx ends; it calls ready once it is set up.
	serve   func(ctx context.Context, conn *amqp.Connection, ready func()) error
	blocked func(bool) // optional; called from the notification goroutine

	mu    sync.Mutex
	state State
	err   error    // why it is down
	raw   net.Conn // of the present incarnation

	refused   error // what was refused while it was up
	refusedAt time.Time

	cancel context.CancelFunc
	done   chan struct{}
}

// start begins dialing; close ends it.
func (l *link) start() {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel, l.done, l.err = cancel, make(chan struct{}), fmt.Errorf("%w: not connected yet", ErrUnavailable)
	l.o.Metrics.Up.WithLabelValues(l.purpose).Set(0)
	l.o.Metrics.Reconnects.WithLabelValues(l.purpose) // at 0 from the start
	go l.run(ctx)
}

func (l *link) run(ctx context.Context) {
	defer close(l.done)
	wait, where := backoff{min: l.o.BackoffMin, max: l.o.BackoffMax}, l.o.nodesFor(l.purpose)
	log := l.o.Logger.With("purpose", l.purpose)
	for failures := 0; ; failures++ {
		began := time.Now()
		node := where.of(l.o)
		wasUp, err := l.incarnation(ctx, node)
		if ctx.Err() != nil {
			return
		}
		if wasUp {
			l.o.Metrics.Reconnects.WithLabelValues(l.purpose).Inc()
			failures = 0
			l.refuse(err)
			if time.Since(began) > settled {
				wait.reset()
			}
		}
		var pause time.Duration
		if !where.next(wasUp) {
			pause = wait.pause()
		}
		switch { // only the first failure of an outage is worth a warning
		case chat.AsPermanent(err) != nil: // whoever watches Ready reports it, once for all connections
			log.Debug("broker refuses this process", "error", err, "retry_in", pause)
		case wasUp:
			log.Warn("broker connection lost", "node", node.host(), "error", err, "retry_in", pause)
		case failures == 0:
			log.Warn("broker unreachable", "node", node.host(), "error", err, "retry_in", pause)
		default:
			log.Debug("broker still unreachable", "node", node.host(), "error", err, "retry_in", pause)
		}
		sleep(ctx, pause)
	}
}

// incarnation dials a node, serves one connection until it is lost, and reports whether it had become usable.
func (l *link) incarnation(ctx context.Context, o Options) (wasUp bool, err error) {
	defer func() {
		err = o.judge(err)
		l.set(Down, err)
	}()
	conn, raw, err := o.dial(ctx, l.purpose)
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	l.raw = raw
	l.mu.Unlock()

	sctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	watched := make(chan struct{})
	closes := conn.NotifyClose(make(chan *amqp.Error, 1))
	blocks := conn.NotifyBlocked(make(chan amqp.Blocking, 8))
	go func() {
		defer close(watched)
		l.watch(closes, blocks, lose)
	}()

	setup := time.AfterFunc(setupGrace, func() { _ = raw.Close() })
	defer setup.Stop()
	err = l.serve(sctx, conn, func() {
		setup.Stop()
		wasUp = true
		if l.State() != Blocked {
			l.set(Up, nil)
		}
		l.o.Logger.Info("broker connection up", "purpose", l.purpose, "node", o.host())
	})
	if cause := context.Cause(sctx); cause != nil {
		err = cause
	}
	// A polite close waits for an answer; the socket of a broker that gives none is closed.
	hard := time.AfterFunc(closeGrace, func() { _ = raw.Close() })
	_ = conn.CloseDeadline(time.Now().Add(closeGrace))
	hard.Stop()
	<-watched
	return wasUp, err
}

// watch reads the notifications until the library closes them.
func (l *link) watch(closes <-chan *amqp.Error, blocks <-chan amqp.Blocking, lose context.CancelCauseFunc) {
	for {
		select {
		case e, ok := <-closes:
			if ok {
				lose(fmt.Errorf("connection lost: %w", e))
			} else {
				lose(amqp.ErrClosed)
				return
			}
		case b, ok := <-blocks:
			if !ok {
				blocks = nil
				continue
			}
			l.block(b)
		}
	}
}

func (l *link) block(b amqp.Blocking) {
	if b.Active {
		l.o.Logger.Warn("broker blocks publishing", "purpose", l.purpose, "reason", b.Reason)
		l.set(Blocked, fmt.Errorf("blocked: %s", b.Reason))
	} else {
		l.o.Logger.Info("broker accepts messages again", "purpose", l.purpose)
		l.set(Up, nil)
	}
	if l.blocked != nil {
		l.blocked(b.Active)
	}
}

// set stores the state and why the link is down.
func (l *link) set(s State, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state, l.err = s, nil
	up := 0.0
	if s == Up {
		up = 1
	} else if err != nil {
		l.err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	} else {
		l.err = ErrUnavailable
	}
	l.o.Metrics.Up.WithLabelValues(l.purpose).Set(up)
}

// State returns the present condition.
func (l *link) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Ready returns nil while the connection is usable, else an ErrUnavailable with the reason.
func (l *link) Ready() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// kill closes the socket; serve then finds its connection lost.
func (l *link) kill() {
	l.mu.Lock()
	raw := l.raw
	l.mu.Unlock()
	if raw != nil {
		_ = raw.Close()
	}
}

// close ends serve and waits for the link's goroutines; when ctx ends first it closes the socket and
// waits for closeGrace more. It may be called again.
func (l *link) close(ctx context.Context) error {
	l.cancel()
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
	}
	l.kill()
	t := time.NewTimer(closeGrace)
	defer t.Stop()
	select {
	case <-l.done:
		return nil
	case <-t.C:
		return fmt.Errorf("close broker connection: %w", ctx.Err())
	}
}
