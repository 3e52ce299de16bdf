package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxDamped bounds the messages that a damper keeps count of; beyond it everything is forgotten and counted anew.
const maxDamped = 1024

// damper lets a message through a few times per interval, then swallows it until the interval is over. The first line
// afterwards tells how many were swallowed.
type damper struct {
	slog.Handler
	counts *counts // shared by all handlers that come from one by WithAttrs and WithGroup
}

type counts struct {
	burst    int
	interval time.Duration

	mu   sync.Mutex
	seen map[line]*count
}

// line is what is counted. Attributes do not count: a flood usually differs in them.
type line struct {
	level slog.Level
	text  string
}

type count struct {
	since   time.Time
	passed  int
	dropped int
}

func newDamper(h slog.Handler, burst int, interval time.Duration) *damper {
	if interval <= 0 {
		interval = 10 * time.Second
	}
	return &damper{h, &counts{burst: burst, interval: interval, seen: map[line]*count{}}}
}

// Handle writes the record, or counts it as swallowed.
func (d *damper) Handle(ctx context.Context, r slog.Record) error {
	dropped, pass := d.counts.admit(line{r.Level, r.Message}, r.Time)
	if !pass {
		return nil
	}
	if dropped > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("swallowed", dropped))
	}
	return d.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler that counts together with this one.
func (d *damper) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &damper{d.Handler.WithAttrs(attrs), d.counts}
}

// WithGroup returns a handler that counts together with this one.
func (d *damper) WithGroup(name string) slog.Handler {
	return &damper{d.Handler.WithGroup(name), d.counts}
}

// admit tells whether a line may pass, and how many like it were swallowed since the last one that did.
func (c *counts) admit(l line, now time.Time) (dropped int, pass bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.seen[l]
	if n == nil {
		if len(c.seen) >= maxDamped {
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
