package jobs

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/line"
)

// yieldBeats is for how many beats a standby keeps a partition whose owner lives.
const yieldBeats = 8

// Options are what the fleet loop needs. All must be set.
type Options struct {
	Boot       string // names this process among the workers; new at every start
	Partitions int    // of the installation
	Beat       time.Duration
	DeadAfter  time.Duration // silence after which a worker is dead; above Beat

	Line    *line.Line
	Workers Workers
	Consume Partitions

	Now    func() time.Time
	Logger *slog.Logger
	Owned  prometheus.Gauge // partitions assigned to this worker
}

// Fleet keeps this worker listed, watches the others and consumes what falls to it. Use NewFleet.
type Fleet struct {
	o        Options
	leader   atomic.Bool
	features atomic.Pointer[[]string]

	live    []string
	beaten  time.Time   // when the last beat that was kept began
	doubt   time.Time   // until then another worker may act for this one
	standby map[int]int // partitions stood by for → beats for which they have been active here
}

// NewFleet makes the loop; Run starts it.
func NewFleet(o Options) *Fleet {
	f := &Fleet{o: o}
	f.features.Store(&[]string{})
	return f
}

// Leader reports whether this worker is the first among the live ones: it does what one must do.
func (f *Fleet) Leader() bool { return f.leader.Load() }

// Features returns what all live workers can do beyond the first edition, ascending; nothing before they are known.
func (f *Fleet) Features() []string { return *f.features.Load() }

// Run beats until ctx ends.
func (f *Fleet) Run(ctx context.Context) {
	tick := time.NewTicker(f.o.Beat)
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

// Retire releases the partitions and takes this worker off the list. Run must have returned.
func (f *Fleet) Retire(ctx context.Context) error {
	f.o.Consume.Set(nil, nil)
	return f.o.Workers.Retire(ctx, f.o.Boot)
}

func (f *Fleet) beat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, f.o.DeadAfter-f.o.Beat)
	defer cancel()
	began := f.o.Now()
	if err := f.o.Workers.Beat(ctx, chat.LiveWorker{Boot: f.o.Boot, Features: envelope.Features()}); err != nil {
		f.o.Logger.WarnContext(ctx, "beat", "err", err)
		return
	}
	defer func() { f.review(ctx, began) }()
	workers, err := f.o.Workers.Workers(ctx, f.o.DeadAfter)
	if err != nil {
		f.o.Logger.WarnContext(ctx, "list workers", "err", err)
		return
	}
	live := chat.Boots(workers)
	if !slices.Contains(live, f.o.Boot) {
		return // our own beat is too old already: the next one shows
	}
	all := shared(workers)
	f.features.Store(&all)
	f.leader.Store(live[0] == f.o.Boot)
	if !slices.Equal(live, f.live) {
		f.live = live
		f.take(ctx, chat.Assign(live, f.o.Partitions))
	}
	f.giveBack(ctx)
}

// shared returns what all the workers can do, ascending.
func shared(ws []chat.LiveWorker) []string {
	all := slices.Clone(ws[0].Features)
	for _, w := range ws[1:] {
		all = slices.DeleteFunc(all, func(f string) bool { return !slices.Contains(w.Features, f) })
	}
	return all
}

// review has the owned partitions read anew after beats so late that this worker was perhaps thought dead: it doesn't know what its
// stand-in has announced, and its digests would hide it. The stand-in goes on until it has seen the beat.
func (f *Fleet) review(ctx context.Context, began time.Time) {
	if gap := f.o.Now().Sub(f.beaten); gap > f.o.DeadAfter-f.o.Beat && !f.beaten.IsZero() {
		f.o.Logger.InfoContext(ctx, "beats were late", "gap", gap)
		f.doubt = f.o.Now().Add(f.o.DeadAfter)
	}
	if f.beaten = began; f.o.Now().Before(f.doubt) {
		f.o.Line.Reload()
	}
}

// take consumes what a changed fleet leaves to this worker.
func (f *Fleet) take(ctx context.Context, as []chat.Assignment) {
	var owned []int
	f.standby = map[int]int{}
	for p, a := range as {
		switch f.o.Boot {
		case a.Owner:
			owned = append(owned, p)
		case a.Standby:
			f.standby[p] = 0
		}
	}
	standby := slices.Sorted(maps.Keys(f.standby))
	f.o.Logger.InfoContext(ctx, "partitions", "workers", len(f.live), "owned", owned, "standby", standby)
	f.o.Owned.Set(float64(len(owned)))
	f.o.Line.Own(owned)
	f.o.Consume.Set(owned, standby)
}

// giveBack returns partitions that came to this worker as their standby, once their owner has lived on for long enough: it was cut off
// from the broker only for a moment.
func (f *Fleet) giveBack(ctx context.Context) {
	for p := range f.standby {
		if !f.o.Consume.Active(p) {
			f.standby[p] = 0
			continue
		}
		if f.standby[p]++; f.standby[p] >= yieldBeats {
			f.o.Logger.InfoContext(ctx, "giving a partition back to its owner", "partition", p)
			f.o.Consume.Yield(p)
			f.standby[p] = 0
		}
	}
}
