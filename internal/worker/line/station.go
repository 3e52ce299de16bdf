package worker

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/worker/line"
)

// station handles the commands that wait at it together, so that many cost a few looks at Redis and MySQL.
type station struct {
	w      *Worker
	in     chan job // full: Take blocks, and so does the partition's consumer
	inHand atomic.Int64
	most   int // gathered at most
	count  func(*job) int
	rest   func(step time.Duration, jobs int) time.Duration // how long the next step waits for more of the same; nil: not at all
	// step handles the first n of jobs, n ≥ 1; what it says in out is published, then they are settled.
	step func(ctx context.Context, jobs []job, out *parcels) (n int)
}

// add queues a job; it is dropped only when the worker is being abandoned.
func (s *station) add(ctx context.Context, j job) {
	s.inHand.Add(1)
	select {
	case s.in <- j:
	case <-ctx.Done():
		s.inHand.Add(-1)
	}
}

// offer queues a job where there is room.
func (s *station) offer(j job) bool {
	s.inHand.Add(1)
	select {
	case s.in <- j:
		return true
	default:
		s.inHand.Add(-1)
		return false
	}
}

func (s *station) run(ctx context.Context) {
	var rested time.Time // before it, a step waits for more of the same
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-s.in:
			jobs := line.Take(s.in, first, time.Until(rested), s.most, s.count)
			begun := time.Now()
			for todo := jobs; len(todo) > 0; {
				todo = todo[s.guard(ctx, todo):]
			}
			if s.rest != nil {
				rested = time.Now().Add(s.rest(time.Since(begun), len(jobs)))
			}
			s.inHand.Add(-int64(len(jobs)))
		}
	}
}

// guard makes a step; after a panic each job is tried alone, and the one that panics again is quarantined: what comes here can
// be asked for again.
func (s *station) guard(ctx context.Context, jobs []job) (n int) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		s.w.o.Metrics.Panics.Inc()
		s.w.o.Logger.Error("station panicked", "panic", r, "stack", string(debug.Stack()))
		if n = len(jobs); n == 1 {
			s.w.quarantine(0, &jobs[0].cmd, jobs[0].cmd.Append(nil), chat.E(chat.Internal, "handler panicked"))
			jobs[0].ticket.settle()
			return
		}
		for i := range jobs {
			s.guard(ctx, jobs[i:i+1])
		}
	}()
	out := newParcels()
	sctx, cancel := context.WithTimeout(ctx, s.w.o.Patience)
	n = s.step(sctx, jobs, out)
	cancel()
	done := jobs[:n]
	s.w.publish(ctx, out, func() {
		for _, j := range done {
			j.ticket.settle()
		}
	})
	return n
}

func one(*job) int { return 1 }

// refuse answers a command that can't be done.
func (w *Worker) refuse(ctx context.Context, j *job, err error, out *parcels) {
	e := chat.As(err)
	w.o.Metrics.Refused.WithLabelValues(e.Kind.String()).Inc()
	if e.Kind == chat.Internal || e.Kind == chat.Unavailable {
		w.o.Logger.WarnContext(ctx, "answer", "kind", j.cmd.Kind, "user", j.cmd.User, "err", err)
	}
	if d, ok := errorTo(&j.cmd, e); ok {
		out.gateway(j.cmd.Gateway, d)
	}
}
