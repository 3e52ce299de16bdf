package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/api/server"
)

// Metrics counts what the station serves.
type Metrics struct {
	*server.Metrics
	// Recent counts newest pages of history, by whether the cache had them ("hit", "miss").
	Recent *prometheus.CounterVec
}

// NewMetrics makes the collectors and registers them with reg, unless that is nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{server.NewMetrics(reg), prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "chat", Subsystem: "api", Name: "recent_total", Help: "Newest pages asked of the cache.",
	}, []string{"outcome"})}
	if reg != nil {
		reg.MustRegister(m.Recent)
	}
	return m
}
