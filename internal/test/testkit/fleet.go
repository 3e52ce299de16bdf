package testkit

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// FleetOptions say what to start. All of it shares a fresh database, Redis database and prefix of queue names.
type FleetOptions struct {
	Gateways, Workers, APIs int
	// Env is for every process: CHAT_… variables over those that the fleet sets.
	Env map[string]string
	// EnvOf changes the variables of one process ("gateway-1", "worker-2", "api-1"), e.g. to put a Proxy in between. It may
	// add and delete.
	EnvOf func(process string, env map[string]string)
	// Where says on which address a process listens, and what stands in front of its command; nil: on the loopback, and nothing.
	Where func(process string) (host string, within []string)
	// BuildOf says which programs a process runs; nil: this tree's everywhere. The schema is always this tree's.
	BuildOf func(process string) Build
	// Admin has the processes use the tests' own accounts instead of users with few rights: for servers that lose their users on the way.
	// Builds of an earlier release, which don't know such users, imply it.
	Admin bool
}

// Build is one build of the product's programs.
type Build struct {
	Bin  string // folder with gateway, worker and api
	Root string // tree that they were built from: its configuration files are read
}

// Fleet is the product as real processes.
type Fleet struct {
	DB        Database
	RedisAddr string
	RedisDB   int
	Prefix    string // of queue and exchange names
	Secret    string // that tokens are signed with

	build     Build // this tree's
	options   FleetOptions
	logs      string
	operator  []string // environment of chatctl
	admin     []string // the same before it had a user of its own
	passwords string   // folder of the users' passwords; "": the processes use the tests' own accounts

	mu        sync.Mutex // tests side by side may launch processes
	processes map[string]*process
	public    map[string]string // process → host:port
	debug     map[string]string
}

// readyPatience is how long a process may take to become ready: a busy machine starts several at once.
const readyPatience = 90 * time.Second

// StartFleet migrates a fresh database and starts the processes, workers first; it returns when all are ready. When the
// test ends they are stopped; if it failed, the ends of their logs are shown.
func StartFleet(t testing.TB, o FleetOptions) *Fleet {
	t.Helper()
	f := &Fleet{
		DB: FreshDatabase(t), RedisAddr: RedisAddr(t), RedisDB: FreshRedisDB(t), Prefix: FreshPrefix(t),
		Secret: "test " + randomName() + randomName() + randomName(), build: Build{Bin: Binaries(t), Root: Root(t)},
		processes: map[string]*process{}, public: map[string]string{}, debug: map[string]string{},
	}
	f.migrate(t, o)
	f.options, f.logs = o, t.TempDir()
	if !o.Admin && o.BuildOf == nil {
		f.grant(t, o)
	}
	t.Cleanup(func() { f.end(t) })
	for _, kind := range []struct {
		bin string
		n   int
	}{{"worker", o.Workers}, {"gateway", o.Gateways}, {"api", o.APIs}} {
		for i := 1; i <= kind.n; i++ {
			f.add(t, kind.bin, kind.bin+"-"+strconv.Itoa(i), o)
		}
	}
	for _, name := range f.Names() {
		f.AwaitReady(t, name)
	}
	return f
}

// environment is the CHAT_ variables of a process.
func (f *Fleet) environment(t testing.TB, o FleetOptions, kind, name string) map[string]string {
	t.Helper()
	rhost, rport, err := net.SplitHostPort(f.RedisAddr)
	if err != nil {
		t.Fatalf("%s: %v", RedisVar, err)
	}
	env := map[string]string{
		"CHAT_DATABASE_HOST": f.DB.Host, "CHAT_DATABASE_PORT": f.DB.Port, "CHAT_DATABASE_USER": f.DB.User,
		"CHAT_DATABASE_PASSWORD": f.DB.Password, "CHAT_DATABASE_DBNAME": f.DB.Name,
		"CHAT_REDIS_HOST": rhost, "CHAT_REDIS_PORT": rport, "CHAT_REDIS_DB": strconv.Itoa(f.RedisDB),
		"CHAT_RABBITMQ_URL": AMQPURL(t), "CHAT_RABBITMQ_EXCHANGE": f.Prefix, "CHAT_RABBITMQ_QUEUE_TYPE": "classic",
		"CHAT_JWT_SECRET": f.Secret,
	}
	f.few(t, kind, env)
	if kind != "chatctl" {
		host, port := f.listen(t, o, name)
		env["CHAT_DEBUG_HOST"], env["CHAT_DEBUG_PORT"] = host, port
		f.mu.Lock()
		f.debug[name] = net.JoinHostPort(host, port)
		f.mu.Unlock()
	}
	if kind == "gateway" || kind == "api" {
		host, port := f.listen(t, o, name)
		env["CHAT_SERVER_HOST"], env["CHAT_SERVER_PORT"] = host, port
		f.mu.Lock()
		f.public[name] = net.JoinHostPort(host, port)
		f.mu.Unlock()
	}
	if kind == "gateway" {
		env["CHAT_GATEWAY_ID"] = name
	}
	maps.Copy(env, o.Env)
	if o.EnvOf != nil {
		o.EnvOf(name, env)
	}
	return env
}

// listen is where a process may listen.
func (f *Fleet) listen(t testing.TB, o FleetOptions, name string) (host, port string) {
	t.Helper()
	host, port = FreeAddr(t)
	if o.Where != nil {
		host, _ = o.Where(name)
	}
	return host, port
}

// environ is the test's environment with the CHAT_ variables replaced.
func environ(env map[string]string) []string {
	list := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "CHAT_") })
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	return list
}

func (f *Fleet) migrate(t testing.TB, o FleetOptions) {
	t.Helper()
	f.operator = environ(f.environment(t, o, "chatctl", "chatctl"))
	f.Chatctl(t, "migrate")
}

// Chatctl runs an operator's command, which must succeed, and returns what it printed.
func (f *Fleet) Chatctl(t testing.TB, args ...string) string {
	t.Helper()
	return f.chatctl(t, f.operator, args...)
}

func (f *Fleet) chatctl(t testing.TB, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), readyPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(f.build.Bin, "chatctl"), args...)
	cmd.Dir, cmd.Env = f.build.Root, env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("chatctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (f *Fleet) add(t testing.TB, kind, name string, o FleetOptions) {
	t.Helper()
	b := f.build
	if o.BuildOf != nil {
		b = o.BuildOf(name)
	}
	p := &process{
		name: name, bin: filepath.Join(b.Bin, kind), dir: b.Root, env: environ(f.environment(t, o, kind, name)),
		args: []string{"-config", filepath.Join("configs", kind+".yaml")}, log: filepath.Join(f.logs, name+".log"),
	}
	if o.Where != nil {
		_, p.within = o.Where(name)
	}
	if err := p.start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.processes[name] = p
}

// Launch starts one more process of a kind (gateway, worker, api), with changes to its variables; it may not become ready.
func (f *Fleet) Launch(t testing.TB, kind, name string, env map[string]string) {
	t.Helper()
	f.LaunchOf(t, kind, name, func(_ string, all map[string]string) { maps.Copy(all, env) })
}

// LaunchOf is Launch with changes as FleetOptions.EnvOf makes them.
func (f *Fleet) LaunchOf(t testing.TB, kind, name string, envOf func(process string, env map[string]string)) {
	t.Helper()
	o := f.options
	o.EnvOf = envOf
	f.add(t, kind, name, o)
}

// PID is the number of a process.
func (f *Fleet) PID(t testing.TB, name string) int { t.Helper(); return f.process(t, name).pid() }

// Ended waits for a process at most that long and reports whether it has ended.
func (f *Fleet) Ended(t testing.TB, name string, within time.Duration) bool {
	t.Helper()
	return f.process(t, name).ended(within)
}

func (f *Fleet) end(t testing.TB) {
	t.Helper()
	for _, p := range f.processes {
		if !p.ended(0) {
			_ = p.signal(syscall.SIGCONT)
			_ = p.signal(syscall.SIGTERM)
		}
	}
	for _, name := range f.Names() {
		p := f.processes[name]
		if !p.ended(10 * time.Second) { // a second signal would force it to end
			p.end(t, 5*time.Second)
		}
		if t.Failed() {
			t.Logf("the end of %s's log:\n%s", name, p.tail(60))
		}
	}
}

// Names are the processes' names, sorted.
func (f *Fleet) Names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.processes))
}

// at is where a process listens for the public.
func (f *Fleet) at(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.public[name]
}

// API is a client of the i-th api process, counted from 1.
func (f *Fleet) API(i int) API {
	return API{Base: "http://" + f.at("api-"+strconv.Itoa(i)) + "/api/v1"}
}

// WS is the socket URL of the i-th gateway, counted from 1.
func (f *Fleet) WS(i int) string {
	return "ws://" + f.at("gateway-"+strconv.Itoa(i)) + "/api/v1/ws"
}

// Public is the base URL of the listener for clients of a gateway or an api.
func (f *Fleet) Public(name string) string { return "http://" + f.public[name] }

// Pid is the process's id.
func (f *Fleet) Pid(t testing.TB, name string) int { t.Helper(); return f.process(t, name).pid() }

// Debug is the base URL of a process's debug listener.
func (f *Fleet) Debug(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return "http://" + f.debug[name]
}

// Log is the end of a process's log.
func (f *Fleet) Log(name string, lines int) string { return f.known(name).tail(lines) }

func (f *Fleet) known(name string) *process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.processes[name]
}

func (f *Fleet) process(t testing.TB, name string) *process {
	t.Helper()
	p := f.known(name)
	if p == nil {
		t.Fatalf("no process %s: there are %v", name, f.Names())
	}
	return p
}

func (f *Fleet) send(t testing.TB, name string, s syscall.Signal) *process {
	t.Helper()
	p := f.process(t, name)
	if err := p.signal(s); err != nil {
		t.Fatalf("%v to %s: %v", s, name, err)
	}
	return p
}

// Kill ends a process at once (SIGKILL).
func (f *Fleet) Kill(t testing.TB, name string) {
	t.Helper()
	if !f.send(t, name, syscall.SIGKILL).ended(time.Minute) {
		t.Fatalf("%s survives SIGKILL", name)
	}
}

// Stop asks a process to end (SIGTERM) and waits for it.
func (f *Fleet) Stop(t testing.TB, name string) {
	t.Helper()
	if p := f.send(t, name, syscall.SIGTERM); !p.ended(readyPatience) {
		t.Fatalf("%s does not stop:\n%s", name, p.tail(60))
	}
}

// Pause suspends a process (SIGSTOP) until Resume.
func (f *Fleet) Pause(t testing.TB, name string) { t.Helper(); f.send(t, name, syscall.SIGSTOP) }

// Resume ends Pause.
func (f *Fleet) Resume(t testing.TB, name string) { t.Helper(); f.send(t, name, syscall.SIGCONT) }

// Restart starts a process that has ended, at its old addresses, and waits until it is ready; a running one is stopped
// first.
func (f *Fleet) Restart(t testing.TB, name string) {
	t.Helper()
	p := f.process(t, name)
	if !p.ended(0) {
		f.Stop(t, name)
	}
	if err := p.start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	f.AwaitReady(t, name)
}

// SetEnv changes a variable of every process, for its next start, and of chatctl.
func (f *Fleet) SetEnv(t testing.TB, name, value string) {
	t.Helper()
	set := func(env []string) []string {
		return append(slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, name+"=") }), name+"="+value)
	}
	for _, p := range f.Names() {
		one := f.process(t, p)
		one.env = set(one.env)
	}
	f.operator, f.admin = set(f.operator), set(f.admin)
}

// Command is a run of chatctl that the caller starts, with the database's user of a role: operator or migration.
func (f *Fleet) Command(t testing.TB, role string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(f.build.Bin, "chatctl"), args...)
	cmd.Dir, cmd.Env = f.build.Root, f.operator
	if name, password, ok := f.User(t, "mysql", role); ok {
		cmd.Env = append(slices.Clip(cmd.Env), "CHAT_DATABASE_USER="+name, "CHAT_DATABASE_PASSWORD="+password)
	}
	return cmd
}

// Replace is Restart with the programs of another build.
func (f *Fleet) Replace(t testing.TB, name string, b Build) {
	t.Helper()
	p := f.process(t, name)
	if !p.ended(0) {
		f.Stop(t, name)
	}
	p.bin, p.dir = filepath.Join(b.Bin, filepath.Base(p.bin)), b.Root
	f.Restart(t, name)
}

// AwaitReady waits until a process says that it is ready, and listens.
func (f *Fleet) AwaitReady(t testing.TB, name string) {
	t.Helper()
	p := f.process(t, name)
	Eventually(t, readyPatience, func() (bool, string) {
		if p.ended(0) {
			t.Fatalf("%s has ended:\n%s", name, p.tail(60))
		}
		if ok, why := f.Ready(t.Context(), name); !ok {
			return false, why
		}
		return f.listens(t.Context(), name)
	})
}

// listens reports whether the process takes connections at its public address, if it has one.
func (f *Fleet) listens(ctx context.Context, name string) (ok bool, why string) {
	addr := f.at(name)
	if addr == "" {
		return true, ""
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false, fmt.Sprintf("%s: %v", name, err)
	}
	_ = conn.Close()
	return true, ""
}

// Ready asks a process whether it is ready; if not, why.
func (f *Fleet) Ready(ctx context.Context, name string) (ok bool, why string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.Debug(name)+"/readyz", nil)
	if err != nil {
		return false, err.Error()
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, fmt.Sprintf("%s: %v", name, err)
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK, fmt.Sprintf("%s is not ready: %s", name, res.Status)
}
