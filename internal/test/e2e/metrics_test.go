//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

var metricName = regexp.MustCompile("chat_[a-z_]+")

// TestDocumentedMetricsAreThereFromTheStart: a rate over a metric that appears with its first event misses that event.
func TestDocumentedMetricsAreThereFromTheStart(t *testing.T) {
	t.Parallel()
	f := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 1, APIs: 1, Env: calm(), EnvOf: func(process string, env map[string]string) {
		if strings.HasPrefix(process, "api") { // its keys can't be fetched, and it has a replica, of a kind: metrics are about that
			env["CHAT_DATABASE_REPLICAS"] = env["CHAT_DATABASE_HOST"] + ":" + env["CHAT_DATABASE_PORT"]
			env["CHAT_AUTH_ISSUERS"] = "[{issuer: i, audience: a, jwks_url: 'http://127.0.0.1:1/keys'}]"
		}
	}})
	w := &world{Fleet: f, api: f.API(1)}
	doc, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 30*time.Second, func() (bool, string) {
		for k := range w.metrics(t, "api-1") {
			if strings.HasPrefix(k, "chat_mysql_replica_lag_seconds{") {
				return true, ""
			}
		}
		return false, "the api hasn't looked at its replica"
	})
	there := map[string]bool{}
	for _, p := range w.Names() {
		for k := range w.metrics(t, p) {
			name, _, _ := strings.Cut(k, "{")
			there[strings.TrimSuffix(strings.TrimSuffix(name, "_count"), "_sum")] = true
		}
	}
	n := 0
	for line := range strings.Lines(string(doc)) {
		if !strings.HasPrefix(line, "| `chat_") {
			continue
		}
		names, _, _ := strings.Cut(line[2:], "|")
		for _, name := range metricName.FindAllString(names, -1) {
			if n++; !there[name] {
				t.Errorf("%s is documented, and no process has it before it is counted for the first time", name)
			}
		}
	}
	if n < 20 {
		t.Errorf("found only %d documented metrics", n)
	}
	w.exec(t, "INSERT INTO dead_commands (partition_no, kind, user_id, room_id, payload, reason, created_at) VALUES (0, 'send', 1, 1, 'x', 'test', UTC_TIMESTAMP(6))")
	testkit.Eventually(t, 30*time.Second, func() (bool, string) {
		return w.metrics(t, "worker-1")["chat_worker_dead_commands"] == 1, "chat_worker_dead_commands is not 1"
	})
}
