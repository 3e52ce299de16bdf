package frontdoor

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"chat-service/internal/protocol"
)

// exchange sends a request as it stands, and returns the first answer with its body, and how to find out whether the connection ends
// after it.
func exchange(t *testing.T, addr, request string) (res *http.Response, body string, ended func() bool) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	if res, err = http.ReadResponse(r, nil); err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	_ = res.Body.Close()
	return res, string(b), func() bool {
		_, err := r.ReadByte()
		return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	}
}

// problemWith checks that an answer is a problem with a status.
func problemWith(t *testing.T, what string, res *http.Response, body string, status int) {
	t.Helper()
	var p protocol.Problem
	err := json.Unmarshal([]byte(body), &p)
	if err != nil || res.StatusCode != status || p.Status != status || p.Code == "" || p.RequestID == "" ||
		res.Header.Get("Content-Type") != protocol.ProblemType || res.Header.Get("X-Request-Id") != p.RequestID {
		t.Errorf("%s: want a problem with %d, got %s %v %s", what, status, res.Status, res.Header, body)
	}
}

// echoing is a door before an api that reads bodies to their end.
func echoing(t *testing.T) (door *Proxy, addr string) {
	t.Helper()
	api, _ := upstream(t, "api")
	door = New(api)
	return door, serve(t, door)
}

func TestQueriesPassUntouched(t *testing.T) {
	_, addr := echoing(t)
	for _, query := range []string{"before_seq=%zz", "a=%", "a;b=1", "limit=3&before_seq=%2", "q=%e4%bd%a0+x", "x&&=&"} {
		res, body, _ := exchange(t, addr, "GET /api/v1/rooms?"+query+" HTTP/1.1\r\nHost: x\r\n\r\n")
		var got struct{ Path string }
		if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != http.StatusOK || got.Path != "/api/v1/rooms?"+query {
			t.Errorf("?%s arrived as %s: %s %v", query, got.Path, res.Status, err)
		}
	}
}

// TestUnreadableRequests: what can't be read is refused by a problem, whether by net/http or by us, and its connection ends.
func TestUnreadableRequests(t *testing.T) {
	_, addr := echoing(t)
	const behind = "GET /behind HTTP/1.1\r\nHost: x\r\n\r\n"
	post := func(head, body string) string {
		return "POST /api/v1/rooms HTTP/1.1\r\nHost: x\r\n" + head + "\r\n" + body + behind
	}
	for name, tt := range map[string]struct {
		request string
		status  int
	}{
		"a chunk's size is no number": {post("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), 400},
		"a chunk is too short":        {post("Transfer-Encoding: chunked\r\n", "5\r\n{}\r\n0\r\n\r\n"), 400},
		"a chunk's size is too large": {post("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"), 400},
		"chunks without an end":       {post("Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n", maxBody+1, strings.Repeat("x", maxBody+1))), 413},
		"identity":                    {post("Transfer-Encoding: identity\r\n", ""), 501},
		"gzip":                        {post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501},
		"two encodings":               {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), 501},
		"two lengths":                 {post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"), 400},
		"a signed length":             {post("Content-Length: +2\r\n", "{}"), 400},
		"a space before the colon":    {post("Content-Length : 2\r\n", "{}"), 400},
		"a path with a bad escape":    {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n" + behind, 400},
		"a long head":                 {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", maxHead) + "\r\n\r\n", 431},
		"no host":                     {"GET / HTTP/1.1\r\n\r\n" + behind, 400},
		"a folded header":             {"GET / HTTP/1.1\r\n folded: x\r\nHost: x\r\n\r\n" + behind, 400},
		"no HTTP":                     {"hello\r\n\r\n" + behind, 400},
		"another version":             {"GET / HTTP/3.0\r\nHost: x\r\n\r\n" + behind, 505},
	} {
		res, body, ended := exchange(t, addr, tt.request)
		problemWith(t, name, res, body, tt.status)
		if !ended() {
			t.Errorf("%s: the connection goes on", name)
		}
	}
}

// TestSlowBodies: a body that doesn't arrive in time is refused; an answer that takes longer isn't.
func TestSlowBodies(t *testing.T) {
	door, addr := echoing(t)
	door.bodyTime = 100 * time.Millisecond
	for _, head := range []string{"Content-Length: 5\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"} {
		res, body, ended := exchange(t, addr, "POST /api/v1/rooms HTTP/1.1\r\nHost: x\r\n"+head)
		problemWith(t, head, res, body, http.StatusRequestTimeout)
		if !ended() {
			t.Errorf("%q: the connection goes on", head)
		}
	}
	slow, _ := upstream(t, "slow")
	wait := New(slow)
	wait.bodyTime = 100 * time.Millisecond
	res, body, _ := exchange(t, serve(t, wait), "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab")
	if res.StatusCode != http.StatusOK || body != "at last" {
		t.Errorf("a slow answer: %s %s", res.Status, body)
	}
}

// TestPageForPeople: while the api is unavailable a browser gets a page, and everything else a problem.
func TestPageForPeople(t *testing.T) {
	api, srv := upstream(t, "api")
	srv.Close()
	addr := serve(t, New(api))
	for accept, page := range map[string]bool{
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true, "text/html": true, "application/json, text/html;q=0.5": true,
		"": false, "*/*": false, "application/json": false, "text/html;q=0": false, "text/plain": false,
	} {
		res, body, _ := exchange(t, addr, "GET / HTTP/1.1\r\nHost: x\r\nAccept: "+accept+"\r\n\r\n")
		if res.Header.Get("Retry-After") == "" {
			t.Errorf("Accept: %s: no Retry-After", accept)
		}
		if !page {
			problemWith(t, "Accept: "+accept, res, body, 503)
			continue
		}
		if res.StatusCode != http.StatusServiceUnavailable || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || !strings.Contains(body, "<h1>") ||
			!strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("Accept: %s: %s %v %.60s", accept, res.Status, res.Header, body)
		}
	}
	res, body, _ := exchange(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nContent-Length: 0\r\n\r\n")
	problemWith(t, "a form", res, body, 503)
}
