package worker

import (
	"context"
	"slices"
	"time"
)

// fleet keeps this worker listed, watches the others and consumes what falls to it. Ownership keeps order cheap, it is
// not a fence: MySQL's row locks and unique keys are.
type fleet struct {
	w       *Worker
	owned   []int
	standby []int
	live    []string
}

// run beats until ctx ends. While MySQL is away nothing changes.
func (f *fleet) run(ctx context.Context) {
	tick := time.NewTicker(f.w.o.Beat)
	defer tick.Stop()
	for {
		f.beat(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (f *fleet) beat(ctx context.Context) {
	o := &f.w.o
	ctx, cancel := context.WithTimeout(ctx, o.DeadAfter-o.Beat)
	defer cancel()
	if err := o.Fleet.Beat(ctx, o.Boot); err != nil {
		o.Logger.WarnContext(ctx, "beat", "err", err)
		return
	}
	live, err := o.Fleet.Workers(ctx, o.DeadAfter)
	if err != nil {
		o.Logger.WarnContext(ctx, "list workers", "err", err)
		return
	}
	if !slices.Contains(live, o.Boot) {
		return // our own beat is too old already: the next one tells
	}
	f.w.leader.Store(live[0] == o.Boot)
	if slices.Equal(live, f.live) {
		return
	}
	f.live = live
	f.take(ctx, Assign(live, o.Partitions))
}

// take consumes what a changed fleet leaves to this worker. A partition that was owned and is only stood by from now on
// is let go first, for long enough that its new owner becomes the active consumer.
func (f *fleet) take(ctx context.Context, as []Assignment) {
	var owned, standby, stay []int
	for p, a := range as {
		switch f.w.o.Boot {
		case a.Owner:
			owned = append(owned, p)
		case a.Standby:
			standby = append(standby, p)
			if !slices.Contains(f.owned, p) {
				stay = append(stay, p)
			}
		}
	}
	f.w.o.Logger.InfoContext(ctx, "partitions", "workers", len(f.live), "owned", owned, "standby", standby)
	f.w.o.Metrics.Owned.Set(float64(len(owned)))
	f.w.setOwned(owned)
	f.w.o.Consume.Set(slices.Concat(owned, stay))
	if len(stay) < len(standby) {
		select {
		case <-ctx.Done():
		case <-time.After(handover):
		}
		f.w.o.Consume.Set(slices.Concat(owned, standby))
	}
	f.owned, f.standby = owned, standby
}

// handover is how long a released partition is left alone before its old owner stands by for it.
const handover = 500 * time.Millisecond
