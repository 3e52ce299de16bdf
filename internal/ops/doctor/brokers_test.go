package doctor

import (
	"fmt"
	"strings"
	"testing"

	"chat-service/internal/ops/management"
)

// threeBrokers is a cluster in order, with two partitions, as 4.3 has to be set up.
func threeBrokers() brokerCluster {
	all := []string{"r@a", "r@b", "r@c"}
	c := brokerCluster{version: "4.3.6", answer: 3, policies: map[string]brokerPolicy{
		"p": {Name: "p", Definition: map[string]any{management.ConsumerTimeout: 1000.0}},
	}}
	for _, n := range all {
		c.nodes = append(c.nodes, brokerNode{Name: n, Running: true})
	}
	for i := range 2 {
		c.queues = append(c.queues, brokerQueue{
			Name: fmt.Sprintf("chat.in.%d", i), Type: "quorum", Leader: all[i], Members: all, Online: all, Policy: "p",
		})
	}
	return c
}

func TestDoctorJudgesAClusterOfBrokers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *brokerCluster)
		want   Level
		says   string
	}{
		{"in order", func(*brokerCluster) {}, OK, "3 nodes run, and no queue depends on one of them"},
		{"one node", func(c *brokerCluster) { c.answer, c.nodes, c.queues[0].Type = 1, c.nodes[:1], "classic" }, OK, ""},
		{"two clusters", func(c *brokerCluster) { c.nodes = c.nodes[:1] }, Fail, "3 addresses answer, and the cluster of --rabbitmq-api has 1 nodes"},
		{"two nodes", func(c *brokerCluster) { c.answer, c.nodes = 2, c.nodes[:2] }, Warn, "use three nodes"},
		{"a node is down", func(c *brokerCluster) { c.nodes[2].Running = false }, Warn, "node r@c is down → start it"},
		{"a part is cut off", func(c *brokerCluster) { c.nodes[0].Partitions = []string{"r@b", "r@c"} }, Fail, "r@a is cut off from r@b, r@c"},
		{"an inbound queue of one node", func(c *brokerCluster) { c.queues[1].Type = "classic" }, Fail, "chat.in.1 are classic queues"},
		{"another queue of one node", func(c *brokerCluster) {
			c.queues = append(c.queues, brokerQueue{Name: "chat.gw.g1.b", Type: "classic", Node: "r@a"})
		}, Warn, "chat.gw.g1.b are classic queues"},
		{"the queue of release 0.1.0", func(c *brokerCluster) {
			c.queues = append(c.queues, brokerQueue{Name: "chat.control", Type: "classic", Node: "r@a"})
		}, OK, "no queue depends on one of them"},
		{"no majority", func(c *brokerCluster) { c.queues[0].Online = c.queues[0].Online[:1] }, Fail, "chat.in.0 have no quorum"},
		{"two of four", func(c *brokerCluster) {
			c.queues[0].Members, c.queues[0].Online = []string{"a", "b", "c", "d"}, []string{"a", "b"}
		}, Fail, "chat.in.0 have no quorum"},
		{"a queue that was not grown", func(c *brokerCluster) {
			c.queues[0].Members, c.queues[0].Online = c.queues[0].Members[:1], c.queues[0].Online[:1]
		}, Warn, "rabbitmq-queues grow"},
		{"all leaders on one node", func(c *brokerCluster) { c.queues[1].Leader = "r@a" }, Warn, "all 2 leaders are on r@a"},
		{"leaders by the name of the node", func(c *brokerCluster) {
			c.queues[0].Leader, c.queues[0].Node = "", "r@b"
			c.queues[1].Leader, c.queues[1].Node = "", "r@b"
		}, Warn, "all 2 leaders are on r@b"},
		{"no policy", func(c *brokerCluster) { c.queues[0].Policy = "" }, Warn, `set_policy chat-consumers '^chat\.' '{"consumer-disconnected-timeout":1000}'`},
		{"another policy", func(c *brokerCluster) { c.policies["p"] = brokerPolicy{Name: "p"} }, Warn, "chat.in.0, chat.in.1: when a worker's node is lost"},
		{"no policy before 4.3", func(c *brokerCluster) { c.version, c.queues[0].Policy = "4.2.1", "" }, OK, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := threeBrokers()
			tt.change(&c)
			x := patient()
			x.judgeCluster(c)
			if got, text := worst(x.r); got != tt.want || !strings.Contains(text, tt.says) {
				t.Errorf("%s: %s\nwant %s and %q", got, text, tt.want, tt.says)
			}
		})
	}
}

func TestDoctorJudgesGreetings(t *testing.T) {
	a, b := greeting{"a:1", "4.3.6", "east"}, greeting{"b:1", "4.3.6", "east"}
	for name, tt := range map[string]struct {
		all  []greeting
		down map[string]error
		want Level
		says string
	}{
		"two nodes":        {[]greeting{a, b}, nil, OK, "b:1: version 4.3.6"},
		"one is dead":      {[]greeting{a}, map[string]error{"b:1": textError("connection refused")}, Warn, "b:1: connection refused"},
		"two clusters":     {[]greeting{a, {"b:1", "4.3.6", "r@b"}}, nil, Fail, "a:1 is of the cluster east, b:1 of r@b"},
		"unnamed":          {[]greeting{{"a:1", "3.10.8", "r@a"}, {"b:1", "3.10.8", "r@b"}}, nil, OK, ""},
		"an old one":       {[]greeting{a, {"b:1", "3.9.1", "east"}}, nil, Warn, "upgrade to RabbitMQ 3.10"},
		"without a name":   {[]greeting{{"a:1", "4.3.6", ""}, {"b:1", "4.3.6", ""}}, nil, OK, ""},
		"rolling upgrades": {[]greeting{a, {"b:1", "4.2.0", "east"}}, nil, OK, "4.2.0"},
	} {
		x := patient()
		x.judgeGreetings(tt.all, tt.down)
		if got, text := worst(x.r); got != tt.want || !strings.Contains(text, tt.says) {
			t.Errorf("%s: %s: %s\nwant %s and %q", name, got, text, tt.want, tt.says)
		}
	}
}
