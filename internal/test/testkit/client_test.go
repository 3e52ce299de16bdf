package testkit

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"chat-service/internal/test/testkit/history"
)

func chatters(t *testing.T, s *fakeServer, h *history.History) []*Chatter {
	t.Helper()
	var cs []*Chatter
	for u := uint64(1); u <= 2; u++ {
		cs = append(cs, StartChatter(t, ChatterOptions{
			Name: fmt.Sprint("c", u), User: u, URL: s.url, History: h, Seed: u, All: true,
			Token: func() string { return strconv.FormatUint(u, 10) }, Resend: 40 * time.Millisecond, Backoff: 4 * time.Millisecond,
		}))
	}
	return cs
}

func settle(t *testing.T, cs []*Chatter, s *fakeServer) {
	t.Helper()
	Eventually(t, 60*time.Second, func() (bool, string) {
		for _, c := range cs { // at once: what one still sends, the others don't have yet
			if ok, why := c.AtRest(); !ok {
				return false, why
			}
		}
		for _, c := range cs {
			if have, n := c.Have(fakeRoom), uint64(len(s.dump().Messages)); have != n {
				return false, fmt.Sprintf("has %d of %d", have, n)
			}
		}
		return true, ""
	})
}

func TestChatterCopesWithABadNetwork(t *testing.T) {
	s := newFakeServer(t, faults{losePush: 3, loseAck: 4, hangUp: 9})
	h := history.New()
	cs := chatters(t, s, h)
	for i := range 60 {
		cs[i%2].Send(fakeRoom, fmt.Sprint("message ", i))
	}
	settle(t, cs, s)
	for _, c := range cs {
		c.Stop()
	}
	d := s.dump()
	if len(d.Messages) != 60 {
		t.Errorf("%d messages", len(d.Messages))
	}
	history.MustHold(t, h.Events(), d)
	kinds := map[history.EventKind]int{}
	for _, e := range h.Events() {
		kinds[e.Kind]++
	}
	if kinds[history.Opened] < 3 || kinds[history.Shown] != 120 || kinds[history.Acked] < 50 {
		t.Errorf("not much of a test: %v", kinds)
	}
}

func TestChatterAndCheckerCatchABadServer(t *testing.T) {
	for _, c := range []struct {
		rule string
		f    faults
	}{
		{"I1", faults{twice: true, loseAck: 3}},
		{"I6", faults{skipSync: true, losePush: 2}},
		{"I7", faults{foreign: true}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			s := newFakeServer(t, c.f)
			h := history.New()
			cs := chatters(t, s, h)
			for i := range 30 {
				cs[i%2].Send(fakeRoom, fmt.Sprint("message ", i))
			}
			Eventually(t, 60*time.Second, func() (bool, string) {
				found := history.Check(h.Events(), s.dump())
				return slices.ContainsFunc(found, func(v history.Violation) bool { return v.Rule == c.rule }), fmt.Sprint("found only ", found)
			})
		})
	}
}

// play has the clients write and change what they wrote, some of it lost on the way.
func play(cs []*Chatter, messages, changes int) {
	for i := range messages {
		cs[i%2].Send(fakeRoom, fmt.Sprint("message ", i))
	}
	for i := range changes {
		seq := uint64(1 + i%max(messages, 1))
		ask := []Ask{
			{Kind: "edit", Seq: seq, Content: fmt.Sprint("edited ", i)},
			{Kind: "reaction", Seq: seq, Key: "👍", On: i%3 != 0},
			{Kind: "pin", Seq: seq, On: i%5 != 0},
			{Kind: "reaction", Seq: seq, Key: "x", On: true},
			{Kind: "recall", Seq: seq},
		}[i%5]
		if ask.Kind != "recall" || i%10 == 4 {
			cs[i%2].Change(fakeRoom, ask)
		}
	}
}

func TestChatterKeepsUpWithChanges(t *testing.T) {
	s := newFakeServer(t, faults{losePush: 3, loseAck: 4, hangUp: 9})
	h := history.New()
	cs := chatters(t, s, h)
	play(cs, 30, 0)
	settle(t, cs, s)
	for i := range 40 {
		play(cs, 0, 1)
		cs[i%2].Change(fakeRoom, Ask{Kind: "edit", Seq: uint64(1 + i%30), Content: fmt.Sprint("edited ", i)})
	}
	play(cs, 20, 60)
	settle(t, cs, s)
	for _, c := range cs {
		c.Stop()
	}
	history.MustHold(t, h.Events(), s.dump())
	kinds := map[history.EventKind]int{}
	for _, e := range h.Events() {
		kinds[e.Kind]++
	}
	if kinds[history.Done] < 60 || kinds[history.Changed] < 60 {
		t.Errorf("not much of a test: %v", kinds)
	}
}

func TestChatterAndCheckerCatchBadChanges(t *testing.T) {
	for _, c := range []struct {
		rule string
		f    faults
	}{
		{"C1", faults{again: true, loseAck: 3}},
		{"C2", faults{silent: true, losePush: 1}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			s := newFakeServer(t, c.f)
			h := history.New()
			cs := chatters(t, s, h)
			play(cs, 20, 0)
			settle(t, cs, s)
			play([]*Chatter{cs[0], cs[0]}, 0, 20) // the other one makes none, whose answers would tell it of more
			settle(t, cs, s)
			found := history.Check(h.Events(), s.dump())
			if !slices.ContainsFunc(found, func(v history.Violation) bool { return v.Rule == c.rule }) {
				t.Errorf("found only %v", found)
			}
		})
	}
}

func TestChatterStopsAtAFinalClose(t *testing.T) {
	s := newFakeServer(t, faults{})
	h := history.New()
	c := StartChatter(t, ChatterOptions{Name: "x", URL: s.url, Token: func() string { return "bad" }, History: h})
	Eventually(t, 20*time.Second, func() (bool, string) { return c.Ended() != nil, "it goes on" })
	if c.Ended().Code != 4500 {
		t.Error(c.Ended())
	}
	history.MustHold(t, h.Events(), history.Dump{})
}

func TestSocket(t *testing.T) {
	s := newFakeServer(t, faults{})
	a, b := Dial(t, s.url(), "1"), Dial(t, s.url(), "2")
	if w := a.Welcome(t); w.List("rooms")[0].Num("id") != fakeRoom {
		t.Errorf("welcome %v", w)
	}
	b.Welcome(t)
	a.Send(t, map[string]any{"type": "message", "room_id": fakeRoom, "content": "hello", "client_msg_id": "m1"})
	if f := a.Expect(t, Is("ack", "client_msg_id", "m1", "seq", 1)); f.Bool("duplicate") || !f.Has("duplicate") {
		t.Errorf("ack %v", f)
	}
	got := b.Expect(t, Any(Is("error"), Is("message", "seq", 1)))
	if got.Str("content") != "hello" || got.Num("sender_id") != 1 {
		t.Errorf("message %v", got)
	}
	b.ExpectNone(t, Is("message"))
	b.SendText(t, `{"type":"ping"}`)
	b.Expect(t, Is("pong"))
	if n := len(b.Frames()); n != 5 { // welcome, message, head, two pongs
		t.Errorf("%d frames: %v", n, b.Frames())
	}
	code, reason := Dial(t, s.url(), "0").Closed(t)
	if code != 4500 || reason != `{"code":4500}` {
		t.Errorf("closed %d %q", code, reason)
	}
	if _, err := TryDial(t, s.url(), "refused"); StatusOf(err) != 403 {
		t.Errorf("refused with %v", err)
	}
	a.Drop()
	if code, _ := a.Closed(t); code != 1006 {
		t.Errorf("dropped: %d", code)
	}
}

func TestIs(t *testing.T) {
	f, err := parseFrame([]byte(`{"type":"ack","seq":9007199254740993,"duplicate":true,"ref":null}`))
	if err != nil {
		t.Fatal(err)
	}
	for want, ms := range map[bool][]Match{
		true:  {Is("ack"), Is("ack", "seq", uint64(9007199254740993)), Is("ack", "duplicate", true), Any(Is("x"), Is("ack"))},
		false: {Is("error"), Is("ack", "seq", 9007199254740992), Is("ack", "room_id", 0), Any()},
	} {
		for i, m := range ms {
			if m(f) != want {
				t.Errorf("match %d: %v", i, !want)
			}
		}
	}
	if f.Num("seq") != 9007199254740993 {
		t.Errorf("seq %d", f.Num("seq"))
	}
}

func TestQueueRepeatsInOrder(t *testing.T) {
	q := &queue{waiting: []*outgoing{{id: "1"}, {id: "2"}, {id: "3"}, {id: "4"}}}
	now := time.Unix(100, 0)
	ids := func(ms []*outgoing) (s string) {
		for _, m := range ms {
			s += m.id
		}
		return s
	}
	step := func(name string, at time.Time, want string) {
		t.Helper()
		if got := ids(q.due(at, 3, time.Second)); got != want {
			t.Errorf("%s: sends %q, want %q", name, got, want)
		}
	}
	step("at first", now, "123")
	step("nothing new", now, "")
	q.remove("1")
	step("the window moves", now, "4")
	q.find("3").sent = time.Time{}
	step("one is refused for now", now, "34")
	step("no answer", now.Add(2*time.Second), "234")
	q.find("2").notBefore = now.Add(time.Hour)
	step("the first must wait", now.Add(4*time.Second), "")
}
