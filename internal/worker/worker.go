package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/catchup"
	"chat-service/internal/worker/deliver"
	"chat-service/internal/worker/jobs"
	"chat-service/internal/worker/lanes"
	"chat-service/internal/worker/line"
	"chat-service/internal/worker/sockets"
	"chat-service/internal/worker/webhooks"
)

// Worker is the station between the inbound queues and the gateways' queues.
type Worker struct {
	o         Options
	dispatch  dispatch
	publisher *deliver.Publisher
	line      *line.Line
	lanes     *lanes.Lanes
	sockets   *sockets.Sockets
	catchup   *catchup.Catchup
	fleet     *jobs.Fleet
	webhooks  *webhooks.Dispatcher // nil: none

	unknownAt atomic.Int64 // when a command of an unknown kind was logged, Unix nanoseconds

	ctx    context.Context // ends when what is in hand must be abandoned
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
	w := &Worker{o: o}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.publisher = deliver.New(o.Bus, func(g chat.GatewayID, upTo uint64) { w.line.Gone(g, upTo) }, o.Metrics.Deliver)
	w.line = line.New(line.Options{
		Partitions: o.Partitions, Committers: o.Committers, BatchRecords: o.BatchRecords, OutboxPoll: o.OutboxPoll, OutboxIdle: o.OutboxIdle,
		GiveUp: o.GiveUp, Patience: o.Patience, MessageBytes: o.Limits.MessageBytes, DataBytes: o.Limits.DataBytes, DataDepth: o.Limits.DataDepth,
		PeerReads: o.PeerReads,
		Log:       o.Log, Changes: o.Changes, People: o.Accounts, Outbox: o.Outbox, Calls: o.Calls, Routes: o.Routes, Publisher: w.publisher,
		Rate: o.Limits.MessageRate(), Allowances: o.Allowances,
		Repair: func(ctx context.Context, j line.Job, head envelope.Point) { w.lanes.Repair(ctx, j, head) },
		Left:   func(room chat.RoomID, user chat.UserID) { w.lanes.Left(room, user) },
		Watch:  w.watch(),
		Now:    o.Now, Logger: o.Logger, Metrics: o.Metrics.Line,
	})
	w.lanes = lanes.New(lanes.Options{
		Lanes: o.Lanes, Line: w.line, Log: o.Members, Places: o.History, Presence: o.Presence, Now: o.Now, Logger: o.Logger, Metrics: o.Metrics.Line,
	})
	w.catchup = catchup.New(catchup.Options{
		MaxRooms: o.MaxSyncRooms, Bounds: catchup.Bounds{Changes: o.Limits.CatchUpChanges, Resync: o.Limits.ResyncChanges}, Line: w.line, Publisher: w.publisher, Log: o.History,
	})
	w.fleet = jobs.NewFleet(jobs.Options{
		Boot: o.Boot, Partitions: o.Partitions, Beat: o.Beat, DeadAfter: o.DeadAfter, Lease: o.Lease, Line: w.line,
		Workers: o.Workers, Chores: o.Chores, Consume: o.Consume, Now: o.Now, Logger: o.Logger, Owned: o.Metrics.Owned,
		OutboxAge: o.Metrics.OutboxAge, Dead: o.Metrics.Dead,
	})
	w.sockets = sockets.New(sockets.Options{
		Partitions: o.Partitions, Lease: o.Lease, OfflineGrace: o.OfflineGrace, Patience: o.Patience, MaxSockets: o.MaxSockets, UserSockets: o.Limits.SocketsPerUser,
		PingInterval: o.PingInterval, Limits: o.ProtocolLimit, Life: w.ctx, Line: w.line, Publisher: w.publisher,
		Accounts: o.Accounts, Registry: o.Registry, Leases: o.Leases, Fleet: w.fleet, Heartbeats: o.Consume,
		Now: o.Now, Logger: o.Logger, Metrics: o.Metrics.Sockets, Shown: w.shown,
	})
	rows, verbs := index(w.table())
	w.dispatch = rows
	w.line.Handle(verbs)
	return w, nil
}

// watch has webhooks posted, if they are to be, and returns what wakes them.
func (w *Worker) watch() *line.Watch {
	if w.o.Webhooks == nil {
		return nil
	}
	watch, o := &line.Watch{}, *w.o.Webhooks
	o.Boot, o.Patience, o.On, o.Now, o.Logger, o.Metrics = w.o.Boot, w.o.Patience, &watch.On, w.o.Now, w.o.Logger, w.o.Metrics.Webhooks
	w.webhooks = webhooks.New(o)
	watch.Woken = w.webhooks.Woken
	return watch
}

// shown tells webhooks who came and went.
func (w *Worker) shown(users []chat.UserID, online bool) {
	if w.webhooks != nil {
		w.webhooks.Shown(users, online)
	}
}

// Start begins to consume, relay and sweep.
func (w *Worker) Start(context.Context) error {
	w.start.Do(func() {
		for _, run := range []func(context.Context){w.publisher.Run, w.line.Run, w.lanes.Run, w.sockets.Run, w.catchup.Run} {
			w.worked.Go(func() { run(w.ctx) })
		}
		var ctx context.Context
		ctx, w.loops = context.WithCancel(w.ctx)
		w.looped.Go(func() { w.fleet.Run(ctx) })
		w.looped.Go(func() { w.line.Relay(ctx) })
		w.looped.Go(func() { w.line.Share(ctx) })
		if w.webhooks != nil {
			w.looped.Go(func() { w.webhooks.Run(ctx) })
		}
		for _, job := range []struct {
			every time.Duration
			run   func(context.Context)
		}{
			{w.o.DigestEvery, w.line.Digest},
			{time.Second, w.sockets.WatchBroker},
			{time.Second, w.sockets.SweepLeases},
			{time.Second, w.sockets.SweepOffline},
			{time.Minute, w.fleet.SweepEnded},
			{10 * time.Second, w.fleet.ForgetReactions},
			{time.Second, w.fleet.IndexNames},
			{jobs.ChoreEvery, w.fleet.DoChores},
			{10 * time.Second, w.fleet.Weigh},
		} {
			w.looped.Go(func() { jobs.Every(ctx, job.every, w.o.Patience, job.run) })
		}
	})
	return nil
}

// Stop lets go of the partitions, finishes what is in hand within ctx, then abandons the rest: what was not acknowledged comes again at
// another worker.
func (w *Worker) Stop(ctx context.Context) (err error) {
	w.stop.Do(func() {
		if w.loops != nil {
			w.loops()
			abandon := context.AfterFunc(ctx, w.cancel) // a loop may wait for the broker
			w.looped.Wait()
			abandon()
		}
		if e := w.fleet.Retire(ctx); e != nil {
			err = fmt.Errorf("retire: %w", e)
		}
		if e := w.quiet(ctx); e != nil {
			err = errors.Join(err, e)
		}
		w.line.Flush(ctx)
		w.cancel()
		w.worked.Wait()
	})
	return err
}

// quiet waits until nothing is in hand.
func (w *Worker) quiet(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		busy := w.line.InHand() + w.lanes.InHand() + w.sockets.InHand() + w.catchup.InHand()
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
