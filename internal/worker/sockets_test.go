package worker

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

func comes(n chat.SocketID, at int64, replace bool) envelope.Command {
	return envelope.Command{Kind: envelope.Connect, Gateway: "g1.a", Socket: n, User: 5, Session: "5", Partitions: 4, At: at, Replace: replace}
}

func ends(n chat.SocketID) envelope.Command {
	return envelope.Command{Kind: envelope.Disconnect, Gateway: "g1.a", Socket: n, User: 5, Session: "5"}
}

// A socket ends and another comes in its place; the notice of the end takes another partition and is later.
func TestEndBehindTheNextConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		w.room(1, 5)
		k := w.start(t, func(o *Options) { o.MaxSockets = 1 })
		wait(t, give(k, false, comes(1, 1000, false)), "first")
		if d := w.next(t, envelope.Welcome); d.Socket != 1 {
			t.Fatalf("welcome %+v", d)
		}
		w.next(t, envelope.Presences)
		acked := give(k, false, comes(2, 2000, false))
		synctest.Wait()
		select {
		case <-acked:
			t.Fatal("acknowledged before the second look")
		case d := <-w.sent:
			t.Fatalf("%+v before the second look", d)
		default:
		}
		wait(t, give(k, false, ends(1)), "the end of the first")
		if d := w.next(t, envelope.Welcome); d.Socket != 2 {
			t.Errorf("welcome %+v, want socket 2", d)
		}
		wait(t, acked, "second")
	})
}

// TestTooManySockets: the third look refuses what is still too much.
func TestTooManySockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		w.room(1, 5)
		k := w.start(t, func(o *Options) { o.MaxSockets = 1 })
		wait(t, give(k, false, comes(1, 1000, false)), "first")
		w.next(t, envelope.Welcome)
		begun := time.Now()
		wait(t, give(k, false, comes(2, 2000, false)), "second")
		if d := w.next(t, envelope.Prove); d.Socket != 1 {
			t.Errorf("asked socket %d whether it lives, want 1", d.Socket)
		}
		if d := w.next(t, envelope.Close); d.Socket != 2 || d.Code != 4505 {
			t.Errorf("closed socket %d with %d, want 2 with 4505", d.Socket, d.Code)
		}
		if took := time.Since(begun); took < 4*time.Second || took > 5*time.Second {
			t.Errorf("refused after %v, want four and a half seconds", took)
		}
	})
}

// TestSilentSocketGivesWay: a socket whose client has gone without a word ends when it is asked, and another one gets its place.
func TestSilentSocketGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		w.room(1, 5)
		k := w.start(t, func(o *Options) { o.MaxSockets = 1 })
		wait(t, give(k, false, comes(1, 1000, false)), "first")
		w.next(t, envelope.Welcome)
		acked := give(k, false, comes(2, 2000, false))
		if d := w.next(t, envelope.Prove); d.Socket != 1 {
			t.Fatalf("asked socket %d whether it lives, want 1", d.Socket)
		}
		wait(t, give(k, false, ends(1)), "the end of the first") // as its gateway reports
		if d := w.next(t, envelope.Welcome); d.Socket != 2 {
			t.Errorf("welcome %+v, want socket 2", d)
		}
		wait(t, acked, "second")
	})
}

// A connect that was held up in its partition doesn't replace sockets that came later.
func TestReplaceOnlyWhatIsOlder(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	k := w.start(t)
	for _, c := range []envelope.Command{comes(1, 1000, false), comes(3, 3000, false), comes(2, 2000, true)} {
		wait(t, give(k, false, c), "connect")
	}
	if d := w.next(t, envelope.Close); d.Socket != 1 || d.Code != 4503 {
		t.Errorf("closed socket %d with %d, want 1 with 4503", d.Socket, d.Code)
	}
	wait(t, give(k, false, comes(4, 4000, true)), "the last")
	closed := map[chat.SocketID]bool{}
	for range 3 {
		closed[w.next(t, envelope.Close).Socket] = true
	}
	if !closed[1] || !closed[2] || !closed[3] {
		t.Errorf("the last one replaced %v, want 1, 2 and 3", closed)
	}
}

// TestSocketThatEndsWithoutRedisIsForgottenLater: its entry would show the user online as long as the gateway lives.
func TestSocketThatEndsWithoutRedisIsForgottenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		w.sockets = []chat.Socket{{User: 5, Session: "5", Gateway: "g1.a", Socket: 1}, {User: 5, Session: "5", Gateway: "g1.a", Socket: 2}}
		w.redisAway = true
		k := w.start(t)
		wait(t, give(k, false, ends(1)), "the end")
		left := func() int {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.sockets)
		}
		time.Sleep(5 * time.Second)
		if left() != 2 {
			t.Fatalf("%d sockets, want 2: Redis is unreachable", left())
		}
		w.mu.Lock()
		w.redisAway = false
		w.mu.Unlock()
		time.Sleep(2 * time.Second)
		if left() != 1 {
			t.Errorf("%d sockets, want 1: the end was to be tried again", left())
		}
	})
}

// TestFeatures: welcome offers what the gateway and all live workers can do, and nothing where that is nothing.
func TestFeatures(t *testing.T) {
	for _, c := range []struct {
		name            string
		gateway, worker []string
		others          []chat.LiveWorker
		want            string
	}{
		{"all can", []string{"a", "b"}, []string{"a", "b"}, []chat.LiveWorker{{Boot: "x", Features: []string{"b", "c"}}}, `"features":["b"]`},
		{"the gateway can't", nil, []string{"a"}, nil, ""},
		{"a worker of the last release can't", []string{"a"}, []string{"a"}, []chat.LiveWorker{{Boot: "x"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakes()
				w.extra, w.workers = c.worker, c.others
				k := w.start(t)
				synctest.Wait() // for the first beat
				come := comes(1, 1000, false)
				come.Features = c.gateway
				give(k, false, come)
				f := string(w.next(t, envelope.Welcome).Frame)
				if c.want == "" && strings.Contains(f, "features") || !strings.Contains(f, c.want) {
					t.Errorf("welcome %s, want %q in it", f, c.want)
				}
			})
		})
	}
}
