package worker

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// tight lets a user send two messages a second, two at once. The worker takes eight at first: what messages may have waited for in the
// queues comes on top.
func tight(o *Options) { o.Limits.UserMessagesPerSecond, o.Limits.UserMessageBurst = 2, 2 }

const atFirst = 2 + 4*2

// sends gives n messages of a user and counts those refused, with the last error.
func sends(t *testing.T, w *fakes, k *Worker, user chat.UserID, from, n int) (refused int, last string) {
	t.Helper()
	var cmds []envelope.Command
	for i := range n {
		cmds = append(cmds, sendCmd(1, user, fmt.Sprint("m", user, "-", from+i), "x"))
	}
	wait(t, give(k, false, cmds...), "the messages")
	for range n {
		for {
			d := <-w.sent
			if d.Kind == envelope.ToSocket {
				refused, last = refused+1, string(d.Frame)
				break
			}
			if d.Kind == envelope.InRoom {
				break
			}
		}
	}
	return refused, last
}

// TestMessagesOfAUser: beyond their allowance messages are refused with the time to wait, those of others aren't, and the allowance comes
// back.
func TestMessagesOfAUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		w.room(1, 5, 6)
		w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
		k := w.start(t, tight)
		refused, last := sends(t, w, k, 5, 0, atFirst+5)
		if refused != 5 || !strings.Contains(last, `"rate_limited"`) || !strings.Contains(last, `"retry_after_ms":500,`) {
			t.Errorf("%d of %d refused, with %s; want 5, in 500 ms", refused, atFirst+5, last)
		}
		if refused, _ = sends(t, w, k, 6, 0, atFirst); refused != 0 {
			t.Errorf("%d messages of somebody else refused", refused)
		}
		time.Sleep(500 * time.Millisecond)
		if refused, _ = sends(t, w, k, 5, 100, 2); refused != 1 {
			t.Errorf("half a second later %d of 2 refused, want 1", refused)
		}
		if n := len(w.store.Log(1)); n != atFirst+atFirst+1 {
			t.Errorf("%d messages were stored, want %d", n, 2*atFirst+1)
		}
	})
}

// TestRedeliveredMessageIsNotRefused: it may be committed, and has been paid for.
func TestRedeliveredMessageIsNotRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		w.room(1, 5)
		w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
		k := w.start(t, tight)
		if refused, _ := sends(t, w, k, 5, 0, atFirst+1); refused != 1 {
			t.Fatalf("%d refused, want 1", refused)
		}
		wait(t, give(k, true, sendCmd(1, 5, "again", "x")), "the redelivered one")
		if d := w.next(t, envelope.InRoom); d.Ref != "again" {
			t.Errorf("%+v", d)
		}
	})
}

// TestAllowanceIsShared: who has used little is reported to nobody; who has used much is, and pays here for what others let them send.
// Without Redis the worker counts by itself.
func TestAllowanceIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		w.room(1, 5, 6)
		w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
		w.used = map[string]time.Duration{"messages:5": 5 * time.Second}
		k := w.start(t, func(o *Options) { o.Limits.UserMessagesPerSecond, o.Limits.UserMessageBurst = 8, 16 })
		sends(t, w, k, 6, 0, 2)
		sends(t, w, k, 5, 0, 3)
		time.Sleep(150 * time.Millisecond)
		synctest.Wait()
		w.mu.Lock()
		spent, total := fmt.Sprint(w.spent), 16+4*8
		w.spent = nil
		w.mu.Unlock()
		if spent != "[{messages:5 3}]" {
			t.Errorf("reported: %s, want three messages of 5", spent)
		}
		left := total - 5*8 // used for 5 s ahead, by all processes
		if refused, _ := sends(t, w, k, 5, 100, left+10); refused < 8 || refused > 10 {
			t.Errorf("%d refused of %d, want 9", refused, left+10)
		}
		w.mu.Lock()
		w.noSpend = errors.New("unavailable")
		w.mu.Unlock()
		time.Sleep(10 * time.Second)
		if refused, _ := sends(t, w, k, 5, 200, total+1); refused != 1 {
			t.Errorf("without Redis %d refused of %d, want 1", refused, total+1)
		}
	})
}

// TestSocketsOfAUser: over all login sessions a user has so many sockets, and silent ones give way.
func TestSocketsOfAUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		w.room(1, 5)
		k := w.start(t, func(o *Options) { o.Limits.SocketsPerUser = 2 })
		for i, session := range []chat.SessionID{"5", "5a", "5b"} {
			c := comes(chat.SocketID(i+1), int64(1000*i), false)
			c.Session = session
			wait(t, give(k, false, c), "connect")
		}
		proved := map[chat.SocketID]bool{}
		for len(proved) < 2 {
			if d := w.next(t, envelope.Presences); d.Socket != 0 { // asks for a sign of life
				proved[d.Socket] = true
			}
		}
		if d := w.next(t, envelope.Close); d.Socket != 3 || d.Code != 4505 || !proved[1] || !proved[2] {
			t.Errorf("closed socket %d with %d, after asking %v", d.Socket, d.Code, proved)
		}
		other := envelope.Command{Kind: envelope.Connect, Gateway: "g1.a", Socket: 9, User: 6, Session: "6", Partitions: 4, At: 9000}
		wait(t, give(k, false, other), "somebody else's")
		if d := w.next(t, envelope.Welcome); d.Socket != 9 {
			t.Errorf("%+v", d)
		}
	})
}
