//go:build e2e

package browser

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chat-service/internal/ops/stack"
	"chat-service/internal/ops/stack/frontdoor"
	"chat-service/internal/test/testkit"
)

const (
	// prefix is a path below which the same service is served, too, as a proxy might do.
	prefix = "/behind/a/proxy"
	// patience bounds everything that is started here: a busy machine with a slow network.
	patience = 10 * time.Minute
	// oldestNode is the oldest major release of Node.js that the tests run on.
	oldestNode = 20
)

// TestClient runs the tests that need no browser: the client library, the page's model, its words.
func TestClient(t *testing.T) {
	web := filepath.Join(testkit.Root(t), "web")
	node(t, web, nil, tests(t, web))
}

// TestPage runs the tests of the page in a browser.
func TestPage(t *testing.T) {
	folder := filepath.Join(testkit.Root(t), "web", "test")
	requireNode(t)
	packages(t, folder)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	chromium, err := stack.FindBrowser(ctx, cache(t), stack.NewProgress(os.Stderr))
	if err != nil {
		t.Fatal(err)
	}
	base := service(t)
	env := append(chromium.Env,
		"CHAT_TEST_PAGE="+base+"/", "CHAT_TEST_PAGE_BELOW="+base+prefix+"/", "CHAT_TEST_CHROMIUM="+chromium.Path)
	node(t, folder, env, tests(t, folder))
}

// service starts a fleet and a front door before it, and returns the front door's URL.
func service(t *testing.T) string {
	f := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 1, APIs: 1, Env: map[string]string{
		"CHAT_AUTH_ARGON2_MEMORY_KIB": "1024", "CHAT_AUTH_ARGON2_TIME": "1",
		"CHAT_LIMITS_LOGIN_PER_MINUTE": "0", "CHAT_LIMITS_REGISTER_PER_MINUTE": "0", "CHAT_LIMITS_REQUESTS_PER_SECOND": "0", "CHAT_LIMITS_SERVER_REQUESTS_PER_SECOND": "0",
		"CHAT_LIMITS_MESSAGES_PER_SECOND": "0", "CHAT_LIMITS_USER_MESSAGES_PER_SECOND": "0", "CHAT_LIMITS_USER_FRAMES_PER_SECOND": "0", "CHAT_GATEWAY_DRAIN": "200ms",
		"CHAT_LIMITS_EDIT_WINDOW": "40s", "CHAT_LIMITS_PINS_PER_ROOM": "2",
	}})
	host := func(url string) string {
		_, rest, _ := strings.Cut(url, "://")
		host, _, _ := strings.Cut(rest, "/")
		return host
	}
	door := frontdoor.New(frontdoor.Backend{Name: "api-1", Addr: host(f.API(1).Base)}, frontdoor.Backend{Name: "gateway-1", Addr: host(f.WS(1))})
	mux := http.NewServeMux()
	mux.Handle("/", door)
	mux.Handle(prefix+"/", http.StripPrefix(prefix, door))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: patience}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

// requireNode fails where Node.js or npm is missing or too old.
func requireNode(t *testing.T) {
	t.Helper()
	script := "process.exit(process.versions.node.split('.')[0] >= Number(process.argv[1]) ? 0 : 1)"
	if err := exec.CommandContext(t.Context(), "node", "-e", script, strconv.Itoa(oldestNode)).Run(); err != nil {
		t.Fatalf("these tests need Node.js %d or later on the PATH: install it (nodejs.org, or a package of your system): %v", oldestNode, err)
	}
}

// packages installs the packages of the folder's lock file, where they are not installed yet.
func packages(t *testing.T, folder string) {
	t.Helper()
	defer testkit.Lock(t, filepath.Join(cache(t), "npm"))()
	run := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	run.Dir = folder
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("npm ci in %s: %v. It needs npm on the PATH, and a registry that it can reach.\n%s", folder, err, out)
	}
}

// cache is where downloaded packages are kept.
func cache(t *testing.T) string {
	if dir := os.Getenv("CHAT_PKG_CACHE"); dir != "" {
		return dir
	}
	return filepath.Join(testkit.Root(t), ".run", "pkg")
}

// tests lists the folder's test files.
func tests(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.test.mjs"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", folder, err)
	}
	return files
}

// node runs test files in Node.js.
func node(t *testing.T, dir string, env, files []string) {
	t.Helper()
	requireNode(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	run := exec.CommandContext(ctx, "node", append([]string{"--test", "--test-reporter=spec"}, files...)...)
	run.Dir = dir
	run.Env = append(slices.Clone(os.Environ()), env...)
	run.Cancel = func() error { return run.Process.Signal(syscall.SIGTERM) } // it ends its children
	run.WaitDelay = 10 * time.Second
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("node --test: %v\n%s", err, out)
	}
	t.Logf("%s", out)
}
