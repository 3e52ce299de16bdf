package stack

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestListsAreEmptiedWhereTheyAre: a list in a file would take the place of the run's own server; where there is none, nothing is said of
// it, because programs of earlier releases refuse variables that they don't know.
func TestListsAreEmptiedWhereTheyAre(t *testing.T) {
	o := product(t)
	d, err := OpenDir(o.Dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	own := &Stack{servers: map[Kind]Server{
		Redis: {Kind: Redis, Host: loopback, Port: 1}, RabbitMQ: {Kind: RabbitMQ, Host: loopback, Port: 2, User: "u", Password: "p"},
	}}
	envOf := func(name string) []string {
		t.Helper()
		r := &run{o: o, dir: d, servers: own}
		if r.env, err = r.productEnv(); err != nil {
			t.Fatal(err)
		}
		a, _, err := r.planApp(name)
		if err != nil {
			t.Fatal(err)
		}
		return a.Env
	}
	lists := func(env []string) (found []string) {
		for _, kv := range env {
			if strings.HasPrefix(kv, "CHAT_RABBITMQ_URLS") || strings.HasPrefix(kv, "CHAT_REDIS_ADDRS") {
				found = append(found, kv)
			}
		}
		return found
	}
	for _, name := range []string{"gw1", "worker1", "api"} {
		if got := lists(envOf(name)); len(got) > 0 {
			t.Errorf("%s gets %v, and its file has no list", name, got)
		}
	}
	text := "rabbitmq:\n  urls: [\"amqp://u:p@m1/\", \"amqp://u:p@m2/\"]\nredis:\n  addrs: [m1:1]\nworker:\n  lanes: 3\n"
	if err := os.WriteFile(filepath.Join(o.Configs, "worker.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := lists(envOf("worker1")), []string{"CHAT_RABBITMQ_URLS=", "CHAT_REDIS_ADDRS="}; !slices.Equal(got, want) {
		t.Errorf("the worker, whose file has both, gets %v, want %v", got, want)
	}
}
