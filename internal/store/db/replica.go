package db

import (
	"context"
	"errors"
	"sync"
	"time"
)

// How long a replica that failed is left alone: doubling up to the maximum.
const (
	replicaPauseFirst = 500 * time.Millisecond
	replicaPauseMax   = 30 * time.Second
	replicaTimeout    = 2 * time.Second // one read; the primary is asked after it
)

// ErrBehind is what a read on a replica returns that lacks what the reader has to see.
var ErrBehind = errors.New("the replica is behind the reader")

// replica is a read-only copy of the primary, some way behind it.
type replica struct {
	addr  string
	pool  *pool
	reads replicaReads

	mu    sync.Mutex
	wait  time.Duration
	until time.Time // left alone till then
	seen  replicaState
}

func (r *replica) resting(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.until)
}

// note records how a read went.
func (r *replica) note(err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.wait = 0
		return
	}
	r.wait = min(max(r.wait*2, replicaPauseFirst), replicaPauseMax)
	r.until = now.Add(r.wait)
}

// OnReplica runs fn, which reads with one statement, on the replica whose turn it is. ok is false when there is no
// replica, or it failed just now or recently, or fn returns ErrBehind, because it judges that the replica is not far enough: then the
// primary is to be asked.
func (d *DB) OnReplica(ctx context.Context, fn func(tx Tx) error) (ok bool) {
	if len(d.replicas) == 0 {
		return false
	}
	r := d.replicas[int(d.turn.Add(1))%len(d.replicas)]
	if r.resting(d.o.Now()) {
		r.reads.resting.Add(1)
		return false
	}
	rctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	err := fn(Tx{r.pool.g.WithContext(rctx)})
	switch {
	case err == nil:
		r.reads.answered.Add(1)
	case errors.Is(err, ErrBehind):
		r.reads.behind.Add(1)
		r.note(nil, d.o.Now())
		return false
	case ctx.Err() != nil:
		return false // the caller gave up: that says nothing about the replica
	default:
		r.reads.failed.Add(1)
		d.o.Logger.WarnContext(ctx, "replica doesn't answer, the primary is asked", "replica", r.addr, "error", err)
	}
	r.note(err, d.o.Now())
	return err == nil
}
