package worker

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

func TestOutboxRowsBelowGoFirst(t *testing.T) {
	w := newFakes()
	w.room(1, 5, writer)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
	k := w.start(t, func(o *Options) { o.OutboxPoll = time.Hour })
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
	w.post(t, 1)
	w.post(t, 1)
	wait(t, give(k, false, sendCmd(1, 5, "b", "two")), "second")
	var got []chat.Seq
	for range 4 {
		got = append(got, w.next(t, envelope.InRoom).Seq)
	}
	if fmt.Sprint(got) != "[1 2 3 4]" {
		t.Errorf("announced %v, want [1 2 3 4]", got)
	}
}

func TestACallIsAnsweredAtOnce(t *testing.T) {
	w := newFakes()
	w.room(1, 5, writer)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
	k := w.start(t, func(o *Options) { o.OutboxPoll, o.OutboxIdle = time.Hour, time.Hour })
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first") // its partition is active, and its outbox empty
	w.next(t, envelope.InRoom)
	eventually(t, "it listens", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.call != nil })
	for want := chat.Seq(2); want < 5; want++ {
		w.post(t, 1)
		w.call()
		if got := w.next(t, envelope.InRoom).Seq; got != want {
			t.Errorf("announced %d, want %d", got, want)
		}
	}
}

// TestCallsShareALook: a call is answered at once, those that come together by one look more, and a row whose call was lost by the next
// look that is due.
func TestCallsShareALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		w.room(1, 5, writer)
		w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
		k := w.start(t, func(o *Options) { o.OutboxPoll, o.OutboxIdle = time.Hour, 500*time.Millisecond })
		wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
		w.next(t, envelope.InRoom)
		looks := func() int { return w.store.Calls("OutboxWaiting") }
		took := func(what string, limit time.Duration) {
			t.Helper()
			posted := time.Now()
			w.next(t, envelope.InRoom)
			if d := time.Since(posted); d > limit {
				t.Errorf("%s: announced after %v, want at most %v", what, d, limit)
			}
		}
		time.Sleep(110 * time.Millisecond)
		w.post(t, 1)
		w.call()
		took("a call", 0)
		synctest.Wait()
		before := looks()
		for range 50 {
			w.post(t, 1)
			w.call()
		}
		took("the first of many calls", 10*time.Millisecond)
		time.Sleep(100 * time.Millisecond)
		if n := looks() - before; n != 1 {
			t.Errorf("%d looks for 50 calls at once, want 1", n)
		}
		for range 49 {
			w.next(t, envelope.InRoom)
		}
		w.post(t, 1)
		took("a call that was lost", 500*time.Millisecond)
	})
}

// TestOwnerWithoutTheQueueAnnouncesToAll: a worker that has stalled keeps the partition's queue. The one that owns the partition
// meanwhile gets no attach, and what it has from Redis may lack some.
func TestOwnerWithoutTheQueueAnnouncesToAll(t *testing.T) {
	w := newFakes()
	w.room(1, 5, writer)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{}}
	k := w.start(t)
	w.post(t, 1)
	if d := w.next(t, envelope.InRoom); d.Seq != 1 {
		t.Errorf("announced %d, want 1", d.Seq)
	}
	w.mu.Lock()
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g2.a": 1}}
	w.mu.Unlock()
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "a batch on a channel")
	w.next(t, envelope.InRoom) // to the sender's gateway
	w.next(t, envelope.InRoom) // and to the other one
	w.mu.Lock()
	defer w.mu.Unlock()
	if want := []chat.GatewayID{"", "g1.a", "g2.a"}; !slices.Equal(w.to, want) {
		t.Errorf("announced to %q, want %q", w.to, want)
	}
}

func TestRelayDeletesRowsAfterConfirm(t *testing.T) {
	w := newFakes()
	w.room(1, 5, writer)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
	w.noConf = true
	w.post(t, 1)
	w.start(t)
	w.next(t, envelope.InRoom)
	rows := len(w.waiting(t))
	w.mu.Lock()
	held := w.held
	w.noConf = false
	w.mu.Unlock()
	if rows != 1 {
		t.Fatalf("%d rows before the confirm, want 1", rows)
	}
	for _, done := range held {
		done(nil)
	}
	eventually(t, "row deleted", func() bool { return len(w.waiting(t)) == 0 })
}

// TestRepeatOfARESTWrite: what the outbox still holds was committed by another; the socket that repeats it gets a duplicate.
func TestRepeatOfARESTWrite(t *testing.T) {
	w := newFakes()
	w.room(1, 5, writer)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
	k := w.start(t, func(o *Options) { o.OutboxPoll = time.Hour })
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
	w.next(t, envelope.InRoom)
	m := w.post(t, 1)
	wait(t, give(k, false, sendCmd(1, m.Sender, m.ClientMsgID, m.Content)), "the repeat")
	if d := w.next(t, envelope.InRoom); d.Seq != 2 {
		t.Errorf("announced %+v, want seq 2", d)
	}
	if d := w.next(t, envelope.ToSocket); !bytes.Contains(d.Frame, []byte(`"duplicate":true`)) {
		t.Errorf("the repeat is answered by %s", d.Frame)
	}
}

func TestAnnouncementsOfMembershipReachEveryGateway(t *testing.T) {
	w := newFakes()
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
	if _, err := w.store.CreateRoom(t.Context(), chat.NewRoom{Owner: 5, Members: []chat.UserID{6}}); err != nil {
		t.Fatal(err)
	}
	if err := w.store.RemoveMember(t.Context(), 1, 5, 6); err != nil {
		t.Fatal(err)
	}
	w.start(t)
	plain, owner, kick := w.next(t, envelope.InRoom), w.next(t, envelope.InRoom), w.next(t, envelope.InRoom)
	if fmt.Sprint(plain.Added, owner.Added, plain.Seq, owner.Seq) != "[6] [5] 1 1" {
		t.Errorf("added %v and %v at %d and %d", plain.Added, owner.Added, plain.Seq, owner.Seq)
	}
	if !bytes.Contains(owner.JoinedTo, []byte(`"role":"owner"`)) || !bytes.Contains(plain.JoinedTo, []byte(`"role":"member"`)) {
		t.Errorf("joined frames %s / %s", owner.JoinedTo, plain.JoinedTo)
	}
	if fmt.Sprintf("%v %d %s", kick.Removed, kick.Seq, kick.Reason) != "[6] 2 kicked" || len(kick.Event) == 0 {
		t.Errorf("kick %+v", kick)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, g := range w.to[:3] {
		if g != "" {
			t.Errorf("membership entry %d went to %q only, want every gateway", i, g)
		}
	}
}
