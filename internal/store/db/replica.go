package db

import (
	"context"
	"sync"
	"time"
)

// How long a replica that failed is left alone: doubling up to the maximum.
const (
	replicaPauseFirst = 500 * time.Millisecond
	replicaPauseMax   = 30 * time.Second
	replicaTimeout    = 2 * time.Second // one read; the primary is asked after it
)

// replica is a read-only copy of the primary, some way behind it.
type replica struct {
	addr string
	pool *pool

	mu    sync.Mutex
	wait  time.Duration
	until time.Time // left alone till then
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
// replica, or it failed just now or recently: then the primary is to be asked. fn itself judges whether the replica is
// far enough.
func (d *DB) OnReplica(ctx context.Context, fn func(tx Tx) error) (ok bool) {
	if len(d.replicas) == 0 {
		return false
	}
	r := d.replicas[int(d.turn.Add(1))%len(d.replicas)]
	if r.resting(d.o.Now()) {
		return false
	}
	rctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	err := fn(Tx{r.pool.g.WithContext(rctx)})
	if err != nil && ctx.Err() != nil {
		return false // the caller gave up: that says nothing about the replica
	}
	r.note(err, d.o.Now())
	if err != nil {
		d.o.Logger.WarnContext(ctx, "replica doesn't answer, the primary is asked", "replica", r.addr, "error", err)
		return false
	}
	return true
}
