package audit

import "github.com/prometheus/client_golang/prometheus"

// Metric counts the acts that the Recorder lost.
func (r *Recorder) Metric() prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: "chat", Subsystem: "api", Name: "audit_dropped_total", Help: "Acts that are missing from the audit trail.",
	}, func() float64 { return float64(r.Dropped()) })
}
