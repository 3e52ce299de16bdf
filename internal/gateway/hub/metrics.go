package hub

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the hub's metrics; their names begin with chat_hub_.
type Metrics struct {
	Rooms     prometheus.Gauge
	HeldBytes prometheus.Gauge
	Repeats   prometheus.Counter
	Repairs   prometheus.Counter
	Overflows prometheus.Counter
	Resyncs   prometheus.Counter
	Dropped   prometheus.Counter

	ChangeGaps prometheus.Counter
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
		Rooms:     gauge("rooms", "Attached rooms: with local sockets, or without them for a few seconds."),
		HeldBytes: gauge("held_bytes", "Bytes of room entries held behind gaps, and of changes that wait for their entries."),
		Repeats:   count("repeats_total", "Room entries and changes that were delivered already."),
		Repairs:   count("repairs_total", "Repairs asked of room owners."),
		Overflows: count("held_overflows_total", "Times that a room held too much behind a gap and dropped it."),
		Resyncs:   count("resyncs_total", "Resync frames made for the sockets of a room."),
		Dropped:   count("ephemeral_dropped_total", "Ephemeral frames left out for sockets that lag."),

		ChangeGaps: count("change_gaps_total", "Times that a room lacked changes, so that its clients had to sync."),
	}
}
