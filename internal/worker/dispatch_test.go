package worker

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/fakestore"
)

// later is a command of a kind that only a later release knows.
const later = envelope.CommandKind(60_000)

// TestEveryCommandHasARow compares the dispatch table with the registry of commands.
func TestEveryCommandHasARow(t *testing.T) {
	k := newFakes().make(t)
	rows := map[envelope.CommandKind]row{}
	for _, r := range k.table() {
		if _, twice := rows[r.kind]; twice {
			t.Errorf("%s has two rows", r.kind)
		}
		rows[r.kind] = r
	}
	for _, c := range envelope.Commands() {
		r, ok := rows[c.Kind]
		delete(rows, c.Kind)
		handlers := 0
		for _, set := range []bool{r.verb != nil, r.add != nil, r.beat != nil} {
			if set {
				handlers++
			}
		}
		switch {
		case !ok:
			t.Errorf("%s has no row", c.Kind)
		case handlers != 1:
			t.Errorf("%s has %d handlers", c.Kind, handlers)
		case (r.beat != nil) != (c.Key == envelope.ToControl):
			t.Errorf("%s: the control queue has what it shall not have, or lacks it", c.Kind)
		case r.verb != nil && c.Key != envelope.ByRoom:
			t.Errorf("%s goes through a room's line and doesn't travel with its room", c.Kind)
		case (r.ref != nil) != (len(c.Frames) > 0):
			t.Errorf("%s, by the frames %q: an error about it reaches nobody, or somebody who didn't ask", c.Kind, c.Frames)
		}
		if r.ref != nil && r.ref(&envelope.Command{ClientMsgID: "x", ErrorRef: "x"}) == "" {
			t.Errorf("%s: an error about it refers to nothing", c.Kind)
		}
	}
	for kind := range rows {
		t.Errorf("%s has a row, and is no command", kind)
	}
}

func unknownCmd(socket chat.SocketID, ref, msgID string) envelope.Command {
	return envelope.Command{
		Kind: later, Gateway: "g1.a", Socket: socket, User: 5, Session: "s", Room: 1, Content: "new", ClientSeq: 4, ErrorRef: ref, ClientMsgID: msgID,
	}
}

// TestUnknownCommandIsRefused: a gateway of a later release may send what this worker can't do. Its sender may try again, its neighbours
// go on, and nothing is quarantined or taken for another command.
func TestUnknownCommandIsRefused(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	w.noConf = true
	k := w.start(t)
	acked := give(k, false, sendCmd(1, 5, "a", "one"), unknownCmd(7, "react", ""), sendCmd(1, 5, "b", "two"), unknownCmd(7, "", "m-1"), unknownCmd(0, "", ""))
	for _, ref := range []string{"react", "m-1"} {
		d := w.next(t, envelope.ToSocket)
		for _, want := range []string{`"code":"unavailable"`, `"retry":true`, `"ref":"` + ref + `"`, `"room_id":1`, `"client_seq":4`} {
			if !strings.Contains(string(d.Frame), want) {
				t.Errorf("answer %s, want %s in it", d.Frame, want)
			}
		}
		if d.Gateway != "g1.a" || d.Socket != 7 {
			t.Errorf("answered to %s/%d, want g1.a/7", d.Gateway, d.Socket)
		}
	}
	for want := chat.Seq(1); want <= 2; want++ {
		if d := w.next(t, envelope.InRoom); d.Seq != want {
			t.Errorf("announced %d, want %d", d.Seq, want)
		}
	}
	// The answers' confirms come last: until then the batch must be held.
	var late []func(error)
	eventually(t, "all deliveries are with the broker", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		late = w.held
		return len(late) == 3
	})
	late[1](nil)
	late[2](nil)
	select {
	case <-acked:
		t.Fatal("acknowledged before the refusal was confirmed")
	default:
	}
	late[0](nil)
	wait(t, acked, "batch acknowledged")
	if dead, log := w.store.Dead(), w.store.Log(1); len(dead) != 0 || len(log) != 2 {
		t.Errorf("%d quarantined, %d messages; want none and 2", len(dead), len(log))
	}
	if n := value(t, k.o.Metrics.Unknown); n != 3 {
		t.Errorf("%v unknown commands counted, want 3", n)
	}
}

// TestUnknownCommandsAreLoggedNowAndThen: a gateway of a later release must not fill the log.
func TestUnknownCommandsAreLoggedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newFakes()
		k := w.start(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		lines := func() int { synctest.Wait(); return strings.Count(log.String(), "unknown kind") }
		for range 10 {
			wait(t, give(k, false, unknownCmd(0, "", "")), "batch")
		}
		if n := lines(); n != 1 {
			t.Errorf("%d lines for ten at once, want 1", n)
		}
		time.Sleep(time.Minute)
		wait(t, give(k, false, unknownCmd(0, "", "")), "batch")
		if n := lines(); n != 2 {
			t.Errorf("%d lines a minute later, want 2", n)
		}
	})
}

// lax is an outbox that hands out what it should keep: row 1, of a kind that this release doesn't know.
type lax struct{ *fakestore.Store }

func (s lax) Outbox(ctx context.Context, ps []int, limit int) ([]envelope.Announcement, error) {
	rows, err := s.Store.Outbox(ctx, ps, limit)
	if n, _ := s.OutboxUnknown(ctx, ps); n > 0 {
		row := envelope.Announcement{ID: 1, Partition: chat.RoomID(1).Partition(4), Other: "reaction", Payload: []byte(`{"room":1}`)}
		rows = append([]envelope.Announcement{row}, rows...)
	}
	return rows, err
}

func (s lax) OutboxWaiting(ctx context.Context, ps []int) ([]int, error) {
	waiting, err := s.Store.OutboxWaiting(ctx, ps)
	if n, _ := s.OutboxUnknown(ctx, ps); n > 0 && len(waiting) == 0 {
		waiting = []int{chat.RoomID(1).Partition(4)}
	}
	return waiting, err
}

// TestUnknownAnnouncementWaits: a row that only a later release can announce is neither announced nor deleted, whatever the store hands
// out, and those behind it go on.
func TestUnknownAnnouncementWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		w.room(1, 5, writer)
		w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
		at := []int{chat.RoomID(1).Partition(4)}
		w.store.AddUnknown(at[0], "reaction") // row 1
		w.post(t, 1)
		var log bytes.Buffer
		k := w.start(t, func(o *Options) {
			o.Logger, o.Outbox = slog.New(slog.NewTextHandler(&log, nil)), lax{w.store}
		})
		if d := w.next(t, envelope.InRoom); d.Seq != 1 {
			t.Errorf("announced %d, want 1", d.Seq)
		}
		time.Sleep(5 * time.Second)
		if n, err := w.store.OutboxUnknown(t.Context(), at); n != 1 || err != nil || len(w.waiting(t)) != 0 {
			t.Errorf("%d unknown rows (%v) and %d others are left, want the unknown one", n, err, len(w.waiting(t)))
		}
		gauge := k.o.Metrics.Line.OutboxUnknown
		if n := value(t, gauge); n != 1 {
			t.Errorf("the gauge shows %v unknown rows, want 1", n)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := strings.Count(log.String(), "outbox rows of kinds"); n != 1 {
			t.Errorf("logged %d times, want once", n)
		}
		if err := w.store.Announced(t.Context(), []uint64{1}); err != nil { // by a worker of the later release
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if n := value(t, gauge); n != 0 {
			t.Errorf("the gauge shows %v unknown rows, want none", n)
		}
	})
}

// TestAnswersNameTheirSend: the gateway needn't look into a frame to know what it answers.
func TestAnswersNameTheirSend(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g2.b": 1}}
	k := w.start(t)
	give(k, false, sendCmd(1, 5, "a", "one"))
	for range 2 {
		if d := w.next(t, envelope.InRoom); (d.Ref == "a") != (len(d.Ack) > 0) {
			t.Errorf("ack %q has ref %q", d.Ack, d.Ref)
		}
	}
	for _, c := range []struct {
		cmd  envelope.Command
		want string
	}{
		{sendCmd(1, 5, "a", "one"), "a"}, // a repeat
		{sendCmd(1, 5, "b", " "), "b"},
		{sendCmd(9, 5, "c", "one"), "c"},
		{envelope.Command{Kind: envelope.Typing, Gateway: "g1.a", Socket: 7, User: 6, Room: 1}, ""},
	} {
		give(k, false, c.cmd)
		if d := w.next(t, envelope.ToSocket); d.Ref != c.want {
			t.Errorf("%s has ref %q, want %q", d.Frame, d.Ref, c.want)
		}
	}
}
