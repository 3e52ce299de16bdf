package broker

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what the adapter does; one set serves all connections of a process.
type Metrics struct {
	// Published counts AMQP messages handed to the socket, repeats included.
	Published prometheus.Counter
	// Confirmed counts AMQP messages that the broker confirmed.
	Confirmed prometheus.Counter
	// Returned counts AMQP messages that no queue took.
	Returned prometheus.Counter
	// Republished counts AMQP messages sent again after a lost connection or a refusal.
	Republished prometheus.Counter
	// Refused counts publish attempts answered by ErrFull or ErrUnavailable, by reason.
	Refused *prometheus.CounterVec
	// Reconnects counts lost connections, by purpose.
	Reconnects *prometheus.CounterVec
	// Up is 1 while the connection of that purpose is usable.
	Up *prometheus.GaugeVec
	// InFlightBytes is what is sealed for publishing and not yet confirmed.
	InFlightBytes prometheus.Gauge
	// BatchRecords is the distribution of records per AMQP message.
	BatchRecords prometheus.Histogram
	// Delivered counts AMQP messages handed to consumers.
	Delivered prometheus.Counter
	// Redelivered counts those of them that had been delivered before.
	Redelivered prometheus.Counter

	full, unavailable prometheus.Counter // children of Refused, looked up once
}

// NewMetrics makes the collectors and registers them with reg, unless that is nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "chat", Subsystem: "broker", Name: name, Help: help})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "chat", Subsystem: "broker", Name: name, Help: help}, []string{label})
	}
	m := &Metrics{
		Published:   counter("published_total", "AMQP messages handed to the socket, repeats included."),
		Confirmed:   counter("confirmed_total", "AMQP messages that the broker took."),
		Returned:    counter("returned_total", "AMQP messages that no queue took."),
		Republished: counter("republished_total", "AMQP messages sent again after a lost connection or a refusal."),
		Refused:     vec("refused_total", "Publish attempts refused at once.", "reason"),
		Reconnects:  vec("reconnects_total", "Lost connections.", "purpose"),
		Up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "chat", Subsystem: "broker", Name: "up",
			Help: "Whether the connection is usable.",
		}, []string{"purpose"}),
		InFlightBytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "chat", Subsystem: "broker", Name: "in_flight_bytes",
			Help: "Bytes sealed for publishing and not yet confirmed.",
		}),
		BatchRecords: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "chat", Subsystem: "broker", Name: "batch_records",
			Help: "Records per AMQP message.", Buckets: []float64{1, 2, 4, 8, 16, 32, 64},
		}),
		Delivered:   counter("delivered_total", "AMQP messages handed to consumers."),
		Redelivered: counter("redelivered_total", "AMQP messages handed to consumers that had been delivered before."),
	}
	m.full, m.unavailable = m.Refused.WithLabelValues("full"), m.Refused.WithLabelValues("unavailable")
	if reg != nil {
		reg.MustRegister(m.Published, m.Confirmed, m.Returned, m.Republished, m.Refused, m.Reconnects,
			m.Up, m.InFlightBytes, m.BatchRecords, m.Delivered, m.Redelivered)
	}
	return m
}

// published counts a message that is handed to the socket, again or for the first time.
func (m *Metrics) published(e *entry) {
	m.Published.Inc()
	if e.id != "" {
		m.Republished.Inc()
	} else {
		m.BatchRecords.Observe(float64(e.records))
	}
}

// delivered counts a message that is handed to a consumer.
func (m *Metrics) delivered(again bool) {
	m.Delivered.Inc()
	if again {
		m.Redelivered.Inc()
	}
}
