//go:build chaos

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/lab"
	"chat-service/internal/test/testkit/rabbit"
)

// patience bounds what is waited for that isn't measured: a busy machine starts three nodes slowly.
const patience = 2 * time.Minute

// site are the machines of docs/clusters.md as network namespaces: three with RabbitMQ, Redis and a sentinel, two with MySQL, and one for
// each process of the product.
type site struct {
	lab   *lab.Lab
	dir   *stack.Dir // of the test itself
	nodes []*node
	dbs   []*database
	vip   string // at which the processes find MySQL: it is on the primary's machine

	mu       sync.Mutex
	primary  *database
	restarts int // of nodes of RabbitMQ that didn't come back by themselves
	losses   []loss
}

// node is a machine with RabbitMQ, Redis and a sentinel.
type node struct {
	name, host, addr string
	within           []string // runs a program on it
	dir              *stack.Dir
	st               *stack.Stack
	sentinel         *stack.Proc
}

// product are the machines of the product's processes.
var product = []string{"gateway-1", "gateway-2", "worker-1", "worker-2", "api-1"}

// startSite starts the servers. Where they are apart each RabbitMQ is a cluster of its own.
func startSite(t *testing.T, apart bool) *site {
	t.Helper()
	path := os.Getenv(dirVar)
	if path == "" {
		path = filepath.Join(testkit.Root(t), ".run", "cluster")
	}
	out := stack.NewProgress(os.Stdout)
	s := &site{dir: s0(t, filepath.Join(path, "test"), out)}
	hosts := []string{"m1", "m2", "m3", "d1", "d2"}
	s.lab = lab.New(t, tools(t, out), slices.Concat(hosts, product)...)
	s.vip = s.lab.Floating()
	var names []string
	for _, host := range hosts[:3] {
		names = append(names, host+"@"+s.lab.Addr(host))
	}
	up := func(host string, o stack.Options) *stack.Stack {
		st, err := stack.Up(context.WithoutCancel(t.Context()), o)
		if err != nil {
			t.Errorf("%s: %v", host, err)
		}
		return st
	}
	options := func(host string, kinds ...stack.Kind) stack.Options {
		return stack.Options{
			Dir: s0(t, filepath.Join(path, host), out), Out: out, PkgCache: packages(t), Kinds: kinds, Host: s.lab.Addr(host), Within: s.lab.Within(host),
			BrokerAPI: true, Sid: newer(), Extra: map[stack.Kind][]string{stack.RabbitMQ: {rabbit.Settings}, stack.Redis: {"--protected-mode", "no"}},
		}
	}
	var wg sync.WaitGroup
	for i, host := range hosts[3:] {
		o := options(host, stack.MySQL8)
		o.Extra[stack.MySQL8] = replicating(i + 1)
		d := &database{host: host, addr: s.lab.Addr(host), dir: o.Dir}
		s.dbs = append(s.dbs, d)
		if err := os.WriteFile(filepath.Join(o.Dir.Path(), "mysql.password"), []byte(rootPassword), 0o600); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { d.st = up(host, o) })
	}
	for i, host := range hosts[:3] {
		o := options(host, stack.RabbitMQ, stack.Redis)
		o.Node = &stack.Node{Name: names[i], Peers: names}
		if apart {
			o.Node.Peers = names[i : i+1]
		}
		n := &node{name: names[i], host: host, addr: s.lab.Addr(host), within: o.Within, dir: o.Dir}
		s.nodes = append(s.nodes, n)
		if i == 0 { // the others join it
			n.st = up(host, o)
			continue
		}
		wg.Go(func() { n.st = up(host, o) })
	}
	wg.Wait()
	t.Cleanup(s.stop)
	if t.Failed() {
		t.FailNow()
	}
	if slices.Contains(newer(), stack.RabbitMQ) {
		s.setPolicy(t)
	}
	s.watchRedis(t)
	s.replicate(t)
	for name, value := range map[string]string{
		testkit.MySQLVar: fmt.Sprintf("root:%s@tcp(%s:3306)/", rootPassword, s.vip), testkit.RedisVar: s.nodes[0].addr + ":6379",
		testkit.AMQPVar: fmt.Sprintf("amqp://guest:guest@%s:5672/", s.nodes[0].addr),
	} {
		t.Setenv(name, value)
	}
	return s
}

// newer are the servers that are taken in the newer versions of Debian's sid (CHAOS_SID).
func newer() (kinds []stack.Kind) {
	for _, name := range strings.FieldsFunc(os.Getenv("CHAOS_SID"), func(r rune) bool { return r == ',' }) {
		kinds = append(kinds, stack.Kind(name))
	}
	return kinds
}

// setPolicy sets docs/clusters.md's policy, which RabbitMQ before 4.3 refuses. Queues of tests have names of their own.
func (s *site) setPolicy(t *testing.T) {
	t.Helper()
	body := `{"pattern": ".*", "definition": {"consumer-disconnected-timeout": 1000}, "apply-to": "quorum_queues"}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+s.nodes[0].addr+":15672/api/policies/%2F/chat-consumers", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("guest", "guest")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if say("policy consumer-disconnected-timeout: %s", res.Status); res.StatusCode >= 300 {
		t.Fatal("RabbitMQ refuses the policy")
	}
}

// tools are the programs of a lab, from Debian's packages where this machine has none.
func tools(t *testing.T, out *stack.Progress) (found lab.Tools) {
	t.Helper()
	for _, tool := range []struct {
		to        *lab.Tool
		name, pkg string
	}{{&found.IP, "ip", "iproute2"}, {&found.TC, "tc", "iproute2"}, {&found.NFT, "nft", "nftables"}} {
		p, err := stack.FindTool(t.Context(), packages(t), out, tool.name, tool.pkg)
		if err != nil {
			t.Fatalf("a network of namespaces: %v", err)
		}
		*tool.to = lab.Tool{Path: p.Path, Env: p.Env}
	}
	return found
}

// packages is the folder of downloaded packages.
func packages(t testing.TB) string {
	if cache := os.Getenv(cacheVar); cache != "" {
		return cache
	}
	return filepath.Join(testkit.Root(t), ".run", "pkg")
}

// s0 opens an empty run directory until the test ends.
func s0(t *testing.T, path string, out *stack.Progress) *stack.Dir {
	t.Helper()
	dir, err := stack.OpenDir(path, out)
	if err == nil {
		err = dir.ClearData()
	}
	if err != nil {
		t.Fatalf("private servers: %v", err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = dir.ClearData()
		}
		_ = dir.Close()
	})
	return dir
}

func (s *site) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var wg sync.WaitGroup
	for _, n := range s.nodes {
		wg.Go(func() {
			_ = s.lab.Heal(ctx, n.host)
			if n.sentinel != nil {
				n.sentinel.Kill()
			}
			if n.st != nil {
				n.st.Stop(ctx)
			}
		})
	}
	for _, d := range s.dbs {
		wg.Go(func() {
			if d.st != nil {
				d.st.Stop(ctx)
			}
		})
	}
	wg.Wait()
}

// watchRedis makes the second and third Redis replicas of the first, and starts the sentinels.
func (s *site) watchRedis(t *testing.T) {
	t.Helper()
	for _, n := range s.nodes[1:] {
		r, err := testkit.DialRedis(n.addr+":6379", 0)
		if err == nil {
			_, err = r.Do("REPLICAOF", s.nodes[0].addr, "6379")
			err = errors.Join(err, r.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range s.nodes {
		text := fmt.Sprintf("port 26379\nbind %s\nprotected-mode no\ndir %s\nsentinel monitor chat %s 6379 2\nsentinel down-after-milliseconds chat 1500\nsentinel failover-timeout chat 6000\n",
			n.addr, n.dir.DataPath("redis"), s.nodes[0].addr)
		if err := os.WriteFile(n.conf(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.startSentinel(n); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, patience, func() (bool, string) {
		addr, err := s.redisMaster()
		return err == nil && addr == s.nodes[0].addr, fmt.Sprint("no master of Redis: ", addr, err)
	})
}

func (n *node) conf() string { return filepath.Join(n.dir.DataPath("redis"), "sentinel.conf") }

func (s *site) startSentinel(n *node) (err error) {
	srv, _ := n.st.Server(stack.Redis)
	within := s.lab.Within(n.host)
	n.sentinel, err = n.dir.Start(stack.Spec{
		Name: "sentinel", Path: within[0], Args: append(within[1:], srv.Program, n.conf(), "--sentinel"), Env: srv.Environ, Stop: 5 * time.Second,
	})
	return err
}

// redisMaster is the master's address by two of three sentinels.
func (s *site) redisMaster() (addr string, err error) {
	votes := map[string]int{}
	for _, n := range s.nodes {
		r, e := testkit.DialSentinel(n.addr + ":26379")
		if e != nil {
			err = e
			continue
		}
		v, e := r.Do("SENTINEL", "get-master-addr-by-name", "chat")
		_ = r.Close()
		if list, ok := v.([]any); ok && e == nil && len(list) == 2 {
			votes[fmt.Sprint(list[0])]++
		}
	}
	for addr, n := range votes {
		if n >= 2 {
			return addr, nil
		}
	}
	return "", errors.Join(err, fmt.Errorf("the sentinels say %v", votes))
}

// at is the machine with an address.
func (s *site) at(addr string) *node {
	i := slices.IndexFunc(s.nodes, func(n *node) bool { return n.addr == addr })
	if i < 0 {
		return nil
	}
	return s.nodes[i]
}

// urls are the addresses of all nodes of RabbitMQ.
func (s *site) urls() string {
	var list []string
	for _, n := range s.nodes {
		list = append(list, "amqp://guest:guest@"+n.addr+":5672/")
	}
	return strings.Join(list, ",")
}

// pid is the process of a server that runs now, 0 if there is none.
func pidIn(dir *stack.Dir, k stack.Kind) int {
	pids := map[string]int{}
	b, err := os.ReadFile(filepath.Join(dir.Path(), "pids.json"))
	if err != nil || json.Unmarshal(b, &pids) != nil {
		return 0
	}
	return pids[string(k)]
}

func signalIn(dir *stack.Dir, k stack.Kind, sig syscall.Signal) error {
	pid := pidIn(dir, k)
	if pid == 0 {
		return fmt.Errorf("%s is not running", k)
	}
	return syscall.Kill(-pid, sig)
}

// rabbit is the node as package rabbit has it.
func (n *node) rabbit() rabbit.Node {
	return rabbit.Node{Name: n.name, API: n.addr + ":15672", AMQP: "amqp://guest:guest@" + n.addr + ":5672/"}
}

// rabbits are all nodes.
func (s *site) rabbits() (list []rabbit.Node) {
	for _, n := range s.nodes {
		list = append(list, n.rabbit())
	}
	return list
}

// ready waits for RabbitMQ to be whole: the loss of a second node would be the loss of the majority. A node that isn't back after a while
// is restarted, as an operator would do: RabbitMQ 3.10 doesn't always come back by itself when a partition has healed.
func (s *site) ready(ctx context.Context) error {
	for try := 0; ; try++ {
		var lost []*node
		end := time.Now().Add(byItself)
		for ; time.Now().Before(end) && ctx.Err() == nil; pause(ctx, 200*time.Millisecond) {
			var why string
			if lost, why = s.lost(ctx); why == "" {
				return nil
			} else if try == 3 {
				return fmt.Errorf("RabbitMQ isn't whole although nodes were restarted: %s", why)
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, n := range lost {
			say("    RabbitMQ on %s isn't back by itself after %v: restarted", n.host, byItself)
			s.restarts++
			_ = signalIn(n.dir, stack.RabbitMQ, syscall.SIGKILL) // it may have ended just now
		}
	}
}

const byItself = 90 * time.Second // a busy machine takes long to start one

// lost are the nodes of RabbitMQ that aren't there by their own or by another one's account.
func (s *site) lost(ctx context.Context) (list []*node, why string) {
	ok, name, why := rabbit.Whole(ctx, s.rabbits())
	if ok {
		return nil, ""
	}
	for _, n := range s.nodes {
		if n.name == name {
			list = append(list, n)
		}
	}
	return list, why
}

// leader is the node that leads most queues.
func (s *site) leader(ctx context.Context) (*node, error) {
	i, err := rabbit.Busiest(ctx, s.rabbits())
	return s.nodes[i], err
}
