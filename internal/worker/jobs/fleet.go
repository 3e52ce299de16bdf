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
)

const (
	yieldBeats  = 8 // for how many beats a standby keeps a partition whose owner lives
	regainBeats = 2 // for how many beats a worker waits for the others after an outage of the broker, before it shares anew

	// hearsMark in a worker's features says that gateways' heartbeats have been able to reach it for a lease: nobody need be blind.
	hearsMark = "+hears"
)

// Options are what the fleet loop needs. All must be set.
type Options struct {
	Boot       string // names this process among the workers; new at every start
	Partitions int    // of the installation
	Beat       time.Duration
	DeadAfter  time.Duration // silence after which a worker is dead; above Beat
	Lease      time.Duration // of gateways

	Line    Line
	Workers Workers
	Chores  Chores
	Consume Partitions

	Now    func() time.Time
	Logger *slog.Logger
	Owned  prometheus.Gauge // partitions assigned to this worker

	OutboxAge prometheus.Gauge // seconds
	Dead      prometheus.Gauge // commands that were set aside
}

// Fleet keeps this worker listed, watches the others and consumes what falls to it. Use NewFleet.
type Fleet struct {
	o        Options
	leader   atomic.Bool
	heard    atomic.Bool
	features atomic.Pointer[[]string]

	unfit   string      // why this worker can't consume; "": it can
	regain  int         // beats for which the assignment from before an outage is kept
	live    []string    // whom the present assignment counts with
	beaten  time.Time   // when the last beat that was kept began
	doubt   time.Time   // until then another worker may act for this one
	named   chat.RoomID // how far the walk over public rooms is; the job's alone
	rests   int         // calls for which that walk pauses; the job's alone
	idle    int         // calls for which nobody looks for jobs; the chores' alone
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
	tick, early := time.NewTicker(f.o.Beat), time.NewTicker(f.o.Beat/10)
	defer tick.Stop()
	defer early.Stop()
	for {
		if f.beat(ctx); f.unfit == "" {
			early.Stop() // an idle worker isn't woken for nothing
		} else {
			early.Reset(f.o.Beat / 10)
		}
		for due := false; !due; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				due = true
			case <-early.C: // as after a start, when the connections have just come up
				due = f.unfit != "" && f.o.Consume.Able() == nil
			}
		}
	}
}

// Retire releases the partitions and takes this worker off the list. Run must have returned.
func (f *Fleet) Retire(ctx context.Context) error {
	f.o.Consume.Set(nil, nil)
	return f.o.Workers.Retire(ctx, f.o.Boot)
}

// beat keeps this worker on the list if it can do its work: a worker that can't consume its partitions owns none. Then it looks who
// else is on it.
func (f *Fleet) beat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, f.o.DeadAfter-f.o.Beat)
	defer cancel()
	began, able := f.o.Now(), f.able(ctx)
	if able {
		if err := f.o.Workers.Beat(ctx, chat.LiveWorker{Boot: f.o.Boot, Features: f.offers()}); err != nil {
			f.o.Logger.WarnContext(ctx, "beat", "err", err)
			return
		}
		defer func() { f.review(ctx, began) }()
	}
	workers, err := f.o.Workers.Workers(ctx, f.o.DeadAfter)
	if err != nil {
		f.heard.Store(false)
		f.o.Logger.WarnContext(ctx, "list workers", "err", err)
		return
	}
	f.heard.Store(slices.ContainsFunc(workers, func(w chat.LiveWorker) bool {
		return w.Boot != f.o.Boot && slices.Contains(w.Features, hearsMark)
	}))
	live := chat.Boots(workers)
	switch mine := slices.Contains(live, f.o.Boot); {
	case !able && !mine && len(live) > 0:
		f.leave(ctx)
		return
	case !able || !mine:
		return // able: our own beat is too old already, the next one shows; else nobody has taken over
	}
	all := shared(workers)
	f.features.Store(&all)
	f.leader.Store(live[0] == f.o.Boot)
	if !slices.Equal(live, f.live) && !f.waits(live) {
		f.live = live
		f.take(ctx, chat.Assign(live, f.o.Partitions))
	}
	f.giveBack(ctx)
}

// able reports whether this worker can consume, and logs when that changes.
func (f *Fleet) able(ctx context.Context) bool {
	why := ""
	if err := f.o.Consume.Able(); err != nil && !beatsBlind() {
		why = err.Error()
	}
	switch {
	case why == f.unfit:
	case why == "":
		f.o.Logger.InfoContext(ctx, "this worker can consume: it is among the workers")
		f.regain = regainBeats
	case f.unfit == "" && f.live != nil: // else it has never been on the list: the connections are reported elsewhere
		f.o.Logger.WarnContext(ctx, "this worker can't consume: it leaves the list of workers, and the others take its partitions", "err", why)
	}
	f.unfit = why
	return why == ""
}

// offers is what this worker can do: the features, and whether heartbeats have reached it for long enough to judge by.
func (f *Fleet) offers() []string {
	all := envelope.Features()
	if up := f.o.Consume.Up(); !up.IsZero() && f.o.Now().Sub(up) >= f.o.Lease {
		all = append([]string{hearsMark}, all...)
	}
	return all
}

// leave lets go of everything, when the others have taken it over.
func (f *Fleet) leave(ctx context.Context) {
	f.leader.Store(false)
	if f.live == nil {
		return
	}
	f.live = nil
	f.take(ctx, nil)
}

// waits reports whether the assignment from before an outage of the broker is kept for the moment: the others come back one by one, and
// need not hand over all partitions twice.
func (f *Fleet) waits(live []string) bool {
	back := !slices.ContainsFunc(f.live, func(b string) bool { return !slices.Contains(live, b) })
	if f.regain == 0 || back {
		f.regain = 0
		return false
	}
	f.regain--
	return true
}

// Heard reports whether heartbeats of gateways have reached another live worker for a lease.
func (f *Fleet) Heard() bool { return f.heard.Load() }

// shared returns what all the workers can do, ascending.
func shared(ws []chat.LiveWorker) []string {
	all := slices.DeleteFunc(slices.Clone(ws[0].Features), func(f string) bool { return f == hearsMark })
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
