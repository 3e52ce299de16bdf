package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

const me = chat.GatewayID("g1.boot")

// fake is a socket that notes what it gets, in short: m5 (message), ack5, left5, joined, resync, head5, room,
// typing, presence.
type fake struct {
	id    chat.SocketID
	user  chat.UserID
	state State
	lag   bool
	got   []string
	last  []byte // payload of the last one
	acks  []string

	pushed func() // runs in Push

	requested []chat.RoomID
	reviews   []review // that it asked for: whom, and with which number
}

func (f *fake) User() chat.UserID         { return f.user }
func (f *fake) State() *State             { return &f.state }
func (f *fake) Lags() bool                { return f.lag }
func (f *fake) Answered(ref string)       { f.acks = append(f.acks, ref) }
func (f *fake) RequestRoom(r chat.RoomID) { f.requested = append(f.requested, r) }
func (f *fake) ReviewWatch(users []chat.UserID, number uint64) {
	f.reviews = append(f.reviews, review{doubted: users, number: number})
}

func (f *fake) Push(fr Frame) bool {
	f.got, f.last = append(f.got, short(fr)), payloadOf(fr)
	if f.pushed != nil {
		f.pushed()
	}
	return true
}
func (f *fake) take() (got []string) { got, f.got = f.got, nil; return got }

func short(f Frame) string {
	payload := payloadOf(f)
	if s, ok := shortChange(payload); ok {
		return s
	}
	var v struct {
		Type  string
		Seq   uint64
		Rooms map[string]uint64
		Users []struct {
			User   uint64 `json:"user_id"`
			Online bool
		}
	}
	if err := json.Unmarshal(payload, &v); err != nil {
		return "bad " + string(payload)
	}
	switch v.Type {
	case "message":
		return fmt.Sprintf("m%d", v.Seq)
	case "head":
		for _, seq := range v.Rooms {
			return fmt.Sprintf("head%d", seq)
		}
	case "presence":
		s := "presence"
		for _, u := range v.Users {
			s += fmt.Sprintf(" %d=%v", u.User, u.Online)
		}
		return s
	case "ack", "left":
		return fmt.Sprintf("%s%d", v.Type, v.Seq)
	}
	return v.Type
}

// bench is a hub with its clock, its sockets and what it published.
type bench struct {
	*Hub
	t      testing.TB
	clock  int64
	socks  map[chat.SocketID]*fake
	sent   []envelope.Command
	refuse error
	sw     Sweep
}

func newBench(t testing.TB) *bench {
	b := &bench{t: t, clock: 1_000_000, socks: map[chat.SocketID]*fake{}}
	b.Hub = New(Options{
		ID: me, Now: func() int64 { return b.clock }, Jitter: func(n int64) int64 { return n / 2 }, HeldEntries: 8, HeldBytes: 1 << 20,
		Metrics: NewMetrics(prometheus.NewRegistry()),
		Find: func(id chat.SocketID) Socket {
			if f := b.socks[id]; f != nil {
				return f
			}
			return nil
		},
		Publish: func(_ chat.RoomID, c *envelope.Command) error {
			if b.refuse != nil {
				return b.refuse
			}
			x := *c
			x.Users = slices.Clone(c.Users)
			b.sent = append(b.sent, x)
			return nil
		},
	})
	return b
}

func (b *bench) socket(id chat.SocketID, user chat.UserID) *fake {
	f := &fake{id: id, user: user}
	b.socks[id] = f
	b.Add(f)
	return f
}

// pass lets time go by, in steps as the ticker's.
func (b *bench) pass(ms int64) {
	for end := b.clock + ms; b.clock < end; {
		b.clock += 100
		b.Turn(&b.sw, b.clock)
	}
}

// last returns the last command of a kind and forgets all.
func (b *bench) last(kind envelope.CommandKind) envelope.Command {
	b.t.Helper()
	defer func() { b.sent = nil }()
	for _, c := range slices.Backward(b.sent) {
		if c.Kind == kind {
			return c
		}
	}
	b.t.Fatalf("no command of kind %d among %+v", kind, b.sent)
	return envelope.Command{}
}

const room1 = chat.RoomID(7)

func entry(seq chat.Seq) *envelope.Delivery {
	return &envelope.Delivery{Kind: envelope.InRoom, Room: room1, Epoch: 1, Seq: seq, Frame: message(seq)}
}

func message(seq chat.Seq) []byte {
	return protocol.AppendMessage(nil, chat.Message{Room: room1, Seq: seq, Kind: chat.Text, Sender: 99, Content: "x"})
}

func (b *bench) in(ds ...*envelope.Delivery) {
	for _, d := range ds {
		b.InRoom(&b.sw, d)
	}
}

// answer gives the owner's answer to an Attach.
func (b *bench) answer(c envelope.Command, head chat.Seq, members ...chat.UserID) {
	d := &envelope.Delivery{Kind: envelope.Attached, Gateway: me, Room: c.Room, Epoch: 1, Number: c.Number, Seq: head, Repair: c.Repair, Users: members}
	if c.Repair {
		for seq := c.Seq + 1; seq <= head; seq++ {
			d.Entries = append(d.Entries, envelope.Entry{Seq: seq, Frame: message(seq)})
		}
	}
	b.Attached(&b.sw, d)
}

// attached is a socket in the running room whose head is head.
func (b *bench) attached(id chat.SocketID, user chat.UserID, head chat.Seq) *fake {
	f := b.socket(id, user)
	b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: head, Epoch: 1})
	b.answer(b.last(envelope.Attach), head)
	f.take()
	return f
}

func (b *bench) want(f *fake, want ...string) {
	b.t.Helper()
	if d := cmp.Diff(want, f.take()); d != "" {
		b.t.Errorf("socket %d of user %d got (-want +got):\n%s", f.id, f.user, d)
	}
}

func TestEntriesWaitForTheHead(t *testing.T) {
	b := newBench(t)
	f := b.socket(1, 1)
	if head := b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: 5, Epoch: 1}); head != (Head{}) {
		t.Errorf("a room that isn't attached returned a head: %d", head)
	}
	b.in(entry(6), entry(8), entry(7))
	b.want(f)
	c := b.last(envelope.Attach)
	if c.Repair || c.Number == 0 || c.Room != room1 {
		t.Errorf("first attach: %+v", c)
	}
	b.answer(c, 5)
	b.want(f, "m6", "m7", "m8")
}

func TestHeadAboveWelcomeIsSent(t *testing.T) {
	b := newBench(t)
	f := b.socket(1, 1)
	b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: 5, Epoch: 1})
	b.answer(b.last(envelope.Attach), 9)
	b.in(entry(10))
	b.want(f) // he may have left in between
	b.answer(b.last(envelope.Attach), 9, 1)
	b.in(entry(11))
	b.want(f, "head10", "m11")
	late := b.socket(2, 2)
	if head := b.Attach(&b.sw, late, envelope.Point{Room: room1, Seq: 10, Epoch: 1}); head != (Head{Seq: 11}) {
		t.Errorf("attaching below what was delivered returned %d", head)
	}
	b.in(entry(12))
	b.want(f, "m12")
	b.want(late, "m12")
}

func TestHeldEntriesBelowTheHeadAreDelivered(t *testing.T) {
	b := newBench(t)
	f := b.socket(1, 1)
	b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: 5, Epoch: 1})
	c := b.last(envelope.Attach)
	b.in(entry(6), entry(7))
	b.answer(c, 7)
	b.want(f, "m6", "m7")
}

func TestWelcomeAheadOfTheRoomSkipsWhatItCovers(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	g := b.socket(2, 2)
	b.Attach(&b.sw, g, envelope.Point{Room: room1, Seq: 7, Epoch: 1})
	b.in(entry(6), entry(7), entry(8))
	b.want(f, "m6", "m7", "m8")
	b.want(g, "m8")
}

func TestRepeatsAreIgnoredButAcked(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	d := entry(6)
	d.Gateway, d.Socket = me, 1
	d.Ack, d.Ref = []byte(`{"type":"ack","seq":6}`), "m1"
	b.in(d, d)
	b.want(f, "ack6", "ack6")
	if !slices.Equal(f.acks, []string{"m1", "m1"}) {
		t.Errorf("answered %v", f.acks)
	}
}

func TestAckReachesTheOriginInOrderWhereverItIs(t *testing.T) {
	ack := func(seq chat.Seq, g chat.GatewayID) *envelope.Delivery {
		d := entry(seq)
		d.Gateway, d.Socket, d.Ack = g, 1, fmt.Appendf(nil, `{"type":"ack","seq":%d}`, seq)
		return d
	}
	t.Run("no room", func(t *testing.T) {
		b := newBench(t)
		f := b.socket(1, 1)
		b.in(ack(6, me))
		b.want(f, "ack6")
	})
	t.Run("behind a gap", func(t *testing.T) {
		b := newBench(t)
		f := b.attached(1, 1, 5)
		b.in(ack(7, me))
		b.want(f)
		b.in(entry(6))
		b.want(f, "m6", "ack7")
	})
	t.Run("unsubscribed", func(t *testing.T) {
		b := newBench(t)
		f, other := b.attached(1, 1, 5), b.socket(2, 2)
		b.Attach(&b.sw, other, envelope.Point{Room: room1, Seq: 5, Epoch: 1})
		if !b.Leave(&b.sw, f, room1) || b.Leave(&b.sw, f, room1) {
			t.Error("Leave must be true once")
		}
		b.in(ack(7, me), ack(6, me))
		b.want(f, "left0", "ack6", "ack7")
		b.want(other, "m6", "m7")
	})
	t.Run("another gateway's", func(t *testing.T) {
		b := newBench(t)
		f := b.attached(1, 1, 5)
		b.in(ack(6, "g2.boot"))
		b.want(f, "m6")
	})
}

func TestGapIsRepairedOnce(t *testing.T) {
	b := newBench(t)
	f, g := b.attached(1, 1, 5), b.socket(2, 2)
	b.Attach(&b.sw, g, envelope.Point{Room: room1, Seq: 5, Epoch: 1})
	b.in(entry(8), entry(9), entry(10))
	if n := len(b.sent); n != 1 {
		t.Fatalf("%d commands for one gap", n)
	}
	c := b.last(envelope.Attach)
	if d := cmp.Diff([]chat.UserID{1, 2}, c.Users); !c.Repair || c.Seq != 5 || d != "" {
		t.Errorf("repair %+v, users %s", c, d)
	}
	b.want(f)
	b.answer(c, 9, 1, 2)
	b.want(f, "m6", "m7", "m8", "m9", "m10")
	b.pass(10_000)
	if len(b.sent) != 0 {
		t.Errorf("commands after the repair: %+v", b.sent)
	}
}

func TestUnansweredAttachIsSentAgainWithItsNumber(t *testing.T) {
	b := newBench(t)
	b.refuse = errors.New("full")
	f := b.socket(1, 1)
	b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: 5, Epoch: 1})
	b.refuse = nil
	b.pass(3_100)
	c := b.last(envelope.Attach)
	b.pass(60_000)
	if n := len(b.sent); n < 3 || n > 20 {
		t.Errorf("%d tries in a minute", n)
	}
	if again := b.last(envelope.Attach); again.Number != c.Number {
		t.Errorf("number %d, then %d", c.Number, again.Number)
	}
	b.answer(c, 5)
	b.pass(30_000)
	if len(b.sent) != 0 {
		t.Errorf("sent again after the answer: %+v", b.sent)
	}
}

func TestCutRepairGoesOn(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	b.in(entry(10))
	c := b.last(envelope.Attach)
	b.Attached(&b.sw, &envelope.Delivery{
		Room: room1, Epoch: 1, Number: c.Number, Seq: 10, Repair: true, Users: []chat.UserID{1},
		Entries: []envelope.Entry{{Seq: 6, Frame: message(6)}, {Seq: 7, Frame: message(7)}},
	})
	b.want(f, "m6", "m7")
	next := b.last(envelope.Attach)
	if !next.Repair || next.Seq != 7 || next.Number == c.Number {
		t.Errorf("second repair: %+v", next)
	}
	b.answer(next, 10, 1)
	b.want(f, "m8", "m9", "m10")
}

func TestRepairThatCannotBeWholeResyncs(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	b.in(entry(9000))
	c := b.last(envelope.Attach)
	b.Attached(&b.sw, &envelope.Delivery{Room: room1, Epoch: 1, Number: c.Number, Seq: 9000, Repair: true, Users: []chat.UserID{1}})
	b.want(f, "resync")
	b.in(entry(9001))
	b.want(f, "m9001")
}

func TestOverflowRepairsAgain(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	for seq := chat.Seq(7); seq < 20; seq++ { // 8 fit
		b.in(entry(seq))
	}
	c := b.last(envelope.Attach)
	b.answer(c, 12, 1) // what was dropped beyond it must come again
	if next := b.last(envelope.Attach); next.Seq < 12 {
		t.Errorf("second repair from %d", next.Seq)
	} else {
		b.answer(next, 19, 1)
	}
	var want []string
	for seq := 6; seq < 20; seq++ {
		want = append(want, fmt.Sprintf("m%d", seq))
	}
	b.want(f, want...)
	if b.heldBytes.Load() != 0 {
		t.Errorf("%d bytes held after the repair", b.heldBytes.Load())
	}
}

func TestRoomThatNeverCatchesUpResyncs(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	for seq := chat.Seq(7); seq < 40; seq++ {
		b.in(entry(seq))
	}
	b.answer(b.last(envelope.Attach), 39, 1)
	b.want(f, "resync")
	b.in(entry(40))
	b.want(f, "m40")
}

func TestDigestAboveWhatWasDeliveredRepairs(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	heads := []envelope.Point{{Room: room1, Seq: 7, Epoch: 1}, {Room: 1234, Seq: 9, Epoch: 1}}
	b.Heads(&b.sw, heads)
	b.pass(400)
	if len(b.sent) != 0 {
		t.Fatalf("repaired before the entries could come: %+v", b.sent)
	}
	b.pass(300)
	b.answer(b.last(envelope.Attach), 7, 1)
	b.want(f, "m6", "m7")
	b.Heads(&b.sw, heads)
	b.pass(5_000)
	if len(b.sent) != 0 {
		t.Errorf("repaired what was delivered: %+v", b.sent)
	}
}

func TestRemovedUserGetsEntriesUpToTheLeave(t *testing.T) {
	b := newBench(t)
	f, g := b.attached(1, 1, 5), b.socket(2, 2)
	b.Attach(&b.sw, g, envelope.Point{Room: room1, Seq: 5, Epoch: 1})
	leave := entry(8)
	leave.Removed, leave.Reason = []chat.UserID{1}, chat.LeftKicked
	b.in(leave, entry(9)) // ahead of 6 and 7
	b.want(f)
	b.in(entry(6), entry(7))
	b.want(f, "m6", "m7", "m8", "left8")
	b.want(g, "m6", "m7", "m8", "m9")
	b.in(leave, entry(10))
	b.want(f)
	b.want(g, "m10")
}

func TestLostNoticeEndsAccessWithTheRepair(t *testing.T) {
	b := newBench(t)
	f, g := b.attached(1, 1, 5), b.socket(2, 2)
	b.Attach(&b.sw, g, envelope.Point{Room: room1, Seq: 5, Epoch: 1})
	b.in(entry(9)) // 7 was user 1's leave
	b.answer(b.last(envelope.Attach), 9, 2)
	b.want(f, "left5")
	b.want(g, "m6", "m7", "m8", "m9")
	b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: 6, Epoch: 1}) // a welcome read before
	b.in(entry(10))
	b.want(f)
}

func TestHeldNoticeDecidesBeforeTheRepairsList(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	leave := entry(8)
	leave.Removed, leave.Reason = []chat.UserID{1}, chat.LeftSelf
	b.in(leave)
	b.answer(b.last(envelope.Attach), 9)
	b.want(f, "m6", "m7", "m8", "left8")
}

func TestOlderWelcomeReattachesNobody(t *testing.T) {
	for _, known := range []bool{true, false} { // the room is attached, or not
		t.Run(fmt.Sprint(known), func(t *testing.T) {
			b := newBench(t)
			if known {
				b.attached(9, 9, 7)
			}
			f := b.socket(1, 1)
			leave := entry(8)
			leave.Removed = []chat.UserID{1}
			b.in(leave)
			b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: 7, Epoch: 1})
			b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: 8, Epoch: 1})
			b.in(entry(9))
			b.want(f)
			b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: 9, Epoch: 1}) // he has come back since
			b.in(entry(10))
			if !known {
				b.answer(b.last(envelope.Attach), 9)
			}
			b.want(f, "m10")
		})
	}
}

func TestMembershipsAge(t *testing.T) {
	b := newBench(t)
	leave := entry(8)
	leave.Removed = []chat.UserID{1}
	b.in(leave)
	b.pass(membershipLife / 2)
	if !b.memberships.out(room1, 1, membership{1, 7, false}) {
		t.Error("forgotten while an older welcome may still come")
	}
	b.pass(2 * membershipLife)
	if b.memberships.out(room1, 1, membership{1, 7, false}) || len(b.memberships.cur)+len(b.memberships.old) != 0 {
		t.Error("kept for ever")
	}
}

func TestMembershipsAreBounded(t *testing.T) {
	var ms memberships
	for u := range chat.UserID(3 * membershipBound) {
		ms.note(room1, u+1, membership{1, 1, false})
	}
	if n := len(ms.cur) + len(ms.old); n > 2*membershipBound {
		t.Errorf("%d memberships", n)
	}
	if !ms.out(room1, 3*membershipBound, membership{1, 1, false}) {
		t.Error("the newest is forgotten")
	}
}

func TestDissolvedRoomLeavesEverybodyAndDetaches(t *testing.T) {
	b := newBench(t)
	f, g := b.attached(1, 1, 5), b.socket(2, 2)
	b.Attach(&b.sw, g, envelope.Point{Room: room1, Seq: 5, Epoch: 1})
	end := entry(6)
	end.All, end.Reason = true, chat.LeftDissolved
	b.in(end)
	b.want(f, "m6", "left6")
	b.want(g, "m6", "left6")
	b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: 5, Epoch: 1})
	b.pass(7_000)
	b.last(envelope.Detach)
	if n := len(b.roomShard(room1).rooms); n != 0 {
		t.Errorf("%d rooms left", n)
	}
}

func TestAddedUserIsAttachedFromTheEntryOn(t *testing.T) {
	for name, attach := range map[string]bool{"room attached": true, "room unknown": false} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if attach {
				b.attached(9, 9, 5)
			}
			f := b.socket(1, 1)
			add := entry(6)
			add.Added, add.JoinedTo, add.Event = []chat.UserID{1}, []byte(`{"type":"joined"}`), []byte(`{"type":"room"}`)
			b.in(add)
			b.want(f, "joined")
			if !attach {
				b.answer(b.last(envelope.Attach), 6)
			} else {
				b.want(b.socks[9], "m6", "room")
			}
			b.in(add, entry(7))
			b.want(f, "m7")
		})
	}
}

func TestRejoinAfterLeaveInOneGap(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	leave, add := entry(7), entry(9)
	leave.Removed, leave.Reason = []chat.UserID{1}, chat.LeftSelf
	add.Added, add.JoinedTo = []chat.UserID{1}, []byte(`{"type":"joined"}`)
	b.attached2(2, 2)
	b.in(add, leave, entry(8), entry(6), entry(10))
	b.want(f, "m6", "m7", "left7", "joined", "m10")
}

// attached2 adds a socket to the running room.
func (b *bench) attached2(id chat.SocketID, user chat.UserID) {
	b.Attach(&b.sw, b.socket(id, user), envelope.Point{Room: room1, Seq: 5, Epoch: 1})
}

func TestNewEpochResyncs(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 50)
	old, d := entry(51), entry(4)
	d.Epoch = 2
	b.in(d)
	b.want(f, "resync")
	c := b.last(envelope.Attach)
	b.in(old)
	b.Attached(&b.sw, &envelope.Delivery{Room: room1, Epoch: 2, Number: c.Number, Seq: 3})
	c = b.last(envelope.Attach)
	b.Attached(&b.sw, &envelope.Delivery{Room: room1, Epoch: 2, Number: c.Number, Seq: 4, Repair: true, Users: []chat.UserID{1}})
	d = entry(5)
	d.Epoch = 2
	b.in(d)
	b.want(f, "head4", "m5")
	b.Heads(&b.sw, []envelope.Point{{Room: room1, Seq: 1, Epoch: 3}})
	b.want(f, "resync")
	b.last(envelope.Attach)
}

func TestLastSessionDetachesAfterAWhile(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	b.Forget(f)
	b.pass(3_000)
	g := b.socket(2, 2)
	b.Attach(&b.sw, g, envelope.Point{Room: room1, Seq: 5, Epoch: 1}) // in time
	b.in(entry(6))
	b.want(g, "m6")
	b.pass(10_000)
	if len(b.sent) != 0 {
		t.Fatalf("a room in use was detached: %+v", b.sent)
	}
	b.Forget(g)
	b.refuse = errors.New("full")
	b.pass(7_000)
	b.refuse = nil
	b.pass(3_000)
	if c := b.last(envelope.Detach); c.Number <= 1 {
		t.Errorf("detach number %d", c.Number)
	}
	if n := len(b.roomShard(room1).rooms) + len(b.roomShard(room1).timed); n != 0 {
		t.Errorf("%d rooms left", n)
	}
	for i := range b.users {
		if len(b.users[i].users) != 0 {
			t.Error("users left")
		}
	}
}

func TestEmptyRoomDoesNotRepair(t *testing.T) {
	b := newBench(t)
	b.Forget(b.attached(1, 1, 5))
	b.in(entry(9))
	if len(b.sent) != 0 {
		t.Errorf("commands for nobody: %+v", b.sent)
	}
	g := b.socket(2, 2)
	b.Attach(&b.sw, g, envelope.Point{Room: room1, Seq: 9, Epoch: 1})
	b.answer(b.last(envelope.Attach), 9)
	b.in(entry(10))
	b.want(g, "m10")
}

func TestReattachAsksForEveryRoomInUse(t *testing.T) {
	b := newBench(t)
	f := b.socket(1, 1)
	for id := range chat.RoomID(100) {
		b.Attach(&b.sw, f, envelope.Point{Room: id + 1, Seq: 5, Epoch: 1})
	}
	for _, c := range b.sent {
		b.answer(c, 5)
	}
	f.take()
	b.sent = nil
	for i := range Shards {
		if err := b.Reattach(i); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.sent) != 100 {
		t.Fatalf("%d rooms asked for", len(b.sent))
	}
	for _, c := range b.sent {
		if c.Repair || c.Number <= 100 {
			t.Fatalf("%+v", c)
		}
		b.answer(c, 6) // one was lost
	}
	b.sent = nil
	b.pass(1_000)
	if len(b.sent) != 100 || !b.sent[0].Repair {
		t.Errorf("%d repairs of lost tails", len(b.sent))
	}
}

func TestWatchersGetThePresenceOfThoseTheyWatch(t *testing.T) {
	b := newBench(t)
	f, g := b.socket(1, 1), b.socket(2, 2)
	b.watches(f, 5, 6, 5)
	b.watches(g, 6)
	b.Presences(&b.sw, []envelope.Presence{{User: 5, Online: true}})
	b.Presences(&b.sw, []envelope.Presence{{User: 5}, {User: 6, Online: true}, {User: 7}})
	b.want(f, "presence 5=true", "presence 5=false 6=true")
	b.want(g, "presence 6=true")
	b.watches(f, 7) // replaces
	b.Presences(&b.sw, []envelope.Presence{{User: 5}})
	b.want(f)
	b.Forget(f)
	b.Forget(g)
	for i := range b.users {
		if len(b.users[i].users) != 0 {
			t.Error("watchers left behind")
		}
	}
}

func TestAsideSkipsItsUserAndThoseWhoLag(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	b.attached2(2, 2)
	b.attached2(3, 3)
	b.socks[3].lag = true
	b.Aside(&b.sw, &envelope.Delivery{Room: room1, User: 1, Frame: []byte(`{"type":"typing"}`)})
	b.want(f)
	b.want(b.socks[2], "typing")
	b.want(b.socks[3])
}

func TestEncodeHeaders(t *testing.T) {
	for n, head := range map[int]string{0: "\x81\x00", 125: "\x81\x7d", 126: "\x81\x7e\x00\x7e", 65535: "\x81\x7e\xff\xff", 65536: "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"} {
		f := Text([]byte(strings.Repeat("x", n)))
		if !strings.HasPrefix(string(f), head) || len(f) != len(head)+n {
			t.Errorf("%d bytes: header % x, length %d", n, f[:min(len(f), 10)], len(f))
		}
	}
}
