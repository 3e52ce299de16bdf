package audit

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
)

// How a Recorder writes: what waits is bounded, and so is what a process writes in a second.
const (
	waiting    = 1024
	batch      = 256
	batchEvery = time.Second
	writeTime  = 5 * time.Second
)

// Recorder stores acts soon after they happened, so that nobody waits for it. Make it with NewRecorder; Start and Stop it once.
type Recorder struct {
	write   func(ctx context.Context, as []chat.Act) error
	log     *slog.Logger
	dropped atomic.Uint64
	every   time.Duration

	acts chan chat.Act
	stop chan struct{}
	done sync.WaitGroup
}

// NewRecorder makes a Recorder that writes to the store.
func NewRecorder(s *Store, log *slog.Logger) *Recorder { return newRecorder(s.Record, log, batchEvery) }

func newRecorder(write func(context.Context, []chat.Act) error, log *slog.Logger, every time.Duration) *Recorder {
	return &Recorder{write: write, log: log, every: every, acts: make(chan chat.Act, waiting), stop: make(chan struct{})}
}

// Record takes an act; its origin is that of ctx. It never waits: what finds no room is dropped and counted.
func (r *Recorder) Record(ctx context.Context, a chat.Act) {
	a = a.From(ctx)
	if a.At.IsZero() {
		a.At = time.Now()
	}
	select {
	case r.acts <- a:
	default:
		r.dropped.Add(1)
	}
}

// Dropped counts the acts that were lost: too many at once, or the database was unavailable.
func (r *Recorder) Dropped() uint64 { return r.dropped.Load() }

// Start writes in the background.
func (r *Recorder) Start(context.Context) error {
	r.done.Go(func() {
		tick := time.NewTicker(r.every)
		defer tick.Stop()
		var told uint64
		for {
			select {
			case <-tick.C:
				r.flush(context.Background())
			case <-r.stop:
				return
			}
			if n := r.Dropped(); n > told {
				r.log.Warn("acts missing from the audit trail", "count", n-told, "dropped_total", n)
				told = n
			}
		}
	})
	return nil
}

// Stop writes what waits.
func (r *Recorder) Stop(ctx context.Context) error {
	close(r.stop)
	r.done.Wait()
	for len(r.acts) > 0 && ctx.Err() == nil {
		r.flush(ctx)
	}
	return nil
}

// flush writes one batch. A batch that can't be written is lost: the log has said so.
func (r *Recorder) flush(ctx context.Context) {
	var as []chat.Act
	for len(as) < batch && len(r.acts) > 0 {
		as = append(as, <-r.acts)
	}
	if len(as) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	if err := r.write(ctx, as); err != nil {
		r.dropped.Add(uint64(len(as)))
		r.log.WarnContext(ctx, "audit trail not written", "acts", len(as), "error", err)
	}
}
