package gateway

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"chat-service/internal/envelope"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/wscases"
)

func TestTokensComeInFourWays(t *testing.T) {
	gt := newGate(t, nil, nil)
	for name, c := range map[string]struct{ query, headers, first, sub string }{
		"query":               {query: "?token=1:s1&device=phone"},
		"header":              {headers: "Authorization: Bearer 1:s1\r\n"},
		"header, lower case":  {headers: "authorization: bearer 1:s1\r\n"},
		"subprotocol":         {headers: "Sec-WebSocket-Protocol: chat.v1, bearer.1:s1\r\n", sub: "chat.v1"},
		"subprotocol, 2 rows": {headers: "Sec-WebSocket-Protocol: chat.v1\r\nSec-WebSocket-Protocol: bearer.1:s1\r\n", sub: "chat.v1"},
		"first frame":         {first: `{"type":"auth","token":"1:s1"}`},
		"first frame, chat.v1": {
			headers: "Sec-WebSocket-Protocol: chat.v1\r\n", first: `{"type":"auth","token":"1:s1"}`,
			sub: "chat.v1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := gt.dial(c.query, c.headers)
			if s.res.StatusCode != http.StatusSwitchingProtocols || s.res.Header.Get("Sec-WebSocket-Protocol") != c.sub {
				t.Fatalf("answer %v", s.res)
			}
			if c.first != "" {
				s.send("%s", c.first)
			}
			s.want("welcome")
			s.send(`{"type":"ping"}`)
			s.want("pong")
		})
	}
	for _, c := range gt.bus.commands(envelope.Connect) {
		if c.User != 1 || c.Session != "s1" || c.Partitions != 4 || c.Gateway != "g1.boot" || c.At == 0 {
			t.Errorf("connect %+v", c)
		}
	}
}

func TestUpgradedAndClosed(t *testing.T) {
	for name, c := range map[string]struct {
		query, headers, first string
		mute                  []envelope.CommandKind
		refuse                error
		want                  int
	}{
		"bad token":              {query: "?token=nonsense", want: 4500},
		"expired token":          {query: "?token=1:s1:0", want: 4001},
		"bad token in a frame":   {first: `{"type":"auth","token":"x"}`, want: 4500},
		"expired in a frame":     {first: `{"type":"auth","token":"1:s:0"}`, want: 4001},
		"another version":        {query: "?token=1:s1", headers: "Sec-WebSocket-Protocol: chat.v2\r\n", want: 4506},
		"a frame before auth":    {first: `{"type":"ping"}`, want: 4501},
		"no JSON before auth":    {first: `hello`, want: 4501},
		"much before auth":       {first: strings.Repeat("x", 9<<10), want: 4501},
		"silence before auth":    {want: 4501},
		"no welcome":             {query: "?token=1:s1", mute: []envelope.CommandKind{envelope.Connect}, want: 4005},
		"the bus takes nothing":  {query: "?token=1:s1", refuse: errors.New("full"), want: 4005},
		"token ends on the spot": {query: "?token=1:s1:400", want: 4001},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gt := newGate(t, c.mute, func(o *Options) { o.AuthTimeout, o.ConnectTimeout = 300*time.Millisecond, 300*time.Millisecond })
			gt.bus.set(func(b *fakeBus) { b.refuse = c.refuse })
			s := gt.dial(c.query, c.headers)
			if s.res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("status %d", s.res.StatusCode)
			}
			if c.first != "" {
				s.send("%s", c.first)
			}
			if got := s.closed(); got != c.want {
				t.Errorf("closed with %d, want %d", got, c.want)
			}
			gt.gone()
		})
	}
}

func TestOldWelcomeIsRefused(t *testing.T) {
	gt := newGate(t, []envelope.CommandKind{envelope.Connect}, nil)
	s := gt.dial("?token=1:s1", "")
	testkit.Eventually(t, patience, func() (bool, string) { return len(gt.bus.commands(envelope.Connect)) == 1, "no connect" })
	c := gt.bus.commands(envelope.Connect)[0]
	gt.deliver(envelope.Delivery{Kind: envelope.Welcome, Gateway: c.Gateway, Socket: c.Socket, At: c.At - 31_000, Frame: []byte("{}")})
	if got := s.closed(); got != 4006 {
		t.Errorf("closed with %d", got)
	}
}

func TestRefusedBeforeTheUpgrade(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) {
		o.Origins = []string{"https://app.example.com"}
		o.MaxSockets = 2
	})
	for origin, want := range map[string]int{
		"":                                   101,
		"https://app.example.com":            101,
		"http://chat.example":                101, // the own host
		"https://evil.example":               403,
		"null":                               403,
		"https://app.example.com.evil.tld":   403,
		"https://app.example.com@evil.tld":   403,
		"https://app.example.com:8443":       403,
		"http://app.example.com":             403,
		"https://app.example.com/path":       403,
		"https://evil.tld/?app.example.com":  403,
		"file://chat.example":                403,
		"https://evil.tld#https://chat.exam": 403,
	} {
		headers := "Origin: " + origin + "\r\n"
		if origin == "" {
			headers = ""
		}
		s := gt.dial("?token=1:s1", headers)
		if s.res.StatusCode != want {
			t.Errorf("origin %q: status %d, want %d", origin, s.res.StatusCode, want)
		}
		if want == 101 {
			s.want("welcome")
			s.write(wscases.Frame(0x88, []byte{0x03, 0xe8}))
			if got := s.closed(); got != 1000 {
				t.Errorf("our 1000 was answered by %d", got)
			}
			gt.gone()
		}
	}
	gt.login(1)
	gt.login(2)
	wantUnavailable(t, gt, "beyond max_sockets")
}

// wantUnavailable wants a 503 that says when to come back.
func wantUnavailable(t *testing.T, gt *gate, why string) {
	t.Helper()
	s := gt.dial("?token=1:s1", "")
	if s.res.StatusCode != http.StatusServiceUnavailable || s.res.Header.Get("Retry-After") == "" || s.res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: %v", why, s.res)
	}
	named(t, s.res, "")
}

// named wants a problem with the request's id, the same as in its header: this one, or any if it is "".
func named(t *testing.T, res *http.Response, id string) {
	t.Helper()
	var p struct {
		RequestID string `json:"request_id"`
	}
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil || p.RequestID == "" || p.RequestID != res.Header.Get("X-Request-Id") || id != "" && p.RequestID != id {
		t.Errorf("request_id %q, header %q, %v; want %q", p.RequestID, res.Header.Get("X-Request-Id"), err, id)
	}
}

func TestProblems(t *testing.T) {
	gt := newGate(t, nil, nil)
	for name, c := range map[string]struct {
		request string
		status  int
		id      string
	}{
		"another path": {"GET /x HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n", 404, "mine"},
		"a bad id":     {"GET /x HTTP/1.1\r\nHost: a\r\nX-Request-Id: <script>\r\n\r\n", 404, ""},
		"no upgrade":   {"GET /api/v1/ws HTTP/1.1\r\nHost: a\r\n\r\n", 426, ""},
		"no HTTP":      {"hello\r\n\r\n", 400, ""},
		"a long head":  {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 9<<10) + "\r\n\r\n", 431, ""},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", gt.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			if _, err := conn.Write([]byte(c.request)); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != c.status || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("answered %v", res)
			}
			named(t, res, c.id)
		})
	}
}

func TestPaceAndBrokerRefuse(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) { o.SocketsPerSecond = 1; o.BusPatience = 300 * time.Millisecond })
	s := gt.login(1)
	wantUnavailable(t, gt, "beyond the pace")
	gt.BusDown(errors.New("cut"))
	if gt.Ready() == nil {
		t.Error("ready without the bus")
	}
	if got := s.closed(); got != 1012 {
		t.Errorf("without the bus the socket was closed with %d", got)
	}
	wantUnavailable(t, gt, "without the bus")
	gt.BusUp()
	testkit.Eventually(t, patience, func() (bool, string) { return gt.overload() == nil, "refused after the bus came back" })
}

func TestPlainRequests(t *testing.T) {
	gt := newGate(t, nil, nil)
	get := func(path string) *http.Response {
		res, err := http.Get("http://" + gt.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/": 404, "/api/v1/rooms": 404, "/api/v1/ws": 426} {
		res := get(path)
		if res.StatusCode != want || want >= 400 && res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("Server") != "" {
			t.Errorf("%s: %v", path, res)
		}
	}
	gt.BusDown(errors.New("cut"))
	if res := get("/readyz"); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz without the bus: %d", res.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestHeaderLimits(t *testing.T) {
	gt := newGate(t, nil, nil)
	s := gt.dial("", "Authorization: Bearer 1:"+strings.Repeat("s", 4<<10)+"\r\n")
	s.want("welcome")
	conn, err := net.Dial("tcp", gt.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET /api/v1/ws HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n", strings.Repeat("c", 20<<10))
	b := make([]byte, 64)
	if n, _ := conn.Read(b); n > 0 && !strings.Contains(string(b[:n]), " 431 ") {
		t.Errorf("20 KiB of headers: %q", b[:n])
	}
}
