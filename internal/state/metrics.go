package state

import "github.com/prometheus/client_golang/prometheus"

// Metrics measures the adapter; one set serves a process.
type Metrics struct {
	// Seconds is the distribution of a verb's time, failures included, refusals not.
	Seconds *prometheus.HistogramVec
	// Errors counts verbs that failed, by verb.
	Errors *prometheus.CounterVec
	// Refused counts verbs that the breaker answered without asking Redis, by verb.
	Refused *prometheus.CounterVec
	// Open is 1 while the breaker refuses.
	Open prometheus.Gauge
}

// NewMetrics makes the collectors and registers them with reg, unless that is nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	vec := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "chat", Subsystem: "state", Name: name, Help: help}, []string{"verb"})
	}
	m := &Metrics{
		Seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "chat", Subsystem: "state", Name: "seconds",
			Help: "Time of a verb on Redis.", Buckets: []float64{.0002, .0005, .001, .002, .005, .01, .02, .05, .1, .25},
		}, []string{"verb"}),
		Errors:  vec("errors_total", "Verbs that failed."),
		Refused: vec("refused_total", "Verbs answered by the circuit breaker."),
		Open: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "chat", Subsystem: "state", Name: "breaker_open",
			Help: "Whether the circuit breaker refuses.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.Seconds, m.Errors, m.Refused, m.Open)
	}
	return m
}
