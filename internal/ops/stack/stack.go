package stack

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Kind names a server.
type Kind string

// The servers. MySQL is MariaDB or MySQL, whichever is at hand; MySQL8 is real MySQL beside it, for tests.
const (
	MySQL    Kind = "mysql"
	Redis    Kind = "redis"
	RabbitMQ Kind = "rabbitmq"
	MySQL8   Kind = "mysql8"
)

// Options of a stack.
type Options struct {
	Dir      *Dir
	Out      *Progress
	PkgCache string // folder for downloaded packages; "" = pkg in the run directory
	Kinds    []Kind
	// Given reads the environment: which servers are given there. nil = none.
	Given func(Kind) (Server, bool, error)
	// Vars names, for advice, the variables that give each server.
	Vars map[Kind]string
}

// Stack is a set of running servers.
type Stack struct {
	dir   *Dir
	out   *Progress
	given func(Kind) (Server, bool, error)
	vars  map[Kind]string
	apt   *apt

	mu      sync.Mutex
	servers map[Kind]Server
}

// Up brings up the servers side by side and answers when all take clients. On an error the ones already running are
// stopped. The error says what to do.
func Up(ctx context.Context, o Options) (*Stack, error) {
	if o.PkgCache == "" {
		o.PkgCache = filepath.Join(o.Dir.path, "pkg")
	}
	cache, err := filepath.Abs(o.PkgCache)
	if err != nil {
		return nil, fmt.Errorf("resolve package cache: %w", err)
	}
	s := &Stack{dir: o.Dir, out: o.Out, given: o.Given, vars: o.Vars, apt: newApt(cache, o.Out), servers: map[Kind]Server{}}
	g, gctx := errgroup.WithContext(ctx)
	for _, k := range o.Kinds {
		g.Go(func() error {
			srv, err := s.bring(gctx, k)
			if srv.Port != 0 {
				s.mu.Lock()
				s.servers[k] = srv
				s.mu.Unlock()
			}
			if err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
			s.out.Say(string(k), "ready on %s (%s)", srv.Addr(), srv.Origin)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		s.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

// bring takes the first source that applies: environment, this machine's programs, packages, containers.
func (s *Stack) bring(ctx context.Context, k Kind) (Server, error) {
	if s.given != nil {
		srv, ok, err := s.given(k)
		if err != nil {
			return Server{}, err
		}
		if ok {
			s.out.Say(string(k), "using %s, given in the environment", srv.Addr())
			if err := reach(ctx, srv.Addr()); err != nil {
				return Server{}, fmt.Errorf("the server given in the environment, %s, does not answer (%w); start it, or unset %s to get a private one", srv.Addr(), err, s.vars[k])
			}
			return srv, nil
		}
	}
	if in, err := local(ctx, k); err == nil {
		srv, err := s.start(ctx, k, in)
		if err == nil || ctx.Err() != nil {
			return srv, err
		}
		// A profile of this machine (AppArmor, say) may bind its own server to its own folders.
		stopServer(ctx, srv)
		s.out.Say(string(k), "%s does not come up privately, trying packages: %v", in.from, err)
	}
	in, aptErr := packaged(ctx, s.apt, k)
	if aptErr == nil {
		return s.start(ctx, k, in)
	}
	if ctx.Err() != nil {
		return Server{}, aptErr
	}
	srv, dockerErr := s.startContainer(ctx, k)
	if dockerErr == nil || srv.Port != 0 {
		return srv, dockerErr
	}
	return Server{}, fmt.Errorf("no way to start it here. One of these helps: set %s; install %s; let apt work (%w); run a container engine (%w)",
		s.vars[k], installNames[k], aptErr, dockerErr)
}

func (s *Stack) start(ctx context.Context, k Kind, in install) (Server, error) {
	switch k {
	case Redis:
		return s.startRedis(ctx, in)
	case RabbitMQ:
		return s.startRabbitMQ(ctx, in)
	default:
		return s.startMySQL(ctx, k, in)
	}
}

// await polls the server until it takes clients; it says every few seconds what it waits for. From then on the server
// is started anew when it ends by itself.
func (s *Stack) await(ctx context.Context, srv Server, within time.Duration) error {
	s.out.Say(string(srv.Kind), "starting on %s", srv.Addr())
	ask := func(ctx context.Context) error { return probe(ctx, srv.Kind, srv.Host, srv.Port) }
	if srv.main != nil {
		return srv.main.await(ctx, srv.Addr(), within, ask)
	}
	ctx, stop := context.WithTimeout(ctx, within)
	defer stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("did not answer on %s within %s: %w", srv.Addr(), within, err)
		case <-tick.C:
		}
	}
}

// Server answers the running server of a kind.
func (s *Stack) Server(k Kind) (Server, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	srv, ok := s.servers[k]
	return srv, ok
}

// Stop ends the own servers, each within its time, and leaves the given ones alone.
func (s *Stack) Stop(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var g sync.WaitGroup
	for _, srv := range s.servers {
		g.Go(func() { stopServer(ctx, srv) })
	}
	g.Wait()
	clear(s.servers)
}

func stopServer(ctx context.Context, srv Server) {
	if srv.container != "" {
		removeContainer(ctx, srv.container)
	}
	for _, k := range []*keeper{srv.main, srv.helper} {
		if k != nil {
			k.stop(ctx)
		}
	}
}
