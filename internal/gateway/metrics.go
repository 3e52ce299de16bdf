package gateway

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/envelope"
	"chat-service/internal/gateway/bounds"
	"chat-service/internal/gateway/denial"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

// Metrics are the gateway's metrics; their names begin with chat_gateway_.
type Metrics struct {
	Hub               *hub.Metrics
	Bounds            *bounds.Metrics
	Sockets           prometheus.Gauge
	Window            prometheus.Gauge // commands in flight
	WindowBytes       prometheus.Gauge
	FramesIn          prometheus.Counter
	BytesIn           prometheus.Counter
	BadFrames         prometheus.Counter
	FramesOut         prometheus.Counter
	BytesOut          prometheus.Counter
	Writes            prometheus.Counter // FramesOut / Writes: frames per write
	BlockedWrites     prometheus.Counter // handed to a temporary goroutine
	Deliveries        *prometheus.CounterVec
	UnknownDeliveries prometheus.Counter // those of Deliveries whose kind came from a later release
	BadDeliveries     prometheus.Counter
	Unanswered        prometheus.Counter // messages that were answered by the timeout
	LostDisconnects   prometheus.Counter
	Opened            prometheus.Counter
	Refused           *prometheus.CounterVec
	Closed            *prometheus.CounterVec
	Panics            *prometheus.CounterVec // by panicPlaces
	AcceptErrors      prometheus.Counter
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "chat", Subsystem: "gateway", Name: name, Help: help})
		reg.MustRegister(g)
		return g
	}
	count := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "chat", Subsystem: "gateway", Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		o := prometheus.CounterOpts{Namespace: "chat", Subsystem: "gateway", Name: name, Help: help}
		c := prometheus.NewCounterVec(o, []string{label})
		reg.MustRegister(c)
		return c
	}
	m := &Metrics{
		Hub:             hub.NewMetrics(reg),
		Bounds:          bounds.NewMetrics(reg),
		Sockets:         gauge("sockets", "Open sockets."),
		Window:          gauge("window_commands", "Commands in flight: published, and not answered or confirmed."),
		WindowBytes:     gauge("window_bytes", "Bytes of those commands."),
		FramesIn:        count("frames_in_total", "Data frames read."),
		BytesIn:         count("bytes_in_total", "Payload bytes of data frames read."),
		BadFrames:       count("bad_frames_total", "Client frames that were malformed or had bad values."),
		FramesOut:       count("frames_out_total", "Frames written."),
		BytesOut:        count("bytes_out_total", "Bytes written."),
		Writes:          count("writes_total", "Writes to sockets."),
		BlockedWrites:   count("blocked_writes_total", "Writes that would have blocked."),
		Deliveries:      vec("deliveries_total", "Deliveries by kind; unknown ones are skipped.", "kind"),
		BadDeliveries:   count("bad_deliveries_total", "Batches or records from the bus that couldn't be read."),
		Unanswered:      count("unanswered_total", "Messages that neither a worker nor the bus answered in time."),
		LostDisconnects: count("lost_disconnects_total", "Ended sockets that couldn't be reported to the workers."),
		Opened:          count("sockets_opened_total", "Sockets upgraded."),
		Refused:         vec("refused_total", "Sockets refused before the upgrade.", "reason"),
		Closed:          vec("closes_total", "Sockets ended, by the close code sent or received (0: none).", "code"),
		Panics:          vec("panics_total", "Panics that were caught, by where.", "in"),
		AcceptErrors:    count("accept_errors_total", "Connections that couldn't be accepted, as with the file limit reached."),
	}
	m.present()
	m.UnknownDeliveries = m.Deliveries.WithLabelValues(envelope.DeliveryKind(0).String())
	return m
}

// present sets the known labels to 0 from the start, so that rates see the first event.
func (m *Metrics) present() {
	for _, in := range panicPlaces {
		m.Panics.WithLabelValues(in)
	}
	for _, d := range denial.All() {
		if d.Reason != "" {
			m.Refused.WithLabelValues(d.Reason)
		}
	}
	m.Closed.WithLabelValues("0")
	for _, limit := range bounds.BeforeUpgrade() {
		m.Refused.WithLabelValues(limit)
	}
	for _, c := range protocol.CloseCodes() {
		m.Closed.WithLabelValues(strconv.Itoa(int(c.Code)))
	}
}

func (m *Metrics) closed(code protocol.CloseCode) {
	m.Closed.WithLabelValues(strconv.Itoa(int(code))).Inc()
}

// wrote counts one write.
func (m *Metrics) wrote(frames, bytes int) {
	m.FramesOut.Add(float64(frames))
	m.BytesOut.Add(float64(bytes))
	m.Writes.Inc()
}
