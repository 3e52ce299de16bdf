//go:build chaos

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
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
)

// patience bounds what the tests wait for that isn't measured: a busy machine starts three nodes slowly.
const patience = 2 * time.Minute

// settings are those of docs/clusters.md.
const settings = "{rabbit, [{cluster_partition_handling, pause_minority}]}, {kernel, [{net_ticktime, 3}, {net_setuptime, 1}]}, {aten, [{poll_interval, 1000}]}"

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
			Dir: dir, Out: out, PkgCache: cache, Kinds: kinds, BrokerAPI: true, Node: n, Extra: map[stack.Kind][]string{stack.RabbitMQ: {settings}},
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

// api asks the node's HTTP API.
func (n *node) api(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", n.APIPort, path), nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth("guest", "guest")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// whole reports whether all nodes run and all quorum queues have all members, by each node's own account.
func whole(ctx context.Context, nodes []*node) (ok bool, why string) {
	for _, n := range nodes {
		var all []struct {
			Name    string
			Running bool
		}
		if err := n.api(ctx, "/api/nodes", &all); err != nil {
			return false, err.Error()
		}
		for _, one := range all {
			if !one.Running {
				return false, n.name + " takes " + one.Name + " for down"
			}
		}
		var queues []struct {
			Name            string
			Members, Online []string
		}
		if err := n.api(ctx, "/api/queues", &queues); err != nil {
			return false, err.Error()
		}
		for _, q := range queues {
			if len(q.Online) < len(q.Members) {
				return false, fmt.Sprintf("%s has %d of %d members", q.Name, len(q.Online), len(q.Members))
			}
		}
	}
	return true, ""
}

// depths are the cluster's queues with what waits in them.
func (n *node) depths(t *testing.T) (list []string) {
	t.Helper()
	var queues []struct{ Name, Leader string }
	if err := n.api(t.Context(), "/api/queues", &queues); err != nil {
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

// most is the node that leads most queues.
func most(ctx context.Context, nodes []*node) (*node, error) {
	var queues []struct{ Leader string }
	if err := nodes[0].api(ctx, "/api/queues", &queues); err != nil {
		return nil, err
	}
	leads := map[string]int{}
	for _, q := range queues {
		leads[q.Leader]++
	}
	first := nodes[0]
	for _, n := range nodes {
		if leads[n.name] > leads[first.name] {
			first = n
		}
	}
	return first, nil
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

// leaderless measures how long a quorum queue that is led by lost takes to confirm again, asked at another node.
type leaderless struct {
	conn  *amqp.Connection
	queue string
}

// watchLeader makes a queue that lost leads.
func watchLeader(t *testing.T, lost, other *node) leaderless {
	t.Helper()
	dial := func(n *node) *amqp.Connection {
		conn, err := amqp.DialConfig(n.AMQPURL(), amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
			return net.DialTimeout(network, addr, 5*time.Second)
		}})
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	at := dial(lost)
	defer at.Close()
	ch, err := at.Channel()
	if err != nil {
		t.Fatal(err)
	}
	l := leaderless{dial(other), "watched." + fmt.Sprint(time.Now().UnixNano())}
	if _, err := ch.QueueDeclare(l.queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		t.Fatal(err)
	}
	return l
}

// confirmed returns when the queue took a message, and deletes it.
func (l leaderless) confirmed(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	defer l.conn.Close()
	ch, err := l.conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", l.queue, false, false, amqp.Publishing{Body: []byte("?")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WaitContext(ctx); err != nil {
		t.Fatal(err)
	}
	return time.Since(since)
}
