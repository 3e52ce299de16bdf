package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listener stands for a server given in the environment: a run only looks whether it listens.
func listener(t *testing.T) (host, port string) {
	t.Helper()
	l, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	host, port, _ = net.SplitHostPort(l.Addr().String())
	return host, port
}

func giveServers(t *testing.T) {
	t.Helper()
	for _, prefix := range []string{"CHAT_DATABASE", "CHAT_REDIS"} {
		host, port := listener(t)
		t.Setenv(prefix+"_HOST", host)
		t.Setenv(prefix+"_PORT", port)
	}
	host, port := listener(t)
	t.Setenv("CHAT_RABBITMQ_URL", "amqp://u:p@"+host+":"+port+"/")
}

// product makes folders in which the test binary stands for all three processes.
func product(t *testing.T) RunOptions {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"gateway", "worker", "api"} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("STACK_TEST_ROLE", "app")
	return RunOptions{Dir: filepath.Join(dir, "run"), Host: loopback, Gateways: 2, Workers: 2, Bin: dir, Configs: dir}
}

// lockedBuffer collects progress from many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// running is a Run in progress in a test.
type running struct {
	out  lockedBuffer
	stop context.CancelFunc
	done chan error
	addr string
	dir  string
}

func start(t *testing.T, o RunOptions) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{stop: stop, done: make(chan error, 1), dir: o.Dir}
	o.Out = NewProgress(io.MultiWriter(&r.out, t.Output()))
	go func() { r.done <- Run(ctx, o) }()
	const mark = "everything is ready on http://"
	eventually(t, "the run is ready", func() bool {
		select {
		case err := <-r.done:
			t.Fatalf("Run = %v\n%s", err, r.out.String())
		default:
		}
		return strings.Contains(r.out.String(), mark)
	})
	_, rest, _ := strings.Cut(r.out.String(), mark)
	r.addr, _, _ = strings.Cut(rest, "\n")
	return r
}

func (r *running) pids(t *testing.T) map[string]int {
	t.Helper()
	pids := map[string]int{}
	b, err := os.ReadFile(filepath.Join(r.dir, "pids.json"))
	if err == nil {
		err = json.Unmarshal(b, &pids)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("Run = %v, want nil after an ordered end", err)
	}
}

func (r *running) ask(path string) (string, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+r.addr+path, nil)
	if err != nil {
		return "", err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return string(b), err
}

func TestRunKeepsEverythingUp(t *testing.T) {
	giveServers(t)
	t.Setenv("CHAT_JWT_SECRET_FILE", "")
	var migrated map[string]string
	o := product(t)
	o.Migrate = func(_ context.Context, env map[string]string) error { migrated = env; return nil }
	r := start(t, o)

	before := r.pids(t)
	if got := slices.Sorted(keysOf(before)); !cmp.Equal(got, []string{"api", "gw1", "gw2", "worker1", "worker2"}) {
		t.Errorf("pids.json holds %v", got)
	}
	body, err := r.ask("/api/v1/rooms")
	if err != nil {
		t.Fatal(err)
	}
	if s := migrated["CHAT_JWT_SECRET"]; len(s) < 32 || !strings.Contains(body, s) {
		t.Errorf("migrate saw the secret %q, the api answered %s", s, body)
	}
	if !strings.Contains(body, "api.yaml") {
		t.Errorf("the api was started without its config: %s", body)
	}

	if _, err := r.ask("/crash"); err == nil {
		t.Error("the api answered while crashing")
	}
	eventually(t, "the api is back with another PID", func() bool {
		_, err := r.ask("/api/v1/rooms")
		return err == nil && r.pids(t)["api"] != before["api"]
	})
	if !strings.Contains(r.out.String(), "api       ended unexpectedly") {
		t.Errorf("the crash was not reported:\n%s", r.out.String())
	}

	last := r.pids(t)
	r.end(t)
	for name, pid := range last {
		if _, err := startTicks(pid); err == nil {
			t.Errorf("%s (process %d) outlived the run", name, pid)
		}
		if log := tail(filepath.Join(r.dir, "log", name+".log"), 1); !strings.Contains(log, "ended by itself") {
			t.Errorf("%s was not asked to end: %s", name, log)
		}
	}
	for _, f := range []string{"lock", "pids.json"} {
		if _, err := os.Stat(filepath.Join(r.dir, f)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", f, err)
		}
	}
}

func keysOf(m map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestRunRestartsAfterABuild(t *testing.T) {
	giveServers(t)
	o := product(t)
	rebuilt := make(chan struct{})
	o.Rebuilt = rebuilt
	r := start(t, o)
	before := r.pids(t)
	rebuilt <- struct{}{}
	eventually(t, "every process has another PID", func() bool {
		now := r.pids(t)
		for name, pid := range before {
			if now[name] == 0 || now[name] == pid {
				return false
			}
		}
		return true
	})
	if out := r.out.String(); strings.Contains(out, "unexpectedly") {
		t.Errorf("a wanted restart was reported as a crash:\n%s", out)
	}
	r.end(t)
}

func TestRunStopsGatewaysFirst(t *testing.T) {
	giveServers(t)
	o := product(t)
	r := start(t, o)
	pids := r.pids(t)
	// A gateway that cannot end holds the workers and the api up.
	if err := syscall.Kill(pids["gw1"], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r.stop()
	eventually(t, "the other gateway ended", func() bool { _, err := startTicks(pids["gw2"]); return err != nil })
	for _, name := range []string{"api", "worker1", "worker2"} {
		if _, err := startTicks(pids[name]); err != nil {
			t.Errorf("%s ended before the gateways", name)
		}
	}
	if err := syscall.Kill(pids["gw1"], syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := <-r.done; err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestRunKilledHard(t *testing.T) {
	giveServers(t)
	o := product(t)
	hard := make(chan struct{})
	o.Hard = hard
	r := start(t, o)
	pids := r.pids(t)
	if err := syscall.Kill(pids["gw1"], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r.stop()
	close(hard)
	if err := <-r.done; err != nil {
		t.Errorf("Run = %v", err)
	}
	for name, pid := range pids {
		if _, err := startTicks(pid); err == nil {
			t.Errorf("%s (process %d) survived", name, pid)
		}
	}
}

func TestRunFailsWithAdvice(t *testing.T) {
	busy, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	busyPort := busy.Addr().(*net.TCPAddr).Port
	for _, tt := range []struct {
		name   string
		change func(*testing.T, *RunOptions)
		want   []string
	}{
		{"port taken", func(_ *testing.T, o *RunOptions) { o.Port = busyPort }, []string{strconv.Itoa(busyPort), "--port", "CHAT_PORT"}},
		{"not built", func(_ *testing.T, o *RunOptions) { o.Bin = "/nowhere" }, []string{"/nowhere/gateway", "make build"}},
		{"given server away", func(t *testing.T, _ *RunOptions) { t.Setenv("CHAT_REDIS_PORT", "1") }, []string{"127.0.0.1:1", "CHAT_REDIS_HOST"}},
		{"given port nonsense", func(t *testing.T, _ *RunOptions) { t.Setenv("CHAT_DATABASE_PORT", "x") }, []string{"CHAT_DATABASE_PORT"}},
		{"migration fails", func(_ *testing.T, o *RunOptions) {
			o.Migrate = func(context.Context, map[string]string) error { return errors.New("table is odd") }
		}, []string{"migrate: table is odd"}},
		{"process dies", func(t *testing.T, _ *RunOptions) { t.Setenv("STACK_TEST_ROLE", "dies") }, []string{"ended while starting", "the reason"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			giveServers(t)
			o := product(t)
			o.Out = testProgress(t)
			tt.change(t, &o)
			err := Run(t.Context(), o)
			if err == nil {
				t.Fatal("Run succeeded")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not mention %q:\n%v", want, err)
				}
			}
			if _, err := os.Stat(filepath.Join(o.Dir, "lock")); err == nil {
				t.Error("the lock is left")
			}
		})
	}
}

func TestGivenInEnv(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind Kind
		env  map[string]string
		addr string // "" = not given
		err  bool
	}{
		{"mysql", MySQL, map[string]string{"CHAT_DATABASE_HOST": "db", "CHAT_DATABASE_PORT": "3307"}, "db:3307", false},
		{"mysql default port", MySQL, map[string]string{"CHAT_DATABASE_HOST": "db"}, "db:3306", false},
		{"port alone is no address", MySQL, map[string]string{"CHAT_DATABASE_PORT": "3307"}, "", false},
		{"redis", Redis, map[string]string{"CHAT_REDIS_HOST": "r"}, "r:6379", false},
		{"redis cluster", Redis, map[string]string{"CHAT_REDIS_ADDRS": "a:1,b:2", "CHAT_REDIS_HOST": "r"}, "a:1", false},
		{"redis cluster nonsense", Redis, map[string]string{"CHAT_REDIS_ADDRS": "a"}, "", true},
		{"rabbitmq", RabbitMQ, map[string]string{"CHAT_RABBITMQ_URL": "amqp://u:p@mq/v"}, "mq:5672", false},
		{"rabbitmq tls", RabbitMQ, map[string]string{"CHAT_RABBITMQ_URL": "amqps://u:p@mq/v"}, "mq:5671", false},
		{"rabbitmq cluster", RabbitMQ, map[string]string{"CHAT_RABBITMQ_URLS": "amqp://u:p@m1/v, amqp://u:p@m2/v", "CHAT_RABBITMQ_URL": "amqp://u:p@mq/v"}, "m1:5672", false},
		{"rabbitmq nonsense", RabbitMQ, map[string]string{"CHAT_RABBITMQ_URL": "mq"}, "", true},
		{"nothing", RabbitMQ, nil, "", false},
		{"never", MySQL8, map[string]string{"CHAT_DATABASE_HOST": "db"}, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range []string{"CHAT_DATABASE_HOST", "CHAT_DATABASE_PORT", "CHAT_REDIS_HOST", "CHAT_REDIS_PORT", "CHAT_REDIS_ADDRS", "CHAT_RABBITMQ_URL", "CHAT_RABBITMQ_URL_FILE", "CHAT_RABBITMQ_URLS", "CHAT_RABBITMQ_URLS_FILE"} {
				t.Setenv(name, tt.env[name])
			}
			s, ok, err := GivenInEnv(tt.kind)
			if (err != nil) != tt.err || ok != (tt.addr != "") {
				t.Fatalf("GivenInEnv = %+v, %v, %v", s, ok, err)
			}
			if ok && s.Addr() != tt.addr {
				t.Errorf("address %s, want %s", s.Addr(), tt.addr)
			}
		})
	}
}

func TestServerAddresses(t *testing.T) {
	s := Server{Host: "h", Port: 1, User: "u", Password: "p@/"}
	if got, want := s.DSN(), "u:p@/@tcp(h:1)/"; got != want {
		t.Errorf("DSN = %s, want %s", got, want)
	}
	if got, want := s.AMQPURL(), "amqp://u:p%40%2F@h:1/"; got != want {
		t.Errorf("AMQPURL = %s, want %s", got, want)
	}
}

func TestMergeEnv(t *testing.T) {
	base := []string{"PATH=/bin", "CHAT_JWT_SECRET_FILE=/f", "CHAT_REDIS_HOST=old", "X_FILE=y"}
	got := mergeEnv(base, map[string]string{"CHAT_JWT_SECRET": "s", "CHAT_REDIS_HOST": "a"}, map[string]string{"CHAT_REDIS_HOST": "b"})
	want := []string{"PATH=/bin", "X_FILE=y", "CHAT_JWT_SECRET=s", "CHAT_REDIS_HOST=b"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("environment (-want +got):\n%s", d)
	}
}

func TestContainerArgs(t *testing.T) {
	name := containerName("/a", Redis)
	if name == containerName("/b", Redis) || name == containerName("/a", MySQL) || name != containerName("/a", Redis) {
		t.Errorf("container names do not tell runs apart: %s", name)
	}
	args := strings.Join(containerArgs(MySQL, "n", 25000), " ")
	for _, want := range []string{"--publish 127.0.0.1:25000:3306", "--name n", "--volume n:/var/lib/mysql", "mysql:8.4 --max-connections"} {
		if !strings.Contains(args, want) {
			t.Errorf("docker %s\nlacks %q", args, want)
		}
	}
}

func TestProbes(t *testing.T) {
	for _, tt := range []struct {
		kind   Kind
		answer string
		ok     bool
	}{
		{Redis, "+PONG\r\n", true},
		{Redis, "-NOAUTH\r\n", true},
		{Redis, "-LOADING data\r\n", false},
		{MySQL, "\x4a\x00\x00\x00\x0a5.5.5", true},
		{MySQL, "\x4a\x00\x00\x00\xff\x10", false},
		{RabbitMQ, "\x01\x00\x00\x00\x00\x01\x00\x00\x0a\x00\x0a", true},
		{RabbitMQ, "AMQP\x00\x00\x09\x01....", false},
		{RabbitMQ, "", false},
	} {
		t.Run(fmt.Sprintf("%s %q", tt.kind, tt.answer), func(t *testing.T) {
			l, err := net.Listen("tcp", loopback+":0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			done := make(chan struct{})
			go func() {
				defer close(done)
				c, err := l.Accept()
				if err != nil {
					return
				}
				if tt.kind != MySQL {
					_, _ = c.Read(make([]byte, 8))
				}
				_, _ = io.WriteString(c, tt.answer)
				_ = c.Close()
			}()
			err = probe(t.Context(), tt.kind, loopback, l.Addr().(*net.TCPAddr).Port)
			<-done
			if (err == nil) != tt.ok {
				t.Errorf("probe = %v", err)
			}
		})
	}
}

func TestAskReady(t *testing.T) {
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "mysql: no connection")
	}))
	if err := askReady(t.Context(), srv.URL); err != nil {
		t.Errorf("a ready process: %v", err)
	}
	status = http.StatusServiceUnavailable
	if err := askReady(t.Context(), srv.URL); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "mysql") {
		t.Errorf("a process that is not ready: %v, want its status and reason", err)
	}
	srv.Close()
	if err := askReady(t.Context(), srv.URL); err == nil {
		t.Error("a process that has ended is ready")
	}
}
