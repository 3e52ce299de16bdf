package db

import (
	"context"
	"database/sql"
	"sync/atomic"
	"time"
)

const (
	replicaEvery = 5 * time.Second
	// replicaLag is from when on a replica is said to be behind: what it lacks is read from the primary.
	replicaLag = 5 * time.Second
)

// replicaReads counts what became of the reads that were a replica's turn.
type replicaReads struct{ answered, behind, failed, resting atomic.Int64 }

// replicaState is what the watch found out about a replica last.
type replicaState struct {
	looked   bool
	err      error // it can't be reached
	readOnly bool
	itself   bool // it is the primary
	lag      time.Duration
	lagSeen  bool
}

// trouble says what is wrong with it and what to do, "" if nothing is.
func (s replicaState) trouble() string {
	switch {
	case !s.looked:
		return ""
	case s.err != nil:
		return "it can't be reached, the primary is asked in its place: start it, or take it out of database.replicas"
	case s.itself:
		return "it is the primary itself: name the replicas' own addresses in database.replicas"
	case !s.readOnly:
		return "it is writable, so there may be two primaries: SET GLOBAL super_read_only=ON there (MariaDB: read_only=ON)"
	case s.lagSeen && s.lag > replicaLag:
		return "it is behind, what it lacks is read from the primary: look at its replication (chatctl doctor), load and disk"
	}
	return ""
}

// WatchReplicas looks at every replica from time to time, for metrics and for the log, which says once what is wrong with one. It returns
// nil when ctx ends.
func (d *DB) WatchReplicas(ctx context.Context) error {
	if len(d.replicas) == 0 {
		<-ctx.Done()
		return nil
	}
	for next := time.NewTimer(0); ; next.Reset(replicaEvery) {
		select {
		case <-ctx.Done():
			next.Stop()
			return nil
		case <-next.C:
		}
		d.lookAtReplicas(ctx)
	}
}

// lookAtReplicas looks at each once.
func (d *DB) lookAtReplicas(ctx context.Context) {
	at, known := d.beat(ctx, d.pool)
	for _, r := range d.replicas {
		s := d.lookAt(ctx, r)
		if ctx.Err() != nil {
			return
		}
		if copied, ok := d.beat(ctx, r.pool); ok && known && s.err == nil {
			s.lag, s.lagSeen = max(0, at.Sub(copied)), true
		}
		r.mu.Lock()
		was := r.seen
		r.seen = s
		r.mu.Unlock()
		switch now := s.trouble(); {
		case now != "" && now != was.trouble():
			d.o.Logger.WarnContext(ctx, "a replica is of no use", "replica", r.addr, "why", now, "err", s.err, "lag", s.lag)
		case now == "" && was.trouble() != "":
			d.o.Logger.InfoContext(ctx, "the replica is in order again", "replica", r.addr)
		}
	}
}

// lookAt asks a replica what it is.
func (d *DB) lookAt(ctx context.Context, r *replica) replicaState {
	ctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	var readOnly, server string
	if err := r.pool.db.QueryRowContext(ctx, askServer).Scan(&readOnly, &server); err != nil {
		return replicaState{looked: true, err: err}
	}
	d.primary.mu.Lock()
	defer d.primary.mu.Unlock()
	return replicaState{looked: true, readOnly: on(readOnly), itself: server == d.primary.server}
}

// beat is when a worker last wrote that it is alive, each second, as a server has it: the difference between primary and replica is the
// replica's lag. ok is false if there is none, or the account may not read it (chatctl grants).
func (d *DB) beat(ctx context.Context, p *pool) (at time.Time, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	var last sql.NullTime
	err := p.db.QueryRowContext(ctx, "SELECT MAX(beat_at) FROM workers").Scan(&last)
	return last.Time, err == nil && last.Valid
}
