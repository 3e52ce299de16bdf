package worker

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

func TestSendIsAckedAfterCommitAndRoutedInOrder(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1, "g2.b": 1}}
	k := w.start(t)
	acked := give(k, false, sendCmd(1, 5, "a", "one"), sendCmd(1, 5, "b", "two"))
	var mine, theirs []chat.Seq
	for range 4 {
		d := w.next(t, envelope.InRoom)
		if len(d.Ack) > 0 {
			mine = append(mine, d.Seq)
			if d.Gateway != "g1.a" || d.Socket != 7 {
				t.Errorf("ack names %s/%d, want g1.a/7", d.Gateway, d.Socket)
			}
		} else {
			theirs = append(theirs, d.Seq)
		}
	}
	wait(t, acked, "batch acknowledged")
	if fmt.Sprint(mine) != "[1 2]" || fmt.Sprint(theirs) != "[1 2]" {
		t.Errorf("seqs to the sender's gateway %v, to the other %v; want [1 2] each", mine, theirs)
	}
}

func TestBatchIsHeldUntilDeliveriesAreConfirmed(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	w.noConf = true
	k := w.start(t)
	acked := give(k, false, sendCmd(1, 5, "a", "one"))
	w.next(t, envelope.InRoom)
	select {
	case <-acked:
		t.Fatal("acknowledged before the delivery was confirmed")
	default:
	}
	w.mu.Lock()
	held := w.held
	w.noConf = false
	w.mu.Unlock()
	for _, done := range held {
		done(nil)
	}
	wait(t, acked, "batch acknowledged")
}

func TestAnswers(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
	for _, c := range []struct {
		name string
		cmd  envelope.Command
		want string
	}{
		{"repeat", sendCmd(1, 5, "a", "one"), `"duplicate":true`},
		{"stranger", sendCmd(1, 6, "x", "hi"), `"code":"not_found"`},
		{"no room", sendCmd(99, 5, "x", "hi"), `"code":"not_found"`},
		{"blank", sendCmd(1, 5, "y", "  "), `"code":"invalid"`},
		{"bad id", sendCmd(1, 5, "ä", "hi"), `"code":"invalid"`},
		{"too large", sendCmd(1, 5, "z", string(bytes.Repeat([]byte("x"), 17<<10))), `"code":"too_large"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			acked := give(k, false, c.cmd)
			d := w.next(t, envelope.ToSocket)
			if !bytes.Contains(d.Frame, []byte(c.want)) {
				t.Errorf("answer %s, want %s in it", d.Frame, c.want)
			}
			wait(t, acked, "batch acknowledged")
		})
	}
	if n := len(w.rooms[1].log); n != 1 {
		t.Errorf("%d messages in the log, want 1", n)
	}
}

func TestRefusedMessageUsesUpItsNumber(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	k := w.start(t)
	blank := sendCmd(1, 5, "a", " ")
	blank.ClientSeq = 3
	wait(t, give(k, false, blank), "batch acknowledged")
	if d := w.next(t, envelope.ToSocket); !bytes.Contains(d.Frame, []byte(`"code":"invalid"`)) || !bytes.Contains(d.Frame, []byte(`"client_seq":3`)) {
		t.Errorf("answer %s, want invalid for client_seq 3", d.Frame)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if fmt.Sprint(w.spent) != "[3]" || len(w.rooms[1].log) != 0 {
		t.Errorf("numbers spent %v, %d messages in the log; want [3] and none", w.spent, len(w.rooms[1].log))
	}
}

func TestRedeliveredCommitIsRoutedAgain(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g2.b": 1}}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
	for range 2 {
		w.next(t, envelope.InRoom)
	}
	wait(t, give(k, true, sendCmd(1, 5, "a", "one")), "again")
	seen := map[bool]chat.Seq{}
	for range 2 {
		d := w.next(t, envelope.InRoom)
		seen[len(d.Ack) > 0] = d.Seq
	}
	if seen[true] != 1 || seen[false] != 1 {
		t.Errorf("routed again as %v, want seq 1 to the sender and to the other gateway", seen)
	}
}

func TestOutboxRowsBelowGoFirst(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
	k := w.start(t, func(o *Options) { o.OutboxPoll = time.Hour })
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
	w.post(1, envelope.Announcement{})
	w.post(1, envelope.Announcement{})
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
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
	k := w.start(t, func(o *Options) { o.OutboxPoll, o.OutboxIdle = time.Hour, time.Hour })
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first") // its partition is active, and its outbox empty
	w.next(t, envelope.InRoom)
	eventually(t, "it listens", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.call != nil })
	for want := chat.Seq(2); want < 5; want++ {
		w.post(1, envelope.Announcement{})
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
		w.room(1, 5)
		w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
		k := w.start(t, func(o *Options) { o.OutboxPoll, o.OutboxIdle = time.Hour, 500*time.Millisecond })
		wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
		w.next(t, envelope.InRoom)
		looks := func() int { w.mu.Lock(); defer w.mu.Unlock(); return w.looks }
		took := func(what string, limit time.Duration) {
			t.Helper()
			posted := time.Now()
			w.next(t, envelope.InRoom)
			if d := time.Since(posted); d > limit {
				t.Errorf("%s: announced after %v, want at most %v", what, d, limit)
			}
		}
		time.Sleep(110 * time.Millisecond)
		w.post(1, envelope.Announcement{})
		w.call()
		took("a call", 0)
		synctest.Wait()
		before := looks()
		for range 50 {
			w.post(1, envelope.Announcement{})
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
		w.post(1, envelope.Announcement{})
		took("a call that was lost", 500*time.Millisecond)
	})
}

// TestOwnerWithoutTheQueueAnnouncesToAll: a worker that has stalled keeps the partition's queue. The one that owns the partition
// meanwhile gets no attach, and what it has from Redis may lack some.
func TestOwnerWithoutTheQueueAnnouncesToAll(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{}}
	k := w.start(t)
	w.post(1, envelope.Announcement{})
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
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
	w.noConf = true
	w.post(1, envelope.Announcement{})
	w.start(t)
	w.next(t, envelope.InRoom)
	w.mu.Lock()
	rows, held := len(w.outbox), w.held
	w.noConf = false
	w.mu.Unlock()
	if rows != 1 {
		t.Fatalf("%d rows before the confirm, want 1", rows)
	}
	for _, done := range held {
		done(nil)
	}
	eventually(t, "row deleted", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.outbox) == 0 })
}

func TestUnknownRouteGoesToEveryGatewayAndAsks(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Ask: true}
	k := w.start(t)
	give(k, false, sendCmd(1, 5, "a", "one"))
	if d := w.next(t, envelope.Reassert); d.Room != 1 {
		t.Errorf("asked for room %d, want 1", d.Room)
	}
	if d := w.next(t, envelope.InRoom); d.Seq != 1 || len(d.Ack) == 0 {
		t.Errorf("fanned out seq %d with ack %q", d.Seq, d.Ack)
	}
}

func TestMySQLAwayAnswersUnavailableAndHeals(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	w.down = true
	k := w.start(t)
	acked := give(k, false, sendCmd(1, 5, "a", "one"))
	d := w.next(t, envelope.ToSocket)
	if !bytes.Contains(d.Frame, []byte(`"code":"unavailable"`)) || !bytes.Contains(d.Frame, []byte(`"retry":true`)) {
		t.Errorf("answer %s, want unavailable with retry", d.Frame)
	}
	wait(t, acked, "batch acknowledged")
	w.mu.Lock()
	w.down = false
	w.mu.Unlock()
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "retry")
	if d := w.next(t, envelope.InRoom); d.Seq != 1 {
		t.Errorf("seq %d after the retry, want 1", d.Seq)
	}
}

func TestPoisonIsQuarantinedAndNeighboursPass(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	w.poison = "boom"
	k := w.start(t)
	acked := give(k, false, sendCmd(1, 5, "a", "one"), sendCmd(1, 5, "b", "boom"), sendCmd(1, 5, "c", "three"))
	d := w.next(t, envelope.ToSocket)
	if !bytes.Contains(d.Frame, []byte(`"ref":"b"`)) || !bytes.Contains(d.Frame, []byte(`"retry":false`)) {
		t.Errorf("answer %s, want a terminal error for b", d.Frame)
	}
	wait(t, acked, "batch acknowledged")
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.dead) != 1 || len(w.rooms[1].log) != 2 {
		t.Errorf("%d quarantined, %d in the log; want 1 and 2", len(w.dead), len(w.rooms[1].log))
	}
}

func TestUnreadableBatchIsQuarantined(t *testing.T) {
	w := newFakes()
	k := w.start(t)
	for _, body := range [][]byte{nil, []byte("junk"), {0xC5, 9, 1, 1}, envelope.Frame(nil, [][]byte{{0xff}})} {
		acked := make(chan struct{})
		k.Take(envelope.Batch{Body: body, Ack: func() { close(acked) }})
		wait(t, acked, "batch acknowledged")
	}
	if len(w.dead) != 4 {
		t.Errorf("%d quarantined, want 4", len(w.dead))
	}
}

func TestClosedPartitionCommitsNothingMore(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
	two := sendCmd(1, 5, "b", "two")
	k.Take(envelope.Batch{
		Partition: chat.RoomID(1).Partition(4), Gen: 1, Body: envelope.Frame(nil, [][]byte{two.Append(nil)}),
		Ack: func() { t.Error("acknowledged on a channel that is gone") }, Live: func() bool { return false },
	})
	k.Closed(chat.RoomID(1).Partition(4), 1)
	eventually(t, "committer idle", func() bool { return k.line.InHand() == 0 })
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.rooms[1].log); n != 1 {
		t.Errorf("%d messages in the log, want 1: the channel was closed", n)
	}
}

func TestAttachIsAnsweredWithTheHeadAndRoutesFollow(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
	wait(t, give(k, false, envelope.Command{Kind: envelope.Attach, Gateway: "g2.b", Room: 1, Number: 3}), "attach")
	if d := w.next(t, envelope.Attached); d.Seq != 1 || d.Number != 3 || d.Epoch != 1 {
		t.Errorf("answered with seq %d number %d epoch %d, want 1, 3, 1", d.Seq, d.Number, d.Epoch)
	}
	give(k, false, sendCmd(1, 5, "b", "two"))
	for d := w.next(t, envelope.InRoom); len(d.Ack) > 0; d = w.next(t, envelope.InRoom) {
	}
	wait(t, give(k, false, envelope.Command{Kind: envelope.Detach, Gateway: "g2.b", Room: 1, Number: 2}), "old detach")
	wait(t, give(k, false, envelope.Command{Kind: envelope.Detach, Gateway: "g2.b", Room: 1, Number: 4}), "detach")
	w.mu.Lock()
	n := len(w.to)
	w.mu.Unlock()
	wait(t, give(k, false, sendCmd(1, 5, "c", "three")), "third")
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.to[n:] {
		if g == "g2.b" {
			t.Error("an entry went to a gateway that had detached")
		}
	}
}

func TestRepairBringsWhatIsMissingAndWhoIsIn(t *testing.T) {
	w := newFakes()
	w.room(1, 5, 6, 7)
	w.rooms[1].since = map[chat.UserID]chat.Seq{7: 4} // left, and was added again by an entry that isn't announced yet
	w.routes[1] = chat.Route{Known: true}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "1"), sendCmd(1, 5, "b", "2"), sendCmd(1, 5, "c", "3")), "sends")
	wait(t, give(k, false, envelope.Command{
		Kind: envelope.Attach, Gateway: "g2.b", Room: 1, Number: 1, Repair: true, Seq: 1,
		Users: []chat.UserID{5, 6, 7, 8},
	}), "repair")
	d := w.next(t, envelope.Attached)
	if len(d.Entries) != 2 || d.Entries[0].Seq != 2 || d.Seq != 3 || !d.Repair || fmt.Sprint(d.Users) != "[5 6]" {
		t.Errorf("repair %+v, want entries 2 and 3, head 3, users 5 and 6", d)
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
	w.mu.Lock()
	w.revoked["5"] = true
	w.mu.Unlock()
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

func TestSync(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "1"), sendCmd(1, 5, "b", "2")), "sends")
	for _, c := range []struct {
		name  string
		point envelope.Point
		want  []string
	}{
		{"gap", envelope.Point{Room: 1, Seq: 1}, []string{`"seq":2`, `"type":"synced"`}},
		{"whole", envelope.Point{Room: 1, Seq: 2, Epoch: 1}, []string{`"type":"synced"`}},
		{"other epoch", envelope.Point{Room: 1, Seq: 1, Epoch: 7}, []string{`"type":"resync"`}},
		{"beyond the end", envelope.Point{Room: 1, Seq: 9}, []string{`"type":"resync"`}},
		{"stranger", envelope.Point{Room: 2}, []string{`"code":"not_found"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			give(k, false, envelope.Command{Kind: envelope.Sync, Gateway: "g1.a", Socket: 1, User: 5, Points: []envelope.Point{c.point}, Ref: "r"})
			for _, want := range c.want {
				if d := w.next(t, envelope.ToSocket); !bytes.Contains(d.Frame, []byte(want)) {
					t.Errorf("frame %s, want %s in it", d.Frame, want)
				}
			}
		})
	}
}

// TestSyncsThatFail: one client's trouble is no other one's.
func TestSyncsThatFail(t *testing.T) {
	w := newFakes()
	w.room(1, 5, 6)
	k := w.make(t, func(o *Options) { o.MaxSyncRooms, o.Lanes = 2, 1 })
	ask := func(socket chat.SocketID, user chat.UserID, rooms ...chat.RoomID) envelope.Command {
		c := envelope.Command{Kind: envelope.Sync, Gateway: "g1.a", Socket: socket, User: user}
		for _, r := range rooms {
			c.Points = append(c.Points, envelope.Point{Room: r})
		}
		return c
	}
	acked := give(k, false, ask(1, 5, 1), ask(2, 6, 1, 2, 3), ask(3, 5, poisoned), ask(4, 6, 1))
	w.run(t, k)
	wait(t, acked, "the batch")
	got := map[chat.SocketID]string{}
	for range 3 {
		d := w.next(t, envelope.ToSocket)
		got[d.Socket] = string(d.Frame)
	}
	for socket, want := range map[chat.SocketID]string{1: `"type":"synced"`, 2: `"code":"invalid"`, 4: `"type":"synced"`} {
		if !strings.Contains(got[socket], want) {
			t.Errorf("socket %d got %s, want %s in it", socket, got[socket], want)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.dead) != 1 {
		t.Errorf("%d quarantined, want the poisoned one", len(w.dead))
	}
}

// TestFullSyncStation: a sync that finds no place is asked to come again, and what is written does not wait behind it.
func TestFullSyncStation(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	k := w.make(t)
	ask := envelope.Command{Kind: envelope.Sync, Gateway: "g1.a", Socket: 1, User: 5, Points: []envelope.Point{{Room: 1}}, Ref: "r"}
	for k.catchup.InHand() < 256 { // nothing runs yet
		give(k, false, ask)
	}
	acked := give(k, false, sendCmd(1, 5, "a", "1"), ask)
	d := w.next(t, envelope.ToSocket)
	if f := string(d.Frame); !strings.Contains(f, `"code":"unavailable"`) || !strings.Contains(f, `"ref":"r"`) || !strings.Contains(f, `"retry":true`) {
		t.Errorf("a sync without a place: %s", f)
	}
	if n := k.line.InHand(); n != 1 {
		t.Errorf("%d writes are with the committer, want 1", n)
	}
	w.run(t, k)
	wait(t, acked, "the batch")
}

// TestLostCommitAnswer: a message that was committed, but whose COMMIT was not answered, is announced all the same.
func TestLostCommitAnswer(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g2.b": 1}}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "1")), "the first")
	for range 2 {
		w.next(t, envelope.InRoom)
	}
	w.mu.Lock()
	w.unanswered = 1
	w.mu.Unlock()
	wait(t, give(k, false, sendCmd(1, 5, "b", "2")), "the second")
	for range 2 { // the sender's gateway with its ack, and the other
		if d := w.next(t, envelope.InRoom); d.Seq != 2 {
			t.Errorf("announced %+v, want seq 2", d)
		}
	}
	wait(t, give(k, false, sendCmd(1, 5, "b", "2")), "a repeat")
	if d := w.next(t, envelope.ToSocket); !bytes.Contains(d.Frame, []byte(`"duplicate":true`)) {
		t.Errorf("a repeat is answered by %s", d.Frame)
	}
	wait(t, give(k, false, sendCmd(1, 5, "c", "3"), sendCmd(1, 5, "c", "3")), "twice at once")
	one, twice, other := w.next(t, envelope.InRoom), w.next(t, envelope.ToSocket), w.next(t, envelope.InRoom)
	if one.Seq != 3 || other.Seq != 3 || !bytes.Contains(twice.Frame, []byte(`"duplicate":true`)) {
		t.Errorf("twice at once: seq %d, %d and %s", one.Seq, other.Seq, twice.Frame)
	}
}

// TestRepeatOfARESTWrite: what the outbox still holds was committed by another; the socket that repeats it gets a duplicate.
func TestRepeatOfARESTWrite(t *testing.T) {
	w := newFakes()
	w.room(1, 5, 9)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
	k := w.start(t, func(o *Options) { o.OutboxPoll = time.Hour })
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "first")
	w.next(t, envelope.InRoom)
	m := w.post(1, envelope.Announcement{})
	wait(t, give(k, false, sendCmd(1, m.Sender, m.ClientMsgID, m.Content)), "the repeat")
	if d := w.next(t, envelope.InRoom); d.Seq != 2 {
		t.Errorf("announced %+v, want seq 2", d)
	}
	if d := w.next(t, envelope.ToSocket); !bytes.Contains(d.Frame, []byte(`"duplicate":true`)) {
		t.Errorf("the repeat is answered by %s", d.Frame)
	}
}

// TestBackMeanwhile: a user who came back while watchers got the notice of the end is shown online again.
func TestBackMeanwhile(t *testing.T) {
	w := newFakes()
	w.sockets = []chat.Socket{{User: 7, Gateway: "g1.a", Socket: 1}}
	w.due = []chat.UserID{6, 7}
	w.start(t)
	gone, back := w.next(t, envelope.Presences), w.next(t, envelope.Presences)
	if len(gone.States) != 2 || gone.States[0].Online || gone.States[1].Online {
		t.Errorf("first shown %+v", gone.States)
	}
	if len(back.States) != 1 || back.States[0].User != 7 || !back.States[0].Online {
		t.Errorf("then shown %+v, want that 7 is online", back.States)
	}
}

func TestLimitsOff(t *testing.T) {
	var o Options
	o.Defaults()
	if o.MaxSockets != 0 || o.MaxSyncRooms != 0 || o.PeerReads != 0 || o.OfflineGrace != 0 || o.Limits != (chat.Limits{}) || o.ProtocolLimit != (protocol.Limits{}) {
		t.Errorf("what was turned off is on again: %+v", o)
	}
}

func TestHeartbeatWaitsForRedis(t *testing.T) {
	w := newFakes()
	k := w.start(t)
	beat := envelope.Command{Kind: envelope.Beat, Gateway: "g1.a"}
	w.mu.Lock()
	w.deaf = 2
	w.mu.Unlock()
	k.Beats(envelope.Frame(nil, [][]byte{beat.Append(nil)}))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf != 0 || w.beats != 1 {
		t.Errorf("%d heartbeats booked, %d refusals left", w.beats, w.deaf)
	}
}

func TestJoinTypingWatchReadShow(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.room(2).public = true
	here := chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g2.b": 1}}
	w.routes[1], w.routes[2] = here, here
	k := w.start(t)
	cmd := func(kind envelope.CommandKind, room chat.RoomID, user chat.UserID) envelope.Command {
		return envelope.Command{Kind: kind, Gateway: "g1.a", Socket: 1, User: user, Room: room, Seq: 1, Session: "s"}
	}
	give(k, false, cmd(envelope.Join, 1, 5))
	w.next(t, envelope.Joined)
	give(k, false, cmd(envelope.Join, 1, 6))
	if d := w.next(t, envelope.ToSocket); !bytes.Contains(d.Frame, []byte("not_found")) {
		t.Errorf("joining a private room: %s", d.Frame)
	}
	asks := cmd(envelope.Join, 2, 6) // by the gateway itself: it makes nobody a member, and gets no error
	asks.Repair = true
	wait(t, give(k, false, asks), "a gateway's question")
	give(k, false, cmd(envelope.Typing, 2, 6))
	if d := w.next(t, envelope.ToSocket); !bytes.Contains(d.Frame, []byte("not_found")) {
		t.Errorf("typing in a room of others: %s", d.Frame)
	}
	w.post(2, envelope.Announcement{})
	give(k, false, cmd(envelope.Join, 2, 6))
	if d := w.next(t, envelope.Joined); !bytes.Contains(d.Frame, []byte(`"last_message":{"room_id":2,"seq":1,`)) {
		t.Errorf("joined without the room's last message: %s", d.Frame)
	}
	give(k, false, cmd(envelope.Typing, 2, 6)) // at once: that the user was no member before is not remembered
	if d := w.next(t, envelope.Aside); d.User != 6 || d.Room != 2 {
		t.Errorf("typing after joining %+v", d)
	}
	give(k, false, cmd(envelope.Typing, 1, 5))
	if d := w.next(t, envelope.Aside); d.User != 5 || d.Room != 1 {
		t.Errorf("typing %+v", d)
	}
	give(k, false, cmd(envelope.Typing, 1, 6))
	w.next(t, envelope.ToSocket)
	wait(t, give(k, false, sendCmd(1, 5, "a", "1")), "send")
	give(k, false, cmd(envelope.Read, 1, 5))
	if d := w.next(t, envelope.ToUser); !bytes.Contains(d.Frame, []byte(`"unread":0`)) {
		t.Errorf("read to own devices: %s", d.Frame)
	}
	watch := cmd(envelope.Watch, 0, 5)
	watch.Users = []chat.UserID{6, 100}
	give(k, false, watch)
	if d := w.next(t, envelope.Watched); fmt.Sprint(d.Users) != "[6]" || !bytes.Contains(d.Frame, []byte(`"online":false`)) {
		t.Errorf("watched %v: %s", d.Users, d.Frame)
	}
	w.mu.Lock()
	w.revoked["s"] = true
	w.mu.Unlock()
	show := cmd(envelope.Show, 0, 5)
	show.Users, show.Sessions = []chat.UserID{6, 5}, []chat.SessionID{"t", "s"}
	give(k, false, show)
	if d := w.next(t, envelope.Close); d.User != 5 || fmt.Sprint(d.Sessions) != "[s]" {
		t.Errorf("closed sessions %v of user %d, want [s] of 5", d.Sessions, d.User)
	} else if d.Code != int(protocol.CloseRevoked) {
		t.Errorf("code %d of a revoked session", d.Code)
	}
	w.mu.Lock()
	w.disabled = true
	w.mu.Unlock()
	give(k, false, show)
	if d := w.next(t, envelope.Close); d.Code != int(protocol.CloseDisabled) {
		t.Errorf("code %d of a session whose account is disabled", d.Code)
	}
}

func TestAnnouncementsOfMembershipReachEveryGateway(t *testing.T) {
	w := newFakes()
	w.room(1, 5, 6)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g1.a": 1}}
	room := &chat.Room{ID: 1, Type: chat.Group, Owner: 5, Epoch: 1}
	w.post(1, envelope.Announcement{Room: room, Added: []chat.UserID{5, 6}, Change: chat.MemberJoined})
	w.post(1, envelope.Announcement{Room: room, Removed: []chat.UserID{6}, Reason: chat.LeftKicked, Change: chat.MemberLeft, About: 6})
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

func TestLapsedGatewayGoesOfflineUnlessTheBrokerWasAway(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g2.b": 1, "g9.z": 1}}
	w.lapsed, w.lapsedFor = []chat.GatewayID{"g9.z"}, true
	w.buried["g9.z"] = []chat.UserID{5}
	w.up = time.Now()
	k := w.start(t)
	eventually(t, "blind while the broker has just come back", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.blind > 0 })
	w.mu.Lock()
	if len(w.sawUsers) != 0 {
		t.Error("judged a lease although heartbeats couldn't arrive")
	}
	w.up = time.Now().Add(-time.Hour)
	w.mu.Unlock()
	if d := w.next(t, envelope.Presences); len(d.States) != 1 || d.States[0].User != 5 || d.States[0].Online {
		t.Errorf("presence %+v, want user 5 offline", d.States)
	}
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "a send")
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.to, "g2.b") || slices.Contains(w.to, "g9.z") {
		t.Errorf("announced to %q: a lapsed gateway must not get deliveries", w.to)
	}
}

// TestBuryFailsHalfWay: the users that it found are in no list any more, so they must be shown offline now.
func TestBuryFailsHalfWay(t *testing.T) {
	w := newFakes()
	w.lapsed, w.halfBuried, w.up = []chat.GatewayID{"g9.z"}, true, time.Now().Add(-time.Hour)
	w.buried["g9.z"] = []chat.UserID{5}
	w.start(t)
	if d := w.next(t, envelope.Presences); len(d.States) != 1 || d.States[0].User != 5 || d.States[0].Online {
		t.Errorf("presence %+v, want user 5 offline", d.States)
	}
}

func TestRevivedGatewayIsAskedForEverything(t *testing.T) {
	w := newFakes()
	w.revived = []chat.GatewayID{"g9.z"}
	w.start(t)
	if d := w.next(t, envelope.Reassert); d.Room != 0 {
		t.Errorf("asked for room %d, want everything", d.Room)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.to[len(w.to)-1] != "g9.z" {
		t.Errorf("asked %q, want the gateway that is back", w.to[len(w.to)-1])
	}
}

func TestFlushedRedisAsksGatewaysAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		w.start(t)
		time.Sleep(3 * time.Second) // it knows what Redis holds, and that it is the leader
		if len(w.sent) > 0 {
			t.Errorf("nothing is lost, and it says %+v", <-w.sent)
		}
		w.mu.Lock()
		w.gen = "g2"
		w.mu.Unlock()
		if d := w.next(t, envelope.Reassert); d.Room != 0 {
			t.Errorf("asked for room %d, want everything", d.Room)
		}
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}
