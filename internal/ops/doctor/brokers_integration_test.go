//go:build integration

package doctor

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"chat-service/internal/broker"
	"chat-service/internal/config"
	"chat-service/internal/ops/installation"
	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
)

// node is one of a cluster, with what ends it.
type node struct {
	stack.Server
	end func()
}

// brokers starts a cluster of three on this machine.
func brokers(t *testing.T) (nodes []node) {
	t.Helper()
	peers := []string{"n1", "n2", "n3"}
	for i, name := range peers {
		n := &stack.Node{Name: name, Peers: peers}
		if i > 0 {
			n.Epmd = nodes[0].EpmdPort
		}
		out := stack.NewProgress(os.Stderr)
		dir, err := stack.OpenDir(t.TempDir(), out)
		if err != nil {
			t.Fatal(err)
		}
		s, err := stack.Up(t.Context(), stack.Options{
			Dir: dir, Out: out, PkgCache: cache(t), Kinds: []stack.Kind{stack.RabbitMQ}, BrokerAPI: true, Node: n,
		})
		if err != nil {
			_ = dir.Close()
			t.Fatal(err)
		}
		end := func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			s.Stop(ctx)
		}
		t.Cleanup(func() {
			end()
			if err := dir.Close(); err != nil {
				t.Error(err)
			}
		})
		srv, _ := s.Server(stack.RabbitMQ)
		nodes = append(nodes, node{srv, end})
	}
	return nodes
}

// TestBrokerCluster: a real cluster of three with its queues, and what doctor says of it before and after a node is lost.
func TestBrokerCluster(t *testing.T) {
	nodes := brokers(t)
	look := func(change ...func(x *examination)) (Level, string) {
		x := &examination{Installation: &installation.Installation{Sections: installation.Defaults()}, r: &Report{area: "rabbitmq"}}
		x.RabbitMQ.Partitions = 6
		x.o.Declare = true
		x.o.BrokerAPI = fmt.Sprintf("http://guest:guest@127.0.0.1:%d", nodes[0].APIPort)
		for _, n := range nodes {
			x.RabbitMQ.URLs = append(x.RabbitMQ.URLs, config.NewSecret(n.AMQPURL()))
		}
		for _, f := range change {
			f(x)
		}
		x.rabbitmq(t.Context())
		return worst(x.r)
	}
	want := func(level Level, says string, change ...func(*examination)) {
		t.Helper()
		testkit.Eventually(t, patience, func() (bool, string) {
			got, text := look(change...)
			return got == level && strings.Contains(text, says), fmt.Sprintf("%s:\n%s\nwant %s and %q", got, text, level, says)
		})
	}

	// The queues of a first process, all declared at one node.
	want(Warn, "all 6 leaders are on n")
	if _, text := look(); strings.Contains(text, "have fewer than") || strings.Contains(text, "no quorum") || !strings.Contains(text, "6 queues exist as quorum queues") {
		t.Errorf("a cluster in order:\n%s", text)
	}
	want(Warn, "were not checked: AMQP doesn't show them", func(x *examination) { x.o.BrokerAPI = "" })
	want(Fail, "refuses user nobody", func(x *examination) { x.o.BrokerAPI = strings.Replace(x.o.BrokerAPI, "guest:guest", "nobody:x", 1) })

	classic := func(x *examination) { x.RabbitMQ.Exchange, x.RabbitMQ.QueueType = "other.exchange", broker.Classic }
	want(Fail, "other.in.0, other.in.1, other.in.2 and 3 more queues are classic queues", classic)

	nodes[2].end()
	want(Warn, "cluster: node n3@localhost is down")
	if _, text := look(); !strings.Contains(text, nodes[2].Addr()) {
		t.Errorf("the address that is down isn't named:\n%s", text)
	}
	nodes[1].end()
	testkit.Eventually(t, patience, func() (bool, string) {
		_, text := look()
		return strings.Contains(text, "have no quorum"), text
	})
}
