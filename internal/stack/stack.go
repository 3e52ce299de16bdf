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
}

// Stack is a set of running servers.
type Stack struct {
	dir   *Dir
	out   *Progress
	given func(Kind) (Server, bool, error)
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
	s := &Stack{dir: o.Dir, out: o.Out, given: o.Given, apt: newApt(cache, o.Out), servers: map[Kind]Server{}}
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
			if err := probe(ctx, k, srv.Host, srv.Port); err != nil {
				return Server{}, fmt.Errorf("the server given in the environment, %s, does not answer (%w); start it, or unset %s to get a private one", srv.Addr(), err, givenVars[k])
			}
			return srv, nil
		}
	}
	in, err := local(ctx, k)
	if err == nil {
		return s.start(ctx, k, in)
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
		givenVars[k], installNames[k], aptErr, dockerErr)
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

// await polls the server until it takes clients; it says every few seconds what it waits for.
func (s *Stack) await(ctx context.Context, srv Server, within time.Duration) error {
	ctx, stop := context.WithTimeout(ctx, within)
	defer stop()
	s.out.Say(string(srv.Kind), "starting on %s", srv.Addr())
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	gone, said := exited(srv), time.Now()
	for {
		err := probe(ctx, srv.Kind, srv.Host, srv.Port)
		if err == nil {
			return nil
		}
		if time.Since(said) > 5*time.Second {
			s.out.Say(string(srv.Kind), "waiting for it to answer on %s (%v)", srv.Addr(), err)
			said = time.Now()
		}
		select {
		case <-gone:
			return srv.proc.failed("ended while starting")
		case <-ctx.Done():
			if srv.proc == nil {
				return fmt.Errorf("did not answer on %s within %s: %w", srv.Addr(), within, err)
			}
			return srv.proc.failed(fmt.Sprintf("did not answer on %s within %s (%v)", srv.Addr(), within, err))
		case <-tick.C:
		}
	}
}

func exited(srv Server) <-chan struct{} {
	if srv.proc == nil {
		return nil
	}
	return srv.proc.Done()
}

// Server answers the running server of a kind.
func (s *Stack) Server(k Kind) (Server, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	srv, ok := s.servers[k]
	return srv, ok
}

// Failed is closed over to the first own server that ends by itself: its name and last words come as the error.
func (s *Stack) Failed(ctx context.Context) error {
	s.mu.Lock()
	gone := make(chan *Proc, len(s.servers))
	for _, srv := range s.servers {
		if srv.proc != nil {
			go func() {
				select {
				case <-srv.proc.Done():
					gone <- srv.proc
				case <-ctx.Done():
				}
			}()
		}
	}
	s.mu.Unlock()
	select {
	case p := <-gone:
		return p.failed("ended")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop ends the own servers, each within its time, and leaves the given ones alone.
func (s *Stack) Stop(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var g sync.WaitGroup
	for k, srv := range s.servers {
		g.Go(func() { s.stopServer(ctx, k, srv) })
	}
	g.Wait()
	clear(s.servers)
}

func (s *Stack) stopServer(ctx context.Context, k Kind, srv Server) {
	if srv.container != "" {
		removeContainer(ctx, srv.container)
	}
	if srv.proc != nil && !srv.proc.Stop(ctx) {
		s.out.Say(string(k), "did not stop in time and was killed; its data is repaired at the next start")
	}
	if srv.helper != nil {
		srv.helper.Stop(ctx)
	}
}
