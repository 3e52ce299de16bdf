package worker

import (
	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/worker/deliver"
	"chat-service/internal/worker/line"
	"chat-service/internal/worker/sockets"
	"chat-service/internal/worker/webhooks"
)

// Metrics are the worker's instruments: its own, and those of its packages.
type Metrics struct {
	Dispatched prometheus.Counter // commands taken
	Unknown    prometheus.Counter // those of a kind that this process doesn't know
	Owned      prometheus.Gauge   // partitions assigned to this worker
	OutboxAge  prometheus.Gauge   // of the oldest announcement that waits, in seconds
	Dead       prometheus.Gauge   // commands that were set aside

	Line    *line.Metrics
	Deliver *deliver.Metrics
	Sockets *sockets.Metrics

	Webhooks *webhooks.Metrics
}

// NewMetrics registers all of them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		Dispatched: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_worker_commands_total",
			Help: "Commands taken from the inbound queues.",
		}),
		Unknown: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_worker_unknown_commands_total",
			Help: "Commands of a kind that this process doesn't know, refused.",
		}),
		Owned: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_worker_partitions_owned",
			Help: "Partitions assigned to this worker.",
		}),
		OutboxAge: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_worker_outbox_oldest_seconds",
			Help: "For how long the oldest announcement has waited in the outbox, of all partitions.",
		}),
		Dead: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_worker_dead_commands",
			Help: "Commands that were set aside, of all partitions.",
		}),
		Line: line.NewMetrics(reg), Deliver: deliver.NewMetrics(reg), Webhooks: webhooks.NewMetrics(reg),
	}
	m.Sockets = sockets.NewMetrics(reg, m.Line.StateErrors)
	reg.MustRegister(m.Dispatched, m.Unknown, m.Owned, m.OutboxAge, m.Dead)
	return m
}
