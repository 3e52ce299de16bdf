package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what a Server serves and refuses.
type Metrics struct {
	// Requests counts answers, by method, route template and status.
	Requests *prometheus.CounterVec
	// Seconds is the distribution of the time to an answer, by method and route template.
	Seconds *prometheus.HistogramVec
	// InFlight is how many requests are being worked on.
	InFlight prometheus.Gauge
	// Throttled counts refused attempts, by what was attempted.
	Throttled *prometheus.CounterVec
	// Degraded counts calls for which the state was unavailable and that went on without it, by port.
	Degraded *prometheus.CounterVec
}

// NewMetrics makes the collectors and registers them with reg, unless that is nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		Requests: counters("requests_total", "Answers given.", "method", "route", "status"),
		Seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "chat", Subsystem: "api", Name: "request_seconds",
			Help: "Time to an answer.", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method", "route"}),
		InFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "chat", Subsystem: "api", Name: "in_flight",
			Help: "Requests being worked on.",
		}),
		Throttled: counters("throttled_total", "Requests refused by a rate limit.", "what"),
		Degraded:  counters("degraded_total", "Calls that went on without the state.", "port"),
	}
	m.Requests.WithLabelValues(http.MethodGet, otherRoute, "200") // at 0 from the start: rates see the first
	m.Seconds.WithLabelValues(http.MethodGet, otherRoute)
	for what := range throttled {
		m.Throttled.WithLabelValues(what)
	}
	for _, port := range []string{"throttle", "presences", "recents"} {
		m.Degraded.WithLabelValues(port)
	}
	if reg != nil {
		reg.MustRegister(m.Requests, m.Seconds, m.InFlight, m.Throttled, m.Degraded)
	}
	return m
}

// throttled are the allowances that the station keeps: the label by which refusals are counted, and what there was too much of.
var throttled = map[string]string{
	"login": "attempts", "logins": "attempts", "account": "attempts", "failures": "attempts", "confirm": "attempts", "register": "attempts",
	"requests": "requests", "tokens": "requests without a valid token",
	"messages": "messages", "reactions": "reactions in this room", "rooms": "new rooms", "making": "new rooms", "invitations": "invitations", "searches": "searches", "exchanges": "exchanges",
}

// counters makes a vector of counters in the station's namespace.
func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "chat", Subsystem: "api", Name: name, Help: help}, labels)
}

// otherRoute labels requests of no route.
const otherRoute = "other"

// answered counts an answer. route is a template or "other", so that the paths clients make up don't become labels.
func (m *Metrics) answered(method, route string, status int, took time.Duration) {
	m.Requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.Seconds.WithLabelValues(method, route).Observe(took.Seconds())
}
