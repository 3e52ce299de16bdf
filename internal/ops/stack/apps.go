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
	Ready string // the product's: URL that answers 200 once it takes work
}

const (
	firstPause = 500 * time.Millisecond
	longPause  = 10 * time.Second
	steady     = 30 * time.Second // a process that lived this long starts anew without a grown pause
)

// keeper keeps one app running: a crash is told and answered with a restart, at a growing distance.
type keeper struct {
	app  App
	dir  *Dir
	out  *Progress
	redo chan struct{} // asks for a restart; one waiting request is enough
	quit chan struct{}
	once sync.Once
	done chan struct{}

	mu    sync.Mutex
	proc  *Proc
	ready bool // it was ready once
}

// keep starts the app and watches it from then on.
func (d *Dir) keep(a App, out *Progress) (*keeper, error) {
	p, err := d.Start(a.Spec)
	if err != nil {
		return nil, err
	}
	k := &keeper{
		app: a, dir: d, out: out, proc: p,
		redo: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	go k.watch()
	return k, nil
}

func (k *keeper) current() *Proc {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.proc
}

func (k *keeper) wasReady() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ready
}

func (k *keeper) markReady() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ready = true
}

func (k *keeper) watch() {
	defer close(k.done)
	pause := firstPause
	for {
		p := k.current()
		born := time.Now()
		select {
		case <-k.quit:
			return
		case <-k.redo:
			p.Stop(context.Background())
			pause = 0
		case <-p.Done():
			if !k.wasReady() {
				return // the one who waits for readiness reports it
			}
			if time.Since(born) > steady {
				pause = firstPause
			}
			k.out.Say(k.app.Name, "ended unexpectedly (%v), restarting in %s; the end of its log:\n%s", p.err, pause, tail(p.log, 5))
		}
		if !k.again(&pause) {
			return
		}
	}
}

// again starts the app after the pause, until it works or the keeper is stopped.
func (k *keeper) again(pause *time.Duration) bool {
	for {
		select {
		case <-k.quit:
			return false
		case <-time.After(*pause):
		}
		*pause = min(max(2**pause, firstPause), longPause)
		p, err := k.dir.Start(k.app.Spec)
		if errors.Is(err, errClosing) {
			return false
		}
		if err != nil {
			k.out.Say(k.app.Name, "cannot be started, next try in %s: %v", *pause, err)
			continue
		}
		k.mu.Lock()
		k.proc = p
		k.mu.Unlock()
		return true
	}
}

// restart stops and starts the app, as after a new build.
func (k *keeper) restart() {
	select {
	case k.redo <- struct{}{}:
	default:
	}
}

// stop ends the watch, then the process.
func (k *keeper) stop(ctx context.Context) {
	k.once.Do(func() { close(k.quit) })
	<-k.done
	if !k.current().Stop(ctx) {
		k.out.Say(k.app.Name, "did not stop in time and was killed")
	}
}

// await asks the process until it answers; one that ends before is an error with its last words. It says every few
// seconds what it waits for.
func (k *keeper) await(ctx context.Context, where string, within time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	said := time.Now()
	for {
		err := ask(ctx)
		p := k.current()
		if err == nil {
			k.markReady()
			return nil
		}
		if time.Since(said) > 5*time.Second {
			k.out.Say(k.app.Name, "waiting for %s (%v)", where, err)
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
func (k *keeper) awaitReady(ctx context.Context, within time.Duration) error {
	err := k.await(ctx, k.app.Ready, within, func(ctx context.Context) error { return askReady(ctx, k.app.Ready) })
	if err == nil {
		k.out.Say(k.app.Name, "ready (log: %s)", k.dir.LogPath(k.app.Name))
	}
	return err
}

// askReady answers nil when url answers 200 within a second.
func askReady(ctx context.Context, url string) error {
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Close = true // nothing stays open between two questions
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
