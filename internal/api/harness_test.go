package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

// bench is a server over fakes, with a client.
type bench struct {
	*testing.T
	fakes
	srv  *server.Server
	http *http.Client
}

func newBench(t *testing.T, change ...func(*Options, *Ports)) *bench {
	t.Helper()
	f := newFakes()
	o := Options{
		Addr: "127.0.0.1:0", Limits: chat.DefaultLimits(), Now: f.now, Origins: []string{"https://app.example.com"},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	}
	o.Limits.RequestsPerSecond, o.Limits.ServerRequests = 0, 0
	p := f.ports()
	for _, c := range change {
		c(&o, &p)
	}
	s, err := New(o, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := &bench{t, f, s, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 20 * time.Second}}
	t.Cleanup(func() {
		b.http.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("Stop = %v", err)
		}
	})
	return b
}

// answer is what came back.
type answer struct {
	status int
	head   http.Header
	raw    []byte
	body   map[string]any
}

// raw sends a request exactly as given.
func (b *bench) raw(method, path, token, contentType, body string, heads ...string) answer {
	b.Helper()
	if !strings.HasPrefix(path, "/") {
		path = server.Base + "/" + path
	}
	req, err := http.NewRequestWithContext(b.Context(), method, "http://"+b.srv.Addr()+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(heads); i += 2 {
		req.Header.Add(heads[i], heads[i+1])
	}
	res, err := b.http.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, head: res.Header}
	if a.raw, err = io.ReadAll(res.Body); err != nil {
		b.Fatal(err)
	}
	if bytes.HasPrefix(a.raw, []byte("{")) && a.head.Get("Content-Type") != "application/x-ndjson" {
		if err := json.Unmarshal(a.raw, &a.body); err != nil {
			b.Fatalf("%s %s: %v in %s", method, path, err, a.raw)
		}
	}
	return a
}

// do sends a JSON request ("" for no body) and wants a status.
func (b *bench) do(want int, method, path, token, body string) answer {
	b.Helper()
	ct := ""
	if body != "" {
		ct = "application/json"
	}
	a := b.raw(method, path, token, ct, body)
	if a.status != want {
		b.Fatalf("%s %s %s = %d %s, want %d", method, path, body, a.status, a.raw, want)
	}
	return a
}

// join registers a user, logs in and returns the token.
func (b *bench) join(name string) string {
	b.Helper()
	b.do(201, "POST", "auth/register", "", fmt.Sprintf(`{"username":%q,"password":"123456"}`, name))
	a := b.do(200, "POST", "auth/login", "", fmt.Sprintf(`{"username":%q,"password":"123456"}`, name))
	return a.body["access_token"].(string)
}

// problem checks that an answer is a complete problem with a code.
func (b *bench) problem(a answer, status int, code string) {
	b.Helper()
	if a.status != status {
		b.Fatalf("status %d, want %d: %s", a.status, status, a.raw)
	}
	if ct := a.head.Get("Content-Type"); ct != "application/problem+json" {
		b.Errorf("content type %q", ct)
	}
	if a.body["code"] != code || a.body["status"] != float64(status) || a.body["type"] != "about:blank" ||
		a.body["title"] != http.StatusText(status) || a.body["detail"] == "" || a.body["request_id"] != a.head.Get("X-Request-Id") {
		b.Errorf("problem %s with header %q, want code %q", a.raw, a.head.Get("X-Request-Id"), code)
	}
	if _, ok := a.body["errors"]; code == "unknown_field" && !ok {
		b.Errorf("no errors in %s", a.raw)
	}
	if status == 429 || status == 503 {
		if ra := a.head.Get("Retry-After"); ra == "" || strings.Trim(ra, "0123456789") != "" || ra == "0" {
			b.Errorf("Retry-After %q", ra)
		}
	}
	if status == 401 && a.head.Get("WWW-Authenticate") == "" {
		b.Error("no WWW-Authenticate")
	}
}

// fields lists the fields that a problem names, sorted.
func (a answer) fields() []string {
	var out []string
	list, _ := a.body["errors"].([]any)
	for _, e := range list {
		out = append(out, e.(map[string]any)["field"].(string))
	}
	slices.Sort(out)
	return out
}

// list returns one field of every object of a list.
func (a answer) list(name, field string) []any {
	out := []any{}
	l, _ := a.body[name].([]any)
	for _, e := range l {
		out = append(out, e.(map[string]any)[field])
	}
	return out
}

var errDown = chat.E(chat.Unavailable, "")
