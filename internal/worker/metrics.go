package worker

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the worker's instruments.
type Metrics struct {
	Dispatched  prometheus.Counter     // commands taken
	Committed   prometheus.Counter     // messages appended
	Duplicates  prometheus.Counter     // sends that stood already
	Refused     *prometheus.CounterVec // by code
	Commit      prometheus.Histogram   // seconds of one append
	CommitRows  prometheus.Histogram   // sends in one append
	Announced   prometheus.Counter     // log entries routed
	Fanned      prometheus.Counter     // log entries that went to every gateway for want of a route
	Relayed     prometheus.Counter     // outbox rows announced
	Published   prometheus.Counter     // delivery batches
	Unroutable  prometheus.Counter     // delivery batches whose gateway was gone
	Repairs     prometheus.Counter
	Connects    prometheus.Counter
	Quarantined prometheus.Counter
	StateErrors prometheus.Counter // Redis calls that failed or were left out
	Owned       prometheus.Gauge   // partitions assigned to this worker
	Panics      prometheus.Counter
}

// NewMetrics registers the worker's instruments.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	c := func(name, help string) prometheus.Counter {
		m := prometheus.NewCounter(prometheus.CounterOpts{Name: "chat_worker_" + name, Help: help})
		reg.MustRegister(m)
		return m
	}
	m := &Metrics{
		Dispatched: c("commands_total", "Commands taken from the inbound queues."),
		Committed:  c("messages_committed_total", "Messages appended and committed."),
		Duplicates: c("duplicates_total", "Sends whose message stood already."),
		Refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_worker_refused_total",
			Help: "Commands answered with an error, by code.",
		}, []string{"code"}),
		Commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_worker_commit_seconds",
			Help: "Duration of one append transaction.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		CommitRows: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_worker_commit_rows",
			Help: "Sends in one append transaction.", Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		Announced:   c("announced_total", "Log entries announced to gateways."),
		Fanned:      c("fanned_out_total", "Log entries sent to every gateway for want of a route."),
		Relayed:     c("outbox_relayed_total", "Outbox rows announced."),
		Published:   c("batches_published_total", "Delivery batches given to the broker."),
		Unroutable:  c("batches_unroutable_total", "Delivery batches whose gateway's queue was gone."),
		Repairs:     c("repairs_total", "Gaps repaired for a gateway."),
		Connects:    c("connects_total", "Sockets welcomed."),
		Quarantined: c("quarantined_total", "Commands put into dead_commands."),
		StateErrors: c("state_errors_total", "Redis calls that failed or were left out."),
		Owned: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_worker_partitions_owned",
			Help: "Partitions assigned to this worker.",
		}),
		Panics: c("panics_total", "Handlers that panicked and were recovered."),
	}
	reg.MustRegister(m.Refused, m.Commit, m.CommitRows, m.Owned)
	return m
}
