package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestBodiesAreFramed: a request whose body's end isn't beyond doubt is refused and its connection closed: what follows in it never
// runs as a request.
func TestBodiesAreFramed(t *testing.T) {
	b := newBench(t)
	smuggled := "GET /docs HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, tt := range []struct {
		name, version, heads, body string
		refused                    bool
	}{
		{"plain", "1.1", "", "", false},
		{"length", "1.1", "Content-Length: 2\r\n", "{}", false},
		{"chunked", "1.1", "Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n", false},
		{"identity", "1.1", "Transfer-Encoding: identity\r\n", "", true},
		{"Identity", "1.1", "transfer-encoding: Identity\r\n", "", true},
		{"identity and length", "1.1", "Transfer-Encoding: identity\r\nContent-Length: 2\r\n", "{}", true},
		{"chunked and length", "1.1", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "2\r\n{}\r\n0\r\n\r\n", true},
		{"two encodings", "1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "2\r\n{}\r\n0\r\n\r\n", true},
		{"gzip", "1.1", "Transfer-Encoding: gzip\r\n", "", true},
		{"two lengths", "1.1", "Content-Length: 2\r\nContent-Length: 3\r\n", "{}", true},
		{"folded length", "1.1", "Content-Length:\r\n 2\r\n", "{}", true},
		{"folded header", "1.1", "X: a\r\n\tb\r\nContent-Length: 2\r\n", "{}", true},
		{"chunked in 1.0", "1.0", "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := net.Dial("tcp", b.srv.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "POST %s/auth/login HTTP/%s\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\n%s%s", Base, tt.version, tt.heads, tt.body, smuggled)
			r := bufio.NewReader(c)
			first, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, first.Body)
			if !tt.refused {
				if second, err := http.ReadResponse(r, nil); err != nil || second.StatusCode != http.StatusOK {
					t.Fatalf("the next request: %v %v", second, err)
				}
				return
			}
			if first.StatusCode != http.StatusBadRequest || !strings.HasPrefix(first.Header.Get("Content-Type"), "application/problem+json") {
				t.Errorf("answered %d %s", first.StatusCode, first.Header.Get("Content-Type"))
			}
			if rest, _ := io.ReadAll(r); len(rest) > 0 {
				t.Errorf("the connection goes on: %.80s", rest)
			}
		})
	}
}

// TestUnknownRequests: what isn't understood at all is a problem like any other.
func TestUnknownRequests(t *testing.T) {
	b := newBench(t)
	for line, want := range map[string]int{
		"FOO /docs HTTP/1.1": 501, "get /docs HTTP/1.1": 501, "GET /docs HTTP/2.0": 505, "GET /docs HTTP/1.2": 505, "GET /docs HTTP/1.1": 200,
	} {
		c, err := net.Dial("tcp", b.srv.Addr())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "%s\r\nHost: x\r\n\r\n", line)
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if a.StatusCode != want || want != 200 && (a.Header.Get("Content-Type") != "application/problem+json" || a.Header.Get("X-Request-Id") == "") {
			t.Errorf("%s: %d %v", line, a.StatusCode, a.Header)
		}
		_ = c.Close()
	}
}
