// Package telemetry is what a process shows of itself to its operators: logs, metrics, health, profiles.
//
// It owns the log handler (which masks secrets and damps floods), the metrics registry, and the debug listener with
// /metrics, /healthz, /readyz and /debug/pprof. What is measured and checked is the business of the other packages: they
// take a prometheus.Registerer and a *slog.Logger, and hand in checks.
//
// The debug listener is not for the public: it listens on loopback unless told otherwise, and on no public port.
package telemetry
