//go:build e2e

package attacks

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"chat-service/internal/test/testkit"
)

// silent opens a socket that says nothing, with as little around it as possible.
func silent(host string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", host, 10*time.Second)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, err = io.WriteString(conn, "GET /api/v1/ws HTTP/1.1\r\nHost: "+host+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func silentSockets(a *attack) {
	const crowd, each = 1000, 32 << 10 // bytes of memory that one may cost
	host, before := hostOf(a.WS(1)), a.rss("gateway-1")
	var wg sync.WaitGroup
	var mu sync.Mutex
	lives := []time.Duration{}
	lanes := make(chan struct{}, 50)
	for range crowd {
		lanes <- struct{}{}
		conn, err := silent(host)
		if err != nil {
			a.Fatal(err)
		}
		began := time.Now()
		wg.Go(func() {
			defer conn.Close()
			b, _ := io.ReadAll(conn)
			if !strings.HasPrefix(string(b), "HTTP/1.1 101") || !strings.Contains(string(b), `{"code":4501,`) {
				a.Errorf("a silent socket is answered by %s", brief(string(b)))
			}
			mu.Lock()
			defer mu.Unlock()
			lives = append(lives, time.Since(began))
		})
		<-lanes
	}
	if grown := int64(a.rss("gateway-1")) - int64(before); grown > crowd*each {
		a.Errorf("%d silent sockets cost %d bytes of memory, may cost %d", crowd, grown, crowd*each)
	}
	wg.Wait()
	for _, life := range lives {
		if life < 4*time.Second || life > 8*time.Second {
			a.Errorf("a silent socket lived %v, want 5 s", life)
			break
		}
	}
}

func tooManyFrames(a *attack) {
	u := a.users(1)[0]
	room := a.api.CreateRoom(a, u)
	s := a.dial(2, u)
	for range 300 {
		s.Send(a, obj{"type": "message", "room_id": room, "content": "x", "client_msg_id": fresh()})
	}
	e := s.Expect(a, is("error", "code", "rate_limited"))
	if e.Num("retry_after_ms") == 0 || !e.Bool("retry") {
		a.Errorf("no time to come back in %s", e)
	}
	for range 5000 {
		if s.SendFrame(ws.OpText, true, []byte(`{"type":"ping"}`)) != nil {
			break // closed meanwhile
		}
	}
	a.closed(s, 4004)
	a.chat(a.dial(1, u), room, "after them")
	if n := a.number("SELECT COUNT(*) FROM messages WHERE room_id = ? AND kind = 'text'", room); n < 150 || n > 290 {
		a.Errorf("%d of 300 messages at once are taken, want a burst of 200 and what the rate lets through", n)
	}
}

func tooManySockets(a *attack) {
	errors := func() float64 {
		return a.metric("worker-1", "chat_worker_state_errors_total") + a.metric("worker-2", "chat_worker_state_errors_total")
	}
	var u user
	var all []*sock
	testkit.Eventually(a, time.Minute, func() (bool, string) { // a socket that Redis was too slow for is welcome, and doesn't count
		before := errors()
		u, all = a.api.User(a), nil
		for i := range 10 {
			all = append(all, a.dial(1+i%2, u))
		}
		for i := range 2 {
			s := testkit.Dial(a, a.WS(1+i), u.Token)
			testkit.Eventually(a, patience, func() (bool, string) {
				_, _, over := s.Ended()
				return over || len(s.Frames()) > 0, "neither welcome nor closed"
			})
			if code, reason, over := s.Ended(); over {
				a.judge(code, reason, 4505)
			} else if errors() == before {
				a.Fatal("an 11th socket is welcome")
			} else {
				return false, "Redis is too slow for this"
			}
		}
		return true, ""
	})
	for _, s := range all {
		s.Ping(a) // nobody is put out silently
	}
	a.dial(1, a.api.Login(a, u.Username, u.Password, "another")).Ping(a)
	var last *sock
	testkit.Eventually(a, time.Minute, func() (bool, string) { // a socket that Redis was too slow for isn't known
		last = a.dial(2, u, testkit.Query("replace", "true"))
		for _, s := range all {
			if _, _, over := s.Ended(); !over {
				return false, "an older socket stays"
			}
		}
		return true, ""
	})
	for _, s := range all {
		a.closed(s, 4503)
	}
	last.Ping(a)
}

func stopsReading(a *attack) {
	us := a.users(2)
	from := a.dial(1, us[0])
	conn, err := silentReader(hostOf(a.WS(2)), us[1].Token)
	if err != nil {
		a.Fatal(err)
	}
	defer conn.Close()
	room := a.api.CreateRoom(a, us[0], us[1])
	from.Expect(a, is("joined"))
	text, last := strings.Repeat("x", 16<<10), uint64(0)
	over := func() bool {
		return strings.Contains(a.metrics("gateway-2"), `chat_gateway_closes_total{code="4002"} `) && a.slowCloses() > 0
	}
	for sent := 0; !over(); sent++ {
		for range 16 {
			last = a.chat(from, room, text)
		}
		if sent == 100 {
			a.Fatal("1,600 large messages to a socket that nobody reads don't close it")
		}
	}
	back := testkit.Dial(a, a.WS(2), us[1].Token)
	if r := back.Welcome(a).List("rooms")[0]; r.Num("last_seq") != last {
		a.Errorf("welcome after it: %s, want last_seq %d", r, last)
	}
}

// slowCloses counts the sockets that gateway-2 closed as slow.
func (a *attack) slowCloses() (n int) {
	for line := range strings.Lines(a.metrics("gateway-2")) {
		if rest, ok := strings.CutPrefix(line, `chat_gateway_closes_total{code="4002"} `); ok {
			_, _ = fmt.Sscan(rest, &n)
		}
	}
	return n
}

// silentReader opens a socket with a small buffer that is never read.
func silentReader(host, token string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", host, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4 << 10)
	}
	_, err = io.WriteString(conn, "GET /api/v1/ws?token="+token+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	return conn, err
}

// drip sends a head, and then a byte now and then until the server has had enough; it returns how long that took.
func drip(host, head string, pause time.Duration) (time.Duration, error) {
	conn, err := net.DialTimeout("tcp", host, 5*time.Second)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	began := time.Now()
	if _, err := io.WriteString(conn, head); err != nil {
		return 0, err
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = conn.SetReadDeadline(began.Add(40 * time.Second))
		_, _ = io.ReadAll(conn)
	}()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-gone:
			return time.Since(began), nil
		case <-tick.C:
			_, _ = io.WriteString(conn, "x") // an error ends the reading, too
		}
	}
}

func slowRequests(a *attack) {
	var wg sync.WaitGroup
	for where, host := range map[string]string{"gateway": hostOf(a.WS(1)), "api": hostOf(a.api.Base)} {
		for what, head := range map[string]string{
			"request line": "GET /hea", "head": "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ",
			"body": "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
		} {
			wg.Go(func() {
				took, err := drip(host, head, time.Second)
				if err != nil || took > 12*time.Second {
					a.Errorf("%s: a %s by drips keeps its connection for %v (%v), want 10 s at most", where, what, took, err)
				}
			})
		}
	}
	wg.Wait()
}

func plainSockets(a *attack) {
	for path := range map[string]bool{"/me": true, "/openapi.json": true, "//docs": true, "//": true} {
		if h := a.ask(a.strict, request{method: "GET", path: path}).Header.Get("Strict-Transport-Security"); !strings.Contains(h, "max-age=") {
			a.Errorf("%s in release mode: Strict-Transport-Security %q", path, h)
		}
	}
	if said, ok := a.configured("gateway", "", append(releaseEnv(), "CHAT_RABBITMQ_URL=amqp://chat:Kq7-vX2pLm9w@far.example:5672/")...); !ok || !strings.Contains(said, "amqps://") {
		a.Errorf("a release gateway that speaks plainly to another machine: %v %s", ok, said)
	}
}
