package gateway

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// pace is a token bucket of frames, with a count of what it refused lately.
type pace struct {
	at      int64 // Unix milliseconds of the last refill; 0: never
	since   int64 // begin of the refusals counted
	tokens  float32
	refused int32
}

const (
	refusedSpan  = 10_000 // ms in which refusals add up
	refusedTimes = 5      // bursts refused within it that end the socket
)

// take spends one token. Where there is none it returns the milliseconds to wait, and whether it is too much by now.
func (p *pace) take(now int64, perSecond float64, burst int) (wait int64, over bool) {
	if perSecond <= 0 {
		return 0, false
	}
	full := max(float32(burst), 1)
	if p.at == 0 {
		p.tokens = full
	} else {
		p.tokens = min(full, p.tokens+float32(float64(now-p.at)*perSecond/1000))
	}
	p.at = now
	if p.tokens >= 1 {
		p.tokens--
		return 0, false
	}
	if now-p.since > refusedSpan {
		p.since, p.refused = now, 0
	}
	p.refused++
	return max(int64(float64(1-p.tokens)*1000/perSecond), 1), float32(p.refused) > refusedTimes*full
}

// tally counts bad frames by the minute.
type tally struct {
	since int64
	n     int32
}

const badPerMinute = 20

// add counts one; true means that there were too many.
func (t *tally) add(now int64) bool {
	if now-t.since > 60_000 {
		t.since, t.n = now, 0
	}
	t.n++
	return t.n > badPerMinute
}

// window bounds the commands on their way, so that neither a slow broker nor absent workers fill the memory or the queues.
// What doesn't fit is refused and answered with an error.
type window struct {
	maxN, maxBytes int64
	n, bytes       atomic.Int64
	gn, gbytes     prometheus.Gauge
}

func (w *window) acquire(bytes int) bool {
	n, b := w.n.Add(1), w.bytes.Add(int64(bytes))
	if n > w.maxN || b > w.maxBytes {
		w.release(bytes)
		return false
	}
	return true
}

func (w *window) release(bytes int) {
	w.n.Add(-1)
	w.bytes.Add(-int64(bytes))
}

// show sets the gauges; the ticker calls it.
func (w *window) show() {
	w.gn.Set(float64(w.n.Load()))
	w.gbytes.Set(float64(w.bytes.Load()))
}
