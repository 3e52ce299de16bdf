package webhooks

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the instruments of webhooks.
type Metrics struct {
	Posts   *prometheus.CounterVec // by outcome: taken, refused (another status), unanswered
	Lag     prometheus.Histogram   // from an event to its being taken
	Waiting prometheus.Gauge       // rooms in memory that wait for a post
	Held    prometheus.Gauge       // rooms that wait for their next try, of all endpoints; the same at every worker
	Dropped prometheus.Counter     // hints that found no place
	Off     prometheus.Counter     // endpoints that were disabled because they took nothing
	Errors  prometheus.Counter     // what the database refused
}

// NewMetrics registers all of them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		Posts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_worker_webhook_posts_total",
			Help: "Posts to endpoints, by outcome: taken (2xx), refused (another status), unanswered.",
		}, []string{"outcome"}),
		Lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_worker_webhook_lag_seconds", Help: "From an event to its being taken by an endpoint.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 600, 3600, 36_000},
		}),
		Waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_worker_webhook_rooms_waiting", Help: "Rooms, of each endpoint, that wait in this worker for something to be posted.",
		}),
		Held: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_worker_webhook_rooms_held", Help: "Rooms, of each endpoint, whose event failed and that wait for the next try; the same at every worker.",
		}),
		Dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_worker_webhook_hints_dropped_total", Help: "Rooms that found no place in memory; the next walk finds them.",
		}),
		Off: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_worker_webhooks_disabled_total", Help: "Endpoints that this worker disabled: they said 410, or took nothing for too long.",
		}),
		Errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_worker_webhook_errors_total", Help: "Statements about webhooks that failed; they are tried again.",
		}),
	}
	for _, outcome := range []string{"taken", "refused", "unanswered"} {
		m.Posts.WithLabelValues(outcome) // there from the start
	}
	reg.MustRegister(m.Posts, m.Lag, m.Waiting, m.Held, m.Dropped, m.Off, m.Errors)
	return m
}
