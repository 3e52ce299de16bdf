package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// journal notes what happens, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) expect(t *testing.T, want ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.lines, want) {
		t.Errorf("journal %v, want %v", j.lines, want)
	}
}

// part notes its start and stop.
func (j *journal) part(name string) Part {
	return Part{
		Name:  name,
		Start: func(context.Context) error { j.add("+" + name); return nil },
		Stop:  func(context.Context) error { j.add("-" + name); return nil },
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// run runs the parts in a bubble of their own time, hands the signals to act, and returns Run's result.
func run(t *testing.T, act func(signals chan<- os.Signal, cancel context.CancelFunc), check func(err error, took time.Duration), parts func() []Part) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		signals := make(chan os.Signal, 2)
		r := &Runner{Log: quiet(), StopTimeout: 30 * time.Second, signals: signals}
		result := make(chan error, 1)
		ps := parts()
		begin := time.Now()
		go func() { result <- r.Run(ctx, ps...) }()
		synctest.Wait()
		act(signals, cancel)
		check(<-result, time.Since(begin))
	})
}

func TestOrder(t *testing.T) {
	for name, act := range map[string]func(chan<- os.Signal, context.CancelFunc){
		"signal":  func(s chan<- os.Signal, _ context.CancelFunc) { s <- syscall.SIGTERM },
		"context": func(_ chan<- os.Signal, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			var j journal
			run(t, act, func(err error, _ time.Duration) {
				if err != nil {
					t.Errorf("Run = %v", err)
				}
				j.expect(t, "+a", "+b", "+c", "-c", "-b", "-a")
			}, func() []Part { return []Part{j.part("a"), j.part("b"), j.part("c")} })
		})
	}
}

func nothing(chan<- os.Signal, context.CancelFunc) {}

func TestStartFailureStopsWhatHadStarted(t *testing.T) {
	var j journal
	boom := errors.New("boom")
	run(t, nothing, func(err error, _ time.Duration) {
		if !errors.Is(err, boom) || err.Error() != "start b: boom" {
			t.Errorf("Run = %v", err)
		}
		j.expect(t, "+a", "-a")
	}, func() []Part {
		b := j.part("b")
		b.Start = func(context.Context) error { return boom }
		return []Part{j.part("a"), b, j.part("c")}
	})
}

func TestFailuresOfRunningParts(t *testing.T) {
	boom := errors.New("boom")
	for name, tt := range map[string]struct {
		change func(*Part)
		want   string
	}{
		"run fails": {func(p *Part) { p.Run = func(context.Context) error { return boom } }, "run b: boom"},
		"run ends":  {func(p *Part) { p.Run = func(context.Context) error { return nil } }, "run b: ended by itself"},
		"fatal": {func(p *Part) {
			c := make(chan error)
			p.Fatal = c
			p.Start = func(context.Context) error { go func() { c <- boom }(); return nil }
		}, "b: boom"},
	} {
		t.Run(name, func(t *testing.T) {
			var j journal
			run(t, nothing, func(err error, _ time.Duration) {
				if err == nil || err.Error() != tt.want {
					t.Errorf("Run = %v, want %s", err, tt.want)
				}
				j.mu.Lock()
				defer j.mu.Unlock()
				if n := len(j.lines); n < 2 || !slices.Equal(j.lines[n-2:], []string{"-b", "-a"}) {
					t.Errorf("journal %v does not end with -b -a", j.lines)
				}
			}, func() []Part {
				b := j.part("b")
				tt.change(&b)
				return []Part{j.part("a"), b}
			})
		})
	}
}

func TestFailureWhileAnotherStarts(t *testing.T) {
	var j journal
	run(t, nothing, func(err error, took time.Duration) {
		if err == nil || err.Error() != "run a: boom" {
			t.Errorf("Run = %v", err)
		}
		if took >= time.Minute {
			t.Errorf("took %v: the slow start was not cancelled", took)
		}
		j.expect(t, "+a", "-a")
	}, func() []Part {
		a := j.part("a")
		a.Run = func(context.Context) error { return errors.New("boom") }
		b := j.part("b")
		b.Start = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		return []Part{a, b}
	})
}

func TestSignalWhileStarting(t *testing.T) {
	var j journal
	run(t, func(s chan<- os.Signal, _ context.CancelFunc) { s <- os.Interrupt }, func(err error, _ time.Duration) {
		if err != nil {
			t.Errorf("Run = %v", err)
		}
		j.expect(t, "+a", "-a")
	}, func() []Part {
		b := j.part("b")
		b.Start = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		return []Part{j.part("a"), b, j.part("c")}
	})
}

func TestStartTimeout(t *testing.T) {
	run(t, nothing, func(err error, took time.Duration) {
		if !errors.Is(err, context.DeadlineExceeded) || took != time.Minute {
			t.Errorf("Run = %v after %v", err, took)
		}
	}, func() []Part {
		return []Part{{Name: "slow", Start: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}}
	})
}

func TestRunEndsBeforeStop(t *testing.T) {
	var j journal
	run(t, func(s chan<- os.Signal, _ context.CancelFunc) { s <- syscall.SIGTERM }, func(err error, _ time.Duration) {
		if err == nil || err.Error() != "stop a: flush" {
			t.Errorf("Run = %v, want what the part's Run returned late", err)
		}
		j.expect(t, "+a", "run ended", "-a")
	}, func() []Part {
		a := j.part("a")
		ended := make(chan struct{})
		a.Run = func(ctx context.Context) error {
			<-ctx.Done()
			j.add("run ended")
			close(ended)
			return errors.New("flush")
		}
		stop := a.Stop
		a.Stop = func(ctx context.Context) error { <-ended; return stop(ctx) }
		return []Part{a}
	})
}

// TestShares: a part that hangs costs its own share only, and a part that is quick leaves its time to the others.
func TestShares(t *testing.T) {
	var mu sync.Mutex
	shares := map[string]time.Duration{}
	var hang chan struct{} // of the bubble, or its time stands still
	run(t, func(s chan<- os.Signal, _ context.CancelFunc) { s <- syscall.SIGTERM }, func(err error, took time.Duration) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run = %v", err)
		}
		if took != 25*time.Second {
			t.Errorf("took %v, want the 15 s of the deaf part and the 10 s of the slow one", took)
		}
		want := map[string]time.Duration{"quick": 10 * time.Second, "deaf": 15 * time.Second, "slow": 10 * time.Second, "last": 5 * time.Second}
		mu.Lock()
		defer mu.Unlock()
		for name, d := range want {
			if shares[name] != d {
				t.Errorf("%s got %v, want %v", name, shares[name], d)
			}
		}
		close(hang)
	}, func() []Part {
		hang = make(chan struct{})
		stop := func(name string, wait func(context.Context) error) func(context.Context) error {
			return func(ctx context.Context) error {
				deadline, _ := ctx.Deadline()
				mu.Lock()
				shares[name] = time.Until(deadline)
				mu.Unlock()
				return wait(ctx)
			}
		}
		now := func(context.Context) error { return nil }
		return []Part{ // stopped from the last to the first; 30 s for weights 1 + 2 + 3 + 3
			{Name: "last", Stop: stop("last", now)},
			{Name: "slow", Stop: stop("slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }), Weight: 2},
			{Name: "deaf", Stop: stop("deaf", func(context.Context) error { <-hang; return nil }), Weight: 3},
			{Name: "quick", Stop: stop("quick", now), Weight: 3},
		}
	})
}

func TestSecondSignal(t *testing.T) {
	var j journal
	var hang chan struct{} // of the bubble, or its time stands still
	run(t, func(s chan<- os.Signal, _ context.CancelFunc) {
		s <- syscall.SIGTERM
		synctest.Wait()
		s <- syscall.SIGTERM
	}, func(err error, took time.Duration) {
		if !errors.Is(err, ErrForced) || took != 0 {
			t.Errorf("Run = %v after %v", err, took)
		}
		j.expect(t, "+a", "+b")
		close(hang)
	}, func() []Part {
		hang = make(chan struct{})
		b := j.part("b")
		b.Stop = func(context.Context) error { <-hang; return nil }
		return []Part{j.part("a"), b}
	})
}

func TestSecondSignalWhileStarting(t *testing.T) {
	var hang chan struct{} // of the bubble, or its time stands still
	run(t, func(s chan<- os.Signal, _ context.CancelFunc) { s <- os.Interrupt; s <- os.Interrupt },
		func(err error, _ time.Duration) {
			if !errors.Is(err, ErrForced) {
				t.Errorf("Run = %v", err)
			}
			close(hang)
		}, func() []Part {
			hang = make(chan struct{})
			return []Part{{Name: "deaf", Start: func(context.Context) error { <-hang; return nil }}}
		})
}

func TestRealSignal(t *testing.T) {
	var j journal
	a := j.part("a")
	a.Start = func(context.Context) error {
		j.add("+a")
		return syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}
	if err := (&Runner{Log: quiet()}).Run(t.Context(), a); err != nil {
		t.Errorf("Run = %v", err)
	}
	j.expect(t, "+a", "-a")
}
