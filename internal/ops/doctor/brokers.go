package doctor

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"chat-service/internal/ops/management"
)

// greeting is what a node says of itself before any login.
type greeting struct{ addr, version, cluster string }

// judgeGreetings checks that the addresses are nodes of one cluster. down are those that don't answer, while others do.
func (x *examination) judgeGreetings(all []greeting, down map[string]error) {
	for _, addr := range slices.Sorted(maps.Keys(down)) {
		x.r.warn("start it, or take its address out of rabbitmq.urls; the processes use the others", "%s: %v", addr, down[addr])
	}
	for _, g := range all {
		if !atLeast(g.version, 3, 10) {
			x.r.warn("upgrade to RabbitMQ 3.10 or newer: nothing older is tested", "%s: version %s", g.addr, g.version)
		} else {
			x.r.ok("%s: version %s", g.addr, g.version)
		}
		if first := all[0]; g.cluster != first.cluster && !(unnamed(g.cluster) && unnamed(first.cluster)) {
			x.r.fail("name nodes of one cluster in rabbitmq.urls: a process would use one of them, another process the other, and users would not see each other",
				"%s is of the cluster %s, %s of %s", first.addr, first.cluster, g.addr, g.cluster)
		}
	}
}

// unnamed reports whether nobody gave the cluster a name: then each node says its own.
func unnamed(cluster string) bool { return strings.Contains(cluster, "@") }

// brokerNode, brokerQueue and brokerPolicy are what the HTTP API says, as far as it matters here.
type brokerNode struct {
	Name       string   `json:"name"`
	Running    bool     `json:"running"`
	Partitions []string `json:"partitions"`
}

type brokerQueue struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Node    string   `json:"node"`
	Leader  string   `json:"leader"`
	Members []string `json:"members"`
	Online  []string `json:"online"`
	Policy  string   `json:"policy"`
}

func (q brokerQueue) leader() string { return or(q.Leader, q.Node) }

type brokerPolicy struct {
	Name       string         `json:"name"`
	Definition map[string]any `json:"definition"`
}

// brokerCluster is what was found about the cluster.
type brokerCluster struct {
	version  string
	vhost    string
	answer   int // how many of the configured addresses do
	nodes    []brokerNode
	queues   []brokerQueue // the installation's
	policies map[string]brokerPolicy
}

// cluster looks at nodes, queues and policies by the HTTP API.
func (x *examination) cluster(ctx context.Context, version string, answer int) {
	if x.o.BrokerAPI == "" {
		if len(x.RabbitMQ.URLs) > 1 {
			x.r.warn("run doctor with --rabbitmq-api http://administrator:password@host:15672 (plugin rabbitmq_management)",
				"queues, leaders and policies of the cluster were not checked: AMQP doesn't show them")
		}
		return
	}
	c, err := x.readCluster(ctx)
	if err != nil {
		x.r.fail("correct --rabbitmq-api", "%v", err)
		return
	}
	c.version, c.answer = version, answer
	x.judgeCluster(c)
}

func (x *examination) readCluster(ctx context.Context) (c brokerCluster, err error) {
	u, err := url.Parse(x.RabbitMQ.Addresses()[0])
	if err != nil {
		return c, fmt.Errorf("rabbitmq.url is not a URL")
	}
	security, err := x.RabbitMQ.TLSConfig()
	if err != nil {
		return c, err
	}
	password, _ := u.User.Password()
	api, err := management.New(x.o.BrokerAPI, u.User.Username(), password, &http.Client{Transport: &http.Transport{TLSClientConfig: security}})
	if err != nil {
		return c, err
	}
	c.vhost = or(strings.TrimPrefix(u.Path, "/"), "/")
	vhost := url.PathEscape(c.vhost)
	if err := api.Get(ctx, "/api/nodes", &c.nodes); err != nil {
		return c, err
	}
	var queues []brokerQueue
	if err := api.Get(ctx, "/api/queues/"+vhost, &queues); err != nil {
		return c, err
	}
	for _, q := range queues {
		if strings.HasPrefix(q.Name, x.RabbitMQ.Prefix()+".") {
			c.queues = append(c.queues, q)
		}
	}
	var policies []brokerPolicy
	if err := api.Get(ctx, "/api/policies/"+vhost, &policies); err != nil {
		return c, err
	}
	c.policies = map[string]brokerPolicy{}
	for _, p := range policies {
		c.policies[p.Name] = p
	}
	return c, nil
}

// judgeCluster names what would stop the chat when a node is lost.
func (x *examination) judgeCluster(c brokerCluster) {
	before := x.r.Count(Fail) + x.r.Count(Warn)
	x.judgeNodes(c)
	if c.answer > len(c.nodes) {
		x.r.fail("name each node of one cluster in rabbitmq.urls, once", "cluster: %d addresses answer, and the cluster of --rabbitmq-api has %d nodes: "+
			"some are of another cluster, whose users would not see these, or name a node twice", c.answer, len(c.nodes))
	}
	if len(c.nodes) < 2 {
		return
	}
	if len(c.nodes) == 2 {
		x.r.warn("use three nodes", "cluster: of two nodes neither can go on alone: quorum queues need more than half")
	}
	x.judgeQueues(c)
	x.judgeLeaders(c)
	x.judgePolicy(c)
	if x.r.Count(Fail)+x.r.Count(Warn) == before {
		x.r.ok("cluster: %d nodes run, and no queue depends on one of them", len(c.nodes))
	}
}

func (x *examination) judgeNodes(c brokerCluster) {
	for _, n := range c.nodes {
		if !n.Running {
			x.r.warn("start it; if it is lost for good: rabbitmqctl forget_cluster_node "+n.Name, "cluster: node %s is down", n.Name)
		}
		if len(n.Partitions) > 0 {
			x.r.fail("restart the nodes of the smaller part once the network is mended (rabbitmqctl cluster_status)", "cluster: %s is cut off from %s", n.Name, strings.Join(n.Partitions, ", "))
		}
	}
}

// judgeQueues checks that each queue outlives a node.
func (x *examination) judgeQueues(c brokerCluster) {
	want, prefix := min(3, len(c.nodes)), x.RabbitMQ.Prefix()
	var one, few, stuck []string
	for _, q := range c.queues {
		switch {
		case q.Name == prefix+".control": // of release 0.1.0: nothing waits for it
		case q.Type != "quorum":
			one = append(one, q.Name)
		case 2*len(q.Online) <= len(q.Members):
			stuck = append(stuck, q.Name)
		case len(q.Members) < want:
			few = append(few, q.Name)
		}
	}
	inbound := slices.DeleteFunc(slices.Clone(one), func(name string) bool { return !strings.HasPrefix(name, prefix+".in.") })
	if len(inbound) > 0 {
		x.r.fail("set rabbitmq.queue_type to quorum (docs/operations.md, \"Queue type\")",
			"cluster: %s are classic queues, each on one node: while it is down, nothing of these partitions is processed", some(inbound))
	}
	if others := slices.DeleteFunc(one, func(name string) bool { return strings.HasPrefix(name, prefix+".in.") }); len(others) > 0 {
		x.r.warn("name all nodes in rabbitmq.urls, and restart the gateways and workers one by one: what they make anew is of the inbound queues' type",
			"cluster: %s are classic queues, each on one node: while it is down, who uses them waits", some(others))
	}
	if len(stuck) > 0 {
		x.r.fail("start the nodes that are down: more than half of a queue's members must run", "cluster: %s have no quorum: nothing is accepted there", some(stuck))
	}
	if len(few) > 0 {
		x.r.warn("rabbitmq-queues grow <node> all, for each node that was added", "cluster: %s have fewer than %d members: they don't outlive the loss of a node", some(few), want)
	}
}

// judgeLeaders checks that not all work, and not all loss, is at one node.
func (x *examination) judgeLeaders(c brokerCluster) {
	at := map[string]int{}
	n := 0
	for _, q := range c.queues {
		if q.Type == "quorum" && strings.HasPrefix(q.Name, x.RabbitMQ.Prefix()+".in.") {
			at[q.leader()]++
			n++
		}
	}
	if len(at) == 1 && n > 1 {
		for node := range at {
			x.r.warn("rabbitmq-queues rebalance quorum", "cluster: all %d leaders are on %s: it does all the work, and its loss stops all partitions until others lead", n, node)
		}
	}
}

func (x *examination) judgePolicy(c brokerCluster) {
	if !atLeast(c.version, 4, 3) {
		return
	}
	var without []string
	for _, q := range c.queues {
		if q.Type == "quorum" && c.policies[q.Policy].Definition[management.ConsumerTimeout] == nil {
			without = append(without, q.Name)
		}
	}
	if len(without) > 0 {
		x.r.warn(management.ConsumerPolicy(x.RabbitMQ.Prefix()).Command(c.vhost)+
			", or chatctl grants --apply (only one policy applies to a queue: add the key to one that it has)",
			"cluster: no policy with %s applies to %s: when a worker's node is lost, they wait 60 s for its consumer", management.ConsumerTimeout, some(without))
	}
}

// some names the first few.
func some(names []string) string {
	slices.Sort(names)
	if len(names) > 4 {
		return fmt.Sprintf("%s and %d more queues", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
