//go:build e2e

package conformance

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// TestWaysIn goes every way into one fleet: with sockets, with handshakes that are none, and with requests whose end isn't certain.
func TestWaysIn(t *testing.T) {
	w := newWorld(t)
	t.Run("sockets", w.sockets)
	t.Run("handshakes", w.handshakes)
	t.Run("requests", w.uncertain)
	t.Run("REST through the front door", func(t *testing.T) { manyRequests(t, w.Fleet, "http://"+w.targets[1].addr+"/api/v1", 300) })
}

const goodKey = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// handshakes sends requests to the socket's path that open no socket: each way in gives the fitting answer.
func (w *world) handshakes(t *testing.T) {
	const upgrade, version = "Connection: Upgrade\r\nUpgrade: websocket\r\n", "Sec-WebSocket-Version: 13\r\n"
	table := newTally()
	for _, c := range []struct {
		name, line, head string
		statuses         []int
	}{
		{"no upgrade", "GET /api/v1/ws HTTP/1.1", "", []int{426}},
		{"no key", "GET /api/v1/ws HTTP/1.1", upgrade + version, []int{400}},
		{"a short key", "GET /api/v1/ws HTTP/1.1", upgrade + version + "Sec-WebSocket-Key: c2hvcnQ=\r\n", []int{400}},
		{"two keys", "GET /api/v1/ws HTTP/1.1", upgrade + version + goodKey + goodKey, []int{400}},
		{"version 8", "GET /api/v1/ws HTTP/1.1", upgrade + "Sec-WebSocket-Version: 8\r\n" + goodKey, []int{426}},
		{"no version", "GET /api/v1/ws HTTP/1.1", upgrade + goodKey, []int{426}},
		{"another upgrade", "GET /api/v1/ws HTTP/1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n" + version + goodKey, []int{426}},
		{"no Connection", "GET /api/v1/ws HTTP/1.1", "Upgrade: websocket\r\n" + version + goodKey, []int{426}},
		{"HTTP/1.0", "GET /api/v1/ws HTTP/1.0", upgrade + version + goodKey, []int{426, 400}},
		{"POST", "POST /api/v1/ws HTTP/1.1", "Content-Length: 0\r\n" + upgrade + version + goodKey, []int{405, 400}},
		{"a slash at the end", "GET /api/v1/ws/ HTTP/1.1", upgrade + version + goodKey, []int{404}},
		{"an escaped letter", "GET /api/v1/%77s HTTP/1.1", upgrade + version + goodKey, []int{404}},
		{"a foreign Origin", "GET /api/v1/ws HTTP/1.1", upgrade + version + goodKey + "Origin: https://elsewhere.example\r\n", []int{403}},
	} {
		for _, to := range w.targets {
			err := refusedHandshake(to, c.line+"\r\nHost: x\r\n"+c.head+"\r\n", c.statuses)
			table.count("handshakes", to.name, err == nil)
			if err != nil {
				t.Errorf("%s: %s: %v", to.name, c.name, err)
			}
		}
	}
	t.Logf("passed of all:\n%s", table)
}

// refusedHandshake sends a request and wants a problem with one of the statuses.
func refusedHandshake(to target, request string, statuses []int) error {
	conn, err := net.Dial("tcp", to.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(caseTime))
	if _, err := conn.Write([]byte(request)); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch ct := res.Header.Get("Content-Type"); {
	case !slices.Contains(statuses, res.StatusCode):
		return fmt.Errorf("answered %s, want one of %v", res.Status, statuses)
	case ct != "application/problem+json":
		return fmt.Errorf("answered %s as %s", res.Status, ct)
	}
	return nil
}
