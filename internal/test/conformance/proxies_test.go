//go:build e2e

package conformance

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-service/internal/ops/stack"
	"chat-service/internal/ops/stack/frontdoor"
	"chat-service/internal/test/testkit"
)

// patience bounds what is started here: a busy machine with a slow network.
const patience = 5 * time.Minute

// target is a way into the fleet.
type target struct {
	name string
	addr string // host:port
	api  bool   // REST goes this way, too
}

// world is a fleet, and the ways into it.
type world struct {
	*testkit.Fleet
	targets []target
}

// newWorld starts a fleet of two gateways and everything that may stand in front of it.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Fleet: testkit.StartFleet(t, testkit.FleetOptions{Gateways: 2, Workers: 1, APIs: 1, Env: calm(t)})}
	w.targets = []target{
		{"gateway", hostOf(w.WS(1)), false},
		{"front door", w.frontDoor(t), true},
		{"nginx", w.nginx(t), true},
		{"HAProxy", w.haproxy(t), true},
	}
	return w
}

// calm are settings under which limits of rate don't matter, accounts are made quickly, and foreignToken is taken.
func calm(t *testing.T) map[string]string {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(foreignSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"CHAT_AUTH_ISSUERS":           "[{issuer: https://app.example.com, audience: chat, auto_provision: true, secret_file: " + secret + "}]",
		"CHAT_AUTH_ARGON2_MEMORY_KIB": "1024", "CHAT_AUTH_ARGON2_TIME": "1",
		"CHAT_LIMITS_LOGIN_PER_MINUTE": "0", "CHAT_LIMITS_REGISTER_PER_MINUTE": "0", "CHAT_LIMITS_REQUESTS_PER_SECOND": "0", "CHAT_LIMITS_SERVER_REQUESTS_PER_SECOND": "0", "CHAT_LIMITS_BAD_TOKENS_PER_MINUTE": "0",
		"CHAT_LIMITS_MESSAGES_PER_SECOND": "0", "CHAT_LIMITS_USER_FRAMES_PER_SECOND": "0", "CHAT_LIMITS_SOCKETS_PER_SESSION": "0", "CHAT_GATEWAY_DRAIN": "200ms",
		"CHAT_GATEWAY_ORIGINS": "https://chat.example.com",
	}
}

// hostOf is the host:port of a URL.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// frontDoor serves the front door of `chatctl up`.
func (w *world) frontDoor(t *testing.T) string {
	t.Helper()
	ready := func(name string) func(context.Context) error {
		return func(ctx context.Context) error { return answers(ctx, w.Debug(name)+"/readyz") }
	}
	door := frontdoor.New(frontdoor.Backend{Name: "api-1", Addr: hostOf(w.API(1).Base)},
		frontdoor.Backend{Name: "gateway-1", Addr: hostOf(w.WS(1)), Ready: ready("gateway-1")},
		frontdoor.Backend{Name: "gateway-2", Addr: hostOf(w.WS(2)), Ready: ready("gateway-2")})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var g sync.WaitGroup
	g.Go(func() { _ = door.Serve(ctx, l) })
	t.Cleanup(func() { stop(); g.Wait() })
	awaitSocketPath(t, l.Addr().String())
	return l.Addr().String()
}

// answers returns nil if a URL answers 200.
func answers(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return &net.AddrError{Err: resp.Status, Addr: url}
	}
	return nil
}

// awaitSocketPath waits until a proxy has found the gateways: then one of them asks for an upgrade.
func awaitSocketPath(t *testing.T, addr string) {
	t.Helper()
	testkit.Eventually(t, patience, func() (bool, string) {
		resp, err := http.Get("http://" + addr + frontdoor.SocketPath)
		if err != nil {
			return false, err.Error()
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusUpgradeRequired, addr + " answers " + resp.Status
	})
}

// program finds one of the proxies: this machine's, or Debian's package.
func program(t *testing.T, name string) stack.Program {
	t.Helper()
	cache := os.Getenv("CHAT_PKG_CACHE")
	if cache == "" {
		cache = filepath.Join(testkit.Root(t), ".run", "pkg")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := stack.FindProxy(ctx, cache, stack.NewProgress(os.Stderr), name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// deployed reads a file of deployments with the names of the containers replaced by addresses, and writes it into dir. Each name must be
// there.
func deployed(t *testing.T, dir, name string, addresses ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), "deployments", name))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(addresses); i += 2 {
		if !bytes.Contains(text, []byte(addresses[i])) {
			t.Fatalf("deployments/%s has no %q any more", name, addresses[i])
		}
		text = bytes.ReplaceAll(text, []byte(addresses[i]), []byte(addresses[i+1]))
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run checks a proxy's configuration, then runs it until the test ends.
func run(t *testing.T, p stack.Program, check, serve []string) {
	t.Helper()
	command := func(args []string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command(p.Path, slices.Concat(p.Args, args)...)
		cmd.Env = append(os.Environ(), p.Env...)
		out := new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = out, out
		return cmd, out
	}
	cmd, out := command(check)
	if err := cmd.Run(); err != nil || bytes.Contains(out.Bytes(), []byte("[WARNING]")) || bytes.Contains(out.Bytes(), []byte("[warn]")) {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(p.Path), strings.Join(check, " "), err, out)
	}
	cmd, out = command(serve)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(p.Path), out)
		}
	})
}

func (w *world) nginx(t *testing.T) string {
	t.Helper()
	host, port := testkit.FreeAddr(t)
	dir := t.TempDir()
	file := deployed(t, dir, "nginx.conf", "listen 8080", "listen "+host+":"+port, "gateway1:8080", hostOf(w.WS(1)),
		"gateway2:8080", hostOf(w.WS(2)), "api:8080", hostOf(w.API(1).Base), "/tmp/", dir+"/")
	directives := []string{"-p", dir, "-e", "stderr", "-c", file}
	run(t, program(t, "nginx"), append(directives, "-t"), append(directives, "-g", "daemon off;"))
	addr := net.JoinHostPort(host, port)
	awaitSocketPath(t, addr)
	return addr
}

func (w *world) haproxy(t *testing.T) string {
	t.Helper()
	host, port := testkit.FreeAddr(t)
	_, a1, _ := net.SplitHostPort(hostOf(w.Debug("api-1")))
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "haproxy-errors"), os.DirFS(filepath.Join(testkit.Root(t), "deployments", "haproxy-errors"))); err != nil {
		t.Fatal(err)
	}
	file := deployed(t, dir, "haproxy.cfg", "bind :8080", "bind "+host+":"+port,
		"gateway1:8080", hostOf(w.WS(1)), "gateway2:8080", hostOf(w.WS(2)), "api:8080 port 9090", hostOf(w.API(1).Base)+" port "+a1)
	run(t, program(t, "haproxy"), []string{"-c", "-f", file}, []string{"-db", "-f", file})
	addr := net.JoinHostPort(host, port)
	awaitSocketPath(t, addr)
	return addr
}
