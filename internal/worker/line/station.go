package line

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/worker/deliver"
)

// StationOptions say what a station does. Handle, Job, Queue and Max must be set.
type StationOptions[T any] struct {
	Queue int // how many may wait
	Max   int // handled together at most, by Count
	// Count is what an item counts as towards Max; nil: 1.
	Count func(*T) int
	// Linger is how long the next step waits for more of the same, after a step of some items; nil: not at all.
	Linger func(step time.Duration, items int) time.Duration
	// Job is the command that an item is about.
	Job func(*T) *Job
	// Handle handles the first n of items, n ≥ 1. What it adds to out is published, then their tickets are settled.
	Handle func(ctx context.Context, items []T, out *deliver.Parcels) (n int)
}

// Station handles commands beside the line, those that wait at it together, so that many cost a few queries. Use NewStation.
type Station[T any] struct {
	l      *Line
	o      StationOptions[T]
	in     chan T
	inHand atomic.Int64
}

// NewStation makes a station; Run sets it to work.
func NewStation[T any](l *Line, o StationOptions[T]) *Station[T] {
	if o.Count == nil {
		o.Count = func(*T) int { return 1 }
	}
	return &Station[T]{l: l, o: o, in: make(chan T, o.Queue)}
}

// Add queues an item. It blocks while the station is full, and drops the item only when ctx ends: the worker is being abandoned.
func (s *Station[T]) Add(ctx context.Context, x T) {
	s.inHand.Add(1)
	select {
	case s.in <- x:
	case <-ctx.Done():
		s.inHand.Add(-1)
	}
}

// Offer queues an item if there is room.
func (s *Station[T]) Offer(x T) bool {
	s.inHand.Add(1)
	select {
	case s.in <- x:
		return true
	default:
		s.inHand.Add(-1)
		return false
	}
}

// Run handles items until ctx ends.
func (s *Station[T]) Run(ctx context.Context) {
	var idle time.Time // until then a step waits for more of the same
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-s.in:
			items := collect(s.in, first, idle.Sub(s.l.o.Now()), s.o.Max, s.o.Count)
			begun := s.l.o.Now()
			for todo := items; len(todo) > 0; {
				todo = todo[s.guard(ctx, todo):]
			}
			if s.o.Linger != nil {
				ended := s.l.o.Now()
				idle = ended.Add(s.o.Linger(ended.Sub(begun), len(items)))
			}
			s.inHand.Add(-int64(len(items)))
		}
	}
}

// guard makes a step. After a panic each item is tried alone, and the one that panics again is quarantined: what comes here can be
// asked for again.
func (s *Station[T]) guard(ctx context.Context, items []T) (n int) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		s.l.o.Metrics.Panics.Inc()
		s.l.o.Logger.ErrorContext(ctx, "station panicked", "panic", r, "stack", string(debug.Stack()))
		if n = len(items); n == 1 {
			j := s.o.Job(&items[0])
			s.l.Quarantine(ctx, 0, &j.Cmd, j.Cmd.Append(nil), chat.E(chat.Internal, "handler panicked"))
			j.Ticket.Settle()
			return
		}
		for i := range items {
			s.guard(ctx, items[i:i+1])
		}
	}()
	out := deliver.NewParcels()
	sctx, cancel := context.WithTimeout(ctx, s.l.o.Patience)
	n = s.o.Handle(sctx, items, out)
	cancel()
	for i := range items[:n] {
		out.Answers(s.o.Job(&items[i]).Ticket)
	}
	s.l.o.Publisher.Publish(ctx, out)
	return n
}

// Stations share items among them by a key: items of one key keep their order.
type Stations[T any] []*Station[T]

// NewStations makes n stations.
func NewStations[T any](l *Line, n int, o StationOptions[T]) Stations[T] {
	ss := make(Stations[T], n)
	for i := range ss {
		ss[i] = NewStation(l, o)
	}
	return ss
}

// Of returns the station of a key.
func (ss Stations[T]) Of(key uint64) *Station[T] { return ss[chat.PartitionOf(key, len(ss))] }

// Run handles items until ctx ends.
func (ss Stations[T]) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, s := range ss {
		wg.Go(func() { s.Run(ctx) })
	}
	wg.Wait()
}

// InHand is how many items are queued or being handled.
func (ss Stations[T]) InHand() (n int64) {
	for _, s := range ss {
		n += s.inHand.Load()
	}
	return n
}

// RefuseFailed refuses a job of a station with an error, which is logged where it is the server's.
func (l *Line) RefuseFailed(ctx context.Context, j *Job, err error, out *deliver.Parcels) {
	e := chat.As(err)
	if e.Kind == chat.Internal || e.Kind == chat.Unavailable {
		l.o.Logger.WarnContext(ctx, "answer", "kind", j.Cmd.Kind.String(), "user", j.Cmd.User, "err", err)
	}
	l.Refuse(j, e, out)
}
