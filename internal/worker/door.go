package worker

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// door lets sockets in and out, many at a time: a storm of them costs a few looks at Redis and MySQL, not as many as there
// are sockets.
type door struct {
	w      *Worker
	in     chan job // full: Take blocks, and so does the partition's consumer
	inHand atomic.Int64
}

const doorJobs = 64 // handled together at most

func newDoor(w *Worker) *door { return &door{w: w, in: make(chan job, 1024)} }

// add queues a job; it is dropped only when the worker is being abandoned.
func (d *door) add(ctx context.Context, j job) {
	d.inHand.Add(1)
	select {
	case d.in <- j:
	case <-ctx.Done():
		d.inHand.Add(-1)
	}
}

func (d *door) run(ctx context.Context) {
	var rested time.Time // before it, a step waits for more of the same
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-d.in:
			jobs := gather(d.in, first, time.Until(rested), doorJobs, func(*job) int { return 1 })
			begun := time.Now()
			d.guard(ctx, jobs)
			rested = time.Now().Add(rest(time.Since(begun)))
			d.inHand.Add(-int64(len(jobs)))
		}
	}
}

// guard handles jobs; after a panic each is tried alone, and the one that panics again is quarantined.
func (d *door) guard(ctx context.Context, jobs []job) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		d.w.o.Metrics.Panics.Inc()
		d.w.o.Logger.Error("door panicked", "panic", r, "stack", string(debug.Stack()))
		if len(jobs) == 1 {
			d.w.quarantine(0, &jobs[0].cmd, jobs[0].cmd.Append(nil), chat.E(chat.Internal, "handler panicked"))
			jobs[0].ticket.settle()
			return
		}
		for _, j := range jobs {
			d.guard(ctx, []job{j})
		}
	}()
	out := newParcels()
	d.step(ctx, jobs, out)
	d.w.publish(ctx, out, func() {
		for _, j := range jobs {
			j.ticket.settle()
		}
	})
}

// step lets go first who came before, then lets in, then lets go who only came now.
func (d *door) step(ctx context.Context, jobs []job, out *parcels) {
	ctx, cancel := context.WithTimeout(ctx, d.w.o.Patience)
	defer cancel()
	type place struct {
		gateway chat.GatewayID
		socket  chat.SocketID
	}
	came := map[place]bool{}
	var in []*envelope.Command
	for i := range jobs {
		if c := &jobs[i].cmd; c.Kind != envelope.Disconnect {
			came[place{c.Gateway, c.Socket}] = true
			in = append(in, c)
		}
	}
	var before, after []farewell
	for i := range jobs {
		c := &jobs[i].cmd
		switch {
		case c.Kind != envelope.Disconnect:
		case came[place{c.Gateway, c.Socket}]:
			after = append(after, farewell{c.User, c.Gateway, c.Socket})
		default:
			before = append(before, farewell{c.User, c.Gateway, c.Socket})
		}
	}
	d.letGo(ctx, before)
	d.letIn(ctx, in, out)
	d.letGo(ctx, after)
}

// letGo takes sockets out of the registry, now or when Redis is back.
func (d *door) letGo(ctx context.Context, fs []farewell) {
	if len(fs) == 0 || d.w.farewell(ctx, fs) == nil {
		return
	}
	for _, f := range fs {
		d.w.farewells.add(f)
	}
	d.w.reassert.Store(true)
}
