package sockets

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the instruments of the registry.
type Metrics struct {
	Connects    prometheus.Counter
	TooMany     prometheus.Counter // refused
	StateErrors prometheus.Counter // Redis calls that failed or were left out: the line's
}

// NewMetrics registers the instruments.
func NewMetrics(reg prometheus.Registerer, stateErrors prometheus.Counter) *Metrics {
	m := &Metrics{
		StateErrors: stateErrors,
		Connects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_worker_connects_total",
			Help: "Sockets welcomed.",
		}),
	}
	m.TooMany = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chat_worker_too_many_sockets_total",
		Help: "Sockets refused because their session or user has too many.",
	})
	reg.MustRegister(m.Connects, m.TooMany)
	return m
}
