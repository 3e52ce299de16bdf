package server

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"chat-service/internal/chat"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"), // one for the process
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

func TestDocsPage(t *testing.T) {
	b := newBench(t)
	page := b.do(200, "GET", "/docs", "", "")
	if bad := regexp.MustCompile(`(src|href)="/[^"]*"`).Find(page.raw); bad != nil {
		t.Errorf("the page has an absolute address: %s. A proxy may serve the api below a path", bad)
	}
	if a := b.do(200, "GET", "/docs/", "", ""); a.at.Path != "/docs" {
		t.Errorf("/docs/ ends at %s: from there the page's relative addresses lead elsewhere", a.at.Path)
	}
	for _, src := range []string{"docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/page.js", "docs/favicon-32x32.png"} {
		if !strings.Contains(string(page.raw), `"`+src+`"`) {
			t.Errorf("the page doesn't use %s", src)
		}
		if a := b.do(200, "GET", "/"+src, "", ""); len(a.raw) == 0 {
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
	big := `{"username":"` + strings.Repeat("x", b.opts.BodyBytes) + `"}`
	b.problem(b.raw("POST", "auth/login", "", "application/json", big), 413, "too_large")
	b.problem(b.announced("POST", "auth/login", 4*b.opts.BodyBytes+1), 413, "too_large")
	b.problem(b.raw("GET", "me", "", "", "", "X-Big", strings.Repeat("x", 2*headerLimit)), 431, "too_large")
	if a := b.raw("HEAD", "openapi.json", "", "", ""); a.status != 200 || len(a.raw) != 0 {
		t.Errorf("HEAD = %d with %d bytes", a.status, len(a.raw))
	}
}

// announced sends a request's head with a Content-Length and waits for the answer before it sends any body: what is too
// large even to be read is refused by its length, and a client that goes on writing may get a reset before it has read
// the answer.
func (b *bench) announced(method, path string, length int) response {
	b.Helper()
	c, err := net.Dial("tcp", b.srv.Addr())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "%s %s/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", method, Base, path, b.srv.Addr(), length)
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		b.Fatal(err)
	}
	return b.read(res)
}

func TestPanicCostsOneAnswer(t *testing.T) {
	b := newBench(t)
	b.panics = true
	a := b.raw("GET", "me", token, "", "")
	b.problem(a, 500, "internal")
	if strings.Contains(string(a.raw), "fake") {
		t.Errorf("the panic shows: %s", a.raw)
	}
	b.panics = false
	b.do(200, "GET", "me", token, "")
}

func TestCausesStayInside(t *testing.T) {
	b := newBench(t)
	b.err = fmt.Errorf("dial tcp db.internal:3306: secret")
	a := b.raw("GET", "me", token, "", "")
	b.problem(a, 500, "internal")
	if strings.Contains(string(a.raw), "secret") {
		t.Errorf("the cause shows: %s", a.raw)
	}
	b.err = chat.Wrap(chat.Unavailable, fmt.Errorf("secret"), "")
	a = b.raw("GET", "me", token, "", "")
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
			"Cache-Control": "no-store", "Content-Security-Policy": apiCSP, "Server": "", "Strict-Transport-Security": "",
		} {
			if got := a.head.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
	for sent, kept := range map[string]bool{"abc-1.2_X": true, "": false, "a b": false, strings.Repeat("x", 65): false, "ä": false} {
		got := b.raw("GET", "me", "", "", "", "X-Request-Id", sent).head.Get("X-Request-Id")
		if kept != (got == sent) || !saneID(got) {
			t.Errorf("request id %q became %q", sent, got)
		}
	}
	release := newBench(t, func(o *Options) { o.Release = true })
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
	b := newBench(t, func(o *Options) {
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
			b := newBench(t, func(o *Options) { o.TrustedProxies = tt.trusted })
			b.perIP = 3
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

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg)
	b := newBench(t, func(o *Options) { o.Metrics = m })
	b.do(200, "POST", "auth/login", "", `{"username":"ann","password":"123456"}`)
	b.do(404, "GET", "rooms/17", token, "")
	b.do(404, "GET", "rooms/18", token, "")
	b.do(404, "GET", "/made/up/"+strings.Repeat("x", 99), "", "")
	for labels, want := range map[[3]string]float64{{"GET", Base + "/rooms/{room_id}", "404"}: 2, {"GET", "other", "404"}: 1, {"POST", Base + "/auth/login", "200"}: 1} {
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
	s, err := New(Options{Addr: ln.Addr().String()}, new(toy).routes())
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

// TestStopRightAfterStart: a process may be told to stop before its server has begun to accept.
func TestStopRightAfterStart(t *testing.T) {
	for range 20 {
		s, err := New(Options{Addr: "127.0.0.1:0"}, new(toy).routes())
		if err != nil {
			t.Fatal(err)
		}
		if s.Ready() == nil {
			t.Fatal("ready before Start")
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Ready(); err != nil {
			t.Fatal(err)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Fatalf("Stop = %v", err)
		}
		if s.Ready() == nil {
			t.Fatal("ready after Stop")
		}
		select {
		case err := <-s.Fatal():
			t.Fatalf("serving ended with %v", err)
		default:
		}
	}
}

// TestPaths: what the path names reaches the verb, and what can't be an id doesn't.
func TestPaths(t *testing.T) {
	b := newBench(t)
	for path, want := range map[string]string{
		"rooms/7/members/9":  `{"room":7,"session":"s","target":9,"user":1}`,
		"rooms/7/members/me": `{"room":7,"session":"s","target":1,"user":1}`,
		"me":                 `{"room":0,"session":"s","target":0,"user":1}`,
	} {
		if a := b.do(200, "GET", path, token, ""); string(a.raw) != want {
			t.Errorf("%s: %s, want %s", path, a.raw, want)
		}
	}
	b.problem(b.raw("GET", "rooms/x/members/9", token, "", ""), 400, "invalid")
	b.problem(b.raw("GET", "rooms/7/members/-1", token, "", ""), 400, "invalid")
	b.problem(b.raw("GET", "rooms/07/members/9", token, "", ""), 400, "invalid")
	b.problem(b.raw("GET", "rooms/0/members/9", token, "", ""), 404, "not_found")
	for _, other := range []string{"me/", "%6de", "ME", "/api//v1/me", "/api/v1/./me"} { // no other spelling names a path
		b.problem(b.raw("GET", other, token, "", ""), 404, "not_found")
	}
	b.problem(b.raw("GET", "rooms/7/members/9007199254740992", token, "", ""), 404, "not_found")
}

// TestQuery: bounds, defaults and values of query parameters are those of the route's rows.
func TestQuery(t *testing.T) {
	b := newBench(t)
	for query, want := range map[string]string{
		"":                               `{"cursor":"","limit":50,"order":""}`,
		"?limit=200&cursor=c&order=down": `{"cursor":"c","limit":200,"order":"down"}`,
		"?utm_source=x":                  `{"cursor":"","limit":50,"order":""}`,
	} {
		if a := b.do(200, "GET", "rooms"+query, token, ""); string(a.raw) != want {
			t.Errorf("%q: %s, want %s", query, a.raw, want)
		}
	}
	for query, blamed := range map[string][]string{
		"?limit=0": {"limit"}, "?limit=201": {"limit"}, "?limit=x": {"limit"}, "?limit=": {"limit"}, "?limit=1&limit=1": {"limit"},
		"?order=left": {"order"}, "?cursor=" + strings.Repeat("x", 513): {"cursor"}, "?limit=0&order=left": {"limit", "order"},
	} {
		a := b.raw("GET", "rooms"+query, token, "", "")
		b.problem(a, 422, "invalid")
		var fields []string
		for _, e := range a.body["errors"].([]any) {
			fields = append(fields, e.(map[string]any)["field"].(string))
		}
		if slices.Sort(fields); !slices.Equal(fields, blamed) {
			t.Errorf("%q blames %v, want %v", query, fields, blamed)
		}
	}
	b.problem(b.raw("GET", "forgotten", token, "", ""), 500, "internal") // a verb that reads what its row doesn't list
}

func TestBodies(t *testing.T) {
	b := newBench(t)
	b.problem(b.raw("POST", "auth/login", "", "", ""), 400, "invalid")
	b.problem(b.raw("POST", "auth/login", "", "application/json", `{"nickname":"a"}`), 400, "unknown_field")
	a := b.do(201, "POST", "rooms", token, "") // a body that may be left out
	if string(a.raw) != `{"username":"","password":""}` || a.head.Get("Location") != Base+"/rooms/7" {
		t.Errorf("%s at %q", a.raw, a.head.Get("Location"))
	}
	b.problem(b.raw("POST", "rooms", token, "application/json", `{"nickname":"a"}`), 400, "unknown_field")
	if a := b.do(204, "DELETE", "rooms/7", token, ""); len(a.raw) != 0 {
		t.Errorf("204 with %s", a.raw)
	}
}

// TestRouteInfo: what the table says of a route includes what follows from its form.
func TestRouteInfo(t *testing.T) {
	b := newBench(t)
	statuses := map[string][]int{
		"login": {200, 400, 413, 415, 422, 503}, "me": {200, 401, 429, 503}, "rooms": {200, 400, 401, 422, 429, 503},
		"makeRoom": {200, 201, 400, 401, 413, 415, 422, 429, 503}, "room": {200, 400, 401, 404, 429, 503},
		"dropRoom": {204, 400, 401, 404, 429, 503},
	}
	var listed []string
	for _, r := range b.routes() {
		i := r.Info()
		listed = append(listed, i.Method+" "+i.Path)
		if want, ok := statuses[i.ID]; ok && !slices.Equal(i.Statuses, want) {
			t.Errorf("%s answers %v, want %v", i.ID, i.Statuses, want)
		}
		if (i.Body != nil) != (i.Method == http.MethodPost) {
			t.Errorf("%s takes %v", i.ID, i.Body)
		}
	}
	mounted := b.srv.Mounted()
	slices.Sort(mounted)
	if slices.Sort(listed); !slices.Equal(mounted, listed) {
		t.Errorf("mounted %v, listed %v", mounted, listed)
	}
}
