//go:build integration

package broker

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/faultproxy"
)

// threeNodes are three addresses of the one broker.
func threeNodes(t *testing.T) (o Options, at [3]*faultproxy.Proxy) {
	t.Helper()
	o = options(t, Classic)
	for i := range at {
		var node Options
		node, at[i] = through(t, o, false)
		o.URLs = append(o.URLs, node.URL)
	}
	return o, at
}

// TestADeadAddressIsSkipped: it costs no pause, though a pause would be long.
func TestADeadAddressIsSkipped(t *testing.T) {
	t.Parallel()
	o, at := threeNodes(t)
	o.BackoffMin, o.BackoffMax = time.Minute, time.Minute
	at[0].Refuse(true)
	p := publisher(t, o)
	testkit.Eventually(t, patience, func() (bool, string) { return p.Ready() == nil, "not connected to a node that lives" })
	if at[1].Accepted() != 1 || at[2].Accepted() != 0 {
		t.Errorf("%d connections to the second, %d to the third: want the next one only", at[1].Accepted(), at[2].Accepted())
	}
	if err := Visit(t.Context(), o, func(*amqp.Connection) error { return nil }); err != nil {
		t.Errorf("Visit past a dead address: %v", err)
	}
}

// TestALostNodeIsLeft: the connection goes on at another node, without trying the lost one again first.
func TestALostNodeIsLeft(t *testing.T) {
	t.Parallel()
	o, at := threeNodes(t)
	p := publisher(t, o)
	testkit.Eventually(t, patience, func() (bool, string) { return p.Ready() == nil, "not connected" })
	before := at[0].Accepted()
	at[0].Refuse(true)
	at[0].Cut()
	testkit.Eventually(t, patience, func() (bool, string) {
		return at[1].Accepted() == 1 && p.Ready() == nil, "not connected to the second node"
	})
	if at[0].Accepted() != before {
		t.Error("the lost node was dialled again before the others")
	}
}

// TestTheConnectionsOfAWorkerSpread: three connections, three nodes.
func TestTheConnectionsOfAWorkerSpread(t *testing.T) {
	t.Parallel()
	o, at := threeNodes(t)
	p := publisher(t, o)
	c, err := NewConsumers(o, 1, &taker{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, c.Close) })
	k, err := NewControlConsumer(o, func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, k.Close) })
	testkit.Eventually(t, patience, func() (bool, string) {
		return p.Ready() == nil && c.link.Ready() == nil && k.Ready() == nil, "not all connected"
	})
	for i, node := range at {
		if node.Accepted() != 1 {
			t.Errorf("node %d has %d connections, want 1", i, node.Accepted())
		}
	}
}
