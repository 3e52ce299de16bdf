//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chat-service/internal/auth"
	"chat-service/internal/chat"
	"chat-service/internal/test/testkit"
)

type (
	obj   = map[string]any
	frame = testkit.Frame
	user  = testkit.User
	sock  = testkit.Socket
)

var is = testkit.Is

// patience is for what has no promised time.
const patience = 15 * time.Second

var numbers atomic.Uint64

// fresh is a client_msg_id that nobody used.
func fresh() string { return "e2e." + strconv.FormatUint(numbers.Add(1), 10) }

func (w *world) users(t *testing.T, n int) []user {
	t.Helper()
	us := make([]user, n)
	for i := range us {
		us[i] = w.api.User(t)
	}
	return us
}

// dial opens a socket at a gateway and waits for its welcome.
func (w *world) dial(t *testing.T, gateway int, u user, opts ...testkit.DialOption) *sock {
	t.Helper()
	s := testkit.Dial(t, w.WS(gateway), u.Token, opts...)
	s.Welcome(t)
	return s
}

// chat sends a text and returns its seq.
func (w *world) chat(t *testing.T, s *sock, room uint64, text string) uint64 {
	t.Helper()
	id := fresh()
	s.Send(t, obj{"type": "message", "room_id": room, "content": text, "client_msg_id": id})
	return s.Expect(t, is("ack", "client_msg_id", id)).Num("seq")
}

// post sends a text by REST and returns its seq.
func (w *world) post(t *testing.T, u user, room uint64, text string) uint64 {
	t.Helper()
	return w.api.Must(t, 201, "POST", roomPath(room, "/messages"), u.Token, obj{"content": text, "client_msg_id": fresh()}).Num("seq")
}

func roomPath(room uint64, rest string) string { return fmt.Sprintf("/rooms/%d%s", room, rest) }

func memberPath(room uint64, u user) string { return fmt.Sprintf("/rooms/%d/members/%d", room, u.ID) }

// routed waits until the gateways have attached a room, so that what is sent from then on arrives as it is and not by head
// and sync.
func (w *world) routed(t *testing.T, room uint64, gateways ...int) {
	t.Helper()
	r := w.redis(t)
	key := fmt.Sprintf("%s:{r%d}:route", w.Prefix, room)
	testkit.Eventually(t, patience, func() (bool, string) {
		v, err := r.Do("HGETALL", key)
		if err != nil {
			return false, err.Error()
		}
		list, _ := v.([]any)
		for _, g := range gateways {
			there := false
			for i := 0; i+1 < len(list); i += 2 {
				there = there || strings.HasPrefix(fmt.Sprint(list[i]), fmt.Sprintf("gateway-%d.", g)) && strings.HasSuffix(fmt.Sprint(list[i+1]), "+")
			}
			if !there {
				return false, fmt.Sprintf("room %d has no route to gateway %d: %v", room, g, list)
			}
		}
		return true, ""
	})
}

func (w *world) redis(t *testing.T) *testkit.Redis {
	t.Helper()
	r, err := testkit.DialRedis(w.RedisAddr, w.RedisDB)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// number asks the database for one number.
func (w *world) number(t *testing.T, query string, args ...any) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var n sql.NullInt64
	if err := w.DB.DB.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return uint64(n.Int64)
}

func (w *world) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := w.DB.DB.ExecContext(ctx, query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// want is a documented refusal: the status and code of REST, and the field at fault where there is one.
type want struct {
	status int
	code   string
	field  string
}

// refused makes a request that must be answered with a problem, in full form.
func refused(t *testing.T, api testkit.API, w want, method, path, token string, body any) frame {
	t.Helper()
	r, err := api.Call(t.Context(), method, path, token, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	p := r.Body
	if r.Status != w.status || p.Str("code") != w.code {
		t.Fatalf("%s %s %v: got %d %s, want %d %s", method, path, body, r.Status, p, w.status, w.code)
	}
	if ct := r.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("%s %s: Content-Type %q", method, path, ct)
	}
	if p.Num("status") != uint64(w.status) || p.Str("title") == "" || p.Str("type") == "" || p.Str("request_id") == "" ||
		p.Str("request_id") != r.Header.Get("X-Request-Id") {
		t.Errorf("%s %s: incomplete problem %s", method, path, p)
	}
	if w.field != "" && !slices.ContainsFunc(p.List("errors"), func(e frame) bool { return e.Str("field") == w.field && e.Str("message") != "" }) {
		t.Errorf("%s %s %v: no error about field %s in %s", method, path, body, w.field, p)
	}
	retry, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if again := w.status == 429 || w.status == 503; again != (err == nil && retry > 0) {
		t.Errorf("%s %s: %d with Retry-After %q", method, path, w.status, r.Header.Get("Retry-After"))
	}
	return p
}

// refusal sends a frame that must be answered by an error with this code and ref; the socket lives on.
func refusal(t *testing.T, s *sock, code, ref string, f obj) frame {
	t.Helper()
	s.Send(t, f)
	e := s.Expect(t, is("error", "ref", ref))
	checkError(t, e, code)
	s.Ping(t)
	return e
}

// retryable are the codes that are worth another try.
var retryable = []string{"out_of_order", "rate_limited", "unavailable", "internal"}

func checkError(t *testing.T, e frame, code string) {
	t.Helper()
	if e.Str("code") != code || e.Str("message") == "" || !e.Has("ref") || e["retry"] != slices.Contains(retryable, code) {
		t.Fatalf("error %s: want code %s, a message, ref, and retry as the code's", e, code)
	}
}

// closed waits for a close with this code and judges its reason.
func closed(t *testing.T, s *sock, code int) {
	t.Helper()
	got, reason := s.Closed(t)
	if got != code {
		t.Fatalf("closed with %d %s, want %d", got, reason, code)
	}
	checkReason(t, code, reason)
}

func checkReason(t *testing.T, code int, reason string) {
	t.Helper()
	var r struct {
		Code         int    `json:"code"`
		Name         string `json:"name"`
		RetryAfterMS *int64 `json:"retry_after_ms"`
	}
	if err := json.Unmarshal([]byte(reason), &r); err != nil || len(reason) > 123 {
		t.Fatalf("close reason %q: want JSON of at most 123 bytes", reason)
	}
	again := code >= 4000 && code <= 4499 || code == 1001 || code == 1012 || code == 1013
	if r.Code != code || r.Name == "" || again != (r.RetryAfterMS != nil) {
		t.Errorf("close reason %s of %d: want its code, name, and retry_after_ms exactly where one connects again", reason, code)
	}
}

// token signs a token for a user's session as the api does.
func (w *world) token(t *testing.T, u user, change func(*auth.TokenOptions), age time.Duration) string {
	t.Helper()
	o := auth.TokenOptions{Keys: []auth.Key{{ID: "1", Secret: []byte(w.Secret)}}, Issuer: "chat-service", Audience: "chat-service", Lifetime: time.Hour}
	v, err := auth.NewVerifier(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.Verify(u.Token)
	if err != nil {
		t.Fatalf("the api's own token: %v", err)
	}
	if change != nil {
		change(&o)
	}
	i, err := auth.NewIssuer(o)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := i.Issue(chat.UserID(u.ID), c.SessionID, time.Now().Add(-age))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// expired is a user's token that ended an hour ago.
func (w *world) expired(t *testing.T, u user) string { return w.token(t, u, nil, 2*time.Hour) }

// metrics are a process's numbers by name and labels, as Prometheus reads them.
type metrics map[string]float64

func (w *world) metrics(t testing.TB, process string) metrics {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.Debug(process)+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := metrics{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			m[line[:i]], _ = strconv.ParseFloat(line[i+1:], 64)
		}
	}
	return m
}

// sum adds up a metric over all its labels.
func (m metrics) sum(name string) (n float64) {
	for k, v := range m {
		if k == name || strings.HasPrefix(k, name+"{") {
			n += v
		}
	}
	return n
}

// raw is a socket that shows bytes, and reads only when it is asked to.
type raw struct {
	conn net.Conn
	r    io.Reader
}

// dialRaw opens a raw socket; buffer bounds what the kernel receives for it, 0: as usual.
func dialRaw(t *testing.T, rawURL, token string, buffer int, protocols ...string) *raw {
	t.Helper()
	var d net.Dialer
	if buffer > 0 {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			var err error
			if e := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, buffer) }); e != nil {
				return e
			}
			return err
		}
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		u.RawQuery = url.Values{"token": {token}}.Encode()
	}
	conn, br, _, err := ws.Dialer{NetDial: d.DialContext, Timeout: patience, Protocols: protocols}.Dial(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s := &raw{conn: conn, r: bufio.NewReader(conn)}
	if br != nil {
		s.r = br
	}
	return s
}

// frame reads one frame, of a megabyte at most.
func (s *raw) frame() (ws.Frame, error) {
	h, err := ws.ReadHeader(s.r)
	if err != nil {
		return ws.Frame{}, err
	}
	if h.Length > 1<<20 {
		return ws.Frame{}, fmt.Errorf("a frame of %d bytes", h.Length)
	}
	b := make([]byte, h.Length)
	_, err = io.ReadFull(s.r, b)
	return ws.Frame{Header: h, Payload: b}, err
}

// next reads one frame, answering pings.
func (s *raw) next(t *testing.T) ws.Frame {
	t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		f, err := s.frame()
		if err != nil {
			t.Fatalf("raw socket: %v", err)
		}
		if f.Header.OpCode != ws.OpPing {
			return f
		}
		if err := ws.WriteFrame(s.conn, ws.MaskFrameInPlace(ws.NewPongFrame(f.Payload))); err != nil {
			t.Fatalf("raw socket: %v", err)
		}
	}
}

// text reads text frames until one of the type, and returns its bytes.
func (s *raw) text(t *testing.T, typ string) []byte {
	t.Helper()
	for {
		f := s.next(t)
		var head struct {
			Type string `json:"type"`
		}
		if f.Header.OpCode == ws.OpText && json.Unmarshal(f.Payload, &head) == nil && head.Type == typ {
			return f.Payload
		}
	}
}

// stamp checks a time: RFC 3339, UTC, milliseconds.
func stamp(t *testing.T, f frame, field string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05.000Z", f.Str(field))
	if err != nil {
		t.Errorf("%s of %s is no time in RFC 3339, UTC, with milliseconds", field, f)
	}
	return at
}

// event reads a system message.
func event(t *testing.T, m frame) frame {
	t.Helper()
	if m.Str("kind") != "system" || m.Num("sender_id") != 0 {
		t.Fatalf("%s is no system message", m)
	}
	return parse(t, []byte(m.Str("content")))
}

// foreign is a user's token that somebody else has signed.
func (w *world) foreign(t *testing.T, u user) string {
	t.Helper()
	return w.token(t, u, func(o *auth.TokenOptions) { o.Keys[0].Secret = []byte("somebody else's secret, long enough") }, 0)
}

// send sends a text frame.
func (s *raw) send(t *testing.T, text string) {
	t.Helper()
	if err := ws.WriteFrame(s.conn, ws.MaskFrameInPlace(ws.NewTextFrame([]byte(text)))); err != nil {
		t.Fatalf("raw socket: %v", err)
	}
}

// closed reads until the close frame and returns its code and reason.
func (s *raw) closed(t *testing.T) (code int, reason string) {
	t.Helper()
	for {
		if f := s.next(t); f.Header.OpCode == ws.OpClose {
			c, why := ws.ParseCloseFrameData(f.Payload)
			return int(c), why
		}
	}
}
