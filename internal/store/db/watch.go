package db

import (
	"context"
	"database/sql"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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

// ReplicaMetrics are metrics of the replicas, and of who answered.
type ReplicaMetrics struct {
	d                        *DB
	reads                    *prometheus.CounterVec
	up, readOnly, lag, turns *prometheus.Desc
}

// NewReplicaMetrics makes them, before the store is opened: Hooks.HistoryRead is theirs. Of says whose they are.
func NewReplicaMetrics(reg prometheus.Registerer) *ReplicaMetrics {
	of := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("chat_mysql_replica_"+name, help, append([]string{"replica"}, labels...), nil)
	}
	m := &ReplicaMetrics{
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_mysql_history_reads_total", Help: "Pages of history, by the server that answered: primary or replica.",
		}, []string{"server"}),
		up:       of("up", "Whether the replica answered when it was last looked at."),
		readOnly: of("read_only", "Whether the replica refuses writes, as it should."),
		lag:      of("lag_seconds", "How far the replica is behind the primary, by the workers' heartbeats; absent if it isn't known."),
		turns: of("reads_total", "Reads that were the replica's turn: answered; behind, it lacks what the reader has seen; failed; resting, "+
			"it failed lately. All but the answered are asked of the primary.", "outcome"),
	}
	for _, server := range []string{"primary", "replica"} {
		m.reads.WithLabelValues(server)
	}
	reg.MustRegister(m.reads)
	return m
}

// HistoryRead counts a page.
func (m *ReplicaMetrics) HistoryRead(replica bool) {
	if replica {
		m.reads.WithLabelValues("replica").Inc()
		return
	}
	m.reads.WithLabelValues("primary").Inc()
}

// Of registers the metrics of d's replicas.
func (m *ReplicaMetrics) Of(reg prometheus.Registerer, d *DB) {
	m.d = d
	reg.MustRegister(m)
}

// Describe lists the metrics.
func (m *ReplicaMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.up, m.readOnly, m.lag, m.turns} {
		ch <- d
	}
}

// Collect reads what the watch found out.
func (m *ReplicaMetrics) Collect(ch chan<- prometheus.Metric) {
	bit := map[bool]float64{true: 1}
	for _, r := range m.d.replicas {
		r.mu.Lock()
		s := r.seen
		r.mu.Unlock()
		if s.looked {
			ch <- prometheus.MustNewConstMetric(m.up, prometheus.GaugeValue, bit[s.err == nil], r.addr)
		}
		if s.looked && s.err == nil {
			ch <- prometheus.MustNewConstMetric(m.readOnly, prometheus.GaugeValue, bit[s.readOnly], r.addr)
		}
		if s.lagSeen {
			ch <- prometheus.MustNewConstMetric(m.lag, prometheus.GaugeValue, s.lag.Seconds(), r.addr)
		}
		for outcome, n := range map[string]*atomic.Int64{
			"answered": &r.reads.answered, "behind": &r.reads.behind, "failed": &r.reads.failed, "resting": &r.reads.resting,
		} {
			ch <- prometheus.MustNewConstMetric(m.turns, prometheus.CounterValue, float64(n.Load()), r.addr, outcome)
		}
	}
}
