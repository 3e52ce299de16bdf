package worker

import (
	"context"
	"maps"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// fleet keeps this worker listed, watches the others and consumes what falls to it. Ownership keeps order cheap, it is
// not a fence: MySQL's row locks and unique keys are.
type fleet struct {
	w       *Worker
	live    []string
	beaten  time.Time   // when the last beat that was kept began
	doubt   time.Time   // until then another worker may act for this one
	standby map[int]int // partitions stood by for → beats for which they have been active here
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
	began := time.Now()
	if err := o.Fleet.Beat(ctx, chat.LiveWorker{Boot: o.Boot, Features: envelope.Features()}); err != nil {
		o.Logger.WarnContext(ctx, "beat", "err", err)
		return
	}
	defer func() { f.recall(ctx, began) }()
	workers, err := o.Fleet.Workers(ctx, o.DeadAfter)
	if err != nil {
		o.Logger.WarnContext(ctx, "list workers", "err", err)
		return
	}
	live := chat.Boots(workers)
	if !slices.Contains(live, o.Boot) {
		return // our own beat is too old already: the next one tells
	}
	f.w.leader.Store(live[0] == o.Boot)
	if !slices.Equal(live, f.live) {
		f.live = live
		f.take(ctx, chat.Assign(live, o.Partitions))
	}
	f.giveBack(ctx)
}

// recall has the owned partitions looked at anew after beats so late that this worker was perhaps thought dead: what its
// stand-in has announced it doesn't know, and its digests would hide it. The stand-in goes on until it has seen the beat.
func (f *fleet) recall(ctx context.Context, began time.Time) {
	o := &f.w.o
	if gap := time.Since(f.beaten); gap > o.DeadAfter-o.Beat && !f.beaten.IsZero() {
		o.Logger.InfoContext(ctx, "beats were late", "gap", gap)
		f.doubt = time.Now().Add(o.DeadAfter)
	}
	if f.beaten = began; time.Now().Before(f.doubt) {
		for _, p := range *f.w.owned.Load() {
			f.w.committer(p).nudge(work{partition: p, owned: true, again: true})
		}
	}
}

// take consumes what a changed fleet leaves to this worker.
func (f *fleet) take(ctx context.Context, as []chat.Assignment) {
	var owned []int
	f.standby = map[int]int{}
	for p, a := range as {
		switch f.w.o.Boot {
		case a.Owner:
			owned = append(owned, p)
		case a.Standby:
			f.standby[p] = 0
		}
	}
	standby := slices.Sorted(maps.Keys(f.standby))
	f.w.o.Logger.InfoContext(ctx, "partitions", "workers", len(f.live), "owned", owned, "standby", standby)
	f.w.o.Metrics.Owned.Set(float64(len(owned)))
	f.w.setOwned(owned)
	f.w.o.Consume.Set(owned, standby)
}

// giveBack returns partitions that came to this worker as their standby, once their owner has lived on for long enough:
// it was cut off from the broker only for a moment.
func (f *fleet) giveBack(ctx context.Context) {
	for p := range f.standby {
		if !f.w.o.Consume.Active(p) {
			f.standby[p] = 0
			continue
		}
		if f.standby[p]++; f.standby[p] >= yieldBeats {
			f.w.o.Logger.InfoContext(ctx, "giving a partition back to its owner", "partition", p)
			f.w.o.Consume.Yield(p)
			f.standby[p] = 0
		}
	}
}

// yieldBeats is for how many beats a standby keeps a partition whose owner lives.
const yieldBeats = 8
