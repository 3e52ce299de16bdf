package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry makes a metrics registry with the collectors of the Go runtime, the process and its build. Every package
// registers its own metrics, kept in a struct of its own.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return r
}

// BuildInfo registers chat_build_info, which is always 1 and names process and version: dashboards join it to see what runs where.
func BuildInfo(reg *prometheus.Registry, process, version string) {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "chat_build_info", Help: "1, with process and version."}, []string{"process", "version"})
	g.WithLabelValues(process, version).Set(1)
	reg.MustRegister(g)
}
