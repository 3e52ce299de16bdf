// Package roster is the part of the fake store that lists the live workers.
package roster

import (
	"cmp"
	"context"
	"slices"
	"time"

	"chat-service/internal/chat"
)

// Roster lists workers. Use New.
type Roster struct {
	begin   func(ctx context.Context, verb string) (end func(), err error)
	now     func() time.Time
	workers map[string]worker
}

// worker is a worker that beat.
type worker struct {
	chat.LiveWorker
	at time.Time
}

// New makes an empty list. begin starts a verb: it holds a lock until end is called.
func New(begin func(ctx context.Context, verb string) (end func(), err error), now func() time.Time) *Roster {
	return &Roster{begin, now, map[string]worker{}}
}

// Beaten notes a beat. The lock is held.
func (r *Roster) Beaten(w chat.LiveWorker) { r.workers[w.Boot] = worker{w, r.now()} }

// Workers implements the stations' ports; see operator.Store.
func (r *Roster) Workers(ctx context.Context, deadAfter time.Duration) (ws []chat.LiveWorker, err error) {
	end, err := r.begin(ctx, "Workers")
	defer end()
	if err != nil {
		return nil, err
	}
	for _, w := range r.workers {
		if w.at.After(r.now().Add(-deadAfter)) {
			ws = append(ws, w.LiveWorker)
		}
	}
	slices.SortFunc(ws, func(a, b chat.LiveWorker) int { return cmp.Compare(a.Boot, b.Boot) })
	return ws, nil
}

// Retire implements the stations' ports; see operator.Store.
func (r *Roster) Retire(ctx context.Context, boot string) error {
	end, err := r.begin(ctx, "Retire")
	defer end()
	if err == nil {
		delete(r.workers, boot)
	}
	return err
}
