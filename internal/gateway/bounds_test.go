package gateway

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/bounds"
	"chat-service/internal/gateway/denial"
	"chat-service/internal/test/testkit"
)

// refusedBy opens a socket that must be refused with 503, and checks that the limit counted it and that it says when.
func refusedBy(t *testing.T, gt *gate, limit, query string, heads ...string) {
	t.Helper()
	before := value(gt.m.Refused.WithLabelValues(limit))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+gt.Addr()+denial.SocketPath+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
	} {
		req.Header.Set(k, v)
	}
	for i := 0; i+1 < len(heads); i += 2 {
		req.Header.Set(heads[i], heads[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	wait, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	if res.StatusCode != http.StatusServiceUnavailable || wait < 1 || value(gt.m.Refused.WithLabelValues(limit)) != before+1 {
		t.Errorf("%s: %d with Retry-After %q, counted %v", limit, res.StatusCode, res.Header.Get("Retry-After"), value(gt.m.Refused.WithLabelValues(limit))-before)
	}
}

// TestSilentSocketsOfAnAddress: an address that opens sockets and shows no token has so many of them, by the address that a trusted proxy
// names; others, and whoever brings a token, are let in.
func TestSilentSocketsOfAnAddress(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) {
		o.Bounds = chat.Limits{UnauthPerAddress: 3, HandshakeFailures: 4}
		o.TrustedProxies, _ = chat.ParseProxies([]string{"127.0.0.1"})
		o.AuthTimeout = 300 * time.Millisecond
	})
	const from = "X-Forwarded-For: 9.9.9.9\r\n"
	var silent []*client
	for range 3 {
		silent = append(silent, gt.dial("", from))
	}
	refusedBy(t, gt, "unauthenticated_per_address", "", "X-Forwarded-For", "9.9.9.9")
	refusedBy(t, gt, "unauthenticated_per_address", "?token=bad", "X-Forwarded-For", "1.1.1.1, 9.9.9.9")
	gt.login(1)
	s := gt.dial("", "X-Forwarded-For: 8.8.8.8\r\n")
	s.send(`{"type":"auth","token":"2:s2"}`)
	s.want("welcome")
	for _, c := range silent {
		if got := c.closed(); got != 4501 {
			t.Errorf("silence was closed with %d", got)
		}
	}
	testkit.Eventually(t, patience, func() (bool, string) { return gt.open.Load() == 2, "the silent sockets are still there" })
	s = gt.dial("", from) // the fourth failure of the address
	_ = s.conn.Close()
	refusedBy(t, gt, "handshake_failures_per_minute", "", "X-Forwarded-For", "9.9.9.9")
}

// TestUserOpensSoManySockets: at the handshake and by an auth frame, and however many they are at the end of it.
func TestUserOpensSoManySockets(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) { o.Bounds = chat.Limits{ConnectsPerMinute: 5, SocketsPerUser: 2} })
	for range 4 {
		gt.login(1)
	}
	s := gt.dial("?token=1:s1", "")
	if got := s.closed(); got != 4505 {
		t.Errorf("the fifth socket was closed with %d", got)
	}
	refusedBy(t, gt, "connects_per_minute", "?token=1:s1")
	s = gt.dial("", "")
	s.send(`{"type":"auth","token":"1:s1"}`)
	_, err := s.text()
	if err == nil || !strings.Contains(err.Error(), "4004") || !strings.Contains(err.Error(), "retry_after_ms") {
		t.Errorf("by an auth frame: %v, want 4004 and when to come back", err)
	}
	if n := value(gt.m.Bounds.Limited.WithLabelValues("connects_per_minute")) + value(gt.m.Bounds.Limited.WithLabelValues("sockets_per_user")); n != 2 {
		t.Errorf("%v were counted, want 2", n)
	}
	gt.login(2)
}

// TestMessagesOfAllSockets: a user's sockets share what the user may send; each refusal says how long, and somebody else sends on.
func TestMessagesOfAllSockets(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) {
		o.Bounds = chat.Limits{UserMessagesPerSecond: 0.1, UserMessageBurst: 5}
		o.MessagesPerSecond, o.MessageBurst = 100, 100
	})
	one, two, other := gt.login(1), gt.login(1), gt.login(2)
	acked, refused := 0, 0
	for i := range 8 {
		s := []*client{one, two}[i%2]
		s.send(`{"type":"message","room_id":7,"content":"x","client_msg_id":"m%d"}`, i)
		f, err := s.text()
		for err == nil && f.Type == "message" { // of the other socket
			f, err = s.text()
		}
		switch {
		case err != nil:
			t.Fatal(err)
		case f.Type == "ack":
			acked++
		case f.Code == "rate_limited" && f.Retry && f.RetryMS > 1000 && f.RetryMS <= 10_000:
			refused++
		default:
			t.Errorf("%+v", f)
		}
		s.send(`{"type":"typing","room_id":7}`) // other frames aren't messages
	}
	if len(gt.bus.commands(envelope.Typing)) < 7 {
		t.Error("other frames were refused with the messages")
	}
	if acked != 5 || refused != 3 || value(gt.m.Bounds.Messages) != 3 {
		t.Errorf("%d were acked and %d refused, want 5 and 3", acked, refused)
	}
	other.send(`{"type":"message","room_id":7,"content":"x","client_msg_id":"o"}`)
	for {
		if f, err := other.text(); err != nil || f.Type == "error" {
			t.Fatalf("somebody else got %+v, %v", f, err)
		} else if f.Type == "ack" {
			break
		}
	}
}

// TestFramesOfAllSockets: a user's sockets share what the user may send besides messages, too, which takes nothing from their messages.
func TestFramesOfAllSockets(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) {
		o.Bounds = chat.Limits{UserFramesPerSecond: 1}
		o.MessagesPerSecond, o.MessageBurst = 100, 100
	})
	one, two, other := gt.login(1), gt.login(1), gt.login(2)
	for i := range 4 {
		[]*client{one, two}[i%2].send(`{"type":"typing","room_id":7}`)
	}
	testkit.Eventually(t, patience, func() (bool, string) { // each socket has a goroutine of its own
		n := len(gt.bus.commands(envelope.Typing))
		return n == 4, fmt.Sprintf("%d of 4 are read", n)
	})
	for _, s := range []*client{one, two} {
		s.send(`{"type":"ping"}`)
		if f := s.want("error"); f.Code != "rate_limited" || !f.Retry || f.RetryMS <= 0 || f.RetryMS > 2000 {
			t.Errorf("%+v", f)
		}
	}
	if n := value(gt.m.Bounds.Others); n != 2 || value(gt.m.Bounds.Messages) != 0 {
		t.Errorf("%v are counted, want 2", n)
	}
	one.send(`{"type":"message","room_id":7,"content":"x","client_msg_id":"m"}`)
	one.want("ack")
	other.want("message")
	other.send(`{"type":"ping"}`)
	other.want("pong")
}

// TestTakeIsRate: the gateway counts frames as chat.Rate counts everything else.
func TestTakeIsRate(t *testing.T) {
	r := chat.Rate{Limit: 50, Per: time.Second, Burst: 20}
	var used atomic.Int64
	var want time.Time
	now := time.Unix(1_800_000_000, 0)
	for i := range 5000 {
		now = now.Add(time.Duration(rand.IntN(35)) * time.Millisecond)
		if i%500 == 0 {
			now = now.Add(time.Second)
		}
		var wait time.Duration
		want, wait = r.Take(want, now, 1)
		if got := take(&used, now.UnixNano(), bounds.PaceOf(r)); got != wait {
			t.Fatalf("step %d: wait %v, chat.Rate says %v", i, got, wait)
		}
	}
	if take(&used, now.UnixNano(), bounds.PaceOf(chat.Rate{})) != 0 {
		t.Error("no bound refuses")
	}
}

// BenchmarkTake is what a bound costs a message at the gateway.
func BenchmarkTake(b *testing.B) {
	var used atomic.Int64
	r := bounds.PaceOf(chat.Rate{Limit: 1e9, Per: time.Second, Burst: 1e9})
	for b.Loop() {
		take(&used, time.Now().UnixNano(), r)
	}
}
