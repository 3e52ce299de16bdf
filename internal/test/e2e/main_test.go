//go:build e2e

package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"chat-service/internal/test/testkit"
)

// TestMain ends the fleet that the tests share.
func TestMain(m *testing.M) {
	flag.Parse()
	if !given("test.parallel") {
		_ = flag.Set("test.parallel", "10") // they wait more than they work
	}
	code := m.Run()
	if code == 0 && whole.world != nil && !whole.world.sound() {
		code = 1
	}
	whole.tb.end(code != 0)
	os.Exit(code)
}

// sound tells whether all that the tests did has left no sign of a fault in the processes.
func (w *world) sound() bool {
	ok := true
	for _, process := range w.Names() {
		m := w.metrics(&whole.tb, process)
		for _, name := range []string{"chat_worker_panics_total", "chat_worker_quarantined_total", "chat_gateway_bad_deliveries_total", "chat_gateway_lost_disconnects_total"} {
			if n := m.sum(name); n != 0 {
				fmt.Printf("%s of %s is %v after the tests, want 0\n", name, process, n)
				ok = false
			}
		}
	}
	return w.discreet() && ok
}

func given(name string) (yes bool) {
	flag.Visit(func(f *flag.Flag) { yes = yes || f.Name == name })
	return yes
}

// world is a fleet with its clients: gateways 1 and 2 and api as they come; with strict limits gateway 3 and a second api
// in release mode.
type world struct {
	*testkit.Fleet
	api, strict testkit.API
}

const strictGateway = 3

// whole is the shared world, started by the first test that needs it.
var whole struct {
	once  sync.Once
	tb    packageTB
	world *world
	err   error
}

// shared returns the world that tests share and must leave whole.
func shared(t *testing.T) *world {
	t.Helper()
	whole.once.Do(func() {
		defer func() {
			if r := recover(); r != nil {
				whole.err = fmt.Errorf("%v", r)
			}
		}()
		whole.world = startWorld(&whole.tb)
	})
	if whole.err != nil {
		t.Fatalf("the shared fleet did not start: %v", whole.err)
	}
	return whole.world
}

// calm are settings that make tests quick and the limits no matter.
func calm() map[string]string {
	return map[string]string{
		"CHAT_AUTH_ARGON2_MEMORY_KIB": "1024", "CHAT_AUTH_ARGON2_TIME": "1",
		"CHAT_LIMITS_LOGIN_PER_MINUTE": "0", "CHAT_LIMITS_REGISTER_PER_MINUTE": "0", "CHAT_LIMITS_REQUESTS_PER_SECOND": "0", "CHAT_LIMITS_SERVER_REQUESTS_PER_SECOND": "0",
		"CHAT_LIMITS_MESSAGES_PER_SECOND": "0", "CHAT_LIMITS_USER_MESSAGES_PER_SECOND": "0", "CHAT_LIMITS_USER_FRAMES_PER_SECOND": "0", "CHAT_LIMITS_HANDSHAKE_FAILURES_PER_MINUTE": "0",
		"CHAT_GATEWAY_DRAIN": "200ms", "CHAT_WORKER_OFFLINE_GRACE": "1s",
	}
}

func startWorld(t testing.TB) *world {
	env := calm()
	env["CHAT_LOG_LEVEL"] = "debug" // the more is said, the more may be told that should not
	f := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 3, Workers: 2, APIs: 2, Env: env, EnvOf: func(process string, env map[string]string) {
		switch process {
		case "gateway-3":
			strictSockets(env)
		case "api-2":
			strictRequests(t, env)
		}
	}})
	w := &world{Fleet: f, api: f.API(1), strict: f.API(2)}
	w.shares(t)
	return w
}

// shares waits until the workers have shared the partitions: while they hand them over, routes are learnt anew and gaps
// repaired.
func (w *world) shares(t testing.TB) {
	t.Helper()
	testkit.Eventually(t, patience, func() (bool, string) {
		one, two := w.metrics(t, "worker-1")["chat_worker_partitions_owned"], w.metrics(t, "worker-2")["chat_worker_partitions_owned"]
		return one == partitions/2 && two == partitions/2, fmt.Sprintf("the workers own %v and %v of %d partitions", one, two, partitions)
	})
}

func strictSockets(env map[string]string) {
	env["CHAT_LIMITS_MESSAGES_PER_SECOND"], env["CHAT_LIMITS_MESSAGE_BURST"] = "50", "60"
	env["CHAT_GATEWAY_PING_INTERVAL"] = "1s"
	env["CHAT_GATEWAY_QUEUE_BYTES"] = "65536"
	env["CHAT_GATEWAY_ORIGINS"] = "https://chat.example.com"
}

// strictRequests puts an api into release mode, which takes real password hashes; its database password comes from a file.
func strictRequests(t testing.TB, env map[string]string) {
	for _, k := range []string{"CHAT_AUTH_ARGON2_MEMORY_KIB", "CHAT_AUTH_ARGON2_TIME", "CHAT_LIMITS_REQUESTS_PER_SECOND"} {
		delete(env, k)
	}
	secret := filepath.Join(t.TempDir(), "database password")
	if err := os.WriteFile(secret, []byte(env["CHAT_DATABASE_PASSWORD"]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env["CHAT_DATABASE_PASSWORD_FILE"] = secret
	delete(env, "CHAT_DATABASE_PASSWORD")
	env["CHAT_SERVER_MODE"] = "release"
	env["CHAT_LIMITS_REQUESTS_PER_SECOND"] = "5"
	env["CHAT_LIMITS_LOGIN_PER_MINUTE"], env["CHAT_LIMITS_REGISTER_PER_MINUTE"] = "6", "6"
	env["CHAT_LIMITS_ROOM_MEMBERS"], env["CHAT_LIMITS_MESSAGE_BYTES"] = "3", "100"
	env["CHAT_AUTH_REFRESH_GRACE"] = "0s"
}

// packageTB is a testing.TB for what outlives a test. Failing it panics.
type packageTB struct {
	testing.TB
	mu       sync.Mutex
	cleanups []func()
	failed   bool
}

func (p *packageTB) Helper()                  {}
func (p *packageTB) Name() string             { return "shared fleet" }
func (p *packageTB) Context() context.Context { return context.Background() }
func (p *packageTB) Failed() bool             { return p.failed }
func (p *packageTB) Error(args ...any)        { p.failed = true; p.Log(args...) }
func (p *packageTB) Log(args ...any)          { p.Logf("%s", strings.TrimSuffix(fmt.Sprintln(args...), "\n")) }

func (p *packageTB) Logf(format string, args ...any) {
	fmt.Printf(format+"\n", args...)
}
func (p *packageTB) Errorf(format string, args ...any) { p.failed = true; p.Logf(format, args...) }
func (p *packageTB) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (p *packageTB) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (p *packageTB) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanups = append(p.cleanups, f)
}

func (p *packageTB) TempDir() string {
	dir, err := os.MkdirTemp("", "chat-e2e-")
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// end runs the cleanups, the last one first.
func (p *packageTB) end(failed bool) {
	p.failed = p.failed || failed
	for i := len(p.cleanups) - 1; i >= 0; i-- {
		p.cleanups[i]()
	}
}
