package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what the station serves.
type Metrics struct {
	// Requests counts answers, by method, route template and status.
	Requests *prometheus.CounterVec
	// Seconds is the distribution of the time to an answer, by method and route template.
	Seconds *prometheus.HistogramVec
	// InFlight is how many requests are being worked on.
	InFlight prometheus.Gauge
	// Throttled counts refused tries, by what was tried.
	Throttled *prometheus.CounterVec
	// Degraded counts where the state was away and the station went on without it, by port.
	Degraded *prometheus.CounterVec
	// Recent counts newest pages, by whether the cache had them.
	Recent *prometheus.CounterVec
}

// NewMetrics makes the collectors and registers them with reg, unless that is nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "chat", Subsystem: "api", Name: name, Help: help}, labels)
	}
	m := &Metrics{
		Requests: vec("requests_total", "Answers given.", "method", "route", "status"),
		Seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "chat", Subsystem: "api", Name: "request_seconds",
			Help: "Time to an answer.", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method", "route"}),
		InFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "chat", Subsystem: "api", Name: "in_flight",
			Help: "Requests being worked on.",
		}),
		Throttled: vec("throttled_total", "Tries refused by a rate limit.", "what"),
		Degraded:  vec("degraded_total", "Calls that went on without the state.", "port"),
		Recent:    vec("recent_total", "Newest pages asked of the cache.", "outcome"),
	}
	if reg != nil {
		reg.MustRegister(m.Requests, m.Seconds, m.InFlight, m.Throttled, m.Degraded, m.Recent)
	}
	return m
}

func (m *Metrics) answered(method, route string, status int, took time.Duration) {
	m.Requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.Seconds.WithLabelValues(method, route).Observe(took.Seconds())
}
