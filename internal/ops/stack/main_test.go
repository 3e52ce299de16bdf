package stack

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chat-service/internal/ops/stack/frontdoor"
	"chat-service/internal/test/testkit"
)

// The test binary plays the product's processes, too: see fakeApp.
func TestMain(m *testing.M) {
	switch os.Getenv("STACK_TEST_ROLE") {
	case "app":
		fakeApp()
	case "dies":
		fmt.Println("first line\nthe reason")
		os.Exit(3)
	}
	goleak.VerifyTestMain(m)
}

// fakeApp listens as its environment says. It returns what it was asked, echoes sockets, crashes on /crash, and ends
// by itself on SIGTERM.
func fakeApp() {
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) { os.Exit(4) })
	mux.HandleFunc(frontdoor.SocketPath, echoSocket)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"host": r.Host, "header": r.Header, "args": os.Args[1:], "secret": os.Getenv("CHAT_JWT_SECRET")})
	})
	for _, name := range []string{"CHAT_DEBUG_PORT", "CHAT_SERVER_PORT"} {
		if port := os.Getenv(name); port != "" {
			go func() { panic(http.ListenAndServe(net.JoinHostPort(loopback, port), mux)) }()
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	fmt.Println("ended by itself")
	os.Exit(0)
}

func echoSocket(w http.ResponseWriter, _ *http.Request) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_, _ = io.Copy(c, c)
}

// eventually polls until ok holds, and fails the test after half a minute.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	testkit.Eventually(t, 30*time.Second, func() (bool, string) { return ok(), what })
}

// testProgress shows progress in the test's log.
func testProgress(t *testing.T) *Progress {
	t.Helper()
	return NewProgress(t.Output())
}

func openDir(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := OpenDir(path, testProgress(t))
	if err != nil {
		t.Fatal(err)
	}
	return d
}
