package line

import (
	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
)

// Metrics are the instruments of the line, and of the stations beside it.
type Metrics struct {
	Committed     prometheus.Counter     // messages appended
	Duplicates    prometheus.Counter     // sends whose message was already there
	Refused       *prometheus.CounterVec // by code
	Commit        prometheus.Histogram   // seconds of one append
	CommitRows    prometheus.Histogram   // sends in one append
	Announced     prometheus.Counter     // log entries routed
	Fanned        prometheus.Counter     // log entries that went to every gateway for want of a route
	Relayed       prometheus.Counter     // outbox rows announced
	OutboxUnknown prometheus.Gauge       // outbox rows of kinds that this worker doesn't know
	Repairs       prometheus.Counter
	Quarantined   prometheus.Counter
	StateErrors   prometheus.Counter // Redis calls that failed or were left out
	Panics        prometheus.Counter
}

// NewMetrics registers the instruments.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	c := func(name, help string) prometheus.Counter {
		m := prometheus.NewCounter(prometheus.CounterOpts{Name: "chat_worker_" + name, Help: help})
		reg.MustRegister(m)
		return m
	}
	m := &Metrics{
		Committed:  c("messages_committed_total", "Messages appended and committed."),
		Duplicates: c("duplicates_total", "Sends whose message was already there."),
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
		Announced: c("announced_total", "Log entries announced to gateways."),
		Fanned:    c("fanned_out_total", "Log entries sent to every gateway for want of a route."),
		Relayed:   c("outbox_relayed_total", "Outbox rows announced."),
		OutboxUnknown: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_worker_outbox_unknown",
			Help: "Outbox rows in this worker's partitions that wait for a worker of a later release.",
		}),
		Repairs:     c("repairs_total", "Gaps repaired for a gateway."),
		Quarantined: c("quarantined_total", "Commands put into dead_commands."),
		StateErrors: c("state_errors_total", "Redis calls that failed or were left out."),
		Panics:      c("panics_total", "Handlers that panicked and were recovered."),
	}
	reg.MustRegister(m.Refused, m.Commit, m.CommitRows, m.OutboxUnknown)
	for _, k := range chat.Kinds() { // at 0 from the start: rates see the first
		m.Refused.WithLabelValues(k.String())
	}
	return m
}
