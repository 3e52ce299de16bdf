//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chat-service/internal/test/testkit"
)

// TestBadFrames: what a client gets wrong is answered by an error that refers to it, and the socket lives.
func TestBadFrames(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "> ping", "> auth")
	good(t, "keeps: malformed JSON", "keeps: unknown type or field", "keeps: bad values", "code unknown_type", "code unknown_field", "code invalid", "error ref is the type", "< error", "< pong", "> ping")
	u := w.api.User(t)
	s := w.dial(t, 1, u)
	for _, c := range []struct{ text, code, ref string }{
		{`{`, "invalid", ""},
		{``, "invalid", ""},
		{`nonsense`, "invalid", ""},
		{`[]`, "invalid", ""},
		{`"ping"`, "invalid", ""},
		{`null`, "invalid", ""},
		{`{"type":"ping"} {"type":"ping"}`, "invalid", "ping"},
		{`{"type":"ping","type":"ping"}`, "invalid", "ping"},
		{`{}`, "invalid", ""},
		{`{"type":7}`, "invalid", ""},
		{`{"type":"colour"}`, "unknown_type", "colour"},
		{`{"type":"ack"}`, "unknown_type", "ack"},
		{`{"type":"ping","colour":"red"}`, "unknown_field", "ping"},
		{`{"type":"ping","room_id":1}`, "unknown_field", "ping"},
		{`{"type":"auth"}`, "invalid", "auth"},
		{`{"type":"auth","token":7}`, "invalid", "auth"},
	} {
		s.SendText(t, c.text)
		e := s.Expect(t, is("error"))
		checkError(t, e, c.code)
		if e.Str("ref") != c.ref {
			t.Errorf("%s is answered with ref %q, want %q", c.text, e.Str("ref"), c.ref)
		}
	}
	s.Ping(t)
	s.SendText(t, `{"type":"ping"}`)
	if p := s.Expect(t, is("pong")); p.String() != `{"type":"pong"}` {
		t.Errorf("pong: %s", p)
	}
	if err := s.SendFrame(ws.OpText, false, []byte(`{"type":`)); err != nil {
		t.Fatal(err)
	}
	if err := s.SendFrame(ws.OpContinuation, true, []byte(`"ping"}`)); err != nil {
		t.Fatal(err)
	}
	s.Expect(t, is("pong"))
}

// TestFrameCloses: what no client may do ends the socket with its own code.
func TestFrameCloses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "close 1002", "close 1003", "close 1007", "close 1009", "close 4501", "close reason", "close: 20 bad frames a minute")
	u := w.api.User(t)
	masked := func(first byte, payload string) []byte {
		return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	}
	for name, c := range map[string]struct {
		code int
		send func(s *sock) error
	}{
		"reserved bits":         {1002, func(s *sock) error { return s.SendRaw(masked(0xf1, "{}")) }},
		"unknown opcode":        {1002, func(s *sock) error { return s.SendRaw(masked(0x83, "{}")) }},
		"not masked":            {1002, func(s *sock) error { return s.SendRaw([]byte{0x81, 2, '{', '}'}) }},
		"a lone continuation":   {1002, func(s *sock) error { return s.SendFrame(ws.OpContinuation, true, []byte("{}")) }},
		"a fragmented ping":     {1002, func(s *sock) error { return s.SendRaw(masked(0x09, "x")) }},
		"binary":                {1003, func(s *sock) error { return s.SendFrame(ws.OpBinary, true, []byte(`{"type":"ping"}`)) }},
		"invalid UTF-8":         {1007, func(s *sock) error { return s.SendFrame(ws.OpText, true, []byte("{\"type\":\"\xff\"}")) }},
		"invalid UTF-8 in part": {1007, func(s *sock) error { return s.SendFrame(ws.OpText, true, []byte("{\"type\":\"ping\"}\xc3")) }},
		"over 64 KiB":           {1009, func(s *sock) error { return s.SendFrame(ws.OpText, true, []byte(strings.Repeat(" ", 64<<10+1))) }},
		"over 64 KiB in parts": {1009, func(s *sock) error {
			if err := s.SendFrame(ws.OpText, false, []byte(strings.Repeat(" ", 40<<10))); err != nil {
				return err
			}
			return s.SendFrame(ws.OpContinuation, true, []byte(strings.Repeat(" ", 40<<10)))
		}},
		"21 bad frames": {4501, func(s *sock) error {
			for range 21 {
				if err := s.SendFrame(ws.OpText, true, []byte(`{"type":"colour"}`)); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := w.dial(t, 1+len(name)%2, u)
			if err := c.send(s); err != nil {
				t.Fatal(err)
			}
			closed(t, s, c.code)
		})
	}
	t.Run("64 KiB", func(t *testing.T) {
		t.Parallel()
		s := w.dial(t, 1, u)
		text := `{"type":"ping"}`
		s.SendText(t, text+strings.Repeat(" ", 64<<10-len(text)))
		s.Expect(t, is("pong"))
	})
	t.Run("20 bad frames", func(t *testing.T) {
		t.Parallel()
		s := w.dial(t, 1, u)
		for range 20 {
			s.SendText(t, `{"type":"colour"}`)
			checkError(t, s.Expect(t, is("error")), "unknown_type")
		}
		s.Ping(t)
	})
}

func TestBeforeAuth(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "close: any frame before auth", "close: 5 s of silence before auth", "close 4501", "close 4500")
	u := w.api.User(t)
	for name, text := range map[string]string{
		"a ping": `{"type":"ping"}`, "a message": `{"type":"message","room_id":1,"content":"x"}`, "nonsense": `nonsense`, "an unknown field": `{"type":"auth","token":"x","x":1}`,
		"a long frame": `{"type":"auth","token":"` + strings.Repeat("x", 20<<10) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testkit.Dial(t, w.WS(1), "", testkit.TokenInFrame())
			s.SendText(t, text)
			closed(t, s, 4501)
		})
	}
	t.Run("silence", func(t *testing.T) {
		t.Parallel()
		closed(t, testkit.Dial(t, w.WS(2), "", testkit.TokenInFrame()), 4501)
	})
	late := testkit.Dial(t, w.WS(1), "", testkit.TokenInFrame())
	late.Send(t, obj{"type": "auth", "token": u.Token})
	late.Welcome(t)
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "refused: Origin", "problem details")
	u := w.api.User(t)
	for _, origin := range []string{"https://evil.example.com", "null", "https://chat.example.com.evil.example", "https://chat.example.com:444", "http://chat.example.com"} {
		_, err := testkit.TryDial(t, w.WS(strictGateway), u.Token, testkit.Header("Origin", origin))
		if testkit.StatusOf(err) != http.StatusForbidden {
			t.Errorf("Origin %s: %v, want 403", origin, err)
		}
	}
	w.dial(t, strictGateway, u, testkit.Header("Origin", "https://chat.example.com")).Ping(t)
	host := strings.TrimSuffix(strings.TrimPrefix(w.WS(strictGateway), "ws://"), "/api/v1/ws")
	w.dial(t, strictGateway, u, testkit.Header("Origin", "http://"+host)).Ping(t)

	plain := testkit.API{Base: "http://" + host + "/api/v1"}
	refused := func(path, status string) {
		t.Helper()
		r, err := plain.Call(t.Context(), "GET", path, u.Token, nil)
		if err != nil || fmt.Sprint(r.Status) != status || r.Header.Get("Content-Type") != "application/problem+json" || r.Body.Str("code") == "" {
			t.Errorf("GET %s: %d %s %v, want %s and a problem", path, r.Status, r.Body, err, status)
		}
	}
	refused("/ws", "426")
	refused("/elsewhere", "404")
}

// TestLife: pings come in time, any frame counts as life, and silence is noticed.
func TestLife(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "pings", "any frame is life", "close 4003")
	u := w.api.User(t)
	silent := w.dial(t, strictGateway, u, testkit.NoPong())
	talks := w.dial(t, strictGateway, u, testkit.NoPong())
	answers := w.dial(t, strictGateway, u)
	done := make(chan struct{})
	go func() {
		defer close(done)
		closed(t, silent, 4003)
	}()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for alive := true; alive; {
		select {
		case <-done:
			alive = false
		case <-tick.C:
			talks.Ping(t)
		}
	}
	answers.Ping(t)
	pinged := dialRaw(t, w.WS(strictGateway), u.Token, 0)
	pinged.text(t, "welcome")
	if f, err := pinged.frame(); err != nil || f.Header.OpCode != ws.OpPing {
		t.Errorf("got %v, %v; want a ping", f.Header, err)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "close 4004", "code rate_limited", "close reason")
	u := w.api.User(t)
	s := w.dial(t, strictGateway, u)
	for range 70 {
		s.Send(t, obj{"type": "ping"})
	}
	e := s.Expect(t, is("error", "ref", "ping"))
	checkError(t, e, "rate_limited")
	if e.Num("retry_after_ms") == 0 {
		t.Errorf("no time to come back in %s", e)
	}
	for range 2000 {
		if err := s.SendFrame(ws.OpText, true, []byte(`{"type":"ping"}`)); err != nil {
			break // closed meanwhile
		}
	}
	closed(t, s, 4004)
}

// TestSlowConsumer: who does not read is sent away to come back, and what was sent is there by then.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "close 4002", "close reason")
	us := w.users(t, 2)
	from := w.dial(t, 1, us[0])
	slow := dialRaw(t, w.WS(2), us[1].Token, 4<<10)
	slow.text(t, "welcome")
	room := w.api.CreateRoom(t, us[0], us[1])
	from.Expect(t, is("joined"))
	slow.text(t, "joined")
	text := strings.Repeat("x", 16<<10)
	blocked := func() float64 { return w.metrics(t, "gateway-2").sum("chat_gateway_blocked_writes_total") }
	before := blocked()
	last := uint64(0)
	for sent := 0; last == 0; sent++ {
		seq := w.chat(t, from, room, text)
		if blocked() > before && sent > 16 {
			// More than the queue holds (16) and not many more: who then doesn't read for some seconds is cut off without a reason.
			for range 24 {
				seq = w.chat(t, from, room, text)
			}
			last = seq
		}
		if sent == 2000 {
			t.Fatal("2,000 large messages block no write to a socket that nobody reads")
		}
	}
	code, reason := slow.closed(t)
	if code != 4002 {
		t.Fatalf("closed with %d %s, want 4002", code, reason)
	}
	checkReason(t, code, reason)
	back := testkit.Dial(t, w.WS(2), us[1].Token)
	if r := back.Welcome(t).List("rooms")[0]; r.Num("last_seq") != last || r.Num("unread") != last-1 {
		t.Errorf("welcome after it: %s, want last_seq %d, all unread", r, last)
	}
}
