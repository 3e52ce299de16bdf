//go:build e2e

package attacks

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"chat-service/internal/test/testkit"
)

type (
	obj   = map[string]any
	frame = testkit.Frame
	user  = testkit.User
	sock  = testkit.Socket
)

var is = testkit.Is

var numbers atomic.Uint64

// fresh is a client_msg_id, or the part of a name, that nobody used.
func fresh() string { return "atk" + strconv.FormatUint(numbers.Add(1), 10) }

func (a *attack) users(n int) []user {
	a.Helper()
	us := make([]user, n)
	for i := range us {
		us[i] = a.api.User(a)
	}
	return us
}

// dial opens a socket and waits for its welcome.
func (a *attack) dial(gateway int, u user, opts ...testkit.DialOption) *sock {
	a.Helper()
	s := testkit.Dial(a, a.WS(gateway), u.Token, opts...)
	s.Welcome(a)
	return s
}

// chat sends a text and returns its seq.
func (a *attack) chat(s *sock, room uint64, text string) uint64 {
	a.Helper()
	id := fresh()
	s.Send(a, obj{"type": "message", "room_id": room, "content": text, "client_msg_id": id})
	return s.Expect(a, is("ack", "client_msg_id", id)).Num("seq")
}

// post sends a text by REST and returns its seq.
func (a *attack) post(u user, room uint64, text string) uint64 {
	a.Helper()
	return a.api.Must(a, 201, "POST", roomPath(room, "/messages"), u.Token, obj{"content": text, "client_msg_id": fresh()}).Num("seq")
}

func roomPath(room uint64, rest string) string { return fmt.Sprintf("/rooms/%d%s", room, rest) }

func memberPath(room uint64, u user) string { return fmt.Sprintf("/rooms/%d/members/%d", room, u.ID) }

func (a *attack) number(query string, args ...any) uint64 {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	var n sql.NullInt64
	if err := a.DB.DB.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		a.Fatalf("%s: %v", query, err)
	}
	return uint64(n.Int64)
}

func (a *attack) text(query string, args ...any) (s string) {
	a.Helper()
	if err := a.DB.DB.QueryRowContext(a.Context(), query, args...).Scan(&s); err != nil {
		a.Fatalf("%s: %v", query, err)
	}
	return s
}

func (a *attack) exec(query string, args ...any) {
	a.Helper()
	if _, err := a.DB.DB.ExecContext(a.Context(), query, args...); err != nil {
		a.Fatalf("%s: %v", query, err)
	}
}

// allowed is how many guesses of one place may be judged since a time: some at once, then one after 1, 2, 4 … s; twice that where Redis
// was too slow for the process meanwhile, which then counts by itself.
func (a *attack) allowed(process string, atOnce int) (most func() int) {
	a.Helper()
	began, before := time.Now(), a.metric(process, "chat_api_degraded_total")
	return func() int {
		n := atOnce + 1
		for wait, left := time.Second, time.Since(began); left > wait; wait *= 2 {
			left -= wait
			n++
		}
		if a.metric(process, "chat_api_degraded_total") > before {
			n *= 2
		}
		return n
	}
}

// databaseTakes tries to log in to the database.
func (a *attack) databaseTakes(user, password string) error {
	cfg, err := mysql.ParseDSN(testkit.MySQLDSN(a))
	if err != nil {
		return err
	}
	cfg.User, cfg.Passwd = user, password
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		return err
	}
	defer db.Close()
	return db.PingContext(a.Context())
}

// request is an HTTP request with whatever headers.
type request struct {
	method, path, token string
	body                any // nil, string, []byte, or a value to encode as JSON
	header              http.Header
}

// ask sends a request to an api; the path is below /api/v1, or from the root if it begins with two slashes.
func (a *attack) ask(api testkit.API, r request) testkit.Response {
	a.Helper()
	res, err := tryAsk(a.Context(), api, r)
	if err != nil {
		a.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	return res
}

func tryAsk(ctx context.Context, api testkit.API, r request) (testkit.Response, error) {
	var b []byte
	switch v := r.body.(type) {
	case nil:
	case string:
		b = []byte(v)
	case []byte:
		b = v
	default:
		var err error
		if b, err = json.Marshal(v); err != nil {
			return testkit.Response{}, err
		}
	}
	target := api.Base + r.path
	if rest, ok := strings.CutPrefix(r.path, "//"); ok {
		target = root(api) + "/" + rest
	}
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(b))
	if err != nil {
		return testkit.Response{}, err
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	maps.Copy(req.Header, r.header)
	res, err := direct.Do(req)
	if err != nil {
		return testkit.Response{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return testkit.Response{}, err
	}
	out := testkit.Response{Status: res.StatusCode, Header: res.Header, Raw: raw}
	_ = json.Unmarshal(raw, &out.Body) // not every answer is JSON
	return out, nil
}

// direct follows no redirects, and opens as many connections as it is asked for.
var direct = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func root(api testkit.API) string { return strings.TrimSuffix(api.Base, "/api/v1") }

// hostOf is host:port of a URL.
func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Host
}

// from is the header of a request that a proxy passes on for these addresses.
func from(addresses ...string) http.Header {
	return http.Header{"X-Forwarded-For": {strings.Join(addresses, ", ")}}
}

// refused makes a request that must be answered with a whole problem.
func (a *attack) refused(api testkit.API, status int, code, method, path, token string, body any) frame {
	a.Helper()
	return a.problem(a.ask(api, request{method: method, path: path, token: token, body: body}), status, code, fmt.Sprint(method, " ", path, " ", brief(body)))
}

// problem checks an answer that must be a problem of this status and code.
func (a *attack) problem(r testkit.Response, status int, code, what string) frame {
	a.Helper()
	if r.Status != status || r.Body.Str("code") != code {
		a.Errorf("%s: got %d %s, want %d %s", what, r.Status, brief(string(r.Raw)), status, code)
		return r.Body
	}
	if r.Header.Get("Content-Type") != "application/problem+json" || r.Body.Str("request_id") == "" || r.Body.Str("title") == "" {
		a.Errorf("%s: no whole problem: %s %s", what, r.Header.Get("Content-Type"), brief(string(r.Raw)))
	}
	if again := status == 429 || status == 503; again != (r.Header.Get("Retry-After") != "") {
		a.Errorf("%s: %d with Retry-After %q", what, status, r.Header.Get("Retry-After"))
	}
	return r.Body
}

// client checks that an answer blames the client, and not with what.
func (a *attack) client(r testkit.Response, what string) {
	a.Helper()
	if r.Status < 400 || r.Status >= 500 {
		a.Errorf("%s: %d %s, want the client to be at fault", what, r.Status, brief(string(r.Raw)))
	}
}

// brief shortens what is printed.
func brief(v any) string {
	s := fmt.Sprint(v)
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return s
}

// refusal sends a frame that must be answered by an error; the socket lives on.
func (a *attack) refusal(s *sock, code, ref string, f obj) frame {
	a.Helper()
	s.Send(a, f)
	e := s.Expect(a, is("error", "ref", ref))
	if e.Str("code") != code || e.Str("message") == "" || !e.Has("retry") {
		a.Errorf("%s is answered by %s, want code %s", brief(f), e, code)
	}
	s.Ping(a)
	return e
}

// closed waits for a close with this code and judges its reason.
func (a *attack) closed(s *sock, code int) {
	a.Helper()
	got, reason := s.Closed(a)
	a.judge(got, reason, code)
}

func (a *attack) judge(got int, reason string, code int) {
	a.Helper()
	var r struct {
		Code  int    `json:"code"`
		Retry *int64 `json:"retry_after_ms"`
	}
	if got != code {
		a.Errorf("closed with %d %s, want %d", got, reason, code)
		return
	}
	again := code >= 4000 && code <= 4499 || code == 1001 || code == 1012 || code == 1013
	if err := json.Unmarshal([]byte(reason), &r); err != nil || len(reason) > 123 || r.Code != code || again != (r.Retry != nil) {
		a.Errorf("closed with %d and the reason %q", code, reason)
	}
}

// within fails if something took longer than it may.
func (a *attack) within(limit time.Duration, what string, do func()) {
	a.Helper()
	began := time.Now()
	do()
	if took := time.Since(began); took > limit {
		a.Errorf("%s took %v, may take %v", what, took.Round(time.Millisecond), limit)
	}
}

// sign makes a JSON Web Token by hand, as the product's library might refuse to.
func sign(header, claims any, secret []byte) string {
	part := func(v any) string {
		b, isText := v.(string)
		if !isText {
			j, _ := json.Marshal(v)
			b = string(j)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(b))
	}
	text := part(header) + "." + part(claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// opened reads header and claims of a token.
func (a *attack) opened(token string) (header, claims frame) {
	a.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		a.Fatalf("%d parts in a token", len(parts))
	}
	for i, into := range []*frame{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			d := json.NewDecoder(bytes.NewReader(b))
			d.UseNumber()
			err = d.Decode(into)
		}
		if err != nil {
			a.Fatal(err)
		}
	}
	return header, claims
}

// forged is a user's own token with changes, signed with the right key.
func (a *attack) forged(u user, header, claims obj) string {
	a.Helper()
	h, c := a.opened(u.Token)
	for k, v := range header {
		h[k] = v
	}
	for k, v := range claims {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return sign(h, c, []byte(a.Secret))
}

// wire sends bytes to host:port and returns what comes back until the server closes, or until the time is over.
func (a *attack) wire(host, bytes string, within time.Duration) (answer string, closed bool) {
	a.Helper()
	conn, err := net.DialTimeout("tcp", host, 5*time.Second)
	if err != nil {
		a.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(within))
	_, _ = io.WriteString(conn, bytes) // the server may refuse before it has read everything
	b, err := io.ReadAll(conn)
	timeout, ok := err.(net.Error) //nolint:errorlint // what net returns, unwrapped
	return string(b), err == nil || !ok || !timeout.Timeout()
}

// configured runs a program's check of its configuration and returns what it prints, and whether it is content.
func (a *attack) configured(program, file string, env ...string) (said string, ok bool) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	args := []string{"-check"}
	if file != "" {
		name := filepath.Join(a.TempDir(), program+".yaml")
		if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
			a.Fatal(err)
		}
		args = append(args, "-config", name)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(a.bin, program), args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "CHAT_") })
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// metric adds up a process's metric over all its labels.
func (a *attack) metric(process, name string) (n float64) {
	a.Helper()
	for line := range strings.Lines(a.metrics(process)) {
		line = strings.TrimSpace(line)
		if i := strings.LastIndexByte(line, ' '); i > 0 && (line[:i] == name || strings.HasPrefix(line, name+"{")) {
			v, _ := strconv.ParseFloat(line[i+1:], 64)
			n += v
		}
	}
	return n
}

func (f *fleet) metrics(process string) string {
	res, err := http.Get(f.Debug(process) + "/metrics")
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// rss is how much memory a process has now, in bytes.
func (a *attack) rss(process string) uint64 {
	a.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", a.PID(a, process)))
	if err != nil {
		a.Fatal(err)
	}
	fields := strings.Fields(string(b))
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		a.Fatal(err)
	}
	return pages * uint64(os.Getpagesize())
}
