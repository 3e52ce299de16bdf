package hub

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the hub's counts, by name chat_hub_….
type Metrics struct {
	Rooms     prometheus.Gauge
	HeldBytes prometheus.Gauge
	Repeats   prometheus.Counter
	Repairs   prometheus.Counter
	Overflows prometheus.Counter
	Resyncs   prometheus.Counter
	Dropped   prometheus.Counter
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "chat", Subsystem: "hub", Name: name, Help: help})
		reg.MustRegister(g)
		return g
	}
	count := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "chat", Subsystem: "hub", Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	return &Metrics{
		Rooms:     gauge("rooms", "Rooms with local sessions, or without them since a moment."),
		HeldBytes: gauge("held_bytes", "Bytes of entries held behind gaps."),
		Repeats:   count("repeats_total", "Room entries that had been delivered before."),
		Repairs:   count("repairs_total", "Repairs of gaps asked for."),
		Overflows: count("held_overflows_total", "Times that a room's held entries were dropped."),
		Resyncs:   count("resyncs_total", "Times that a room's sessions were told to resync."),
		Dropped:   count("ephemeral_dropped_total", "Ephemeral frames left out for sessions that lag."),
	}
}
