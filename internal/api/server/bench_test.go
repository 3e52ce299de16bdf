package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
)

// fakeTokens takes "good|<user>|<session>" for a token.
type fakeTokens struct{}

func (fakeTokens) Verify(token string) (chat.UserID, chat.SessionID, error) {
	var user chat.UserID
	head, session, _ := strings.Cut(strings.TrimPrefix(token, "good|"), "|")
	if _, err := fmt.Sscan(head, &user); err != nil || !strings.HasPrefix(token, "good|") {
		return 0, "", chat.E(chat.Unauthenticated, "bad token")
	}
	return user, chat.SessionID(session), nil
}

// token is a good one, of a session that lives.
const token = "good|1|s"

// toy is a small table of routes: what any table needs of the server.
type toy struct {
	attempts *Attempts
	perIP    int   // attempts to log in, a minute
	err      error // what the guarded verbs return
	panics   bool
}

type loginBody struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

func (y *toy) login(c *Call, b loginBody) error {
	if err := y.attempts.Allow(c.Ctx, "login", c.Address(), chat.PerMinute(y.perIP), 1); err != nil {
		return err
	}
	if b.Password != "123456" {
		return chat.E(chat.Unauthenticated, "wrong username or password")
	}
	return c.OK(b)
}

func (y *toy) show(c *Call) error {
	if y.panics {
		panic("fake")
	}
	if y.err != nil {
		return y.err
	}
	return c.OK(map[string]any{"user": c.User, "session": c.Session, "room": c.Room, "target": c.Target})
}

func (y *toy) list(c *Call) error {
	q := c.Query()
	cursor, limit := q.Page()
	order := q.Text("order")
	if err := q.Check.Err(); err != nil {
		return err
	}
	return c.OK(map[string]any{"cursor": cursor, "limit": limit, "order": order})
}

func (y *toy) routes() []Route {
	order := append(PageParams(), Param{Name: "order", Enum: []string{"up", "down"}})
	return []Route{
		formRoute(),
		{Method: "POST", Path: "/auth/login", ID: "login", Tag: "a", Open: true, Do: Takes(y.login)},
		{Method: "GET", Path: "/me", ID: "me", Tag: "b", Do: Plain(y.show)},
		{Method: "GET", Path: "/rooms", ID: "rooms", Tag: "b", Params: order, Do: Plain(y.list)},
		{
			Method: "POST", Path: "/rooms", ID: "makeRoom", Tag: "b", Status: http.StatusCreated, Again: http.StatusOK,
			Do: MayTake(func(c *Call, b loginBody) error { return c.Created("/rooms/7", b) }),
		},
		{Method: "GET", Path: "/rooms/{room_id}/members/{user_id}", ID: "member", Tag: "b", Do: Plain(y.show)},
		{
			Method: "GET", Path: "/rooms/{room_id}", ID: "room", Tag: "b", Errors: []chat.Kind{chat.NotFound},
			Do: Plain(func(*Call) error { return chat.E(chat.NotFound, "no such room") }),
		},
		{
			Method: "DELETE", Path: "/rooms/{room_id}", ID: "dropRoom", Tag: "b",
			Do: Plain(func(c *Call) error { return c.Gone(y.err) }),
		},
		{
			Method: "GET", Path: "/forgotten", ID: "forgotten", Tag: "b",
			Do: Plain(func(c *Call) error { return c.OK(c.Query().Text("order")) }),
		},
	}
}

// bench is a server of the toy's routes, with a client.
type bench struct {
	*testing.T
	*toy
	opts Options
	srv  *Server
	http *http.Client
}

func newBench(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	o := Options{
		Addr: "127.0.0.1:0", BodyBytes: 100 << 10, Now: now, Origins: []string{"https://app.example.com"},
		Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(nil),
	}
	for _, c := range change {
		c(&o)
	}
	y := &toy{attempts: NewAttempts(nil, now, o.Metrics)}
	o.Guard = Guard{
		Tokens: fakeTokens{}, Live: NewLiveCache(&fakeSessions{ids: []chat.SessionID{"s"}}, now), Attempts: y.attempts,
	}
	s, err := New(o, y.routes())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := &bench{t, y, o, s, &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}}
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

// response is what came back.
type response struct {
	status int
	at     *url.URL // after redirects
	head   http.Header
	raw    []byte
	body   map[string]any
}

// raw sends a request exactly as given. Paths without a leading slash are below Base.
func (b *bench) raw(method, path, token, contentType, body string, heads ...string) response {
	b.Helper()
	if !strings.HasPrefix(path, "/") {
		path = Base + "/" + path
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
	return b.read(res)
}

// read reads a whole answer.
func (b *bench) read(res *http.Response) response {
	b.Helper()
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	a := response{status: res.StatusCode, head: res.Header, raw: raw}
	if res.Request != nil { // nil if the request was written by hand
		a.at = res.Request.URL
	}
	if bytes.HasPrefix(raw, []byte("{")) {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			b.Fatalf("%v in %s", err, raw)
		}
	}
	return a
}

// do sends a JSON request ("" for no body) and wants a status.
func (b *bench) do(want int, method, path, token, body string) response {
	b.Helper()
	contentType := ""
	if body != "" {
		contentType = "application/json"
	}
	a := b.raw(method, path, token, contentType, body)
	if a.status != want {
		b.Fatalf("%s %s %s = %d %s, want %d", method, path, body, a.status, a.raw, want)
	}
	return a
}

// problem checks that an answer is a complete problem with a code.
func (b *bench) problem(a response, status int, code string) {
	b.Helper()
	if a.status != status || a.body["code"] != code {
		b.Fatalf("%d %s, want %d %s", a.status, a.raw, status, code)
	}
	if ct := a.head.Get("Content-Type"); ct != "application/problem+json" {
		b.Errorf("content type %q", ct)
	}
	if a.body["status"] != float64(status) || a.body["type"] != "about:blank" || a.body["title"] != http.StatusText(status) ||
		a.body["detail"] == "" || a.body["request_id"] != a.head.Get("X-Request-Id") {
		b.Errorf("problem %s with header %q", a.raw, a.head.Get("X-Request-Id"))
	}
}
