package deliver

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the instruments of publishing.
type Metrics struct {
	Published  prometheus.Counter // batches given to the broker
	Unroutable prometheus.Counter // batches whose gateway was gone
}

// NewMetrics registers the instruments.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		Published: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_worker_batches_published_total",
			Help: "Delivery batches given to the broker.",
		}),
		Unroutable: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_worker_batches_unroutable_total",
			Help: "Delivery batches whose gateway's queue was gone.",
		}),
	}
	reg.MustRegister(m.Published, m.Unroutable)
	return m
}
