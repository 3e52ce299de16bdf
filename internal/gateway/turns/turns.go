// Package turns spreads what many sockets get at once over a short time, so that what others get meanwhile leaves in between.
package turns

import (
	"sync"
	"time"
)

const (
	// within is for how long a socket waits for its turn at most. With the time for which reactions wait for each other it is within the
	// 250 ms that the protocol allows.
	within = 50 * time.Millisecond
	turns  = 10 // of a round
)

// Turns are sockets that wait, each for its turn, which is always the same: all that comes for it within a round leaves at once. Each
// waits once at most, so they are bounded by their number. Run must be running.
type Turns[S any] struct {
	give  func(S)
	mu    sync.Mutex
	turns [turns][]waiting[S]
	next  int // the turn that comes next
	n     int
	wake  chan struct{}
	stop  chan struct{}
	ended chan struct{}
}

type waiting[S any] struct {
	s    S
	flag *bool
}

// New makes Turns. give takes a socket whose turn it is; it must not block.
func New[S any](give func(S)) *Turns[S] {
	return &Turns[S]{give: give, wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{})}
}

// Add has a socket wait for the turn that its key says, unless it waits. Whether it does is noted in flag, which belongs to the Turns.
func (t *Turns[S]) Add(s S, key uint64, flag *bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if *flag {
		return
	}
	*flag = true
	turn := &t.turns[key%turns]
	*turn = append(*turn, waiting[S]{s, flag})
	if t.n++; t.n == 1 {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// Next gives the next turn; false means that nobody is left.
func (t *Turns[S]) Next() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	turn := &t.turns[t.next]
	t.next = (t.next + 1) % turns
	for _, w := range *turn {
		*w.flag = false
		t.give(w.s)
	}
	t.n -= len(*turn)
	clear(*turn)
	*turn = (*turn)[:0]
	return t.n > 0
}

// Run gives turns while somebody waits, until Close is called: then all have theirs at once.
func (t *Turns[S]) Run() {
	defer close(t.ended)
	tick := time.NewTicker(within / turns)
	tick.Stop()
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			for t.Next() {
			}
			return
		case <-t.wake:
			tick.Reset(within / turns)
		case <-tick.C:
			if !t.Next() {
				tick.Stop()
			}
		}
	}
}

// Close ends Run, which must have been started, and waits for it.
func (t *Turns[S]) Close() {
	close(t.stop)
	<-t.ended
}
