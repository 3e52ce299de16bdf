//go:build integration

package doctor

import (
	"strings"
	"testing"

	"chat-service/internal/ops/installation"
	"chat-service/internal/test/testkit"
)

// TestRedisCluster: one address of a real cluster, and then of one that has lost a master.
func TestRedisCluster(t *testing.T) {
	nodes := testkit.StartRedisCluster(t, 3)
	look := func() (Level, string) {
		x := &examination{Installation: &installation.Installation{Sections: installation.Defaults()}, r: &Report{area: "redis"}}
		x.Redis.Addrs = []string{nodes[0].Addr}
		x.redis(t.Context())
		return worst(x.r)
	}
	if level, text := look(); level != Warn || strings.Count(text, "has no living replica") != 3 || strings.Contains(text, "MOVED") {
		t.Errorf("%s:\n%s", level, text)
	}
	nodes[2].Kill()
	testkit.Eventually(t, patience, func() (bool, string) {
		level, text := look()
		return level == Fail && strings.Contains(text, "slots have no living master"), text
	})
}
