package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// App is a process that is kept running.
type App struct {
	Spec
	Ready string // URL that returns 200 once the process accepts work; "" for servers, which are probed in their own protocol
}

const (
	firstPause = 500 * time.Millisecond
	longPause  = 10 * time.Second
	steady     = 30 * time.Second // a process that ran this long is restarted after the first pause again
)

// supervisor keeps one app running: it reports a crash and restarts the app, after a growing pause.
type supervisor struct {
	app  App
	dir  *Dir
	out  *Progress
	redo chan struct{} // requests a restart; capacity 1, as one pending request is enough
	quit chan struct{}
	once sync.Once
	done chan struct{}

	mu    sync.Mutex
	proc  *Proc
	ready bool // it was ready once
}

// supervise starts the app and watches it from then on.
func (d *Dir) supervise(a App, out *Progress) (*supervisor, error) {
	p, err := d.Start(a.Spec)
	if err != nil {
		return nil, err
	}
	s := &supervisor{
		app: a, dir: d, out: out, proc: p,
		redo: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	go s.watch()
	return s, nil
}

func (s *supervisor) current() *Proc {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}

func (s *supervisor) wasReady() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready
}

func (s *supervisor) markReady() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = true
}

func (s *supervisor) watch() {
	defer close(s.done)
	pause := firstPause
	for {
		p := s.current()
		born := time.Now()
		select {
		case <-s.quit:
			return
		case <-s.redo:
			p.Stop(context.Background())
			pause = 0
		case <-p.Done():
			if !s.wasReady() {
				return // await reports it
			}
			if time.Since(born) > steady {
				pause = firstPause
			}
			s.out.Say(s.app.Name, "ended unexpectedly (%v), restarting in %s; the end of its log:\n%s", p.err, pause, tail(p.log, 5))
		}
		if !s.again(&pause) {
			return
		}
	}
}

// again starts the app after the pause, until that succeeds or the supervisor is stopped.
func (s *supervisor) again(pause *time.Duration) bool {
	for {
		select {
		case <-s.quit:
			return false
		case <-time.After(*pause):
		}
		*pause = min(max(2**pause, firstPause), longPause)
		p, err := s.dir.Start(s.app.Spec)
		if errors.Is(err, errClosing) {
			return false
		}
		if err != nil {
			s.out.Say(s.app.Name, "cannot be started, next try in %s: %v", *pause, err)
			continue
		}
		s.mu.Lock()
		s.proc = p
		s.mu.Unlock()
		return true
	}
}

// restart stops and starts the app, as after a new build.
func (s *supervisor) restart() {
	select {
	case s.redo <- struct{}{}:
	default:
	}
}

// stop ends the watch, then the process.
func (s *supervisor) stop(ctx context.Context) {
	s.once.Do(func() { close(s.quit) })
	<-s.done
	if !s.current().Stop(ctx) {
		s.out.Say(s.app.Name, "did not stop in time and was killed")
	}
}

// await asks until the process is ready. A process that ends before is an error with the end of its log. Every few
// seconds it reports what it waits for.
func (s *supervisor) await(ctx context.Context, where string, within time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	said := time.Now()
	for {
		err := ask(ctx)
		p := s.current()
		if err == nil {
			s.markReady()
			return nil
		}
		if time.Since(said) > 5*time.Second {
			s.out.Say(s.app.Name, "waiting for %s (%v)", where, err)
			said = time.Now()
		}
		select {
		case <-p.Done():
			return p.failed("ended while starting")
		case <-ctx.Done():
			return p.failed(fmt.Sprintf("was not ready on %s within %s (%v)", where, within, err))
		case <-tick.C:
		}
	}
}

// awaitReady waits for the app's readiness.
func (s *supervisor) awaitReady(ctx context.Context, within time.Duration) error {
	err := s.await(ctx, s.app.Ready, within, func(ctx context.Context) error { return askReady(ctx, s.app.Ready) })
	if err == nil {
		s.out.Say(s.app.Name, "ready (log: %s)", s.dir.LogPath(s.app.Name))
	}
	return err
}

// askReady returns nil when url answers 200 within a second.
func askReady(ctx context.Context, url string) error {
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Close = true // no connection stays open between two requests
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	return nil
}
