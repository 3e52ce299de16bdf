package frontdoor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chat-service/internal/test/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// upstream is a gateway or api that says its name.
func upstream(t *testing.T, name string) (Backend, *httptest.Server) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select { // longer than the bodies' time in the tests
		case <-time.After(300 * time.Millisecond):
			_, _ = io.WriteString(w, "at last")
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"name": name, "host": r.Host, "path": r.URL.RequestURI(), "header": r.Header})
	})
	mux.HandleFunc(SocketPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Name", name)
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, name)
			return
		}
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Name: %s\r\n\r\n", name)
		_, _ = io.Copy(c, c)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return Backend{Name: name, Addr: s.Listener.Addr().String()}, s
}

func serve(t *testing.T, f *Proxy) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v", err)
		}
		for _, b := range append(f.gateways, f.api) {
			b.proxy.Transport.(*http.Transport).CloseIdleConnections()
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return l.Addr().String()
}

// socket opens a WebSocket-like tunnel and returns the gateway's name.
func socket(t *testing.T, addr string) (net.Conn, *bufio.Reader, string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_, _ = fmt.Fprintf(c, "GET %s?token=x HTTP/1.1\r\nHost: chat.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", SocketPath)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %s", resp.Status)
	}
	return c, r, resp.Header.Get("X-Name")
}

func TestBalancesSockets(t *testing.T) {
	api, _ := upstream(t, "api")
	g1, _ := upstream(t, "gw1")
	g2, _ := upstream(t, "gw2")
	f := New(api, g1, g2)
	addr := serve(t, f)

	c1, r1, n1 := socket(t, addr)
	_, _, n2 := socket(t, addr)
	if n1 == n2 {
		t.Fatalf("both sockets went to %s", n1)
	}
	if _, err := io.WriteString(c1, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := r1.ReadString('\n'); err != nil || line != "hello\n" {
		t.Fatalf("echo through the front door = %q, %v", line, err)
	}
	_ = c1.Close()
	testkit.Eventually(t, 30*time.Second, func() (bool, string) {
		return f.gateways[0].open.Load()+f.gateways[1].open.Load() == 1, "the closed socket is counted off"
	})
	if _, _, n3 := socket(t, addr); n3 != n1 {
		t.Errorf("the third socket went to %s, the empty gateway is %s", n3, n1)
	}
}

// TestHTTP10HasNoUpgrade: what a backend would take for an upgrade of HTTP/1.1 is none.
func TestHTTP10HasNoUpgrade(t *testing.T) {
	api, _ := upstream(t, "api")
	g, _ := upstream(t, "gw1")
	res, body, _ := exchange(t, serve(t, New(api, g)), "GET "+SocketPath+" HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if res.StatusCode != http.StatusOK || body != "gw1" {
		t.Errorf("answered %s %q, want the gateway's answer to a plain request", res.Status, body)
	}
}

func TestSkipsGatewaysThatAreNotReady(t *testing.T) {
	api, _ := upstream(t, "api")
	up, _ := upstream(t, "up")
	dead, srv := upstream(t, "dead")
	srv.Close()
	sick, _ := upstream(t, "sick")
	sick.Ready = func(context.Context) error { return errors.New("not ready") }
	addr := serve(t, New(api, sick, dead, up))
	for range 6 {
		if _, _, name := socket(t, addr); name != "up" {
			t.Fatalf("a socket went to %s", name)
		}
	}
}

func TestWithoutBackends(t *testing.T) {
	api, srv := upstream(t, "api")
	srv.Close()
	addr := serve(t, New(api))
	for _, path := range []string{"/api/v1/rooms", SocketPath} {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !strings.Contains(string(body), `"code":"unavailable"`) {
			t.Errorf("%s: %s %v %s", path, resp.Status, resp.Header, body)
		}
	}
}

func TestRefusesLargeBodies(t *testing.T) {
	api, _ := upstream(t, "api")
	addr := serve(t, New(api))
	for _, c := range []struct{ size, status int }{{maxBody, 200}, {maxBody + 1, 413}, {8 * maxBody, 413}} {
		res, err := http.Post("http://"+addr+"/api/v1/rooms", "application/json", strings.NewReader(strings.Repeat("x", c.size)))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != c.status || c.status == 413 && !strings.Contains(string(body), `"code":"too_large"`) {
			t.Errorf("%d bytes: %d %s", c.size, res.StatusCode, body)
		}
	}
}

func TestForwardsTheClientsAddress(t *testing.T) {
	api, _ := upstream(t, "api")
	g, _ := upstream(t, "gw1")
	addr := serve(t, New(api, g))
	req, err := http.NewRequest(http.MethodGet, "http://"+addr+"/api/v1/rooms?limit=3", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "chat.example"
	for _, h := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded"} {
		req.Header.Set(h, "6.6.6.6")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var got struct {
		Name, Host, Path string
		Header           http.Header
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "api" || got.Host != "chat.example" || got.Path != "/api/v1/rooms?limit=3" {
		t.Errorf("forwarded as %+v", got)
	}
	if xff := got.Header["X-Forwarded-For"]; len(xff) != 1 || xff[0] != "127.0.0.1" {
		t.Errorf("X-Forwarded-For = %q, want the client's address alone", xff)
	}
	for _, h := range []string{"X-Real-Ip", "Forwarded"} {
		if v := got.Header.Get(h); v != "" {
			t.Errorf("%s = %q came through", h, v)
		}
	}
}
