package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// ErrForced is returned when a second signal ended the stopping early: some parts may not have stopped.
var ErrForced = errors.New("stopped by force: a second signal came before all parts had stopped")

// Part is one thing that is started and stopped: a listener, a connection, a consumer. Every function is optional.
type Part struct {
	// Name appears in logs and errors.
	Name string
	// Start makes the part ready and returns. Its ctx ends when Start returns, so nothing in the background may keep it.
	Start func(ctx context.Context) error
	// Run works until its ctx ends, then returns. Returning earlier, even with nil, is a failure of the process.
	Run func(ctx context.Context) error
	// Stop ends what Start began, within its ctx, and returns when it has ended. Run's ctx has ended by then.
	Stop func(ctx context.Context) error
	// Fatal reports an error after which the process can't go on. It needs no buffer.
	Fatal <-chan error
	// Weight is the part's share of the time for stopping, in proportion to the others; 0 means 1.
	Weight int
}

// Runner runs parts. Its zero value is ready to use.
type Runner struct {
	// Log receives each step; nil means slog.Default().
	Log *slog.Logger
	// StartTimeout bounds the start of each part; 0 means a minute.
	StartTimeout time.Duration
	// StopTimeout bounds the stopping of all parts together; 0 means 30 s.
	StopTimeout time.Duration

	signals chan os.Signal // replaces the system's signals in tests
}

// Run runs the parts with a Runner of defaults.
func Run(ctx context.Context, parts ...Part) error { return new(Runner).Run(ctx, parts...) }

// Run starts the parts in order and returns when they have been stopped in reverse order: because ctx ended, SIGINT or
// SIGTERM came, a part failed to start, or a running part failed. The first two are the normal end and give nil unless
// stopping fails; otherwise the result joins what went wrong. All of it has been logged by then: to the caller the
// result is an exit code.
func (r *Runner) Run(ctx context.Context, parts ...Part) error {
	signals := r.signals
	if signals == nil {
		signals = make(chan os.Signal, 2)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		defer signal.Stop(signals)
	}
	g := newGroup(r, len(parts))
	err := g.run(ctx, signals, parts)
	if errors.Is(err, ErrForced) {
		return err
	}
	return errors.Join(err, g.stop(context.WithoutCancel(ctx), signals))
}

// group is one run: the started parts, and their failures.
type group struct {
	log          *slog.Logger
	startTimeout time.Duration
	stopTimeout  time.Duration
	live         []*livePart
	failed       chan error // never full: a slot for each Run and each Fatal
}

// livePart is a part that has started.
type livePart struct {
	Part
	cancel context.CancelFunc
	done   sync.WaitGroup // its Run, and the listener on Fatal
	late   error          // what Run returned after its ctx had ended; read after done
}

func newGroup(r *Runner, parts int) *group {
	g := &group{log: r.Log, startTimeout: r.StartTimeout, stopTimeout: r.StopTimeout, failed: make(chan error, 2*parts)}
	if g.log == nil {
		g.log = slog.Default()
	}
	if g.startTimeout <= 0 {
		g.startTimeout = time.Minute
	}
	if g.stopTimeout <= 0 {
		g.stopTimeout = 30 * time.Second
	}
	return g
}

// run starts the parts and waits for a reason to stop, which it returns unless it is the normal end.
func (g *group) run(ctx context.Context, signals <-chan os.Signal, parts []Part) error {
	for _, p := range parts {
		if stop, err := g.start(ctx, signals, p); err != nil || stop {
			return err
		}
	}
	g.log.Info("started", "parts", len(parts))
	select {
	case <-ctx.Done():
		g.log.Info("stopping", "reason", context.Cause(ctx))
	case sig := <-signals:
		g.log.Info("stopping", "reason", sig)
	case err := <-g.failed:
		g.log.Error("stopping", "reason", err)
		return err
	}
	return nil
}

// start starts one part. stop says that the process was asked to stop meanwhile. A part that has started all the same
// is live, and is stopped like the others.
func (g *group) start(ctx context.Context, signals <-chan os.Signal, p Part) (stop bool, err error) {
	begin := time.Now()
	startCtx, cancel := context.WithTimeout(ctx, g.startTimeout)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- call(startCtx, p.Start) }()
	var failure error
	for {
		select {
		case err := <-result:
			stop = stop || ctx.Err() != nil
			switch {
			case err == nil:
				g.log.Info("part started", "part", p.Name, "took", time.Since(begin))
				g.enliven(ctx, p)
			case !stop && failure == nil: // else it failed because its ctx ended
				failure = fmt.Errorf("start %s: %w", p.Name, err)
				g.log.Error("stopping", "reason", failure)
			}
			return stop, failure
		case sig := <-signals:
			if stop {
				return true, ErrForced
			}
			g.log.Info("stopping", "reason", sig, "while_starting", p.Name)
			stop = true
			cancel()
		case failure = <-g.failed:
			g.log.Error("stopping", "reason", failure, "while_starting", p.Name)
			cancel()
		}
	}
}

// enliven starts the goroutines of a started part: its Run, and the listener on Fatal.
func (g *group) enliven(ctx context.Context, p Part) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	lp := &livePart{Part: p, cancel: cancel}
	if p.Run != nil {
		lp.done.Go(func() {
			err := p.Run(ctx)
			switch {
			case ctx.Err() == nil && err == nil:
				g.failed <- fmt.Errorf("run %s: ended by itself", p.Name)
			case ctx.Err() == nil:
				g.failed <- fmt.Errorf("run %s: %w", p.Name, err)
			case !errors.Is(err, context.Canceled):
				lp.late = err
			}
		})
	}
	if p.Fatal != nil {
		lp.done.Go(func() {
			select {
			case <-ctx.Done():
			case err, ok := <-p.Fatal:
				if ok && err != nil {
					g.failed <- fmt.Errorf("%s: %w", p.Name, err)
				}
			}
		})
	}
	g.live = append(g.live, lp)
}

// stop stops the live parts in reverse order. Each gets its share of the time that is left, so that what one does not
// use is left to the next, and none can starve the others.
func (g *group) stop(ctx context.Context, signals <-chan os.Signal) error {
	forced, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case <-signals:
			cancel(ErrForced)
		case <-watch:
		}
	})
	defer watcher.Wait()
	defer close(watch)

	deadline := time.Now().Add(g.stopTimeout)
	weights := 0
	for _, p := range g.live {
		weights += p.weight()
	}
	var errs []error
	for i := len(g.live) - 1; i >= 0; i-- {
		p := g.live[i]
		share := time.Until(deadline) * time.Duration(p.weight()) / time.Duration(weights)
		weights -= p.weight()
		err := g.stopPart(forced, p, share)
		if errors.Is(context.Cause(forced), ErrForced) {
			g.log.Error("stopped by force", "stopping", p.Name, "left", i)
			return errors.Join(append(errs, ErrForced)...)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	g.log.Info("stopped")
	return errors.Join(errs...)
}

// stopPart ends the part's Run and calls its Stop. It gives up waiting when the share is used up: what hangs is left
// behind, because the process is about to end anyway.
func (g *group) stopPart(ctx context.Context, p *livePart, share time.Duration) error {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	result := make(chan error, 1)
	p.cancel()
	go func() {
		err := call(ctx, p.Stop)
		p.done.Wait()
		result <- errors.Join(err, p.late)
	}()
	var err error
	select {
	case err = <-result:
	case <-ctx.Done():
		select {
		case err = <-result: // it returned when its ctx ended
		default:
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		err = fmt.Errorf("stop %s: %w", p.Name, err)
		g.log.Error("part did not stop cleanly", "part", p.Name, "took", time.Since(begin), "error", err)
		return err
	}
	g.log.Info("part stopped", "part", p.Name, "took", time.Since(begin))
	return nil
}

func (p *livePart) weight() int { return max(p.Weight, 1) }

func call(ctx context.Context, fn func(context.Context) error) error {
	if fn == nil {
		return nil
	}
	return fn(ctx)
}
