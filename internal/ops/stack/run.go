package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"chat-service/internal/ops/stack/frontdoor"
)

// RunOptions say what a run consists of.
type RunOptions struct {
	Dir      string // run directory
	PkgCache string
	Host     string // the front door's address
	Port     int    // the front door's port
	Gateways int
	Workers  int
	Bin      string // folder of the binaries gateway, worker and api
	Configs  string // folder of gateway.yaml, worker.yaml and api.yaml
	Out      *Progress
	// ServersOnly leaves out the product's processes and the front door.
	ServersOnly bool
	// Migrate brings the schema up to date before any process starts; env holds the CHAT_ variables that the
	// processes get. nil = no migration.
	Migrate func(ctx context.Context, env map[string]string) error
	// Rebuilt asks for a restart of the product's processes, one value per new build. nil = never.
	Rebuilt <-chan struct{}
	// Hard is closed to kill everything at once.
	Hard <-chan struct{}
}

// ReadyText is what a run prints when all of its processes are ready; bench waits for it.
const ReadyText = "everything is ready"

const (
	readyWithin = 60 * time.Second
	drainWithin = 40 * time.Second // the gateways' drain window is shorter
	stopWithin  = 20 * time.Second
)

// run is a run in progress.
type run struct {
	o           RunOptions
	dir         *Dir
	servers     *Stack
	env         map[string]string
	apps        map[string]App
	supervisors map[string]*supervisor
	front       *frontdoor.Proxy
}

// Run brings everything up, keeps it running until ctx ends, and stops it in order: gateways drain first, then
// api and workers, then the servers. It returns nil after an orderly stop.
func Run(ctx context.Context, o RunOptions) error {
	l, err := listen(o)
	if err != nil {
		return err
	}
	if l != nil {
		defer l.Close()
	}
	if err := programsThere(o); err != nil {
		return err
	}
	d, err := OpenDir(o.Dir, o.Out)
	if err != nil {
		return err
	}
	r := &run{o: o, dir: d, supervisors: map[string]*supervisor{}}
	watch, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	var g sync.WaitGroup
	g.Go(func() { r.killWhenHard(watch) })
	err = r.live(ctx, l)
	unwatch()
	g.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	err = errors.Join(err, d.Close())
	o.Out.Say("up", "stopped")
	return err
}

func (r *run) killWhenHard(ctx context.Context) {
	select {
	case <-r.o.Hard:
		r.o.Out.Say("up", "killing everything")
		r.dir.KillAll()
	case <-ctx.Done():
	}
}

// live does everything between opening the run directory and closing it.
func (r *run) live(ctx context.Context, l net.Listener) error {
	var err error
	r.servers, err = Up(ctx, Options{
		Dir: r.dir, Out: r.o.Out, PkgCache: r.o.PkgCache, Given: GivenInEnv, Vars: productVars, Kinds: []Kind{MySQL, Redis, RabbitMQ},
	})
	if err != nil {
		return err
	}
	defer r.stopServers(ctx)
	if r.env, err = r.productEnv(); err != nil {
		return err
	}
	if err := r.dir.keepEnv(r.env); err != nil {
		return err
	}
	if r.o.ServersOnly {
		r.o.Out.Raw(serversText(r.env))
		<-ctx.Done()
		return nil
	}
	if r.o.Migrate != nil {
		r.o.Out.Say("migrate", "bringing the schema up to date")
		if err := r.o.Migrate(ctx, r.env); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
	}
	if err := r.plan(); err != nil {
		return err
	}
	return r.serve(ctx, l)
}

// serve opens the front door, starts the apps and waits for the end.
func (r *run) serve(ctx context.Context, l net.Listener) error {
	frontCtx, closeFront := context.WithCancel(context.WithoutCancel(ctx))
	var g sync.WaitGroup
	var frontErr error
	g.Go(func() { frontErr = r.front.Serve(frontCtx, l) })
	err := r.startApps(ctx)
	if err == nil {
		r.o.Out.Say("up", "%s on http://%s", ReadyText, l.Addr())
		r.o.Out.Raw(r.readyText(l.Addr().String()))
		r.wait(ctx)
	}
	r.stopApps(ctx)
	closeFront()
	g.Wait()
	return errors.Join(quiet(ctx, err), frontErr)
}

// wait returns when ctx ends; until then every new build restarts the apps.
func (r *run) wait(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.o.Rebuilt:
			for _, name := range slices.Sorted(maps.Keys(r.supervisors)) {
				r.o.Out.Say(name, "restarting with the new build")
				r.supervisors[name].restart()
			}
		}
	}
}

// quiet drops an error that only says that ctx has ended.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func (r *run) startApps(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(r.apps)) {
		a := r.apps[name]
		r.o.Out.Say(name, "starting %s %s", a.Path, strings.Join(a.Args, " "))
		s, err := r.dir.supervise(a, r.o.Out)
		if err != nil {
			return err
		}
		r.supervisors[name] = s
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, s := range r.supervisors {
		g.Go(func() error { return s.awaitReady(gctx, readyWithin) })
	}
	if err := g.Wait(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	return nil
}

// stopApps ends the apps: the gateways first, so that their last commands still find workers.
func (r *run) stopApps(ctx context.Context) {
	for _, gateways := range []bool{true, false} {
		within := stopWithin
		if gateways {
			within = drainWithin
			r.o.Out.Say("up", "stopping: gateways drain first (Ctrl-C again kills everything)")
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
		var g sync.WaitGroup
		for name, s := range r.supervisors {
			if strings.HasPrefix(name, "gw") == gateways {
				g.Go(func() { s.stop(end) })
			}
		}
		g.Wait()
		cancel()
	}
}

func (r *run) stopServers(ctx context.Context) {
	r.o.Out.Say("up", "stopping the servers")
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	r.servers.Stop(end)
}

// listen binds the front door's port before anything is started, so that a port in use is reported at once.
func listen(o RunOptions) (net.Listener, error) {
	if o.ServersOnly {
		return nil, nil //nolint:nilnil // no front door, no listener
	}
	l, err := net.Listen("tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
	if err != nil {
		return nil, fmt.Errorf("the front door cannot listen on %s port %d: %w. End the program that uses it, or choose another port with --port or CHAT_PORT", o.Host, o.Port, err)
	}
	return l, nil
}

func programsThere(o RunOptions) error {
	if o.ServersOnly {
		return nil
	}
	for _, name := range []string{"gateway", "worker", "api"} {
		for _, f := range []string{filepath.Join(o.Bin, name), filepath.Join(o.Configs, name+".yaml")} {
			if _, err := os.Stat(f); err != nil {
				return fmt.Errorf("%s is missing: run `make build` in the project's folder first, or name the folders with --bin and --configs", f)
			}
		}
	}
	return nil
}

// secret returns the run's token secret, made in the first run, so that tokens outlive a restart.
func secret(dir string) (string, error) { return kept(dir, "secret") }

// kept returns the random text that is kept in a file of the run directory, and makes it at first.
func kept(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	if b, err := os.ReadFile(path); err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	s := rand.Text() + rand.Text()
	if err := writeFile(path, []byte(s+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the "+name+": %w", err)
	}
	return s, nil
}
