package stack

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Kind names a server.
type Kind string

// The servers. MySQL is MariaDB or MySQL, whichever is available; MySQL8 is real MySQL beside it, for tests.
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
	// Given says which servers the environment gives. nil = none.
	Given func(Kind) (Server, bool, error)
	// Vars names the variables that give each server, for error texts.
	Vars map[Kind]string
	// BrokerAPI has RabbitMQ offer its HTTP API, too, by which users are made.
	BrokerAPI bool
	// Node makes RabbitMQ a node of a cluster; nil: it is alone.
	Node *Node
	// Host is where the servers listen, with their usual ports: an address that they have for themselves. "": the loopback, with free ports.
	Host string
	// Within stands in front of each server's command, for example to run it in a network namespace.
	Within []string
	// Extra are further arguments of MySQL and Redis, and lines of RabbitMQ's advanced.config.
	Extra map[Kind][]string
}

// Node is one RabbitMQ of several on this machine that make a cluster. Each has a run directory of its own; on the loopback they share the
// first one's port mapper.
type Node struct {
	Name  string   // such as n1, or n1@10.0.0.1 for a node with an address of its own
	Peers []string // the names of all nodes
	Epmd  int      // port of the first one's port mapper, Server.EpmdPort; 0: this is the first
}

// Stack is a set of running servers.
type Stack struct {
	dir   *Dir
	out   *Progress
	given func(Kind) (Server, bool, error)
	vars  map[Kind]string
	apt   *apt

	brokerAPI bool
	node      *Node
	host      string
	within    []string
	extra     map[Kind][]string

	mu      sync.Mutex
	servers map[Kind]Server
}

// Up starts the servers in parallel and returns when all accept clients. On an error those already running are
// stopped. The error says what to do.
func Up(ctx context.Context, o Options) (*Stack, error) {
	if o.PkgCache == "" {
		o.PkgCache = filepath.Join(o.Dir.path, "pkg")
	}
	cache, err := filepath.Abs(o.PkgCache)
	if err != nil {
		return nil, fmt.Errorf("resolve package cache: %w", err)
	}
	s := &Stack{dir: o.Dir, out: o.Out, given: o.Given, vars: o.Vars, apt: newApt(cache, o.Out), servers: map[Kind]Server{}, brokerAPI: o.BrokerAPI, node: o.Node, host: o.Host, within: o.Within, extra: o.Extra}
	if s.host == "" {
		s.host = loopback
	}
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

// bring uses the first source that is available: environment, this machine's programs, packages, containers.
func (s *Stack) bring(ctx context.Context, k Kind) (Server, error) {
	if s.given != nil {
		srv, ok, err := s.given(k)
		if err != nil {
			return Server{}, err
		}
		if ok {
			s.out.Say(string(k), "using %s, given in the environment", srv.Addr())
			if err := reach(ctx, srv.Addr()); err != nil {
				return Server{}, fmt.Errorf("the server given in the environment, %s, is not reachable (%w); start it, or unset %s to get a private one", srv.Addr(), err, s.vars[k])
			}
			return srv, nil
		}
	}
	if in, err := local(ctx, k); err == nil {
		srv, err := s.start(ctx, k, in)
		if err == nil || ctx.Err() != nil {
			return srv, err
		}
		// A security profile of this machine (AppArmor, for example) may restrict its server to certain folders.
		stopServer(ctx, srv)
		s.out.Say(string(k), "%s does not start privately, trying packages: %v", in.from, err)
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
	return Server{}, fmt.Errorf("it can't be started here. Do one of these: set %s; install %s; let apt work (%w); run a container engine (%w)",
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

// await polls the server until it accepts clients and reports every few seconds what it waits for. From then on the server
// is restarted when it ends by itself.
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
			return fmt.Errorf("was not ready on %s within %s: %w", srv.Addr(), within, err)
		case <-tick.C:
		}
	}
}

// Server returns the running server of a kind.
func (s *Stack) Server(k Kind) (Server, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	srv, ok := s.servers[k]
	return srv, ok
}

// usual are the ports of servers that have an address for themselves.
var usual = map[string]int{
	string(MySQL): 3306, string(MySQL8): 3306, string(Redis): 6379, string(RabbitMQ): 5672, distName: 25672, epmdName: 4369, apiName: 15672,
}

func (s *Stack) port(name string) (int, error) {
	if s.host != loopback {
		return usual[name], nil
	}
	return s.dir.Port(name)
}

// supervise starts a server's program where the stack's servers run.
func (s *Stack) supervise(spec Spec) (*supervisor, error) {
	if len(s.within) > 0 {
		spec.Args = slices.Concat(s.within[1:], []string{spec.Path}, spec.Args)
		spec.Path = s.within[0]
	}
	return s.dir.supervise(App{Spec: spec}, s.out)
}

// Stop stops the servers that it started, each within its time, and leaves given ones running.
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
	for _, s := range []*supervisor{srv.main, srv.helper} {
		if s != nil {
			s.stop(ctx)
		}
	}
}
