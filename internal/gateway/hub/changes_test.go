package hub

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// payloadOf is a frame without its header.
func payloadOf(f Frame) []byte {
	switch f[1] {
	case 126:
		return f[4:]
	case 127:
		return f[10:]
	}
	return f[2:]
}

// change is a delivery of change n, of message seq, after entry at.
func change(n chat.ChangeSeq, seq, at chat.Seq) *envelope.Delivery {
	d := &envelope.Delivery{Kind: envelope.Changed, Room: room1, Epoch: 1, Seq: seq, Changes: n, Prev: n - 1, AtSeq: at}
	return framed(d)
}

func framed(d *envelope.Delivery) *envelope.Delivery {
	d.Frame = fmt.Appendf(nil, `{"type":"change","change_seq":%d,"prev":%d,"at_seq":%d,"message":{"seq":%d}}`, d.Changes, d.Prev, d.AtSeq, d.Seq)
	d.Bare = fmt.Appendf(nil, `{"type":"change","change_seq":%d,"prev":%d,"at_seq":%d}`, d.Changes, d.Prev, d.AtSeq)
	return d
}

func (b *bench) changed(ds ...*envelope.Delivery) {
	for _, d := range ds {
		b.Changed(&b.sw, d)
	}
}

// member is a socket in the running room, whose last entry is 5 and last change 3, that sees it from an entry on.
func (b *bench) member(id chat.SocketID, user chat.UserID, from chat.Seq) *fake {
	f := b.socket(id, user)
	b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: 5, Epoch: 1, Changes: 3, From: from})
	if len(b.sent) > 0 {
		c := b.last(envelope.Attach)
		b.Attached(&b.sw, &envelope.Delivery{Kind: envelope.Attached, Gateway: me, Room: room1, Epoch: 1, Number: c.Number, Seq: 5, Changes: 3})
	}
	f.take()
	return f
}

func TestChangesAreShownToThoseWhoSeeTheMessage(t *testing.T) {
	b := newBench(t)
	all, late := b.member(1, 1, 1), b.member(2, 2, 4)
	b.changed(change(4, 3, 5), change(5, 4, 5))
	b.want(all, "c4 of 3", "c5 of 4")
	b.want(late, "c4", "c5 of 4")
}

// TestChangesOfCrowdsMayWait: where many are to be written to, others needn't wait for it.
func TestChangesOfCrowdsMayWait(t *testing.T) {
	b := newBench(t)
	for i := range crowd {
		f := b.member(chat.SocketID(i+1), chat.UserID(i+1), 1)
		if i+2 < crowd {
			continue
		}
		b.sw = Sweep{}
		b.changed(change(chat.ChangeSeq(i+6-crowd), 3, 5))
		if ready, later := len(b.sw.Ready), len(b.sw.Later); i+2 == crowd && (ready != i+1 || later != 0) || i+1 == crowd && (ready != 0 || later != crowd) {
			t.Errorf("of %d sockets %d are written to at once and %d later", i+1, ready, later)
		}
		if f.state.Patient.Load() != (i+1 == crowd) {
			t.Errorf("of %d sockets one waits: %v", i+1, f.state.Patient.Load())
		}
	}
}

func TestChangeWaitsForItsEntry(t *testing.T) {
	b := newBench(t)
	f := b.member(1, 1, 1)
	d := change(4, 7, 7)
	d.Gateway, d.Socket, d.Ack, d.Ref = me, 1, []byte(`{"type":"done"}`), "c"
	b.changed(d)
	b.want(f, "done") // it is committed
	b.in(entry(6))
	b.want(f, "m6")
	b.changed(change(5, 6, 7), change(4, 7, 7))
	b.in(entry(7), entry(8))
	b.want(f, "m7", "c4 of 7", "c5 of 6", "m8")
	if !slices.Equal(f.acks, []string{"c"}) || b.heldBytes.Load() != 0 {
		t.Errorf("answered %v, %d bytes are held", f.acks, b.heldBytes.Load())
	}
}

func TestChangesAreHeldUntilTheHeadIsKnown(t *testing.T) {
	b := newBench(t)
	f := b.socket(1, 1)
	b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: 5, Epoch: 1, Changes: 3, From: 1})
	b.changed(change(5, 2, 6), change(4, 1, 5), change(3, 1, 5))
	b.in(entry(6))
	b.want(f)
	c := b.last(envelope.Attach)
	b.Attached(&b.sw, &envelope.Delivery{Kind: envelope.Attached, Gateway: me, Room: room1, Epoch: 1, Number: c.Number, Seq: 5, Changes: 4})
	b.want(f, "c4 of 1", "m6", "c5 of 2")
}

func TestRepeatedChangesAreIgnoredButAnswered(t *testing.T) {
	b := newBench(t)
	f := b.member(1, 1, 1)
	d := change(4, 3, 5)
	d.Gateway, d.Socket, d.Ack = me, 1, []byte(`{"type":"done"}`)
	b.changed(d, d)
	b.want(f, "done", "c4 of 3", "done")
}

// What the server left out stands in prev: it is no gap.
func TestConflatedChangesAreNoGap(t *testing.T) {
	b := newBench(t)
	f := b.member(1, 1, 1)
	d := change(7, 3, 5)
	d.Prev = 4
	b.changed(change(4, 3, 5), framed(d))
	b.changed(change(6, 3, 5)) // a repeat of one of them
	b.want(f, "c4 of 3", "c7 of 3")
}

func TestGapOfChangesMakesClientsSync(t *testing.T) {
	b := newBench(t)
	f, ahead := b.member(1, 1, 1), b.socket(2, 2)
	b.Attach(&b.sw, ahead, envelope.Point{Room: room1, Seq: 5, Epoch: 1, Changes: 5, From: 1})
	b.changed(change(5, 3, 5), change(6, 3, 5)) // 4 is lost
	b.want(f)
	b.want(ahead, "c6 of 3")
	b.pass(tellWithinMS)
	b.want(f, "head/6")
	b.changed(change(7, 3, 5))
	b.want(f, "c7 of 3")
	b.want(ahead, "c7 of 3")
}

// Many clients that must sync are told a part at a time.
func TestManyAreToldToSyncBitByBit(t *testing.T) {
	b := newBench(t)
	var all []*fake
	for i := range chat.SocketID(250) {
		all = append(all, b.member(i+1, chat.UserID(i+1), 1))
	}
	b.changed(change(5, 3, 5))
	var told []int
	for range 10 {
		b.pass(100)
		n := 0
		for _, f := range all {
			n += len(f.take())
		}
		if n > 0 {
			told = append(told, n)
		}
	}
	if !slices.Equal(told, []int{100, 100, 50}) {
		t.Errorf("told %v", told)
	}
}

func TestLastChangeIsLost(t *testing.T) {
	b := newBench(t)
	f := b.member(1, 1, 1)
	digest := []envelope.Point{{Room: room1, Seq: 5, Epoch: 1, Changes: 5}}
	b.Heads(&b.sw, digest)
	b.changed(change(4, 3, 5), change(5, 3, 5)) // they were on their way
	b.pass(2_000)
	b.want(f, "c4 of 3", "c5 of 3")
	digest[0].Changes = 6
	b.Heads(&b.sw, digest)
	b.pass(headWaitMS)
	b.want(f)
	b.pass(tellWithinMS)
	b.want(f, "head/6")
	b.Heads(&b.sw, digest)
	b.pass(2_000)
	b.want(f)
	if len(b.timed(room1)) != 0 {
		t.Error("the room still has something due")
	}
}

// timed lists the room if something is due in it.
func (b *bench) timed(id chat.RoomID) (due []chat.RoomID) {
	for rm := range b.roomShard(id).timed {
		due = append(due, rm.id)
	}
	return due
}

func TestLeaverGetsNoChanges(t *testing.T) {
	b := newBench(t)
	stays, leaves := b.member(1, 1, 1), b.member(2, 2, 1)
	d := entry(6)
	d.Removed, d.Reason = []chat.UserID{2}, chat.LeftKicked
	b.changed(change(5, 3, 6), change(4, 3, 5)) // the order of the line isn't kept: 5 waits for the entry, 4 doesn't
	b.want(leaves, "c4 of 3")
	b.in(d)
	b.changed(change(6, 3, 6))
	b.want(leaves, "m6", "left6")
	b.want(stays, "c4 of 3", "m6", "c5 of 3", "c6 of 3")
	b.pass(2_000)
	b.want(leaves)
}

func TestAttachingBehindTheChanges(t *testing.T) {
	b := newBench(t)
	b.member(1, 1, 1)
	b.changed(change(4, 3, 5))
	late := b.socket(2, 2)
	if head := b.Attach(&b.sw, late, envelope.Point{Room: room1, Seq: 5, Epoch: 1, Changes: 3, From: 1}); head != (Head{Changes: 4}) {
		t.Errorf("attaching below the last change returned %v", head)
	}
	b.in(entry(6))
	b.changed(change(5, 3, 6))
	b.want(late, "m6", "c5 of 3")
	later := b.socket(3, 3)
	if head := b.Attach(&b.sw, later, envelope.Point{Room: room1, Seq: 5, Epoch: 1, Changes: 3, From: 1}); head != (Head{Seq: 6, Changes: 5}) {
		t.Errorf("attaching below both returned %v", head)
	}
}

// The owner's first answer is above what a welcome said: its client must sync.
func TestFirstHeadOfChangesAboveTheWelcome(t *testing.T) {
	b := newBench(t)
	f := b.socket(1, 1)
	b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: 5, Epoch: 1, Changes: 3, From: 1})
	c := b.last(envelope.Attach)
	b.Attached(&b.sw, &envelope.Delivery{Kind: envelope.Attached, Gateway: me, Room: room1, Epoch: 1, Number: c.Number, Seq: 5, Changes: 6})
	b.changed(change(7, 3, 5))
	b.want(f)
	b.pass(tellWithinMS)
	b.want(f, "head/7")
}

// Whoever is added sees the room from an entry on, and the changes after those that their frame knows.
func TestAddedMembersGetLaterChanges(t *testing.T) {
	b := newBench(t)
	b.member(1, 1, 1)
	f := b.socket(2, 2)
	d := entry(6)
	d.Added, d.JoinedTo, d.Changes, d.From = []chat.UserID{2}, []byte(`{"type":"joined"}`), 4, 6
	b.in(d)
	b.changed(change(4, 3, 5), change(5, 3, 6), change(6, 6, 6))
	b.want(f, "joined", "c5", "c6 of 6")
}

// Where it isn't known from which entry on a member may see the room, their client is told to sync: until a repair has said it.
func TestUnknownRangeIsSynced(t *testing.T) {
	b := newBench(t)
	f := b.member(1, 1, 0)
	b.changed(change(4, 3, 5), change(5, 3, 5))
	b.want(f)
	b.pass(tellWithinMS)
	b.want(f, "head/5")
	b.in(entry(7))
	c := b.last(envelope.Attach)
	b.Attached(&b.sw, &envelope.Delivery{
		Kind: envelope.Attached, Gateway: me, Room: room1, Epoch: 1, Number: c.Number, Seq: 7, Repair: true, Changes: 5,
		Users: []chat.UserID{1}, Froms: []chat.Seq{4}, Entries: []envelope.Entry{{Seq: 6, Frame: message(6)}},
	})
	b.changed(change(6, 3, 7), change(7, 4, 7))
	b.want(f, "m6", "m7", "c6", "c7 of 4")
}

// While it isn't known whether somebody is still a member, they get no changes; then they are told to sync.
func TestDoubtedMembersSyncLater(t *testing.T) {
	b := newBench(t)
	b.member(1, 1, 1)
	b.Heads(&b.sw, []envelope.Point{{Room: room1, Seq: 9, Epoch: 1}})
	b.pass(headWaitMS)
	c := b.last(envelope.Attach)
	b.Attached(&b.sw, &envelope.Delivery{
		Kind: envelope.Attached, Gateway: me, Room: room1, Epoch: 1, Number: c.Number, Seq: 9, Repair: true, Users: []chat.UserID{1}, Froms: []chat.Seq{1}, Changes: 3,
	})
	f := b.socket(2, 2)
	b.Attach(&b.sw, f, envelope.Point{Room: room1, Seq: 5, Epoch: 1, Changes: 3, From: 1})
	b.changed(change(4, 3, 9))
	b.pass(2_000)
	b.want(f)
	c = b.last(envelope.Attach)
	b.Attached(&b.sw, &envelope.Delivery{
		Kind: envelope.Attached, Gateway: me, Room: room1, Epoch: 1, Number: c.Number, Seq: 9, Repair: true, Users: []chat.UserID{1, 2}, Froms: []chat.Seq{1, 1}, Changes: 4,
	})
	b.changed(change(5, 3, 9))
	b.want(f, "head9/4", "c5 of 3")
}

func TestTooManyChangesWait(t *testing.T) {
	b := newBench(t)
	f := b.member(1, 1, 1)
	for n := range chat.ChangeSeq(laterMax + 10) {
		b.changed(change(4+n, 3, 6))
	}
	b.in(entry(6))
	b.changed(change(laterMax+14, 3, 6))
	b.want(f, "m6")
	b.pass(tellWithinMS)
	b.want(f, fmt.Sprintf("head/%d", laterMax+14))
	if b.heldBytes.Load() != 0 {
		t.Errorf("%d bytes are held", b.heldBytes.Load())
	}
}

func TestNewEpochForgetsChanges(t *testing.T) {
	b := newBench(t)
	f := b.member(1, 1, 1)
	b.changed(change(4, 3, 9)) // waits
	d := change(2, 1, 3)
	d.Epoch = 2
	b.changed(d)
	b.want(f, "resync")
	b.changed(change(5, 3, 5)) // of the epoch before
	c := b.last(envelope.Attach)
	b.Attached(&b.sw, &envelope.Delivery{Kind: envelope.Attached, Gateway: me, Room: room1, Epoch: 2, Number: c.Number, Seq: 3, Changes: 1})
	b.pass(2_000)
	c = b.last(envelope.Attach) // who is still a member, and what they may see
	b.Attached(&b.sw, &envelope.Delivery{
		Kind: envelope.Attached, Gateway: me, Room: room1, Epoch: 2, Number: c.Number, Seq: 3, Repair: true, Users: []chat.UserID{1}, Froms: []chat.Seq{2}, Changes: 2,
	})
	third := change(3, 1, 3)
	third.Epoch = 2
	b.changed(third)
	b.want(f, "head3/2", "c3")
	if b.heldBytes.Load() != 0 {
		t.Errorf("%d bytes are held", b.heldBytes.Load())
	}
}

func TestOwnReactionsReachTheOtherSockets(t *testing.T) {
	b := newBench(t)
	origin, other, stranger := b.member(1, 1, 1), b.member(2, 1, 1), b.member(3, 2, 1)
	d := change(4, 3, 5)
	d.Gateway, d.Socket, d.User, d.Mine = me, 1, 1, []byte(`{"type":"mine"}`)
	b.changed(d)
	b.want(origin, "c4 of 3")
	b.want(other, "c4 of 3", "mine")
	b.want(stranger, "c4 of 3")
	d = change(5, 3, 5) // by REST: no socket has asked
	d.User, d.Mine = 1, []byte(`{"type":"mine"}`)
	b.changed(d)
	b.want(origin, "c5 of 3", "mine")
	b.want(other, "c5 of 3", "mine")
	b.want(stranger, "c5 of 3")
}

// A room without sockets follows its changes, so that those who come back learn what they lack.
func TestChangesOfARoomWithoutSockets(t *testing.T) {
	b := newBench(t)
	f := b.member(1, 1, 1)
	b.Forget(f)
	b.changed(change(4, 3, 5), change(5, 3, 9))
	back := b.socket(2, 1)
	if head := b.Attach(&b.sw, back, envelope.Point{Room: room1, Seq: 5, Epoch: 1, Changes: 4, From: 1}); head != (Head{Changes: 5}) {
		t.Errorf("attaching returned %v", head)
	}
	b.Forget(back)
	b.pass(2 * lingerMS)
	b.changed(change(6, 3, 9)) // nobody is here any more
	if b.heldBytes.Load() != 0 || len(b.timed(room1)) != 0 {
		t.Errorf("%d bytes are held", b.heldBytes.Load())
	}
}

// shortChange is a change or a head of changes in short: "c4 of 3" with message 3, "c4" without it, "head5/4", "head/4".
func shortChange(payload []byte) (s string, ok bool) {
	var v struct {
		Type    string
		Change  uint64 `json:"change_seq"`
		Message struct{ Seq uint64 }
		Rooms   map[string]uint64
		Changes map[string]uint64
	}
	if err := json.Unmarshal(payload, &v); err != nil {
		return "", false
	}
	switch {
	case v.Type == "change" && v.Message.Seq != 0:
		return fmt.Sprintf("c%d of %d", v.Change, v.Message.Seq), true
	case v.Type == "change":
		return fmt.Sprintf("c%d", v.Change), true
	case v.Type != "head" || len(v.Changes) == 0:
		return "", false
	}
	s = "head"
	for _, seq := range v.Rooms {
		s += fmt.Sprint(seq)
	}
	for _, n := range v.Changes {
		s += fmt.Sprintf("/%d", n)
	}
	return s, true
}
