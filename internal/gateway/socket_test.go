package gateway

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/test/testkit"
)

func TestConversation(t *testing.T) {
	gt := newGate(t, nil, nil)
	a, b := gt.login(1), gt.login(2)
	for i := range 100 {
		a.send(`{"type":"message","room_id":7,"content":"hello %d","client_msg_id":"m%d","client_seq":%d}`, i, i, i+1)
	}
	for i := range 100 {
		if f := a.want("ack"); f.ClientMsgID != fmt.Sprintf("m%d", i) || f.Seq != i+6 {
			t.Fatalf("ack %d is %+v", i, f)
		}
		if f := b.want("message"); f.Seq != i+6 || f.Content != fmt.Sprintf("hello %d", i) {
			t.Fatalf("message %d is %+v", i, f)
		}
	}
	sends := gt.bus.commands(envelope.Send)
	for i, c := range sends {
		if c.ClientSeq != uint64(i+1) || c.User != 1 || c.Session != "s1" || c.Socket == 0 {
			t.Fatalf("send %d is %+v", i, c)
		}
	}
	a.send(`{"type":"message","room_id":7,"content":"no id"}`)
	if f := a.want("ack"); chat.CheckClientMsgID(f.ClientMsgID) != nil {
		t.Errorf("made id %q", f.ClientMsgID)
	}
	if n := gt.window.n.Load(); n != 0 {
		t.Errorf("%d commands in the window after all was answered", n)
	}
}

func TestFramesBecomeCommands(t *testing.T) {
	gt := newGate(t, nil, nil)
	s := gt.login(1)
	for _, f := range []string{
		`{"type":"read","room_id":7,"seq":3}`, `{"type":"typing","room_id":7}`, `{"type":"join_room","room_id":9}`,
		`{"type":"sync","rooms":{"7":4,"8":{"seq":5,"epoch":2}},"ref":"r"}`, `{"type":"presence","user_ids":[5,6]}`, `{"type":"ping"}`,
	} {
		s.send("%s", f)
	}
	for { // the pong is local and overtakes answers
		f, err := s.text()
		if err != nil {
			t.Fatal(err)
		}
		if f.Type == "presence" {
			break
		}
	}
	want := map[envelope.CommandKind]envelope.Command{
		envelope.Read: {Room: 7, Seq: 3, ErrorRef: "read"}, envelope.Typing: {Room: 7, ErrorRef: "typing"},
		envelope.Join:  {Room: 9, ErrorRef: "join_room"},
		envelope.Sync:  {Ref: "r", ErrorRef: "r", Points: []envelope.Point{{Room: 7, Seq: 4}, {Room: 8, Seq: 5, Epoch: 2}}},
		envelope.Watch: {Users: []chat.UserID{5, 6}, ErrorRef: "presence"},
	}
	for kind, c := range want {
		got := gt.bus.commands(kind)
		if len(got) != 1 {
			t.Fatalf("%d commands of kind %d", len(got), kind)
		}
		slices.SortFunc(got[0].Points, func(a, b envelope.Point) int { return int(a.Room) - int(b.Room) })
		c.Kind, c.Gateway, c.User, c.Session, c.Socket, c.At = kind, "g1.boot", 1, "s1", got[0].Socket, got[0].At
		if d := cmp.Diff(c, got[0]); d != "" {
			t.Errorf("kind %d:\n%s", kind, d)
		}
	}
}

func TestUnsubscribe(t *testing.T) {
	gt := newGate(t, nil, nil)
	a, b := gt.login(1), gt.login(2)
	b.send(`{"type":"leave_room","room_id":7}`)
	if f := b.want("left"); f.Room != 7 || f.Reason != "unsubscribed" {
		t.Errorf("left %+v", f)
	}
	b.send(`{"type":"leave_room","room_id":7}`)
	if f := b.want("error"); f.Code != "not_found" || f.Ref != "leave_room" {
		t.Errorf("error %+v", f)
	}
	a.send(`{"type":"message","room_id":7,"content":"x"}`)
	a.want("ack")
	b.send(`{"type":"join_room","room_id":7}`)
	b.want("joined")
	a.send(`{"type":"message","room_id":7,"content":"y"}`)
	if f := b.want("message"); f.Content != "y" {
		t.Errorf("after joining again: %+v", f)
	}
}

func TestErrorsNameWhatTheyAnswer(t *testing.T) {
	gt := newGate(t, nil, nil)
	s := gt.login(1)
	for _, c := range []struct{ frame, code, ref string }{
		{`nonsense`, "invalid", ""},
		{`{"type":"dance"}`, "unknown_type", "dance"},
		{`{"type":"message","room_id":7,"content":" ","client_msg_id":"a"}`, "invalid", "a"},
		{`{"type":"message","room_id":7,"content":"x","client_msg_id":"not ok!"}`, "invalid", "message"},
		{`{"type":"message","room_id":7,"content":"` + strings.Repeat("x", 17<<10) + `","client_msg_id":"b"}`, "too_large", "b"},
		{`{"type":"read","room_id":7}`, "invalid", "read"},
		{`{"type":"typing","room_id":7,"more":1}`, "unknown_field", "typing"},
	} {
		s.send("%s", c.frame)
		if f := s.want("error"); f.Code != c.code || f.Ref != c.ref {
			t.Errorf("%.60s: code %q, ref %q; want %q, %q", c.frame, f.Code, f.Ref, c.code, c.ref)
		}
	}
}

func TestNumberedMessagesAreRefusedByTheWorker(t *testing.T) {
	gt := newGate(t, []envelope.CommandKind{envelope.Send}, nil)
	s := gt.login(1)
	s.send(`{"type":"message","room_id":7,"content":" ","client_msg_id":"a","client_seq":4}`)
	s.send(`{"type":"message","room_id":7,"content":%q,"client_msg_id":"b","client_seq":5}`, strings.Repeat("x", 17<<10))
	s.send(`{"type":"message","room_id":7,"content":" ","client_msg_id":"not ok!","client_seq":6}`)
	s.want("error")                                                      // without an id that it could be known by
	s.send(`{"type":"message","room_id":7,"content":"","client_seq":7}`) // gets an id here
	s.send(`{"type":"message","room_id":7,"content":"x","client_seq":8,"more":1}`)
	s.want("error")
	s.send(`{"type":"message","room_id":7,"content":"\ud83d","client_msg_id":"c","client_seq":9}`) // is no JSON
	s.want("error")
	s.send(`{"type":"message","room_id":7,"content":"x","more":1}`) // has no number
	s.want("error")
	testkit.Eventually(t, patience, func() (bool, string) { return len(gt.bus.commands(envelope.Send)) == 6, "a send is missing" })
	got := gt.bus.commands(envelope.Send)
	for i, want := range []struct {
		content string
		socket  bool // the worker answers
	}{{" ", true}, {strings.Repeat("x", 17<<10), true}, {"", false}, {"", true}, {"", false}, {"", false}} {
		if c := got[i]; c.ClientSeq != uint64(4+i) || c.Content != want.content || c.ClientMsgID == "" || (c.Socket != 0) != want.socket {
			t.Errorf("send %d: %+v", i, c)
		}
	}
}

func TestSendsAreNeverLeftUnanswered(t *testing.T) {
	cases := map[string]struct {
		mute   []envelope.CommandKind
		change func(*Options)
		bus    func(*fakeBus)
		code   string
	}{
		"the bus refuses":    {bus: func(b *fakeBus) { b.refuse = errors.New("full") }, code: "unavailable"},
		"the bus loses":      {mute: []envelope.CommandKind{envelope.Send}, bus: func(b *fakeBus) { b.lose = errors.New("cut") }, code: "unavailable"},
		"nobody answers":     {mute: []envelope.CommandKind{envelope.Send}, change: func(o *Options) { o.AnswerTimeout = 300 * time.Millisecond }, code: "unavailable"},
		"the window is full": {change: func(o *Options) { o.WindowBytes = 10 }, code: "unavailable"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			gt := newGate(t, c.mute, c.change)
			s := gt.login(1)
			if c.bus != nil {
				gt.bus.set(c.bus)
			}
			s.send(`{"type":"message","room_id":7,"content":"x","client_msg_id":"a"}`)
			if f := s.want("error"); f.Code != c.code || f.Ref != "a" || !f.Retry || f.Room != 7 {
				t.Errorf("got %+v", f)
			}
			testkit.Eventually(t, patience, func() (bool, string) {
				return gt.window.n.Load() == 0 && gt.window.bytes.Load() == 0, "the window isn't empty"
			})
			gt.bus.set(func(b *fakeBus) { b.refuse, b.lose = nil, nil })
		})
	}
}

func TestSocketWindowBounds(t *testing.T) {
	gt := newGate(t, []envelope.CommandKind{envelope.Send}, func(o *Options) { o.SocketWindow = 3 })
	s := gt.login(1)
	for i := range 5 {
		s.send(`{"type":"message","room_id":7,"content":"x","client_msg_id":"m%d"}`, i)
	}
	for i := 3; i < 5; i++ {
		if f := s.want("error"); f.Code != "rate_limited" || f.Ref != fmt.Sprintf("m%d", i) || !f.Retry {
			t.Errorf("got %+v", f)
		}
	}
	gt.deliver(envelope.Delivery{
		Kind: envelope.ToSocket, Gateway: "g1.boot", Socket: gt.sockets.all()[0].id,
		Frame: []byte(`{"type":"error","code":"muted","message":"says \"ref\":\"m2\"","ref":"m1","retry":false}`),
	})
	s.want("error")
	x := gt.sockets.all()[0]
	x.mu.Lock()
	p := slices.Clone(x.sends)
	x.mu.Unlock()
	if len(p) != 2 || p[0].ref.Ref != "m0" || p[1].ref.Ref != "m2" {
		t.Errorf("unanswered: %+v", p)
	}
	_ = s.conn.Close()
	gt.gone()
	if n := gt.window.n.Load(); n != 0 {
		t.Errorf("%d commands in the window of a socket that is gone", n)
	}
}

func TestRateLimit(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) { o.MessagesPerSecond, o.MessageBurst = 1, 3 })
	s := gt.login(1)
	for range 3 {
		s.send(`{"type":"ping"}`)
		s.want("pong")
	}
	s.send(`{"type":"message","room_id":7,"content":"x","client_msg_id":"a"}`)
	if f := s.want("error"); f.Code != "rate_limited" || f.Ref != "a" || !f.Retry {
		t.Errorf("got %+v", f)
	}
	for range 30 {
		s.send(`{"type":"ping"}`)
	}
	if got := s.closed(); got != 4004 {
		t.Errorf("a flood was closed with %d", got)
	}
}

func TestManyBadFramesClose(t *testing.T) {
	gt := newGate(t, nil, nil)
	s := gt.login(1)
	for range 20 {
		s.send("bad")
		s.want("error")
	}
	s.send("bad")
	if got := s.closed(); got != 4501 {
		t.Errorf("closed with %d", got)
	}
}

func TestTokenRunsOutAndIsRenewed(t *testing.T) {
	gt := newGate(t, nil, nil)
	a, b, c, d := gt.dial("?token=1:s1:1500", ""), gt.dial("?token=1:s2:1500", ""), gt.login(1), gt.login(1)
	for _, s := range []*client{a, b} {
		s.want("welcome")
	}
	b.send(`{"type":"auth","token":"1:s2"}`)
	if got := a.closed(); got != 4001 {
		t.Errorf("an expired token was closed with %d", got)
	}
	b.send(`{"type":"ping"}`)
	b.want("pong") // and nothing for auth
	c.send(`{"type":"auth","token":"2:s1"}`)
	if got := c.closed(); got != 4501 {
		t.Errorf("another user's token was closed with %d", got)
	}
	d.send(`{"type":"auth","token":"nonsense"}`)
	if got := d.closed(); got != 4500 {
		t.Errorf("a bad token was closed with %d", got)
	}
}

func TestSilenceCloses(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) { o.PingInterval = 300 * time.Millisecond })
	silent, answering := gt.login(1), gt.login(2)
	done := make(chan int)
	go func() { done <- answering.closed() }() // answers pings until the test ends
	pings := 0
	for {
		op, payload, err := silent.next()
		if err != nil {
			t.Fatal(err)
		}
		if op == opPing {
			pings++
			continue
		}
		var e *closedError
		if !errors.As(closed(payload), &e) || e.code != 4003 || pings == 0 {
			t.Errorf("after %d pings: frame %x, %v", pings, op, e)
		}
		break
	}
	select {
	case code := <-done:
		t.Errorf("a socket that answers pings was closed with %d", code)
	default:
	}
	gt.stop()
	if code := <-done; code != 1012 {
		t.Errorf("the drain closed with %d", code)
	}
}

func TestSlowConsumerIsClosedAlone(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) { o.QueueBytes = 64 << 10 })
	gt.login(1) // never reads again
	quick := gt.login(2)
	got := make(chan int, 1)
	const messages = 2_000
	go func() {
		n := 0
		for n < messages {
			if f, err := quick.text(); err != nil || f.Type != "message" || f.Seq != n+6 {
				break
			}
			n++
		}
		got <- n
	}()
	for i := range messages {
		m := fmt.Appendf(nil, `{"type":"message","room_id":7,"seq":%d,"content":%q}`, i+6, strings.Repeat("x", 8<<10))
		gt.deliver(envelope.Delivery{Kind: envelope.InRoom, Room: testRoom, Epoch: 1, Seq: chat.Seq(i + 6), Frame: m})
		testkit.Eventually(t, patience, func() (bool, string) { // the quick one's queue is bounded, too
			l := gt.hub.Of(2)
			return len(l) == 1 && !l[0].Lags(), "the quick one lags"
		})
	}
	if n := <-got; n != messages {
		t.Errorf("the quick consumer got %d of %d", n, messages)
	}
	testkit.Eventually(t, patience, func() (bool, string) {
		return value(gt.m.Closed.WithLabelValues("4002")) == 1, "no close with 4002"
	})
	if n := len(gt.hub.Of(1)); n != 0 {
		t.Errorf("%d sockets of the slow user are left", n)
	}
	testkit.Eventually(t, patience, func() (bool, string) { return len(gt.bus.commands(envelope.Disconnect)) == 1, "no disconnect" })
}

func TestCloseDeliveries(t *testing.T) {
	gt := newGate(t, nil, nil)
	dial := func(token string) *client {
		s := gt.dial("?token="+token, "")
		s.want("welcome")
		return s
	}
	a1, a2, a3, b := dial("1:x"), dial("1:y"), dial("1:z"), dial("2:x")
	gt.deliver(envelope.Delivery{Kind: envelope.Close, User: 1, Sessions: []chat.SessionID{"y"}, Code: 4502})
	if got := a2.closed(); got != 4502 {
		t.Errorf("the revoked session was closed with %d", got)
	}
	gt.deliver(envelope.Delivery{Kind: envelope.Close, User: 1, Session: "x", Code: 4502})
	if got := a3.closed(); got != 4502 {
		t.Errorf("the other session was closed with %d", got)
	}
	for _, s := range []*client{a1, b} {
		s.send(`{"type":"ping"}`)
		s.want("pong")
	}
	sock := gt.bus.commands(envelope.Connect)[3].Socket
	gt.deliver(envelope.Delivery{Kind: envelope.Close, Gateway: "g2.boot", Socket: sock, Code: 4503},
		envelope.Delivery{Kind: envelope.Close, User: 1, Code: 4504})
	if got := a1.closed(); got != 4504 {
		t.Errorf("the disabled user was closed with %d", got)
	}
	b.send(`{"type":"ping"}`)
	b.want("pong")
}

// TestLateWelcome: a socket that is welcomed after its end is reported as ended again, because it may have been
// registered after its end.
func TestLateWelcome(t *testing.T) {
	gt := newGate(t, nil, nil)
	gt.deliver(envelope.Delivery{Kind: envelope.Welcome, Gateway: "g2.boot", Socket: 98, User: 7, Session: "s"},
		envelope.Delivery{Kind: envelope.Welcome, Gateway: "g1.boot", Socket: 99, User: 7, Session: "s"})
	testkit.Eventually(t, patience, func() (bool, string) { return len(gt.bus.commands(envelope.Disconnect)) > 0, "no disconnect" })
	for _, c := range gt.bus.commands(envelope.Disconnect) {
		if c.Socket != 99 || c.User != 7 || c.Session != "s" || c.Gateway != "g1.boot" {
			t.Errorf("disconnect %+v", c)
		}
	}
}

func TestDeliveriesBeforeWelcomeWaitForIt(t *testing.T) {
	gt := newGate(t, []envelope.CommandKind{envelope.Connect}, nil)
	s := gt.dial("?token=1:s1", "")
	testkit.Eventually(t, patience, func() (bool, string) { return len(gt.bus.commands(envelope.Connect)) == 1, "no connect" })
	c := gt.bus.commands(envelope.Connect)[0]
	gt.deliver(
		envelope.Delivery{
			Kind: envelope.InRoom, Room: testRoom, Epoch: 1, Seq: 5, Frame: []byte(`{"type":"message","seq":5}`),
			Added: []chat.UserID{1}, JoinedTo: []byte(`{"type":"joined"}`),
		},
		envelope.Delivery{Kind: envelope.ToUser, User: 1, Frame: []byte(`{"type":"read"}`)},
		envelope.Delivery{Kind: envelope.ToUser, User: 1, Gateway: "g1.boot", Socket: c.Socket, Frame: []byte(`{"type":"read"}`)},
		envelope.Delivery{
			Kind: envelope.Welcome, Gateway: c.Gateway, Socket: c.Socket, At: c.At, Frame: []byte(`{"type":"welcome"}`),
			Points: []envelope.Point{{Room: testRoom, Seq: 5, Epoch: 1}},
		},
		envelope.Delivery{Kind: envelope.InRoom, Room: testRoom, Epoch: 1, Seq: 6, Frame: []byte(`{"type":"message","seq":6}`)},
	)
	for _, typ := range []string{"welcome", "joined", "read", "message"} {
		s.want(typ)
	}
}

func TestBytesFromTheBusThatCannotBeRead(t *testing.T) {
	gt := newGate(t, nil, nil)
	s := gt.login(1)
	good := envelope.Delivery{Kind: envelope.ToUser, User: 1, Frame: []byte(`{"type":"read"}`)}
	gt.serial.Lock()
	gt.Deliver([]byte("nonsense"))
	gt.Deliver(envelope.Frame(nil, [][]byte{{1, 2, 3}, good.Append(nil), nil}))
	gt.serial.Unlock()
	s.want("read")
	if n := value(gt.m.BadDeliveries); n != 3 {
		t.Errorf("%v bad deliveries counted", n)
	}
}

func TestReassertReportsEverythingAgain(t *testing.T) {
	gt := newGate(t, nil, nil)
	for u := 1; u <= 5; u++ {
		gt.login(u)
	}
	testkit.Eventually(t, patience, func() (bool, string) { return len(gt.bus.commands(envelope.Attach)) > 0, "no attach" })
	before := len(gt.bus.commands(envelope.Attach))
	gt.deliver(envelope.Delivery{Kind: envelope.Reassert})
	testkit.Eventually(t, patience, func() (bool, string) {
		a, n := len(gt.bus.commands(envelope.Assert)), len(gt.bus.commands(envelope.Attach))-before
		return a == 5 && n == 1, fmt.Sprintf("%d asserts, %d attaches", a, n)
	})
	gt.deliver(envelope.Delivery{Kind: envelope.Reassert, Room: testRoom})
	testkit.Eventually(t, patience, func() (bool, string) {
		n := len(gt.bus.commands(envelope.Attach)) - before
		return n == 2, fmt.Sprintf("%d attaches", n)
	})
}

// The commands about one socket keep their order, so they share a partition; sockets that open together share it,
// too, and runs of them are spread.
func TestSocketsAreReportedInBatches(t *testing.T) {
	gt := newGate(t, nil, nil)
	gt.bus.set(func(b *fakeBus) { b.refuse = errors.New("stuck") })
	lost := gt.dial("?token=1:s1", "")
	if code := lost.closed(); code != 4005 {
		t.Errorf("a socket whose connect was refused is closed with %d", code)
	}
	gt.gone()
	gt.bus.set(func(b *fakeBus) { b.refuse = nil })
	first := gt.connectPartition(1)
	var cs []*client
	for u := 1; u <= 5; u++ {
		cs = append(cs, gt.login(u))
	}
	gt.deliver(envelope.Delivery{Kind: envelope.Reassert})
	testkit.Eventually(t, patience, func() (bool, string) {
		n := len(gt.bus.commands(envelope.Assert))
		return n == 5, fmt.Sprintf("%d asserts", n)
	})
	for _, c := range cs {
		_ = c.conn.Close()
	}
	gt.gone()
	gt.bus.mu.Lock()
	told := gt.bus.told
	gt.bus.mu.Unlock()
	ways := map[int]int{}
	for id, ps := range told {
		switch {
		case id == 1 && len(slices.Compact(ps)) == 1 && ps[0] == first:
		case id <= socketRun || len(ps) != 3 || ps[0] != ps[1] || ps[1] != ps[2]:
			t.Errorf("socket %d of a run after a refused one: its commands went to the partitions %v", id, ps)
		default:
			ways[ps[0]]++
		}
	}
	if len(told) != 6 || len(ways) != 1 {
		t.Errorf("%d sockets took the partitions %v", len(told), ways)
	}
	for id := range chat.SocketID(64 * socketRun) {
		ways[gt.connectPartition(id)]++
	}
	if len(ways) != gt.o.Partitions {
		t.Errorf("thousands of sockets took the partitions %v", ways)
	}
}

func TestRotationShowsEverySocket(t *testing.T) {
	gt := newGate(t, nil, nil)
	for u := 1; u <= 5; u++ {
		gt.login(u)
	}
	r := rounds{}
	for range shards {
		r.show(gt.Gateway)
	}
	shown := map[chat.UserID]chat.SessionID{}
	testkit.Eventually(t, patience, func() (bool, string) {
		for _, c := range gt.bus.commands(envelope.Show) {
			for i, u := range c.Users {
				shown[u] = c.Sessions[i]
			}
		}
		return len(shown) == 5 && shown[3] == "s3", fmt.Sprint(shown)
	})
	testkit.Eventually(t, patience, func() (bool, string) {
		gt.bus.mu.Lock()
		defer gt.bus.mu.Unlock()
		return gt.bus.beats > 0, "no heartbeat"
	})
}

func TestDisconnectsGetThroughInTheEnd(t *testing.T) {
	gt := newGate(t, nil, nil)
	a, b := gt.login(1), gt.login(2)
	gt.bus.set(func(b *fakeBus) { b.refuse, b.away = errors.New("full"), errors.New("away") })
	_ = a.conn.Close()
	testkit.Eventually(t, patience, func() (bool, string) { return len(gt.sockets.all()) == 1, "the socket is still there" })
	gt.bus.set(func(b *fakeBus) { b.refuse, b.lose, b.away = nil, errors.New("cut"), nil })
	_ = b.conn.Close()
	gt.gone()
	gt.bus.set(func(b *fakeBus) { b.lose = nil })
	testkit.Eventually(t, patience, func() (bool, string) {
		users := map[chat.UserID]bool{}
		for _, c := range gt.bus.commands(envelope.Disconnect) {
			users[c.User] = true
		}
		return len(users) == 2 && gt.disconnects.left() == 0, fmt.Sprint(users)
	})
}

// TestStopRightAfterStart: the server may not have begun to accept yet.
func TestStopRightAfterStart(t *testing.T) {
	for range 20 {
		newGate(t, nil, nil).stop()
	}
}

func TestDrain(t *testing.T) {
	const sockets = 50
	gt := newGate(t, nil, func(o *Options) { o.Drain = time.Second })
	codes := make(chan int, sockets)
	goaways := make(chan int, sockets)
	for u := 1; u <= sockets; u++ {
		s := gt.login(u)
		go func() {
			f, err := s.text()
			if err != nil || f.Type != "goaway" {
				t.Errorf("want goaway, got %+v, %v", f, err)
			}
			goaways <- f.AfterMS
			codes <- s.closed()
		}()
	}
	testkit.Eventually(t, patience, func() (bool, string) {
		absent := slices.ContainsFunc(gt.sockets.all(), func(s *socket) bool { return !s.present() })
		return !absent, "a socket isn't present after its login"
	})
	begin := time.Now()
	stopped := make(chan struct{})
	go func() { gt.stop(); close(stopped) }()
	spread := map[int]bool{}
	for range sockets {
		ms := <-goaways
		if ms < 0 || ms >= 1000 {
			t.Errorf("after_ms %d", ms)
		}
		spread[ms/100] = true
	}
	if len(spread) < 4 {
		t.Errorf("the goaways aren't spread: %v", spread)
	}
	wantUnavailable(t, gt, "while draining")
	for range sockets {
		if code := <-codes; code != 1012 {
			t.Errorf("closed with %d", code)
		}
	}
	<-stopped
	if took := time.Since(begin); took > patience {
		t.Errorf("the drain took %v", took)
	}
	if n := len(gt.bus.commands(envelope.Disconnect)); n != sockets {
		t.Errorf("%d disconnects", n)
	}
}

// TestCanaries has many users send at once, each with texts of their own, and looks for one user's in another's:
// fasthttp and the pools here reuse their buffers.
func TestCanaries(t *testing.T) {
	const users, messages = 40, 30
	gt := newGate(t, nil, nil)
	var wg sync.WaitGroup
	for u := 1; u <= users; u++ {
		wg.Go(func() {
			canary := strings.Repeat(fmt.Sprintf("canary%d.", u), 1+rand.IntN(20))
			s := gt.dial(fmt.Sprintf("?device=%.60s&token=%d:%s", canary, u, canary), fmt.Sprintf("X-Noise: %s\r\n", canary))
			s.want("welcome")
			for i := range messages {
				s.send(`{"type":"message","room_id":%d,"content":%q,"client_msg_id":"c%d-%d"}`, 1000+u, canary, u, i)
			}
			for range messages {
				if f := s.want("ack"); !strings.HasPrefix(f.ClientMsgID, fmt.Sprintf("c%d-", u)) {
					t.Errorf("user %d got %+v", u, f)
				}
			}
		})
	}
	wg.Wait()
	own := func(u chat.UserID, texts ...string) {
		for _, s := range texts {
			for _, word := range strings.Split(strings.Trim(s, "."), ".") {
				if want := fmt.Sprintf("canary%d", u); word != "" && !strings.HasPrefix(want, word) {
					t.Fatalf("user %d's command holds %q", u, s)
				}
			}
		}
	}
	for _, c := range gt.bus.commands(envelope.Connect) {
		own(c.User, string(c.Session), c.Device)
	}
	sends := gt.bus.commands(envelope.Send)
	for _, c := range sends {
		own(c.User, string(c.Session), c.Content)
	}
	if len(sends) != users*messages {
		t.Errorf("%d sends", len(sends))
	}
}
