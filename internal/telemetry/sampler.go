package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxSampled bounds the distinct messages that a sampler counts; beyond it all counts are dropped and begin anew.
const maxSampled = 1024

// sampler is a log handler that writes a message at most burst times per interval and suppresses it until the interval is
// over, so that an outage can't fill the disk. The first line afterwards says how many were suppressed.
type sampler struct {
	slog.Handler
	counts *counts // shared by all handlers that come from one by WithAttrs and WithGroup
}

type counts struct {
	burst    int
	interval time.Duration

	mu   sync.Mutex
	seen map[line]*count
}

// line is what is counted. Attributes are not part of it: repeated messages usually differ only in them.
type line struct {
	level slog.Level
	text  string
}

type count struct {
	since   time.Time
	passed  int
	dropped int
}

func newSampler(h slog.Handler, burst int, interval time.Duration) *sampler {
	if interval <= 0 {
		interval = 10 * time.Second
	}
	return &sampler{h, &counts{burst: burst, interval: interval, seen: map[line]*count{}}}
}

// Handle writes the record, or counts it as suppressed.
func (s *sampler) Handle(ctx context.Context, r slog.Record) error {
	dropped, pass := s.counts.admit(line{r.Level, r.Message}, r.Time)
	if !pass {
		return nil
	}
	if dropped > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("suppressed", dropped))
	}
	return s.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler that counts together with this one.
func (s *sampler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &sampler{s.Handler.WithAttrs(attrs), s.counts}
}

// WithGroup returns a handler that counts together with this one.
func (s *sampler) WithGroup(name string) slog.Handler {
	return &sampler{s.Handler.WithGroup(name), s.counts}
}

// admit reports whether a line may be written, and how many like it were suppressed since the last one that was.
func (c *counts) admit(l line, now time.Time) (dropped int, pass bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.seen[l]
	if n == nil {
		if len(c.seen) >= maxSampled {
			clear(c.seen)
		}
		n = &count{since: now}
		c.seen[l] = n
	}
	if now.Sub(n.since) >= c.interval {
		n.since, n.passed = now, 0
	}
	if n.passed >= c.burst {
		n.dropped++
		return 0, false
	}
	n.passed++
	dropped, n.dropped = n.dropped, 0
	return dropped, true
}
