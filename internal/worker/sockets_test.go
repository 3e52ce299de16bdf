package worker

import (
	"bytes"
	"context"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/fakestore"
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
		w.next(t, envelope.Presences)
		begun := time.Now()
		wait(t, give(k, false, comes(2, 2000, false)), "second")
		if d := w.next(t, envelope.Presences); d.Gateway != "g1.a" || d.Socket != 1 || len(d.States) > 0 {
			t.Errorf("asked socket %d whether it lives, want 1", d.Socket)
		}
		if d := w.next(t, envelope.Close); d.Socket != 2 || d.Code != 4505 {
			t.Errorf("closed socket %d with %d, want 2 with 4505", d.Socket, d.Code)
		}
		if took := time.Since(begun); took < 2400*time.Millisecond || took > 2600*time.Millisecond {
			t.Errorf("refused after %v, want two and a half seconds", took)
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
		w.next(t, envelope.Presences)
		acked := give(k, false, comes(2, 2000, false))
		if d := w.next(t, envelope.Presences); d.Gateway != "g1.a" || d.Socket != 1 || len(d.States) > 0 {
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

// able is the list of live workers, where this one seems to be of a release that can do more.
type able struct {
	*fakestore.Store
	features []string
}

func (a able) Beat(ctx context.Context, me chat.LiveWorker) error {
	me.Features = append(me.Features, a.features...)
	return a.Store.Beat(ctx, me)
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
				for _, o := range c.others {
					if err := w.store.Beat(t.Context(), o); err != nil {
						t.Fatal(err)
					}
				}
				k := w.start(t, func(o *Options) { o.Workers = able{w.store, c.worker} })
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

func TestConnectRegistersAndWelcomes(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	k := w.start(t, func(o *Options) { o.MaxSockets = 2 })
	connect := func(n chat.SocketID, replace bool) chan struct{} {
		return give(k, false, envelope.Command{Kind: envelope.Connect, Gateway: "g1.a", Socket: n, User: 5, Session: "5", Partitions: 4, Replace: replace})
	}
	connect(1, false)
	welcomed := func() {
		t.Helper()
		if d := w.next(t, envelope.Welcome); len(d.Points) != 1 || !bytes.Contains(d.Frame, []byte(`"type":"welcome"`)) {
			t.Errorf("welcome %+v", d)
		}
	}
	welcomed()
	if d := w.next(t, envelope.Presences); len(d.States) != 1 || !d.States[0].Online {
		t.Errorf("presence %+v, want user 5 online", d.States)
	}
	connect(2, false)
	welcomed()
	connect(3, false)
	if d := w.next(t, envelope.Close); d.Socket != 3 || d.Code != 4505 {
		t.Errorf("closed socket %d with %d, want 3 with 4505", d.Socket, d.Code)
	}
	connect(4, true)
	for range 2 {
		if d := w.next(t, envelope.Close); d.Code != 4503 || d.Socket == 4 {
			t.Errorf("closed socket %d with %d, want the others with 4503", d.Socket, d.Code)
		}
	}
	w.revoke("5", 5)
	connect(5, false)
	if d := w.next(t, envelope.Close); d.Socket != 5 || d.Code != 4502 {
		t.Errorf("closed socket %d with %d, want 5 with 4502", d.Socket, d.Code)
	}
	give(k, false, envelope.Command{Kind: envelope.Connect, Gateway: "g1.a", Socket: 6, User: 8, Session: "8", Partitions: 16})
	if d := w.next(t, envelope.Close); d.Socket != 6 || d.Code != 4005 {
		t.Errorf("closed socket %d with %d, want 6 with 4005: other partitions", d.Socket, d.Code)
	}
}

// TestManySocketsAtOnce gives connects and disconnects as one batch: one that ends makes place for one that comes, and one that came
// only to end is gone.
func TestManySocketsAtOnce(t *testing.T) {
	w := newFakes()
	w.room(1, 5, 6)
	k := w.make(t, func(o *Options) { o.MaxSockets = 1 })
	connect := func(n chat.SocketID, u chat.UserID) envelope.Command {
		return envelope.Command{Kind: envelope.Connect, Gateway: "g1.a", Socket: n, User: u, Session: chat.SessionID(u.String()), Partitions: 4}
	}
	leave := func(n chat.SocketID, u chat.UserID) envelope.Command {
		return envelope.Command{Kind: envelope.Disconnect, Gateway: "g1.a", Socket: n, User: u, Session: chat.SessionID(u.String())}
	}
	w.sockets = []chat.Socket{{User: 5, Session: "5", Gateway: "g1.a", Socket: 1}}
	acked := give(k, false, connect(2, 5), leave(1, 5), connect(3, 6), leave(3, 6)) // before it runs, so that it takes all at once
	w.run(t, k)
	wait(t, acked, "the batch")
	kinds := map[envelope.DeliveryKind]int{}
	for len(w.sent) > 0 {
		kinds[(<-w.sent).Kind]++
	}
	if want := (map[envelope.DeliveryKind]int{envelope.Welcome: 2, envelope.Presences: 1}); !maps.Equal(kinds, want) {
		t.Errorf("deliveries by kind %v, want %v", kinds, want)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sockets) != 1 || w.sockets[0].Socket != 2 {
		t.Errorf("registry %+v, want socket 2 of user 5 alone", w.sockets)
	}
}

// TestLateOnline: who comes while Redis doesn't answer is shown online when it does, once.
func TestLateOnline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		w.room(1, 5)
		w.unheard = 2
		k := w.start(t)
		assert := envelope.Command{Kind: envelope.Assert, Gateway: "g1.a", Socket: 1, User: 5, Session: "5"}
		wait(t, give(k, false, comes(1, 1000, false)), "a connect")
		w.next(t, envelope.Welcome)
		wait(t, give(k, false, assert), "an assert that fails, too")
		wait(t, give(k, false, assert), "an assert")
		if d := w.next(t, envelope.Presences); len(d.States) != 1 || d.States[0].User != 5 || !d.States[0].Online {
			t.Errorf("presence %+v, want user 5 online", d.States)
		}
		wait(t, give(k, false, assert), "another assert")
		time.Sleep(2 * time.Second)
		for len(w.sent) > 0 {
			if d := <-w.sent; d.Kind == envelope.Presences {
				t.Errorf("shown again: %+v", d.States)
			}
		}
	})
}
