package testkit

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RedisBinVar names a program that starts a Redis: fault tests stop and flush one of their own.
const RedisBinVar = "CHAT_TEST_REDIS_BIN"

// PrivateRedis is a Redis of a test's own, where everything may be done to it. It ends with the test.
type PrivateRedis struct {
	Addr   string
	Direct *Redis
	cmd    *exec.Cmd
}

// StartRedis starts one.
func StartRedis(t testing.TB, args ...string) *PrivateRedis {
	t.Helper()
	bin := os.Getenv(RedisBinVar)
	if bin == "" {
		var err error
		if bin, err = exec.LookPath("redis-server"); err != nil {
			t.Fatalf("no redis-server: run `make test`, put it on PATH or name it in %s", RedisBinVar)
		}
	}
	host, port := FreeAddr(t)
	p := &PrivateRedis{Addr: net.JoinHostPort(host, port)}
	p.cmd = exec.Command(bin, append([]string{"--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir()}, args...)...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	Eventually(t, 20*time.Second, func() (bool, string) {
		var err error
		if p.Direct, err = DialRedis(p.Addr, 0); err != nil {
			return false, err.Error()
		}
		return true, ""
	})
	t.Cleanup(func() { _ = p.Direct.Close() })
	return p
}

// Kill ends it at once.
func (p *PrivateRedis) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// Do runs a command.
func (p *PrivateRedis) Do(t testing.TB, args ...string) any {
	t.Helper()
	v, err := p.Direct.Do(args...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return v
}

// StartRedisCluster starts a cluster of masters without replicas, which share the slots.
func StartRedisCluster(t testing.TB, masters int) []*PrivateRedis {
	t.Helper()
	var nodes []*PrivateRedis
	for i := range masters {
		_, bus := FreeAddr(t)
		n := StartRedis(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "1000")
		n.Do(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*16384/masters), strconv.Itoa((i+1)*16384/masters-1))
		n.Do(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i > 0 {
			host, port, _ := net.SplitHostPort(n.Addr)
			nodes[0].Do(t, "CLUSTER", "MEET", host, port, bus)
		}
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		Eventually(t, 20*time.Second, func() (bool, string) {
			info := fmt.Sprint(n.Do(t, "CLUSTER", "INFO"))
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(masters)), info
		})
	}
	return nodes
}
