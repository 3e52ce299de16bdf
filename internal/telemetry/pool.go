package telemetry

import (
	"database/sql"

	"github.com/prometheus/client_golang/prometheus"
)

// poolCollector exports the state of a database/sql connection pool.
type poolCollector struct {
	stats                      func() sql.DBStats
	open, used, waits, waiting *prometheus.Desc
}

// NewPoolCollector exports the pool that stats reports on, as chat_<name>_connection….
func NewPoolCollector(name string, stats func() sql.DBStats) prometheus.Collector {
	d := func(metric, help string) *prometheus.Desc {
		return prometheus.NewDesc("chat_"+name+"_"+metric, help, nil, nil)
	}
	return &poolCollector{
		stats: stats, open: d("connections_open", "Connections to the server."),
		used:    d("connections_in_use", "Connections in use by a call."),
		waits:   d("connection_waits_total", "Calls that had to wait for a connection."),
		waiting: d("connection_wait_seconds_total", "Time that calls waited for a connection."),
	}
}

// Describe lists the metrics.
func (p *poolCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.open, p.used, p.waits, p.waiting} {
		ch <- d
	}
}

// Collect reads the pool.
func (p *poolCollector) Collect(ch chan<- prometheus.Metric) {
	s := p.stats()
	ch <- prometheus.MustNewConstMetric(p.open, prometheus.GaugeValue, float64(s.OpenConnections))
	ch <- prometheus.MustNewConstMetric(p.used, prometheus.GaugeValue, float64(s.InUse))
	ch <- prometheus.MustNewConstMetric(p.waits, prometheus.CounterValue, float64(s.WaitCount))
	ch <- prometheus.MustNewConstMetric(p.waiting, prometheus.CounterValue, s.WaitDuration.Seconds())
}
