//go:build e2e

package attacks

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"chat-service/internal/test/testkit"
)

func otherPages(a *attack) {
	u := a.users(1)[0]
	ask := func(api testkit.API, method, from string, more http.Header) http.Header {
		a.Helper()
		h := http.Header{"Origin": {from}}
		for k, v := range more {
			h[k] = v
		}
		return a.ask(api, request{method: method, path: "/me", token: u.Token, header: h}).Header
	}
	preflight := http.Header{"Access-Control-Request-Method": {"PATCH"}, "Access-Control-Request-Headers": {"authorization"}}
	for _, other := range []string{"https://evil.example", "null", origin + ".evil.example", origin + ":444", "http://chat.example.com", "https://CHAT.example.com", origin + "/", "*", ""} {
		for _, api := range []testkit.API{a.api, a.strict} {
			for method, more := range map[string]http.Header{"GET": nil, "OPTIONS": preflight} {
				for name := range ask(api, method, other, more) {
					if strings.HasPrefix(name, "Access-Control-") {
						a.Errorf("a page of %q gets %s", other, name)
					}
				}
			}
		}
	}
	for method, more := range map[string]http.Header{"GET": nil, "OPTIONS": preflight} {
		h := ask(a.strict, method, origin, more)
		if h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != "" || !strings.Contains(strings.Join(h["Vary"], ","), "Origin") {
			a.Errorf("a page that may call gets %v", h)
		}
	}
	a.refusesToStart("api", []string{"cors", "origins"}, append(releaseEnv(), "CHAT_CORS_ORIGINS=*")...)
}

func answersHeaders(a *attack) {
	u := a.users(1)[0]
	for _, r := range []request{
		{method: "GET", path: "/me", token: u.Token},
		{method: "GET", path: "/me"},
		{method: "GET", path: "/nowhere"},
		{method: "PUT", path: "/me"},
		{method: "POST", path: "/auth/login", body: "{"},
		{method: "POST", path: "/auth/login", body: obj{"username": u.Username, "password": u.Password}},
		{method: "OPTIONS", path: "/me"},
		{method: "GET", path: "//"},
		{method: "GET", path: "//docs"},
		{method: "POST", path: "/auth/login", body: strings.Repeat("x", 200<<10)},
	} {
		for _, api := range []testkit.API{a.api, a.strict} {
			res := a.ask(api, r)
			h := res.Header
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"} {
				if h.Get(name) != want {
					a.Errorf("%s %s (%d): %s %q, want %q", r.method, r.path, res.Status, name, h.Get(name), want)
				}
			}
			if !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
				a.Errorf("%s %s: policy %q", r.method, r.path, h.Get("Content-Security-Policy"))
			}
			if !strings.HasPrefix(r.path, "//") && h.Get("Cache-Control") != "no-store" {
				a.Errorf("%s %s: Cache-Control %q", r.method, r.path, h.Get("Cache-Control"))
			}
			if hsts := h.Get("Strict-Transport-Security"); (hsts != "") != (api == a.strict) {
				a.Errorf("%s %s: Strict-Transport-Security %q", r.method, r.path, hsts)
			}
		}
	}
}

func bodiesAndMethods(a *attack) {
	u := a.users(1)[0]
	for path, body := range map[string]string{
		"/auth/login": `{"username":"` + strings.Repeat("x", 200<<10) + `"`, "/rooms": strings.Repeat(" ", 200<<10), "/presence": `{"user_ids":[` + strings.Repeat("1,", 100<<10),
	} {
		a.refused(a.api, 413, "too_large", "POST", path, u.Token, body)
	}
	chunked := "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
		strings.Repeat("10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n", 200) + "0\r\n\r\n"
	if answer, _ := a.wire(hostOf(a.api.Base), chunked, patience); answer != "" && !strings.HasPrefix(answer, "HTTP/1.1 413 ") {
		a.Errorf("13 MB in chunks: %s", brief(answer))
	}
	for _, method := range []string{"TRACE", "CONNECT", "FOO", "PROPFIND", "get", "TRACK", "DEBUG"} {
		for where, host := range map[string]string{"api": hostOf(a.api.Base), "gateway": hostOf(a.WS(1))} {
			answer, _ := a.wire(host, method+" /api/v1/me HTTP/1.1\r\nHost: x\r\nX-Secret: canary\r\nConnection: close\r\n\r\n", 5*time.Second)
			if !strings.HasPrefix(answer, "HTTP/1.1 4") && !strings.HasPrefix(answer, "HTTP/1.1 501 ") || strings.Contains(answer, "canary") {
				a.Errorf("%s at the %s: %s", method, where, brief(answer))
			}
		}
	}
	for _, call := range [][2]string{{"PUT", "/me"}, {"DELETE", "/me"}, {"GET", "/auth/login"}, {"PATCH", "/rooms"}, {"POST", "/unread"}} {
		r := a.ask(a.api, request{method: call[0], path: call[1], token: u.Token, body: "{}"})
		if r.Status != 405 || r.Header.Get("Allow") == "" || strings.Contains(r.Header.Get("Allow"), call[0]) {
			a.Errorf("%s %s: %d, Allow %q", call[0], call[1], r.Status, r.Header.Get("Allow"))
		}
	}
	for _, ct := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/xml"} {
		r := a.ask(a.api, request{method: "POST", path: "/rooms", token: u.Token, body: `{"name":"n"}`, header: http.Header{"Content-Type": {ct}}})
		if r.Status != 415 {
			a.Errorf("%s: %d %s", ct, r.Status, brief(string(r.Raw)))
		}
	}
}

func serverHeaders(a *attack) {
	for _, host := range []string{hostOf(a.api.Base), hostOf(a.strict.Base), hostOf(a.WS(1)), hostOf(a.WS(2))} {
		for _, path := range []string{"/", "/healthz", "/api/v1/me", "/api/v1/ws", "/nowhere"} {
			answer, _ := a.wire(host, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 5*time.Second)
			head, _, _ := strings.Cut(answer, "\r\n\r\n")
			for _, word := range []string{"\r\nserver:", "\r\nx-powered-by:", "fasthttp", "fiber", "via:"} {
				if strings.Contains(strings.ToLower(head), word) {
					a.Errorf("%s%s tells what it is: %s", host, path, head)
				}
			}
			if !strings.HasPrefix(head, "HTTP/1.1 ") {
				a.Errorf("%s%s: %q", host, path, brief(answer))
			}
		}
	}
}

// smuggled are requests whose end is in doubt, each with a second one inside.
func smuggled() map[string]string {
	const second = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
	post := func(headers, body string) string {
		return "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + headers + "\r\n" + body
	}
	long := fmt.Sprintf("Content-Length: %d\r\n", len(second))
	return map[string]string{
		"identity, no length":         post("Transfer-Encoding: identity\r\n", second),
		"length and chunks":           post(long+"Transfer-Encoding: chunked\r\n", "0\r\n\r\n"+second),
		"chunks and length":           post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(second), second)),
		"two lengths":                 post("Content-Length: 2\r\n"+long, "{}"+second),
		"one length twice":            post("Content-Length: 2\r\nContent-Length: 2\r\n", "{}"+second),
		"a list of lengths":           post("Content-Length: 2, 2\r\n", "{}"+second),
		"a length with a sign":        post("Content-Length: +2\r\n", "{}"+second),
		"a negative length":           post("Content-Length: -2\r\n", second),
		"a hexadecimal length":        post("Content-Length: 0x2\r\n", "{}"+second),
		"a length with words":         post("Content-Length: 2 bytes\r\n", "{}"+second),
		"an enormous length":          post("Content-Length: 99999999999999999999\r\n", second),
		"a space before the colon":    post("Transfer-Encoding : chunked\r\n"+long, "0\r\n\r\n"+second),
		"an unknown coding":           post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"+second),
		"chunked, not last":           post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"+second),
		"chunked twice":               post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+second),
		"a coding over two lines":     post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"+second),
		"a coding after a tab":        post("Transfer-Encoding:\tchunked\r\n"+long, "0\r\n\r\n"+second),
		"a line feed in an extension": post("Transfer-Encoding: chunked\r\n", "2;\nxx\r\n{}\r\n0\r\n\r\n"+second),
		"a chunk size, signed":        post("Transfer-Encoding: chunked\r\n", "+2\r\n{}\r\n0\r\n\r\n"+second),
		"a chunk size with 0x":        post("Transfer-Encoding: chunked\r\n", "0x2\r\n{}\r\n0\r\n\r\n"+second),
		"an enormous chunk":           post("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n"+second),
		"a chunk without its end":     post("Transfer-Encoding: chunked\r\n", "2\r\n{}xx0\r\n\r\n"+second),
		"a null in a header":          post("X-A: a\x00b\r\n"+long, second),
		"a return in a header":        post("X-A: a\rContent-Length: 0\r\n", second),
		"a header without a colon":    post("X-A\r\nContent-Length: 2\r\n", "{}"+second),
		"a header without a name":     post(": x\r\nContent-Length: 2\r\n", "{}"+second),
		"chunks in HTTP/1.0":          strings.Replace(post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"+second), "HTTP/1.1", "HTTP/1.0", 1),
		"another version":             strings.Replace(post("Content-Length: 0\r\n", second), "HTTP/1.1", "HTTP/1.2", 1),
	}
}

func smuggling(a *attack) {
	for what, bytes := range smuggled() {
		answer, closed := a.wire(hostOf(a.api.Base), bytes, 5*time.Second)
		if strings.Contains(answer, `"openapi"`) || strings.Contains(answer, "HTTP/1.1 200") {
			a.Errorf("%s: what it smuggled is answered: %s", what, brief(answer))
		}
		if !strings.HasPrefix(answer, "HTTP/1.1 4") && !strings.HasPrefix(answer, "HTTP/1.1 5") || !closed {
			a.Errorf("%s: %q, closed: %v; want a 4xx or 501, 505, and the connection closed", what, brief(answer), closed)
		}
		answer, _ = a.wire(hostOf(a.WS(1)), strings.ReplaceAll(bytes, "POST /api/v1/auth/login", "GET /healthz"), 7*time.Second)
		if strings.Count(answer, "HTTP/1.1 200") > 1 || strings.Contains(answer, "HTTP/1.1 404") {
			a.Errorf("%s at a gateway: what it smuggled is answered: %s", what, brief(answer))
		}
	}
}

func handlerPanics(a *attack) {
	before := a.ask(a.api, request{method: "GET", path: "/unread"})
	a.problem(before, 401, "unauthenticated", "without a token")
	u := a.users(1)[0]
	s := a.dial(1, u)
	pid := a.PID(a, "api-4")
	for range 5 {
		r := a.ask(a.API(4), request{method: "GET", path: "/me", token: u.Token, header: http.Header{"X-Request-Id": {"panic"}}})
		a.problem(r, 500, "internal", "a handler that panics")
		for _, word := range []string{"panic", "goroutine", ".go:", "planted"} {
			if strings.Contains(strings.ReplaceAll(string(r.Raw), `"request_id":"panic"`, ""), word) {
				a.Errorf("the answer tells %q: %s", word, r.Raw)
			}
		}
	}
	a.API(4).Must(a, 200, "GET", "/me", u.Token, nil)
	if now := a.PID(a, "api-4"); now != pid {
		a.Errorf("the api went from process %d to %d", pid, now)
	}
	if log := a.Fleet.Log("api-4", 200); !strings.Contains(log, "planted") || !strings.Contains(log, "goroutine") {
		a.Error("the log has no stack")
	}
	s.Ping(a)
}
