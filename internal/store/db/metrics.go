package db

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// ReplicaMetrics are metrics of the replicas, and of who answered.
type ReplicaMetrics struct {
	d                        *DB
	reads                    *prometheus.CounterVec
	up, readOnly, lag, turns *prometheus.Desc
}

// NewReplicaMetrics makes them, before the store is opened: Hooks.HistoryRead is theirs. Of says whose they are.
func NewReplicaMetrics(reg prometheus.Registerer) *ReplicaMetrics {
	of := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"replica"}, labels...), nil)
	}
	m := &ReplicaMetrics{
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_mysql_history_reads_total", Help: "Pages of history, by the server that answered: primary or replica.",
		}, []string{"server"}),
		up:       of("chat_mysql_replica_up", "Whether the replica answered when it was last looked at."),
		readOnly: of("chat_mysql_replica_read_only", "Whether the replica refuses writes, as it should."),
		lag:      of("chat_mysql_replica_lag_seconds", "How far the replica is behind the primary, by the workers' heartbeats; absent if it isn't known."),
		turns: of("chat_mysql_replica_reads_total", "Reads that were the replica's turn: answered; behind, it lacks what the reader has seen; failed; resting, "+
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
