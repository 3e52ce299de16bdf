package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"), // one for the process
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// fill replaces the parameters of a path by ids that exist.
func fill(path string) string {
	return server.Base + strings.NewReplacer("{room_id}", "1", "{user_id}", "1", "{session_id}", "x").Replace(path)
}

// TestGuard walks every route without a token and with a bad, an expired and a revoked one.
func TestGuard(t *testing.T) {
	b := newBench(t)
	b.do(200, "POST", "auth/logout", b.join("gone"), "")
	revoked := b.revoked()
	for _, r := range Routes() {
		t.Run(r.ID, func(t *testing.T) {
			for _, tt := range []struct{ token, code string }{
				{"", "unauthenticated"},
				{"nonsense", "unauthenticated"},
				{"old|1|x", "token_expired"},
				{revoked, "unauthenticated"},
				{"good|1|never-opened", "unauthenticated"},
			} {
				a := b.raw(r.Method, fill(r.Path), tt.token, "application/json", "{}")
				if r.Open {
					if a.body["code"] == "token_expired" {
						t.Errorf("an open route looked at the token: %s", a.raw)
					}
					continue
				}
				b.problem(a, 401, tt.code)
			}
		})
	}
	for _, head := range []string{"Basic abc", "Bearer", "Bearer ", "bearer\tx"} {
		b.problem(b.raw("GET", "me", "", "", "", "Authorization", head), 401, "unauthenticated")
	}
	b.problem(b.raw("GET", "me", "good|1|a", "", "", "Authorization", "Bearer good|1|b"), 401, "unauthenticated")
}

// revoked returns the token of the session that has been revoked.
func (b *bench) revoked() string {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	for id, s := range b.store.sessions {
		if !s.RevokedAt.IsZero() {
			return "good|" + s.User.String() + "|" + string(id)
		}
	}
	b.Fatal("nothing is revoked")
	return ""
}

// TestHidden: what a stranger may not see looks exactly like what does not exist.
func TestHidden(t *testing.T) {
	b := newBench(t)
	owner, stranger := b.join("owner"), b.join("stranger")
	b.do(201, "POST", "rooms", owner, `{"name":"secret"}`)
	bodies := map[string]string{
		"updateRoom": `{"name":"x"}`, "transferRoom": `{"user_id":2}`, "addMembers": `{"member_ids":[2]}`,
		"updateMember": `{"role":"admin"}`, "postMessage": `{"content":"x"}`, "read": `{"seq":1}`,
	}
	for _, r := range Routes() {
		if !strings.Contains(r.Path, "{room_id}") {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			var seen [2]answer
			for i, room := range []string{"1", "777"} {
				path := server.Base + strings.NewReplacer("{room_id}", room, "{user_id}", "1").Replace(r.Path)
				seen[i] = b.raw(r.Method, path, stranger, "application/json", bodies[r.ID], "X-Request-Id", "same")
				b.problem(seen[i], 404, "not_found")
			}
			if d := cmp.Diff(seen[0].body, seen[1].body); d != "" {
				t.Errorf("a hidden room shows:\n%s", d)
			}
		})
	}
}

func TestDocumentListsTheRoutes(t *testing.T) {
	b := newBench(t)
	a := b.do(200, "GET", "openapi.json", "", "")
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			ID        string         `json:"operationId"`
			Responses map[string]any `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(a.raw, &doc); err != nil || doc.OpenAPI[:3] != "3.1" {
		t.Fatalf("%v, version %q", err, doc.OpenAPI)
	}
	listed := map[string]bool{}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			listed[strings.ToUpper(method)+" "+path] = true
			i := slices.IndexFunc(Routes(), func(r server.RouteInfo) bool { return r.ID == op.ID })
			if i < 0 {
				t.Errorf("Routes has no %s", op.ID)
				continue
			}
			var statuses []string
			for _, s := range Routes()[i].Statuses {
				statuses = append(statuses, fmt.Sprint(s))
			}
			delete(op.Responses, "default")
			if d := cmp.Diff(slices.Sorted(maps.Keys(op.Responses)), statuses); d != "" {
				t.Errorf("%s: statuses of the document and of Routes differ:\n%s", op.ID, d)
			}
		}
	}
	served := map[string]bool{}
	for _, r := range b.srv.Mounted() {
		served[r] = true
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(served)), slices.Sorted(maps.Keys(listed))); d != "" {
		t.Errorf("served and listed differ:\n%s", d)
	}
	if len(served) < 25 || len(served) != len(Routes()) {
		t.Errorf("%d routes served, %d in the table", len(served), len(Routes()))
	}
	for _, ref := range strings.Split(string(a.raw), `"$ref":"`)[1:] {
		name := strings.TrimPrefix(ref[:strings.IndexByte(ref, '"')], "#/components/schemas/")
		if !strings.Contains(string(a.raw), `"`+name+`":{`) {
			t.Errorf("schema %s is used and not there", name)
		}
	}
}

func TestDocsPage(t *testing.T) {
	b := newBench(t)
	page := b.do(200, "GET", "/docs", "", "")
	for _, src := range []string{"/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/page.js", "/docs/favicon-32x32.png"} {
		if !strings.Contains(string(page.raw), src) {
			t.Errorf("the page doesn't use %s", src)
		}
		if a := b.do(200, "GET", src, "", ""); len(a.raw) == 0 {
			t.Errorf("%s is empty", src)
		}
	}
	if strings.Contains(string(page.raw), "://") || strings.Contains(string(page.raw), "<script>") {
		t.Error("the page needs the network, or a script that its policy forbids")
	}
	if csp := page.head.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || !strings.Contains(csp, "script-src 'self'") {
		t.Errorf("policy %q", csp)
	}
}

func TestServerProblems(t *testing.T) {
	b := newBench(t)
	b.problem(b.raw("GET", "/nowhere", "", "", ""), 404, "not_found")
	b.problem(b.raw("GET", "nowhere", "", "", ""), 404, "not_found")
	b.problem(b.raw("POST", "/", "", "", ""), 404, "not_found")
	b.problem(b.raw("GET", "/metrics", "", "", ""), 404, "not_found")
	a := b.raw("PUT", "rooms", "", "", "")
	b.problem(a, 405, "invalid")
	if allow := a.head.Values("Allow"); !strings.Contains(strings.Join(allow, ","), "POST") {
		t.Errorf("Allow %q", allow)
	}
	a = b.do(204, "OPTIONS", "rooms", "", "")
	if allow := a.head.Values("Allow"); !strings.Contains(strings.Join(allow, ","), "GET") {
		t.Errorf("Allow %q", allow)
	}
	big := `{"username":"` + strings.Repeat("x", DefaultLimits().body()) + `"}`
	b.problem(b.raw("POST", "auth/login", "", "application/json", big), 413, "too_large")
	b.problem(b.announced("POST", "auth/login", 4*DefaultLimits().body()+1), 413, "too_large")
	b.problem(b.raw("GET", "me", "", "", "", "X-Big", strings.Repeat("x", 32<<10)), 431, "too_large")
	if a := b.raw("HEAD", "openapi.json", "", "", ""); a.status != 200 || len(a.raw) != 0 {
		t.Errorf("HEAD = %d with %d bytes", a.status, len(a.raw))
	}
}

// announced sends a request's head with a Content-Length and waits for the answer before it sends any body: what is too
// large even to be read is refused by its length, and a client that goes on writing may get a reset before it has read
// the answer.
func (b *bench) announced(method, path string, length int) answer {
	b.Helper()
	c, err := net.Dial("tcp", b.srv.Addr())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "%s %s/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", method, server.Base, path, b.srv.Addr(), length)
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, head: res.Header}
	if a.raw, err = io.ReadAll(res.Body); err != nil {
		b.Fatal(err)
	}
	if err := json.Unmarshal(a.raw, &a.body); err != nil {
		b.Fatal(err)
	}
	return a
}

func TestPanicCostsOneAnswer(t *testing.T) {
	b := newBench(t)
	token := b.join("ann")
	b.store.panics = true
	a := b.raw("GET", "me", token, "", "")
	b.problem(a, 500, "internal")
	if strings.Contains(string(a.raw), "fake") {
		t.Errorf("the panic shows: %s", a.raw)
	}
	b.store.panics = false
	b.do(200, "GET", "me", token, "")
}

func TestCausesStayInside(t *testing.T) {
	b := newBench(t)
	token := b.join("ann")
	b.store.down = fmt.Errorf("dial tcp db.internal:3306: secret")
	a := b.raw("GET", "rooms", token, "", "")
	b.problem(a, 500, "internal")
	if strings.Contains(string(a.raw), "secret") {
		t.Errorf("the cause shows: %s", a.raw)
	}
	b.store.down = chat.Wrap(chat.Unavailable, fmt.Errorf("secret"), "")
	a = b.raw("GET", "rooms", token, "", "")
	b.problem(a, 503, "unavailable")
	if strings.Contains(string(a.raw), "secret") {
		t.Errorf("the cause shows: %s", a.raw)
	}
}

func TestHeaders(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"me", "/nowhere", "auth/login"} {
		a := b.raw("GET", path, "", "", "")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Server": "", "Strict-Transport-Security": "",
		} {
			if got := a.head.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
	for sent, kept := range map[string]bool{"abc-1.2_X": true, "": false, "a b": false, strings.Repeat("x", 65): false, "ä": false} {
		got := b.raw("GET", "me", "", "", "", "X-Request-Id", sent).head.Get("X-Request-Id")
		if kept != (got == sent) || !regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`).MatchString(got) {
			t.Errorf("request id %q became %q", sent, got)
		}
	}
	release := newBench(t, func(o *Options, _ *Ports) { o.Release = true })
	if release.raw("GET", "me", "", "", "").head.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS in release mode")
	}
}

func TestCORS(t *testing.T) {
	b := newBench(t)
	for _, tt := range []struct {
		origin string
		allow  string
	}{
		{"https://app.example.com", "https://app.example.com"},
		{"https://evil.example", ""},
		{"null", ""},
		{"https://app.example.com.evil.tld", ""},
		{"http://app.example.com", ""},
	} {
		a := b.raw("OPTIONS", "rooms", "", "", "", "Origin", tt.origin, "Access-Control-Request-Method", "POST")
		if a.status != 204 || a.head.Get("Access-Control-Allow-Origin") != tt.allow || a.head.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("preflight from %s: %d %v", tt.origin, a.status, a.head)
		}
		if a = b.raw("GET", "me", "", "", "", "Origin", tt.origin); a.head.Get("Access-Control-Allow-Origin") != tt.allow || a.head.Get("Vary") != "Origin" {
			t.Errorf("call from %s: %v", tt.origin, a.head)
		}
	}
}

func TestSite(t *testing.T) {
	b := newBench(t, func(o *Options, _ *Ports) {
		o.Site = fstest.MapFS{"index.html": {Data: []byte("<p>hello")}, "js/app.js": {Data: []byte("1")}}
	})
	if a := b.do(200, "GET", "/", "", ""); string(a.raw) != "<p>hello" || !strings.HasPrefix(a.head.Get("Content-Type"), "text/html") {
		t.Errorf("%q as %q", a.raw, a.head.Get("Content-Type"))
	}
	b.do(200, "GET", "/js/app.js", "", "")
	b.problem(b.raw("GET", "/js", "", "", ""), 404, "not_found")
	b.problem(b.raw("GET", "/js/..%2f..%2fsecret", "", "", ""), 404, "not_found")
	b.problem(b.raw("POST", "/index.html", "", "", ""), 404, "not_found")
	b.problem(b.raw("GET", "nowhere", "", "", ""), 404, "not_found")
	b.problem(b.raw("PUT", "rooms", "", "", ""), 405, "invalid")
}

// TestClientIP: only trusted proxies are believed, and only about the address that they added themselves.
func TestClientIP(t *testing.T) {
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	for _, tt := range []struct {
		name    string
		trusted []netip.Prefix
		forward []string
		varies  bool // each spoofed address counts as another client
	}{
		{"no proxy trusted", nil, []string{"%d.1.1.1"}, false},
		{"proxy trusted", []netip.Prefix{loopback}, []string{"%d.1.1.1"}, true},
		{"spoofed in front of the proxy's", []netip.Prefix{loopback}, []string{"%d.1.1.1, 8.8.8.8"}, false},
		{"spoofed in a header of its own", []netip.Prefix{loopback}, []string{"%d.1.1.1", "8.8.8.8"}, false},
		{"chain of proxies", []netip.Prefix{loopback}, []string{"%d.1.1.1, 127.0.0.9"}, true},
		{"nonsense", []netip.Prefix{loopback}, []string{"%d.1.1.1, <script>"}, false},
		{"one customer's IPv6", []netip.Prefix{loopback}, []string{"2001:db8::%d"}, false},
		{"customers of IPv6", []netip.Prefix{loopback}, []string{"2001:db8:0:%d::1"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, func(o *Options, _ *Ports) { o.TrustedProxies, o.Limits.LoginPerMinute = tt.trusted, 3 })
			limited := false
			for i := range 5 {
				heads := []string{}
				for _, f := range tt.forward {
					if strings.Contains(f, "%d") {
						f = fmt.Sprintf(f, i+1)
					}
					heads = append(heads, "X-Forwarded-For", f)
				}
				a := b.raw("POST", "auth/login", "", "application/json", fmt.Sprintf(`{"username":"u%d","password":"wrong"}`, i), heads...)
				limited = limited || a.status == 429
			}
			if limited == tt.varies {
				t.Errorf("limited %v, want %v", limited, !tt.varies)
			}
		})
	}
}

// TestCanaries: requests in parallel on reused connections never see each other's bytes.
func TestCanaries(t *testing.T) {
	b := newBench(t)
	const users = 64
	tokens := make([]string, users)
	for i := range tokens {
		tokens[i] = b.join(fmt.Sprintf("canary%02d", i))
		b.do(201, "POST", "rooms", tokens[i], fmt.Sprintf(`{"name":"room-canary%02d"}`, i))
	}
	var wg sync.WaitGroup
	for i, token := range tokens {
		wg.Go(func() {
			own := fmt.Sprintf("canary%02d", i)
			for n := range 20 {
				body := fmt.Sprintf(`{"content":"%s says %d","client_msg_id":"%s-%d"}`, own, n, own, n)
				path := fmt.Sprintf("rooms/%d/messages", i+1)
				for _, a := range []answer{
					b.raw("POST", path, token, "application/json", body, "X-Request-Id", own),
					b.raw("GET", path, token, "", "", "X-Request-Id", own),
					b.raw("PATCH", "me", token, "application/json", `{"nickname":"`+own+`"}`, "X-Request-Id", own),
					b.raw("GET", "users?q="+own, token, "", "", "X-Request-Id", own),
				} {
					rest := strings.ReplaceAll(string(a.raw), own, "")
					if a.status/100 != 2 || strings.Contains(rest, "canary") || a.head.Get("X-Request-Id") != own {
						t.Errorf("%s got %d %q %s", own, a.status, a.head.Get("X-Request-Id"), a.raw)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	for room, ms := range b.store.log {
		own := fmt.Sprintf("canary%02d", room-1)
		if len(ms) != 20 {
			t.Errorf("room %d has %d messages", room, len(ms))
		}
		for n, m := range ms {
			if m.Content != fmt.Sprintf("%s says %d", own, n) || m.ClientMsgID != fmt.Sprintf("%s-%d", own, n) {
				t.Errorf("room %d holds %+v", room, m)
			}
		}
	}
	for id, u := range b.store.users {
		if own := fmt.Sprintf("canary%02d", id-1); u.Nickname != own || u.Username != own {
			t.Errorf("user %d is %+v", id, u)
		}
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg)
	b := newBench(t, func(o *Options, _ *Ports) { o.Metrics = m })
	token := b.join("ann")
	b.do(404, "GET", "rooms/17", token, "")
	b.do(404, "GET", "rooms/18", token, "")
	b.do(404, "GET", "/made/up/"+strings.Repeat("x", 99), "", "")
	for labels, want := range map[[3]string]float64{{"GET", server.Base + "/rooms/{room_id}", "404"}: 2, {"GET", "other", "404"}: 1, {"POST", server.Base + "/auth/login", "200"}: 1} {
		if got := gathered(t, reg, labels); got != want {
			t.Errorf("%v = %v, want %v", labels, got, want)
		}
	}
}

// gathered returns chat_api_requests_total of a method, route and status.
func gathered(t *testing.T, reg *prometheus.Registry, labels [3]string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var got [3]string
			for _, l := range m.GetLabel() {
				if i := slices.Index([]string{"method", "route", "status"}, l.GetName()); i >= 0 {
					got[i] = l.GetValue()
				}
			}
			if f.GetName() == "chat_api_requests_total" && got == labels {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestStart(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s, err := New(Options{Addr: ln.Addr().String()}, newFakes().ports())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil {
		t.Error("started on a port in use")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("Stop of what never started = %v", err)
	}
}
