package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
)

// yard is what a fleet loop sees: a table of workers with a clock, and the queues and line of one of them.
type yard struct {
	now    time.Time
	rows   map[string]time.Time
	says   map[string][]string
	unable error
	up     time.Time
	owned  []int
	sets   int
}

const silence = 3 * time.Second

func newYard() *yard {
	now := time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)
	return &yard{now: now, rows: map[string]time.Time{}, says: map[string][]string{}, up: now}
}

func (y *yard) fleet() *Fleet {
	return NewFleet(Options{
		Boot: "b", Partitions: 6, Beat: time.Second, DeadAfter: silence, Lease: 15 * time.Second, Line: y, Workers: y, Consume: y,
		Now: func() time.Time { return y.now }, Logger: slog.New(slog.DiscardHandler), Owned: prometheus.NewGauge(prometheus.GaugeOpts{}),
	})
}

// pass lets seconds pass: the named others beat in each, and the fleet looks.
func (y *yard) pass(f *Fleet, seconds int, others ...string) {
	for range seconds {
		y.now = y.now.Add(time.Second)
		for _, o := range others {
			y.rows[o] = y.now
		}
		f.beat(context.Background())
	}
}

func (y *yard) Beat(_ context.Context, w chat.LiveWorker) error {
	y.rows[w.Boot], y.says[w.Boot] = y.now, w.Features
	return nil
}

func (y *yard) Workers(_ context.Context, deadAfter time.Duration) (ws []chat.LiveWorker, err error) {
	for b, at := range y.rows {
		if y.now.Sub(at) < deadAfter {
			ws = append(ws, chat.LiveWorker{Boot: b, Features: y.says[b]})
		}
	}
	slices.SortFunc(ws, func(a, b chat.LiveWorker) int { return int(a.Boot[0]) - int(b.Boot[0]) })
	return ws, nil
}

func (y *yard) Retire(context.Context, string) error                 { return nil }
func (y *yard) Sweep(context.Context, time.Time, int) (int64, error) { return 0, nil }
func (y *yard) IndexNames(context.Context, chat.RoomID, int) (chat.RoomID, int, error) {
	return 0, 0, nil
}
func (y *yard) Burden(context.Context) (time.Duration, int64, error) { return 0, 0, nil }
func (y *yard) Set([]int, []int)                                     { y.sets++ }
func (y *yard) Active(int) bool                                      { return false }
func (y *yard) Yield(int)                                            {}
func (y *yard) Able() error                                          { return y.unable }
func (y *yard) Up() time.Time                                        { return y.up }
func (y *yard) Own(ps []int)                                         { y.owned = slices.Clone(ps) }
func (y *yard) Reload()                                              {}
func (y *yard) shares(t *testing.T, f *Fleet, when string, owned int, leads bool) {
	t.Helper()
	if len(y.owned) != owned || f.Leader() != leads {
		t.Errorf("%s: owns %v and leads %v, want %d and %v", when, y.owned, f.Leader(), owned, leads)
	}
}

var errRefused = errors.New("access refused")

func TestWhoCannotConsumeIsNotOnTheList(t *testing.T) {
	y := newYard()
	y.unable = errRefused
	f := y.fleet()
	y.pass(f, 5, "c")
	y.shares(t, f, "refused from the start", 0, false)
	if _, there := y.rows["b"]; there || y.sets > 0 {
		t.Errorf("it has beaten (%v) or consumed (%d times)", there, y.sets)
	}
	y.unable = nil
	y.pass(f, 1, "c")
	y.shares(t, f, "able", 3, true)
}

func TestWhoCanNoLongerConsumeGivesItsPartitionsBack(t *testing.T) {
	y := newYard()
	f := y.fleet()
	y.pass(f, 2, "c")
	y.shares(t, f, "at first", 3, true)
	y.unable = errRefused
	y.pass(f, 2, "c")
	y.shares(t, f, "as long as the others count with it", 3, true)
	y.pass(f, 2, "c")
	y.shares(t, f, "later", 0, false)
	if sets := y.sets; true {
		y.pass(f, 5, "c")
		if y.sets != sets {
			t.Error("it lets go again and again")
		}
	}
	y.unable = nil
	y.pass(f, 1, "c")
	y.shares(t, f, "able again", 3, true)
}

// TestOutageForAllMovesNothing: when no worker can consume there is nobody to take over, and they come back one by one.
func TestOutageForAllMovesNothing(t *testing.T) {
	y := newYard()
	f := y.fleet()
	y.pass(f, 2, "c")
	sets := y.sets
	y.unable = errRefused
	y.pass(f, 20)
	y.unable = nil
	y.pass(f, 2)
	y.pass(f, 1, "c")
	if y.shares(t, f, "after the outage", 3, true); y.sets != sets {
		t.Errorf("partitions have been moved %d times", y.sets-sets)
	}
	y.unable = errRefused
	y.pass(f, 20)
	y.unable = nil
	y.pass(f, 3)
	y.shares(t, f, "the other has not come back", 6, true)
}

func TestOneWorkerHearsForAll(t *testing.T) {
	y := newYard()
	f := y.fleet()
	y.pass(f, 14, "c")
	if f.Heard() || slices.Contains(y.says["b"], hearsMark) {
		t.Error("it hears before a lease is over")
	}
	y.says["c"] = []string{hearsMark, "x"}
	y.pass(f, 1, "c")
	if !f.Heard() || !slices.Contains(y.says["b"], hearsMark) {
		t.Errorf("heard %v, says %v", f.Heard(), y.says["b"])
	}
	if got := fmt.Sprint(f.Features()); got != "[]" {
		t.Errorf("all can do %s", got)
	}
	y.pass(f, 4)
	if f.Heard() {
		t.Error("it counts with one that is dead")
	}
}
