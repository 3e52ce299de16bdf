package jobs

import (
	"context"
	"time"
)

const (
	keepEnded = 90 * 24 * time.Hour // longer than any session lives
	sweepRows = 1000
	nameRows  = 500

	reactionRows  = 1000 // in one transaction
	reactionSteps = 20   // at one call
	nameRests     = 10   // calls left out after a walk that found nothing: what it looks for comes only during an upgrade
)

// SweepEnded deletes, at the first among the workers, what login sessions left behind that ended long ago: some of it at each call.
func (f *Fleet) SweepEnded(ctx context.Context) {
	if !f.Leader() {
		return
	}
	n, err := f.o.Workers.Sweep(ctx, f.o.Now().Add(-keepEnded), sweepRows)
	if err != nil {
		f.o.Logger.WarnContext(ctx, "sweep ended sessions", "err", err)
	} else if n > 0 {
		f.o.Logger.InfoContext(ctx, "swept ended sessions", "rows", n)
	}
}

// ForgetReactions deletes, at the first among the workers, what recalls left of messages with very many reactions: some of it at each call. How
// far it is, the table of what is left says: another worker goes on.
func (f *Fleet) ForgetReactions(ctx context.Context) {
	if !f.Leader() {
		return
	}
	all := 0
	for range reactionSteps {
		n, more, err := f.o.Chores.ForgetReactions(ctx, reactionRows)
		if err != nil {
			f.o.Logger.WarnContext(ctx, "delete reactions to recalled messages", "err", err)
		}
		if all += n; err != nil || !more {
			break
		}
	}
	if all > 0 {
		f.o.Logger.InfoContext(ctx, "deleted reactions to recalled messages", "rows", all)
	}
}

// IndexNames walks, at the first among the workers, over the public rooms, some at each call, and makes those findable that a process
// of an earlier release named.
func (f *Fleet) IndexNames(ctx context.Context) {
	if !f.Leader() {
		f.named, f.rests = 0, 0
		return
	}
	if f.rests > 0 {
		f.rests--
		return
	}
	next, n, err := f.o.Workers.IndexNames(ctx, f.named, nameRows)
	f.named = next
	if err != nil {
		f.o.Logger.WarnContext(ctx, "index names of rooms", "err", err)
	} else if n > 0 {
		f.o.Logger.DebugContext(ctx, "indexed names of rooms", "rooms", n)
	} else if next == 0 {
		f.rests = nameRests
	}
}

// Weigh sets the gauges of what the installation has not got rid of. Every worker sets the same.
func (f *Fleet) Weigh(ctx context.Context) {
	waits, dead, err := f.o.Workers.Burden(ctx)
	if err != nil {
		f.o.Logger.WarnContext(ctx, "weigh the outbox", "err", err)
		return
	}
	f.o.OutboxAge.Set(waits.Seconds())
	f.o.Dead.Set(float64(dead))
}
