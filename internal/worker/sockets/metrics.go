package sockets

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the instruments of the registry.
type Metrics struct {
	Connects    prometheus.Counter
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
	reg.MustRegister(m.Connects)
	return m
}
