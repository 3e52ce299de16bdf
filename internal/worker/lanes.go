package worker

import (
	"context"
	"runtime/debug"
	"sync/atomic"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// lane answers one share of the users' reads, each user's in order.
type lane struct {
	w      *Worker
	in     chan job // full: Take blocks, and so does the partition's consumer
	inHand atomic.Int64
}

func newLane(w *Worker) *lane { return &lane{w: w, in: make(chan job, 256)} }

func (w *Worker) laneOf(key uint64) *lane {
	return w.lanes[chat.PartitionOf(key, len(w.lanes))]
}

// add queues a job; it is dropped only when the worker is being abandoned.
func (l *lane) add(ctx context.Context, j job) {
	l.inHand.Add(1)
	select {
	case l.in <- j:
	case <-ctx.Done():
		l.inHand.Add(-1)
	}
}

func (l *lane) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-l.in:
			l.guard(ctx, &j)
			l.inHand.Add(-1)
		}
	}
}

// guard handles one job; one that panics is quarantined at once: reads can be asked for again.
func (l *lane) guard(ctx context.Context, j *job) {
	defer func() {
		if r := recover(); r != nil {
			l.w.o.Metrics.Panics.Inc()
			l.w.o.Logger.Error("lane panicked", "panic", r, "stack", string(debug.Stack()))
			l.w.quarantine(0, &j.cmd, j.cmd.Append(nil), chat.E(chat.Internal, "handler panicked"))
			j.ticket.settle()
		}
	}()
	out := newParcels()
	hctx, cancel := context.WithTimeout(ctx, l.w.o.Patience)
	err := l.handle(hctx, j, out)
	cancel()
	if err != nil {
		e := chat.As(err)
		l.w.o.Metrics.Refused.WithLabelValues(e.Kind.String()).Inc()
		if e.Kind == chat.Internal || e.Kind == chat.Unavailable {
			l.w.o.Logger.WarnContext(ctx, "answer", "kind", j.cmd.Kind, "user", j.cmd.User, "err", err)
		}
		if d, ok := errorTo(&j.cmd, e); ok {
			out.gateway(j.cmd.Gateway, d)
		}
	}
	l.w.publish(ctx, out, j.ticket.settle)
}

func (l *lane) handle(ctx context.Context, j *job, out *parcels) error {
	switch j.cmd.Kind {
	case envelope.Show:
		return l.show(ctx, &j.cmd, out)
	case envelope.Sync:
		return l.sync(ctx, &j.cmd, out)
	case envelope.Join:
		return l.join(ctx, &j.cmd, out)
	case envelope.Watch:
		return l.watch(ctx, &j.cmd, out)
	case envelope.Typing:
		return l.typing(ctx, &j.cmd)
	case envelope.Attach:
		l.mend(ctx, j, out)
	}
	return nil
}
