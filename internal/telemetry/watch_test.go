package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// refusal is a failure for good.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) Permanent() bool { return true }

func TestWatchEndsWhatWaitingDoesNotMend(t *testing.T) {
	transient, wrong := errors.New("connection refused"), fmt.Errorf("check: %w", refusal("wrong password: correct it"))
	for name, tt := range map[string]struct {
		says   func(since time.Duration) error
		giveUp time.Duration
		ends   time.Duration // 0: it goes on
		lines  int
	}{
		"well":                {func(time.Duration) error { return nil }, time.Minute, 0, 0},
		"unavailable":         {func(time.Duration) error { return transient }, time.Minute, 0, 0},
		"refused":             {func(time.Duration) error { return wrong }, time.Minute, time.Minute, 1},
		"refused, for ever":   {func(time.Duration) error { return wrong }, 0, 0, 1},
		"refused for a while": {func(d time.Duration) error { return map[bool]error{true: wrong}[d < 50*time.Second] }, time.Minute, 0, 2},
		"refused and restarted": {func(d time.Duration) error {
			return map[bool]error{true: wrong, false: transient}[d%(4*time.Second) < 2*time.Second]
		}, time.Minute, time.Minute, 1},
		"another refusal meanwhile": {func(d time.Duration) error {
			return map[bool]error{true: wrong, false: refusal("no such database")}[d < 30*time.Second]
		}, time.Minute, time.Minute, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				var r Readiness
				began := time.Now()
				r.Register("server", func(context.Context) error { return tt.says(time.Since(began)) })
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				err := r.Watch(ctx, slog.New(slog.NewTextHandler(&out, nil)), tt.giveUp)
				if took := time.Since(began); (err != nil) != (tt.ends > 0) || err != nil && took != tt.ends {
					t.Errorf("ends after %s with %v", took, err)
				}
				if n := strings.Count(out.String(), "\n"); n != tt.lines {
					t.Errorf("%d lines, want %d:\n%s", n, tt.lines, &out)
				}
			})
		})
	}
}

func TestObservedChecksDoNotDecide(t *testing.T) {
	var r Readiness
	var fails atomic.Bool
	r.Register("mysql", func(context.Context) error { return nil })
	r.Observe("redis", func(context.Context) error {
		if fails.Load() {
			return errors.New("unavailable")
		}
		return nil
	})
	for _, bad := range []bool{false, true} {
		fails.Store(bad)
		if rep := r.Report(t.Context()); rep.Status != "ready" || (rep.Checks["redis"] == "ok") == bad {
			t.Errorf("%+v", rep)
		}
	}
}
