package gateway

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/wscases"
)

var testKey = base64.StdEncoding.EncodeToString([]byte("0123456789abcdef"))

// raw sends bytes and returns the answer, and the connection behind it.
func (gt *gate) raw(request string) *client {
	gt.t.Helper()
	conn, err := net.Dial("tcp", gt.Addr())
	if err != nil {
		gt.t.Fatal(err)
	}
	gt.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	c := &client{t: gt.t, conn: conn, r: bufio.NewReader(conn)}
	c.write([]byte(request))
	if c.res, err = http.ReadResponse(c.r, nil); err != nil {
		gt.t.Fatal(err)
	}
	return c
}

func TestRequestsThatOpenNoSocket(t *testing.T) {
	gt := newGate(t, nil, nil)
	good := "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + testKey + "\r\n"
	ws := func(line string, headers ...string) string { return line + "\r\n" + strings.Join(headers, "") + "\r\n" }
	for name, c := range map[string]struct {
		request string
		status  int
		header  string // one that the answer must have
	}{
		"HTTP/1.0":              {ws("GET /api/v1/ws HTTP/1.0", good), 426, "Upgrade"},
		"HTTP/2.0":              {ws("GET /api/v1/ws HTTP/2.0", good), 505, ""},
		"HTTP/3.1":              {ws("GET /healthz HTTP/3.1", "Host: a\r\n"), 505, ""},
		"POST":                  {ws("POST /api/v1/ws HTTP/1.1", good, "Content-Length: 0\r\n"), 405, "Allow"},
		"OPTIONS":               {ws("OPTIONS /api/v1/ws HTTP/1.1", good), 405, "Allow"},
		"HEAD":                  {ws("HEAD /api/v1/ws HTTP/1.1", good), 405, "Allow"},
		"FOO":                   {ws("FOO /api/v1/ws HTTP/1.1", good), 405, "Allow"},
		"POST /readyz":          {ws("POST /readyz HTTP/1.1", "Host: a\r\nContent-Length: 0\r\n"), 405, "Allow"},
		"two keys":              {ws("GET /api/v1/ws HTTP/1.1", good, "Sec-WebSocket-Key: "+testKey+"\r\n"), 400, ""},
		"no key":                {ws("GET /api/v1/ws HTTP/1.1", strings.Replace(good, "Sec-WebSocket-Key", "X-Key", 1)), 400, ""},
		"a short key":           {ws("GET /api/v1/ws HTTP/1.1", strings.Replace(good, testKey, "c2hvcnQ=", 1)), 400, ""},
		"a key with spare bits": {ws("GET /api/v1/ws HTTP/1.1", strings.Replace(good, testKey, strings.Replace(testKey, "Zg==", "Zh==", 1), 1)), 400, ""},
		"version 8":             {ws("GET /api/v1/ws HTTP/1.1", strings.Replace(good, ": 13", ": 8", 1)), 426, "Sec-WebSocket-Version"},
		"two versions":          {ws("GET /api/v1/ws HTTP/1.1", good, "Sec-WebSocket-Version: 13\r\n"), 426, "Sec-WebSocket-Version"},
		"no upgrade":            {ws("GET /api/v1/ws HTTP/1.1", strings.Replace(good, "Upgrade: websocket\r\n", "", 1)), 426, "Upgrade"},
		"a body":                {ws("GET /api/v1/ws HTTP/1.1", good, "Content-Length: 2\r\n") + "{}", 413, ""},
		"a body in chunks":      {ws("GET /healthz HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 413, ""},
		"a body without end":    {ws("GET /healthz HTTP/1.1", "Host: a\r\nTransfer-Encoding: identity\r\n") + "GET /readyz", 400, ""},
		"no body, said so":      {ws("GET /api/v1/ws HTTP/1.1", strings.Replace(good, ": 13", ": 8", 1), "Content-Length: 0\r\n"), 426, ""},
		"another upgrade":       {ws("GET /api/v1/ws HTTP/1.1", strings.Replace(good, "websocket", "h2c", 1)), 426, "Upgrade"},
		"a trailing slash":      {ws("GET /api/v1/ws/ HTTP/1.1", good), 404, ""},
		"two slashes":           {ws("GET /api/v1//ws HTTP/1.1", good), 404, ""},
		"a dotted path":         {ws("GET /api/v1/x/../ws HTTP/1.1", good), 404, ""},
		"an escaped letter":     {ws("GET /api/v1/%77s HTTP/1.1", good), 404, ""},
		"another case":          {ws("GET /API/v1/ws HTTP/1.1", good), 404, ""},
		"a body beyond bounds":  {ws("POST /api/v1/ws HTTP/1.1", "Host: a\r\nContent-Length: 100000\r\n"), 413, ""},
		"identity":              {ws("GET /readyz HTTP/1.1", "Host: a\r\nTransfer-Encoding: identity\r\n"), 400, ""},
		"chunked and a length":  {ws("GET /readyz HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n", 400, ""},
		"chunked in HTTP/1.0":   {ws("GET /api/v1/ws HTTP/1.0", good, "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400, ""},
		"a folded header":       {ws("GET /api/v1/ws HTTP/1.1", good, "X: a\r\n b\r\n"), 400, ""},
		"two lengths":           {ws("POST /readyz HTTP/1.1", "Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n") + "ab", 400, ""},
		"a head beyond bounds":  {ws("GET /api/v1/ws HTTP/1.1", good, "X: "+strings.Repeat("x", 9<<10)+"\r\n"), 431, ""},
	} {
		t.Run(name, func(t *testing.T) {
			res := gt.raw(c.request).res
			if res.StatusCode != c.status || c.header != "" && res.Header.Get(c.header) == "" {
				t.Errorf("answered %v, want %d and %s", res, c.status, c.header)
			}
			if ct := res.Header.Get("Content-Type"); ct != "application/problem+json" {
				t.Errorf("content type %q", ct)
			}
			if name != "HEAD" {
				named(t, res, "")
			}
		})
	}
	// Lists over several lines are one list.
	s := gt.raw(ws("GET /api/v1/ws?token=1:s1 HTTP/1.1", "Connection: keep-alive\r\n", good))
	s.want("welcome")
}

// A browser is answered with the subprotocol that it offered, or it can't read why the socket closes.
func TestTokenInASubprotocolWithoutTheProtocol(t *testing.T) {
	gt := newGate(t, nil, nil)
	s := gt.dial("", "Sec-WebSocket-Protocol: bearer.1:s1\r\n")
	if got := s.res.Header.Get("Sec-WebSocket-Protocol"); got != "bearer.1:s1" {
		t.Errorf("answered with the subprotocol %q", got)
	}
	if got := s.closed(); got != 4506 {
		t.Errorf("closed with %d", got)
	}
}

func TestBytesBehindTheHandshakeAreRead(t *testing.T) {
	gt := newGate(t, nil, nil)
	head := "GET /api/v1/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + testKey + "\r\n\r\n"
	auth := string(wscases.Frame(0x81, []byte(`{"type":"auth","token":"1:s1"}`)))
	ping := string(wscases.Frame(0x81, []byte(jsonPing)))
	for name, behind := range map[string]string{
		"the auth frame": auth, "a part of it": auth[:1], "a larger part": auth[:9],
		"auth in much white space": string(wscases.Frame(0x81, []byte(`{"type":"auth","token":"1:s1"}`+strings.Repeat(" ", 4000)))),
	} {
		t.Run(name, func(t *testing.T) {
			s := gt.raw(head + behind)
			if strings.HasPrefix(auth, behind) {
				s.write([]byte(auth[len(behind):]))
			}
			s.want("welcome")
			s.send(jsonPing)
			s.want("pong")
		})
	}
	s := gt.raw(head + auth + ping + ping)
	s.want("welcome")
	s.want("pong")
	s.want("pong")
}

func TestHalfMessageIsBounded(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) { o.MessageTimeout, o.PingInterval = 300*time.Millisecond, time.Second })
	s := gt.login(1)
	s.write(wscases.Frame(0x01, []byte(`{"type":`)))
	quit := make(chan struct{})
	pings := make(chan struct{})
	go func() { // lives by its pings
		defer close(pings)
		for {
			select {
			case <-quit:
				return
			case <-time.After(50 * time.Millisecond):
				_, _ = s.conn.Write(wscases.Frame(0x89, nil))
			}
		}
	}()
	got := s.closed()
	close(quit)
	<-pings
	if got != 4003 {
		t.Errorf("closed with %d", got)
	}
	other := gt.login(2)
	other.write(wscases.Frame(0x01, []byte(`{"type":`)))
	other.write(wscases.Frame(0x80, []byte(`"ping"}`)))
	other.want("pong")
	testkit.Eventually(t, patience, func() (bool, string) { // past the bound, a message that ended is forgotten
		live := gt.sockets.all()
		return len(live) == 1 && live[0].seen.Load()+600 < time.Now().UnixMilli(), "waiting"
	})
	other.send(jsonPing)
	other.want("pong")
}

func TestFloodsOfFramesThatCarryNothing(t *testing.T) {
	for name, f := range map[string][]byte{
		"pongs":                  bytes.Repeat(wscases.Frame(0x8a, nil), 5_000),
		"pings":                  bytes.Repeat(wscases.Frame(0x89, nil), 5_000),
		"empty fragments":        append(wscases.Frame(0x01, nil), bytes.Repeat(wscases.Frame(0x00, nil), 5_000)...),
		"pings within a message": append(wscases.Frame(0x01, nil), bytes.Repeat(wscases.Frame(0x89, nil), 5_000)...),
	} {
		t.Run(name, func(t *testing.T) {
			gt := newGate(t, nil, func(o *Options) { o.MessagesPerSecond, o.MessageBurst = 10, 20 })
			s := gt.login(1)
			go s.write(f)
			if got := s.closed(); got != 4004 {
				t.Errorf("closed with %d", got)
			}
		})
	}
}

func TestRenewalIsJudgedByTheWorkers(t *testing.T) {
	gt := newGate(t, nil, nil)
	ended := func(session chat.SessionID) {
		t.Helper()
		testkit.Eventually(t, patience, func() (bool, string) {
			for _, c := range gt.bus.commands(envelope.Show) {
				if len(c.Sessions) == 1 && c.Sessions[0] == session && c.Users[0] == 1 {
					return true, ""
				}
			}
			return false, "the workers weren't shown " + string(session)
		})
		gt.deliver(envelope.Delivery{Kind: envelope.Close, User: 1, Sessions: []chat.SessionID{session}, Code: 4502})
	}
	own, other, neighbour := gt.login(1), gt.dial("?token=1:s2", ""), gt.dial("?token=1:s3", "")
	other.want("welcome")
	neighbour.want("welcome")
	own.send(`{"type":"auth","token":"1:s1"}`)
	ended("s1")
	if got := own.closed(); got != 4502 {
		t.Errorf("a token of the socket's own session, which has ended: closed with %d", got)
	}
	other.send(`{"type":"auth","token":"1:s9"}`)
	ended("s9")
	if got := other.closed(); got != 4502 {
		t.Errorf("a token of another session, which has ended: closed with %d", got)
	}
	neighbour.send(jsonPing)
	neighbour.want("pong")
}

// A login session has too many sockets: those whose client has gone without a word give way, live ones stay.
func TestSilentSocketsGiveWay(t *testing.T) {
	gt := newGate(t, nil, nil)
	silent, alive := gt.login(1), gt.login(2)
	for user := range 2 {
		s := gt.hub.Of(chat.UserID(user + 1))[0].(*socket)
		gt.deliver(envelope.Delivery{Kind: envelope.Presences, Gateway: gt.o.ID, Socket: s.id, User: s.user})
	}
	if op, _, err := alive.next(); err != nil || op != opPing {
		t.Fatalf("one that is asked gets opcode %d, %v", op, err)
	}
	alive.write(wscases.Frame(0x8a, nil))
	if op, _, err := silent.next(); err != nil || op != opPing {
		t.Fatalf("one that is asked gets opcode %d, %v", op, err)
	}
	begin := time.Now()
	testkit.Eventually(t, patience, func() (bool, string) { return len(gt.bus.commands(envelope.Disconnect)) == 1, "not reported" })
	if took := time.Since(begin); took > 1800*time.Millisecond { // workers look again after 2 s
		t.Errorf("it took %v", took)
	}
	if got := silent.closed(); got != 4003 {
		t.Errorf("a silent one is closed with %d", got)
	}
	alive.send(jsonPing)
	alive.want("pong")
}

func TestListenerThatEndsIsFatal(t *testing.T) {
	gt := newGate(t, nil, nil)
	s := gt.login(1)
	_ = gt.listener.Close()
	select {
	case err := <-gt.Failed():
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(patience):
		t.Error("nobody learns that the listener has ended")
	}
	if gt.Ready() == nil {
		t.Error("ready without a listener")
	}
	s.send(jsonPing)
	s.want("pong")
}

func TestSocketsAreRefusedBeforeTheFileLimit(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) { o.FileRoom = 2 })
	gt.login(1)
	s := gt.login(2)
	wantUnavailable(t, gt, "beyond the file limit")
	if n := value(gt.m.Refused.WithLabelValues("files")); n != 1 {
		t.Errorf("%v are counted", n)
	}
	_ = s.conn.Close()
	testkit.Eventually(t, patience, func() (bool, string) { return gt.overload() == nil, "refused with room" })
	gt.login(3)
}

// panics counts those of a place.
func (gt *gate) panics(where string) float64 { return value(gt.m.Panics.WithLabelValues(where)) }

// boom panics whatever it is asked.
type boom struct{}

func (boom) Verify(token string) (Claims, error) {
	if strings.Contains(token, "boom") {
		panic("boom")
	}
	return verifier{}.Verify(token)
}

func TestPanicEndsOneSocket(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) { o.Verifier = boom{} })
	neighbour, s := gt.login(2), gt.login(1)
	s.send(`{"type":"auth","token":"boom"}`)
	if got := s.closed(); got != 4005 {
		t.Errorf("a panic of a live socket's frame closes it with %d", got)
	}
	s = gt.dial("", "")
	s.send(`{"type":"auth","token":"boom"}`)
	if got := s.closed(); got != 4005 {
		t.Errorf("a panic of a first frame closes with %d", got)
	}
	if n := gt.panics(inSocket); n != 2 {
		t.Errorf("%v panics of sockets are counted", n)
	}
	if s = gt.dial("?token=boom", ""); s.res.StatusCode != http.StatusInternalServerError || gt.panics(inRequest) != 1 {
		t.Errorf("a panic of a handshake is answered %v", s.res)
	}
	neighbour.send(jsonPing)
	neighbour.want("pong")
	_ = neighbour.conn.Close()
	gt.gone()
}

func TestPanicOfADeliveryLosesThatOneOnly(t *testing.T) {
	gt := newGate(t, nil, nil)
	s := gt.login(1)
	gt.serial.Lock()
	apply := gt.appliers[envelope.Aside]
	apply.apply = func(*Gateway, *hub.Sweep, *envelope.Delivery) { panic("boom") }
	gt.appliers[envelope.Aside] = apply
	gt.serial.Unlock()
	pong := envelope.Delivery{Kind: envelope.ToUser, User: 1, Frame: protocol.AppendPong(nil)}
	gt.deliver(envelope.Delivery{Kind: envelope.Aside, Room: testRoom}, pong)
	s.want("pong")
	if gt.panics(inDelivery) != 1 {
		t.Errorf("%v panics are counted", gt.panics(inDelivery))
	}
	testkit.Eventually(t, patience, func() (bool, string) {
		n := 0
		for _, c := range gt.bus.commands(envelope.Attach) {
			if c.Room == testRoom {
				n++
			}
		}
		return n >= 2, "the room wasn't asked for its head"
	})
}

// grumpy is a connection that panics the first time something is done with it.
type grumpy struct {
	net.Conn

	calls atomic.Int32
}

func (g *grumpy) boom() {
	if g.calls.Add(1) == 1 {
		panic("boom")
	}
}

func (g *grumpy) Write(b []byte) (int, error) {
	g.boom()
	return g.Conn.Write(b)
}

func (g *grumpy) Close() error {
	g.boom()
	return g.Conn.Close()
}

func TestPanicOfAWriterEndsOneSocket(t *testing.T) {
	gt := newGate(t, nil, nil)
	neighbour, s := gt.login(2), gt.login(1)
	far, near := net.Pipe()
	defer far.Close()
	x := &socket{g: gt.Gateway, id: 99, conn: &grumpy{Conn: near}, phase: live, reading: true}
	x.send(hub.Text(protocol.AppendPong(nil))) // without a raw connection the writer hands it to a goroutine of its own
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection whose writing panicked: %v", err)
	}
	if n := gt.panics(inWriter); n != 1 {
		t.Errorf("%v panics are counted", n)
	}
	for _, c := range []*client{neighbour, s} {
		c.send(jsonPing)
		c.want("pong")
	}
}

func TestPanicOfTheTickerEndsOneSocket(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) { o.PingInterval = time.Second })
	far, near := net.Pipe()
	defer far.Close()
	x := &socket{g: gt.Gateway, id: 99, conn: &grumpy{Conn: near}, phase: closing, reading: true} // its time is over
	gt.wheel.move(x, 0)
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection that the ticker panicked at: %v", err)
	}
	if n := gt.panics(inTicker); n != 1 {
		t.Errorf("%v panics are counted", n)
	}
	s := gt.login(1) // the ticker goes on: it pings
	if op, _, err := s.next(); err != nil || op != opPing {
		t.Errorf("after the panic: opcode %d, %v", op, err)
	}
}
