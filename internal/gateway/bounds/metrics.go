package bounds

import "github.com/prometheus/client_golang/prometheus"

// Metrics count.
type Metrics struct {
	// Limited are frames refused and sockets closed after their upgrade, by the limit.
	Limited *prometheus.CounterVec
	// Frames, Messages, Others and Reactions are those refused by messages_per_second, user_messages_per_second, user_frames_per_second
	// and room_reactions_per_second.
	Frames, Messages, Others, Reactions prometheus.Counter
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{Limited: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "chat", Subsystem: "gateway", Name: "limited_total",
		Help: "Frames refused and sockets closed after the upgrade, by the limit of their socket, user or room.",
	}, []string{"limit"})}
	for _, r := range []Refusal{connects, pace, ofUser} { // at 0 from the start: rates see the first
		m.Limited.WithLabelValues(r.Limit)
	}
	m.Frames, m.Messages = m.Limited.WithLabelValues("messages_per_second"), m.Limited.WithLabelValues("user_messages_per_second")
	m.Others = m.Limited.WithLabelValues("user_frames_per_second")
	m.Reactions = m.Limited.WithLabelValues("room_reactions_per_second")
	reg.MustRegister(m.Limited)
	return m
}
