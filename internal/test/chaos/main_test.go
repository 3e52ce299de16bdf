//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

// TestMain ends the servers that the tests share.
func TestMain(m *testing.M) {
	code := m.Run()
	if shared.servers != nil {
		shared.servers.stop(code == 0)
	}
	os.Exit(code)
}

// shared are the servers and programs that all tests of a run use, one test after the other.
var shared struct {
	servers *servers
	plain   string // folder of the product's programs
	faulty  string // the same, built to take orders to fail
}

// machine returns the private servers, started by the first test.
func machine(t *testing.T) *servers {
	t.Helper()
	if shared.servers == nil {
		shared.servers = startServers(t)
	}
	return shared.servers
}

// plainBinaries builds the programs once and has fleets use them.
func plainBinaries(t *testing.T) {
	t.Helper()
	if shared.plain == "" {
		shared.plain = build(t, machine(t).dir.Path(), "plain")
	}
	t.Setenv(testkit.BinVar, shared.plain)
}

// faultyBinaries builds the programs with the build tag faults.
func faultyBinaries(t *testing.T) {
	t.Helper()
	if shared.faulty == "" {
		shared.faulty = build(t, machine(t).dir.Path(), "faulty", "-tags", "faults")
	}
	t.Setenv(testkit.BinVar, shared.faulty)
}

func build(t *testing.T, under, name string, flags ...string) string {
	t.Helper()
	dir := filepath.Join(under, "bin-"+name) + string(filepath.Separator)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"build"}, flags...)
	args = append(args, "-o", dir, "./cmd/gateway", "./cmd/worker", "./cmd/api", "./cmd/chatctl")
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = testkit.Root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	return dir
}

func fromEnv(name string, otherwise float64) float64 {
	if v, err := strconv.ParseFloat(os.Getenv(name), 64); err == nil {
		return v
	}
	return otherwise
}

// pause waits; it is part of a schedule, never a way to wait for something.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// say prints a line at once, with the time of day: a run is long.
func say(format string, args ...any) {
	fmt.Printf("%s %s\n", time.Now().Format("15:04:05.000"), fmt.Sprintf(format, args...))
}
