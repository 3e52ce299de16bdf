package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/worker/facts"
	"chat-service/internal/worker/line"
	"chat-service/internal/worker/sockets"
)

// Worker is the station between the inbound queues and the gateways' queues.
type Worker struct {
	o          Options
	committers []*committer
	lanes      []*lane
	syncers    []*station
	door       *door
	stations   []*station // those of lanes, syncers and door
	keep       *line.Keeper
	facts      *facts.Cache
	farewells  sockets.Set[farewell]

	leader   atomic.Bool           // first among the live workers: does what one must do
	owned    atomic.Pointer[[]int] // partitions assigned to this worker
	dead     atomic.Pointer[gatewaySet]
	numbers  sync.Map    // chat.GatewayID → *atomic.Uint64: its highest attach number; one entry per gateway boot that lives
	reassert atomic.Bool // sockets may be missing in Redis: ask for them when it is back

	ctx    context.Context // ends when work in hand must be abandoned
	cancel context.CancelFunc
	loops  context.CancelFunc // ends the loops that make work by themselves
	looped sync.WaitGroup
	worked sync.WaitGroup
	start  sync.Once
	stop   sync.Once
}

// New makes a worker; Start sets it to work.
func New(o Options) (*Worker, error) {
	o.Defaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	w := &Worker{o: o, keep: line.New(o.Routes, o.Outbox, o.Metrics.StateErrors), facts: facts.New(5*time.Second, 50_000)}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.owned.Store(&[]int{})
	w.dead.Store(&gatewaySet{})
	for i := range o.Committers {
		w.committers = append(w.committers, newCommitter(w, i))
	}
	w.door = newDoor(w)
	w.stations = append(w.stations, w.door.station)
	for range o.Lanes {
		l := newLane(w)
		w.lanes, w.stations = append(w.lanes, l), append(w.stations, l.station)
	}
	for range syncers {
		w.syncers = append(w.syncers, newSyncer(w))
	}
	w.stations = append(w.stations, w.syncers...)
	return w, nil
}

// Start begins to consume, relay and sweep.
func (w *Worker) Start(context.Context) error {
	w.start.Do(func() {
		for _, c := range w.committers {
			w.worked.Go(func() { c.run(w.ctx) })
		}
		for _, s := range w.stations {
			w.worked.Go(func() { s.run(w.ctx) })
		}
		w.worked.Go(func() { w.keep.Run(w.ctx) })
		var ctx context.Context
		ctx, w.loops = context.WithCancel(w.ctx)
		for _, loop := range []func(context.Context){(&fleet{w: w}).run, w.pollOutbox, w.digests, w.watchBroker, w.sweepLeases, w.sweepOffline, w.sweepEnded} {
			w.looped.Go(func() { loop(ctx) })
		}
	})
	return nil
}

// Stop lets go of the partitions, finishes what is in hand within ctx, then abandons the rest: what was not acknowledged
// comes again at another worker.
func (w *Worker) Stop(ctx context.Context) (err error) {
	w.stop.Do(func() {
		if w.loops != nil {
			w.loops()
			abandon := context.AfterFunc(ctx, w.cancel) // a loop may wait for the broker
			w.looped.Wait()
			abandon()
		}
		w.o.Consume.Set(nil, nil)
		if e := w.o.Fleet.Retire(ctx, w.o.Boot); e != nil {
			err = fmt.Errorf("retire: %w", e)
		}
		if e := w.quiet(ctx); e != nil {
			err = errors.Join(err, e)
		}
		w.keep.Flush(ctx)
		w.cancel()
		w.worked.Wait()
	})
	return err
}

// quiet waits until committers and stations have nothing in hand.
func (w *Worker) quiet(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var busy int64
		for _, c := range w.committers {
			busy += c.inHand.Load()
		}
		for _, s := range w.stations {
			busy += s.inHand.Load()
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped with %d commands in hand: %w", busy, ctx.Err())
		case <-tick.C:
		}
	}
}

func (w *Worker) committer(partition int) *committer {
	return w.committers[partition%len(w.committers)]
}

func (w *Worker) setOwned(ps []int) { w.owned.Store(&ps) }
