package webhook

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestRefusalsAreAnswers(t *testing.T) {
	status := make(chan int, 1)
	c, s := receiver(t, Options{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(<-status) })
	for _, code := range []int{200, 202, 204, 299, 400, 401, 404, 410, 429, 500, 503, 599} {
		status <- code
		a, err := c.Post(t.Context(), to(s.URL))
		if err != nil || a.Status != code || a.Accepted() != (code < 300) || a.Note != "" {
			t.Errorf("%d: answer %+v, error %v", code, a, err)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int32
	c, s := receiver(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/there" {
			followed.Add(1)
			return
		}
		http.Redirect(w, r, "/there", int(r.URL.Path[1]-'0')+300)
	})
	for _, code := range []int{301, 302, 303, 307, 308} {
		a, err := c.Post(t.Context(), to(fmt.Sprintf("%s/%d", s.URL, code-300)))
		if err != nil || a.Status != code || a.Accepted() || !strings.Contains(a.Note, "/there") {
			t.Errorf("%d: answer %+v, error %v", code, a, err)
		}
	}
	if followed.Load() != 0 {
		t.Errorf("%d were followed", followed.Load())
	}
}

// A receiver that holds the post, before the header of its answer or within the body, holds it no longer than the timeout.
func TestHangingReceiversAreLeft(t *testing.T) {
	over := make(chan struct{})
	c, s := receiver(t, Options{Timeout: 150 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = w.Write([]byte("so it begins"))
			_ = http.NewResponseController(w).Flush()
		}
		<-over
	})
	defer close(over)
	if a, err := c.Post(t.Context(), to(s.URL)); err == nil || err.Error() != "no answer within 150ms" || a.Status != 0 || a.Took < 150*time.Millisecond {
		t.Errorf("answer %+v, error %v", a, err)
	}
	// It has said that it took the event.
	if a, err := c.Post(t.Context(), to(s.URL+"/body")); err != nil || a.Status != 200 || a.Took < 150*time.Millisecond {
		t.Errorf("a body that doesn't end: answer %+v, error %v", a, err)
	}
}

func TestPostEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	c, s := receiver(t, Options{}, func(http.ResponseWriter, *http.Request) { cancel(); <-over })
	defer close(over)
	if a, err := c.Post(ctx, to(s.URL)); !errors.Is(err, context.Canceled) || a.Status != 0 {
		t.Errorf("answer %+v, error %v", a, err)
	}
}

// raw serves one connection after another with what a real server wouldn't send.
func raw(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			serve(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

func TestAnswersAreBounded(t *testing.T) {
	wrote := make(chan int, 1)
	big := raw(t, func(conn net.Conn) {
		_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n"))
		n, chunk := 0, make([]byte, 64<<10)
		for range 160 {
			m, err := conn.Write(chunk)
			if n += m; err != nil {
				break
			}
		}
		wrote <- n
	})
	c := New(Options{Private: loopback})
	defer c.Close()
	if a, err := c.Post(t.Context(), to(big)); err != nil || a.Status != 200 {
		t.Errorf("10 MB: answer %+v, error %v", a, err)
	}
	if n := <-wrote; n == 10<<20 {
		t.Error("all of 10 MB was taken")
	}
	for name, header := range map[string]string{
		"one huge header": "X: " + strings.Repeat("x", 1<<20) + "\r\n", "many headers": strings.Repeat("X-Y: z\r\n", 1<<17),
		"endless informational answers": "\r\n" + strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 1<<16),
	} {
		huge := raw(t, func(conn net.Conn) { _, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\n" + header + "\r\n")) })
		if name == "endless informational answers" {
			huge = raw(t, func(conn net.Conn) { _, _ = conn.Write([]byte(strings.TrimPrefix(header, "\r\n"))) })
		}
		a, err := c.Post(t.Context(), to(huge))
		if err == nil || a.Status != 0 || len(err.Error()) > maxNote {
			t.Errorf("%s: answer %+v, error %.200v", name, a, err)
		}
	}
}

func TestWhatIsNoAnswerIsSaidPlainly(t *testing.T) {
	c := New(Options{Private: loopback})
	defer c.Close()
	closed := raw(t, func(net.Conn) {})
	garbage := raw(t, func(conn net.Conn) { _, _ = conn.Write([]byte("SSH-2.0-\x1b[31mred\r\n\r\n")) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	_ = l.Close()
	other := server(t, http.NotFoundHandler()) // its certificate is by an authority that nobody trusts
	for url, says := range map[string]string{
		closed: "ended without an answer", garbage: "malformed HTTP", nobody: "connection was refused", other.URL: "certificate isn't trusted",
		"https" + strings.TrimPrefix(garbage, "http"): "TLS", "http://app.example.com:0/": "port",
	} {
		_, err := c.Post(t.Context(), to(url))
		if err == nil || !strings.Contains(err.Error(), says) || strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%s: error %q, want %q", url, err, says)
		}
	}
}

// The environment's proxies would be told what is posted, and would dial what isn't judged here.
func TestProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	names, _ := resolver(t, map[string][]string{"example.com": {"127.0.0.1"}})
	c, s := receiver(t, Options{Resolver: names}, func(http.ResponseWriter, *http.Request) {})
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	if a, err := c.Post(t.Context(), to("https://example.com"+port)); err != nil || a.Status != 200 || asked.Load() != 0 {
		t.Errorf("answer %+v, error %v, %d posts went to the proxy", a, err, asked.Load())
	}
	for w, tr := range c.ways {
		if tr.Proxy != nil {
			t.Errorf("way %d asks for proxies", w)
		}
	}
}

func TestNotesAreShort(t *testing.T) {
	long := short(strings.Repeat("é\n", 400))
	if len(long) > maxNote || !strings.HasSuffix(long, "é…") || strings.Contains(long, "\n") {
		t.Errorf("%d bytes: %q", len(long), long)
	}
}
