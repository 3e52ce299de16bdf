package stack

import (
	"slices"
	"strings"
	"testing"
)

func TestNodesOfACluster(t *testing.T) {
	n := &Node{Name: "n2", Peers: []string{"n1", "n2"}}
	env := n.environ(rabbitEnv("d", loopback, map[string]int{epmdName: 7}))
	if !slices.Contains(env, "RABBITMQ_NODENAME=n2@localhost") || !slices.ContainsFunc(env, func(kv string) bool {
		return strings.HasPrefix(kv, "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-noinput ") && strings.HasSuffix(kv, " -setcookie "+NodeCookie)
	}) {
		t.Errorf("%q", env)
	}
	if conf := n.conf(); !strings.Contains(conf, "nodes.1 = n1@localhost\n") || !strings.Contains(conf, "nodes.2 = n2@localhost\n") {
		t.Error(conf)
	}
	var alone *Node
	if env := alone.environ(rabbitEnv("d", loopback, nil)); alone.conf() != "" || !slices.Contains(env, "RABBITMQ_NODENAME=chat@localhost") {
		t.Errorf("alone: %q", env)
	}
}
