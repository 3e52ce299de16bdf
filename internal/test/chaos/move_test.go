//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
)

// sinceThen are variables that the release before doesn't know, and refuses.
var sinceThen = []string{
	"CHAT_LIMITS_SERVER_REQUESTS_PER_SECOND", "CHAT_LIMITS_USER_MESSAGES_PER_SECOND", "CHAT_LIMITS_USER_FRAMES_PER_SECOND", "CHAT_LIMITS_CONNECTS_PER_MINUTE",
}

// TestMove moves an installation of the release before, on one RabbitMQ, to this release on three, under load, as docs/clusters.md says.
// Nothing may be lost, and then the first node may go.
func TestMove(t *testing.T) {
	w := newCluster(t, plan{Seed: 31, Clients: 48, Rooms: 8, Rate: 80, Numbers: true, Plain: true, Before: true, Rest: 2 * time.Minute})
	w.settle()
	w.traffic()
	s, ctx := w.site, t.Context()
	w.stage("the release before, one node", func() error { return nil })
	for _, n := range s.nodes[1:] {
		w.stage(n.name+" joins", func() error {
			for _, args := range []string{"stop_app", "reset", "join_cluster " + s.nodes[0].name, "start_app"} {
				if err := n.tool(ctx, "rabbitmqctl", strings.Fields(args)...); err != nil {
					return err
				}
			}
			return nil
		})
		w.stage("queues grow to "+n.name, func() error { return s.nodes[0].tool(ctx, "rabbitmq-queues", "grow", n.name, "all") })
	}
	w.SetEnv(t, "CHAT_RABBITMQ_URLS", s.urls())
	now := testkit.Build{Bin: testkit.Binaries(t), Root: testkit.Root(t)}
	for _, process := range []string{"worker-1", "worker-2", "api-1", "gateway-1", "gateway-2"} {
		w.stage(process+" is replaced", func() error { w.Replace(t, process, now); return nil })
	}
	w.stage("leaders are spread", func() error { return s.nodes[0].tool(ctx, "rabbitmq-queues", "rebalance", "quorum") })
	if err := s.ready(ctx); err != nil {
		t.Fatal(err)
	}
	n := s.nodes[0]
	if _, err := w.loseNode(ctx, n, "first node killed", func() error { return signalIn(n.dir, stack.RabbitMQ, syscall.SIGKILL) }); err != nil {
		t.Fatal(err)
	}
	if err := s.ready(ctx); err != nil {
		t.Fatal(err)
	}
	w.judged("move")
}

// stage takes a step of a move, and waits until every partition is served after it.
func (w *world) stage(what string, do func() error) {
	w.t.Helper()
	begun := time.Now()
	if err := do(); err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
	done := time.Now()
	d, missing := w.probes.await(done, served)
	if missing != "" {
		w.t.Fatalf("%s: %s isn't served %v after it", what, missing, served)
	}
	say("move: %-32s took %5.1f s; every partition and REST served a probe %.2f s after it", what, done.Sub(begun).Seconds(), d.Seconds())
	pause(w.t.Context(), between(rand.New(rand.NewPCG(w.o.Seed, 5)), time.Second, 3*time.Second))
}

// tool runs one of RabbitMQ's programs beside the node, as an operator does.
func (n *node) tool(ctx context.Context, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pidIn(n.dir, stack.RabbitMQ)))
	if err != nil {
		return err
	}
	env := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
	plugins := ""
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "ERL_LIBS="); ok {
			plugins = v
		}
	}
	program := filepath.Join(filepath.Dir(plugins), "sbin", name)
	within := n.within
	cmd := exec.CommandContext(ctx, within[0], append(append(append([]string{}, within[1:]...), program, "-n", n.name, "--longnames", "--erlang-cookie", stack.NodeCookie), args...)...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
