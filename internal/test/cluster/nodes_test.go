//go:build chaos

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/faultproxy"
	"chat-service/internal/test/testkit/rabbit"
)

// patience bounds what the tests wait for that isn't measured: a busy machine starts three nodes slowly.
const patience = 2 * time.Minute

// node is one RabbitMQ of the cluster, with the proxy by which the product reaches it.
type node struct {
	name string
	stack.Server
	dir   *stack.Dir
	proxy *faultproxy.Proxy
}

// startNodes starts three nodes, and with the first of them the other servers.
func startNodes(t *testing.T) (nodes []*node) {
	t.Helper()
	cache := os.Getenv("CHAT_PKG_CACHE")
	if cache == "" {
		cache = filepath.Join(testkit.Root(t), ".run", "pkg")
	}
	peers := []string{"n1", "n2", "n3"}
	for i, name := range peers {
		n, kinds := &stack.Node{Name: name, Peers: peers}, []stack.Kind{stack.RabbitMQ}
		if i == 0 {
			kinds = append(kinds, stack.MySQL, stack.Redis)
		} else {
			n.Epmd = nodes[0].EpmdPort
		}
		out := stack.NewProgress(os.Stderr)
		dir, err := stack.OpenDir(t.TempDir(), out)
		if err != nil {
			t.Fatal(err)
		}
		s, err := stack.Up(t.Context(), stack.Options{
			Dir: dir, Out: out, PkgCache: cache, Kinds: kinds, BrokerAPI: true, Node: n, Extra: map[stack.Kind][]string{stack.RabbitMQ: {rabbit.Settings}},
		})
		if err != nil {
			_ = dir.Close()
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			s.Stop(ctx)
			if b, err := os.ReadFile(dir.LogPath(string(stack.RabbitMQ))); t.Failed() && err == nil {
				t.Logf("the end of %s's log:\n%s", name, b[max(0, len(b)-6000):])
			}
			if err := dir.Close(); err != nil {
				t.Error(err)
			}
		})
		srv, _ := s.Server(stack.RabbitMQ)
		nodes = append(nodes, &node{name + "@localhost", srv, dir, faultproxy.New(t, srv.Addr())})
		if i == 0 {
			db, _ := s.Server(stack.MySQL)
			cache, _ := s.Server(stack.Redis)
			t.Setenv(testkit.MySQLVar, db.DSN())
			t.Setenv(testkit.RedisVar, cache.Addr())
			t.Setenv(testkit.AMQPVar, srv.AMQPURL())
		}
	}
	return nodes
}

// through is the node's URL by its proxy.
func (n *node) through(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(n.AMQPURL())
	if err != nil {
		t.Fatal(err)
	}
	u.Host = n.proxy.Addr()
	return u.String()
}

// pid is the process that runs now, 0 if there is none.
func (n *node) pid() int { return pidOf(n.dir, stack.RabbitMQ) }

// pidOf is the process of a server that runs now in a directory, 0 if there is none.
func pidOf(dir *stack.Dir, kind stack.Kind) int {
	b, err := os.ReadFile(filepath.Join(dir.Path(), "pids.json"))
	pids := map[string]int{}
	if err != nil || json.Unmarshal(b, &pids) != nil {
		return 0
	}
	return pids[string(kind)]
}

func (n *node) signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(-pid, s); err != nil {
		t.Fatalf("%v to %s: %v", s, n.name, err)
	}
}

// lose takes the node away, and returns what brings it back.
func (n *node) lose(t *testing.T, way string) (back func()) {
	t.Helper()
	pid := n.pid()
	if way == "stopped" {
		n.signal(t, pid, syscall.SIGSTOP)
		// As a node that goes on where it stopped: RabbitMQ before 4.3 finds its tables diverged then, and has to be restarted.
		return func() { n.signal(t, pid, syscall.SIGKILL) }
	}
	n.signal(t, pid, syscall.SIGKILL)
	gone := make(chan struct{})
	go func() { // it is started again: not before it may
		defer close(gone)
		for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(time.Millisecond) {
			if now := n.pid(); now != 0 && now != pid {
				_ = syscall.Kill(-now, syscall.SIGSTOP)
				return
			}
		}
	}()
	return func() { <-gone; n.signal(t, n.pid(), syscall.SIGCONT) }
}

// rabbit is the node as package rabbit has it.
func (n *node) rabbit() rabbit.Node {
	return rabbit.Node{Name: n.name, API: fmt.Sprintf("127.0.0.1:%d", n.APIPort), AMQP: n.AMQPURL()}
}

func rabbits(nodes []*node) (list []rabbit.Node) {
	for _, n := range nodes {
		list = append(list, n.rabbit())
	}
	return list
}

// whole reports whether all nodes run and all quorum queues have all members.
func whole(ctx context.Context, nodes []*node) (ok bool, why string) {
	ok, _, why = rabbit.Whole(ctx, rabbits(nodes))
	return ok, why
}

// depths are the cluster's queues with what waits in them.
func (n *node) depths(t *testing.T) (list []string) {
	t.Helper()
	queues, err := n.rabbit().Queues(t.Context())
	if err != nil {
		return []string{err.Error()}
	}
	conn, err := amqp.Dial(n.AMQPURL())
	if err != nil {
		return []string{err.Error()}
	}
	defer conn.Close()
	for _, q := range queues {
		ch, err := conn.Channel()
		if err != nil {
			return append(list, err.Error())
		}
		at, err := ch.QueueDeclarePassive(q.Name, true, false, false, false, nil)
		list = append(list, fmt.Sprintf("%s, leader %s: %d ready, %d consumers, %v", q.Name, q.Leader, at.Messages, at.Consumers, err))
		_ = ch.Close()
	}
	return list
}

// gather has all connections of the product made to one node.
func gather(t *testing.T, nodes []*node, to *node) {
	t.Helper()
	for _, n := range nodes {
		n.proxy.Refuse(n != to)
		if n != to {
			n.proxy.Cut()
		}
	}
}
