//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

// limited is a build whose programs run with a limit of open files, soft and hard.
func limited(t *testing.T, files int) testkit.Build {
	t.Helper()
	b := testkit.Build{Bin: t.TempDir(), Root: testkit.Root(t)}
	for _, name := range []string{"gateway", "api"} {
		script := fmt.Sprintf("#!/bin/sh\nulimit -n %d\nexec '%s' \"$@\"\n", files, filepath.Join(testkit.Binaries(t), name))
		if err := os.WriteFile(filepath.Join(b.Bin, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// answers reports whether a GET is answered with this status, by a connection of its own.
func answers(ctx context.Context, target string, status int) (bool, string) {
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return false, err.Error()
	}
	res, err := c.Do(req)
	if err != nil {
		return false, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode == status, fmt.Sprintf("%s: %d %s", target, res.StatusCode, body)
}

// TestFileLimit fills gateway and api up to their limits of open files, and beyond. When all have left they accept again.
func TestFileLimit(t *testing.T) {
	t.Parallel()
	small, large := limited(t, 64), testkit.Build{Bin: testkit.Binaries(t), Root: testkit.Root(t)}
	f := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 1, APIs: 1, Env: calm(), BuildOf: func(process string) testkit.Build {
		if strings.HasPrefix(process, "worker") {
			return large
		}
		return small
	}})
	w := &world{Fleet: f, api: f.API(1)}
	u := w.api.User(t)
	ws, err := url.Parse(f.WS(1))
	if err != nil {
		t.Fatal(err)
	}
	public := "http://" + ws.Host
	if log := f.Log("gateway-1", 100); !strings.Contains(log, "limit of open files is low") {
		t.Errorf("no warning of the low limit:\n%s", log)
	}

	var open []*sock
	for range 9 { // of one login session
		open = append(open, w.dial(t, 1, u))
	}
	status := http.StatusSwitchingProtocols
	for n := 0; status == http.StatusSwitchingProtocols; n++ {
		if n > 64 {
			t.Fatal("sockets are never refused")
		}
		var c net.Conn
		if c, status = handshake(t, ws.Host); status == http.StatusSwitchingProtocols { // they wait for their auth frame
			defer func() { _ = c.Close() }()
		}
	}
	if status != http.StatusServiceUnavailable {
		t.Errorf("beyond the limit a handshake is answered %d", status)
	}

	fill := func(addr string) (leave func()) {
		var conns []net.Conn
		for range 120 {
			c, err := net.DialTimeout("tcp", addr, 2*time.Second)
			if err != nil {
				break
			}
			conns = append(conns, c)
		}
		return func() {
			for _, c := range conns {
				_ = c.Close()
			}
		}
	}
	api := strings.TrimPrefix(strings.TrimSuffix(w.api.Base, "/api/v1"), "http://")
	for _, at := range []struct{ name, addr, probe string }{
		{"gateway-1", ws.Host, public + "/readyz"},
		{"api-1", api, "http://" + api + "/api/v1/openapi.json"},
		{"gateway-1", strings.TrimPrefix(f.Debug("gateway-1"), "http://"), f.Debug("gateway-1") + "/readyz"},
	} {
		leave := fill(at.addr)
		testkit.Eventually(t, patience, func() (bool, string) {
			log := f.Log(at.name, 100)
			return strings.Contains(log, "no connection can be accepted"), "the limit wasn't reached:\n" + log
		})
		leave()
		testkit.Eventually(t, patience, func() (bool, string) { return answers(t.Context(), at.probe, http.StatusOK) })
	}
	for _, s := range open {
		s.Close()
	}
	testkit.Eventually(t, patience, func() (bool, string) {
		c, status := handshake(t, ws.Host)
		_ = c.Close()
		return status == http.StatusSwitchingProtocols, fmt.Sprintf("with all gone a handshake is answered %d", status)
	})
	s := w.dial(t, 1, u)
	s.Send(t, obj{"type": "ping"})
	s.Expect(t, is("pong"))
}

// handshake opens a socket without a token and returns the status.
func handshake(t *testing.T, addr string) (net.Conn, int) {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = fmt.Fprintf(c, "GET /api/v1/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n")
	var line [12]byte
	if _, err := io.ReadFull(c, line[:]); err != nil {
		t.Fatalf("a handshake isn't answered: %v", err)
	}
	status := 0
	_, _ = fmt.Sscanf(string(line[:]), "HTTP/1.1 %d", &status)
	return c, status
}
