package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/broker/nodes"
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
	blocked func(bool)    // optional; called from the notification goroutine
	oldest  func() string // optional; names what has waited longest for a confirm

	mu    sync.Mutex
	state State
	err   error    // why it is down
	raw   net.Conn // of the present incarnation

	refused   error // what was refused while it was up
	refusedAt time.Time

	patience nodes.Patience // with its connections

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
	wait, where, seen := backoff{min: l.o.BackoffMin, max: l.o.BackoffMax}, l.o.routeFor(l.purpose), reasons{}
	log := l.o.Logger.With("purpose", l.purpose)
	for {
		began := time.Now()
		node := l.o.to(where)
		wasUp, err := l.incarnation(ctx, node, where)
		if ctx.Err() != nil {
			return
		}
		if wasUp {
			l.o.Metrics.Reconnects.WithLabelValues(l.purpose).Inc()
			l.refuse(err)
			if time.Since(began) > settled {
				wait.reset()
			}
		}
		var pause time.Duration
		if !where.Next(wasUp) {
			pause = wait.pause()
		}
		switch { // each reason of an outage is worth one warning
		case chat.AsPermanent(err) != nil: // whoever watches Ready reports it, once for all connections
			log.Debug("broker refuses this process", "error", err, "retry_in", pause)
		case wasUp:
			log.Warn("broker connection lost", "node", node.host(), "error", err, "retry_in", pause)
		case seen.fresh(node.host(), err, time.Now()):
			log.Warn("broker unreachable", "node", node.host(), "error", err, "retry_in", pause)
		default:
			log.Debug("broker still unreachable", "node", node.host(), "error", err, "retry_in", pause)
		}
		sleep(ctx, pause)
	}
}

// incarnation dials a node, serves one connection until it is lost, and reports whether it had become usable.
func (l *link) incarnation(ctx context.Context, o Options, where *nodes.Route) (wasUp bool, err error) {
	defer func() {
		err = o.judge(err)
		l.set(Down, err)
	}()
	conn, raw, err := o.dial(ctx, l.purpose)
	if err != nil {
		where.Failed()
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

	leave := func(err error) {
		lose(err)
		_ = raw.Close()
	}
	var pulse sync.WaitGroup
	setup := time.AfterFunc(o.setup, func() { leave(fmt.Errorf("it doesn't answer declarations within %v", o.setup)) })
	slow := time.AfterFunc(o.setup/4, func() { l.wait(fmt.Errorf("%s takes connections and doesn't answer declarations", o.host())) })
	defer setup.Stop()
	defer slow.Stop()
	err = l.serve(sctx, conn, func() {
		setup.Stop()
		slow.Stop()
		if judge := l.patience.Begin(where, time.Now()); judge.Clustered() {
			pulse.Go(func() { l.pulse(sctx, conn, o, judge, leave) })
		}
		wasUp = true
		if l.State() != Blocked {
			l.set(Up, nil)
		}
		l.o.Logger.Info("broker connection up", "purpose", l.purpose, "node", o.host())
	})
	if cause := context.Cause(sctx); cause != nil {
		err = cause
	}
	lose(err)
	// A polite close waits for an answer; the socket of a broker that gives none is closed.
	hard := time.AfterFunc(closeGrace, func() { _ = raw.Close() })
	_ = conn.CloseDeadline(time.Now().Add(closeGrace))
	hard.Stop()
	<-watched
	pulse.Wait()
	return wasUp, err
}

// reasons are those of an outage that were reported, and when.
type reasons map[string]time.Time

const (
	reasonEvery = time.Minute // how often one is reported
	maxReasons  = 32
)

// fresh reports whether this reason of this node wasn't reported lately.
func (r reasons) fresh(node string, err error, now time.Time) bool {
	var call *net.OpError
	var e *amqp.Error
	why := err.Error()
	switch {
	case errors.As(err, &call): // its text has the port of this end, another each time
		why = call.Op + call.Err.Error()
	case errors.As(err, &e):
		why = e.Reason
	}
	if why = node + " " + why; now.Sub(r[why]) < reasonEvery {
		return false
	}
	if len(r) >= maxReasons {
		clear(r)
	}
	r[why] = now
	return true
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

// wait stores what a connection that isn't usable yet waits for.
func (l *link) wait(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == Down {
		l.err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
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
