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
	// IssuerKeys says of each of the application's issuers whose keys are fetched whether the last fetch succeeded: 1 or 0.
	IssuerKeys *prometheus.GaugeVec
}

// NewMetrics makes the collectors and registers them with reg, unless that is nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{server.NewMetrics(reg), prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "chat", Subsystem: "api", Name: "recent_total", Help: "Newest pages asked of the cache.",
	}, []string{"outcome"}), prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "chat", Subsystem: "api", Name: "issuer_keys_fetched", Help: "Whether the last fetch of an issuer's keys succeeded.",
	}, []string{"issuer"})}
	if reg != nil {
		reg.MustRegister(m.Recent, m.IssuerKeys)
	}
	return m
}
