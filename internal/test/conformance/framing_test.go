//go:build e2e

package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// framed is a request whose end isn't certain, or that can't be read, and what each way in may answer. A second request stands behind
// it, which must never be answered.
type framed struct {
	name     string
	line     string // "" for POST to the api's login
	head     string
	body     string
	statuses []int
	passes   bool // a proxy may read it, and pass on what it has understood: then its answer is the api's, and nothing else follows
}

var unsureEnds = []framed{
	{"Transfer-Encoding: identity", "", "Transfer-Encoding: identity\r\n", "", []int{400, 501}, false},
	{"Transfer-Encoding: gzip", "", "Transfer-Encoding: gzip\r\n", "", []int{400, 501}, false},
	{"gzip, chunked", "", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n", []int{400, 501}, true},
	{"chunked, identity", "", "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n", []int{400, 501}, false},
	{"two encodings", "", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n", []int{400, 501}, false},
	{"chunked twice", "", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", []int{400, 501}, false},
	{"an encoding that is nearly chunked", "", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n", []int{400, 501}, false},
	{"a quoted encoding", "", "Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n", []int{400, 501}, false},
	{"an encoding behind a vertical tab", "", "Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n", []int{400, 501}, false},
	{"chunked and a length", "", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n", []int{400}, true},
	{"a length and chunked", "", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", []int{400}, true},
	{"chunked in HTTP/1.0", "POST /api/v1/auth/login HTTP/1.0", "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", []int{400, 501}, true},
	{"two lengths", "", "Content-Length: 2\r\nContent-Length: 3\r\n", "{}", []int{400}, false},
	{"a list of lengths", "", "Content-Length: 2, 3\r\n", "{}", []int{400}, false},
	{"a signed length", "", "Content-Length: +2\r\n", "{}", []int{400}, false},
	{"a negative length", "", "Content-Length: -2\r\n", "{}", []int{400}, false},
	{"a hexadecimal length", "", "Content-Length: 0x2\r\n", "{}", []int{400}, false},
	{"an empty length", "", "Content-Length: \r\n", "{}", []int{400}, false},
	{"a length beyond all numbers", "", "Content-Length: 99999999999999999999999\r\n", "{}", []int{400, 413}, false},
	{"a space before the colon", "", "Content-Length : 2\r\n", "{}", []int{400}, false},
	{"a folded length", "", "Content-Length:\r\n 2\r\n", "{}", []int{400}, true},
	{"a folded header", "", "X-Folded: a\r\n b\r\nContent-Length: 2\r\n", "{}", []int{400}, true},
	{"a header without a colon", "", "Content-Length\r\n", "{}", []int{400}, false},
	{"a header without a name", "", ": x\r\n", "", []int{400}, false},
	{"NUL in a header", "", "X: a\x00b\r\nContent-Length: 2\r\n", "{}", []int{400}, true},
	{"a bare CR in a header", "", "X: a\rContent-Length: 5\r\nContent-Length: 2\r\n", "{}", []int{400}, false},
	{"a chunk's size is no number", "", "Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n", []int{400}, false},
	{"a chunk's size is signed", "", "Transfer-Encoding: chunked\r\n", "+2\r\n{}\r\n0\r\n\r\n", []int{400}, false},
	{"a chunk's size is 0x2", "", "Transfer-Encoding: chunked\r\n", "0x2\r\n{}\r\n0\r\n\r\n", []int{400}, false},
	{"a chunk's size overflows", "", "Transfer-Encoding: chunked\r\n", "10000000000000002\r\n{}\r\n0\r\n\r\n", []int{400, 413}, false},
	{"a chunk is longer than its size", "", "Transfer-Encoding: chunked\r\n", "2\r\n{}{}\r\n0\r\n\r\n", []int{400}, false},
	{"two hosts", "", "Host: y\r\nContent-Length: 2\r\n", "{}", []int{400}, false},
	{"HTTP/2.0", "POST /api/v1/auth/login HTTP/2.0", "Content-Length: 2\r\n", "{}", []int{400, 505}, true},
	{"HTTP/0.9", bare, "", "", []int{400, 505}, false},
	{"a tab in the line", "GET\t/api/v1/me\tHTTP/1.1", "", "", []int{400, 501}, true},
	{"no HTTP at all", "\x16\x03\x01\x02\x00\x01", "", "", []int{400, 501}, false},
}

// bare is a request of HTTP/0.9.
const bare = "GET /api/v1/me"

const behind = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"

// uncertain sends requests whose end isn't certain (RFC 9112, section 6.3) each way in: they are refused, the connection
// ends, and what stands behind them is never answered.
func (w *world) uncertain(t *testing.T) {
	targets := append([]target{{"api", hostOf(w.API(1).Base), true}}, w.targets...)
	table := newTally()
	for _, to := range targets {
		for _, c := range unsureEnds {
			err := sendFramed(to, c)
			table.count("requests", to.name, err == nil)
			if err != nil {
				t.Errorf("%s: %s: %v", to.name, c.name, err)
			}
		}
	}
	t.Logf("passed of all:\n%s", table)
}

// sendFramed sends a request and judges all that comes back.
func sendFramed(to target, c framed) error {
	conn, err := net.Dial("tcp", to.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(caseTime))
	line := c.line
	if line == "" {
		line = "POST /api/v1/auth/login HTTP/1.1"
	}
	if to.name == "gateway" {
		line = strings.NewReplacer("/api/v1/auth/login", "/readyz", "/api/v1/me", "/readyz").Replace(line)
	}
	if _, err := fmt.Fprintf(conn, "%s\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\n%s%s", line, c.head, c.body, behind); err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	first, err := http.ReadResponse(r, nil)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // ended without a word
	}
	if err != nil && c.line == bare && to.name == "nginx" {
		return nil // it answers HTTP/0.9 by the body alone, and ends
	}
	if err != nil {
		return fmt.Errorf("the answer can't be read: %w", err)
	}
	body, err := io.ReadAll(first.Body)
	if err != nil {
		return fmt.Errorf("the answer's body can't be read: %w", err)
	}
	proxy := to.name == "nginx" || to.name == "HAProxy" || to.name == "front door"
	if !slices.Contains(c.statuses, first.StatusCode) && !(c.passes && proxy && first.StatusCode >= 400 && first.StatusCode < 500) {
		return fmt.Errorf("answered %s, want one of %v", first.Status, c.statuses)
	}
	if ct := first.Header.Get("Content-Type"); ct != "application/problem+json" {
		return fmt.Errorf("answered %s with %s: %.100q", first.Status, ct, body)
	}
	if c.passes && proxy {
		return nil
	}
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	if rest, err := io.ReadAll(r); len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the connection goes on after %s: %.100q", first.Status, rest)
	}
	return nil
}
