// Package telemetry is what a process shows of itself to its operators: logs, metrics, health, profiles.
//
// It owns the log handler (which masks secrets and samples repeated messages), the metrics registry, and the debug listener with
// /metrics, /healthz, /readyz and /debug/pprof. What is measured and checked belongs to the other packages: they
// take a prometheus.Registerer and a *slog.Logger, and register checks.
//
// The debug listener is not for the public: by default it listens on loopback, and never on the public port.
package telemetry
