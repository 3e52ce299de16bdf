package hub

import (
	"slices"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// watches answers a socket's own presence frame.
func (b *bench) watches(f *fake, users ...chat.UserID) {
	b.t.Helper()
	if !b.Watched(f, &envelope.Delivery{Users: users}) {
		b.t.Error("the snapshot isn't shown")
	}
}

// comes has a user come online.
func (b *bench) comes(users ...chat.UserID) {
	var ps []envelope.Presence
	for _, u := range users {
		ps = append(ps, envelope.Presence{User: u, Online: true})
	}
	b.Presences(&b.sw, ps)
}

// reviewed answers the last review that a socket asked for, and reports whether the snapshot is shown.
func (b *bench) reviewed(f *fake, may ...chat.UserID) bool {
	b.t.Helper()
	if len(f.reviews) == 0 {
		b.t.Fatalf("socket %d asked for no review", f.id)
	}
	n := f.reviews[len(f.reviews)-1].number
	return b.Watched(f, &envelope.Delivery{Repair: true, Number: n, Users: may})
}

// left is an entry with which users leave.
func left(seq chat.Seq, users ...chat.UserID) *envelope.Delivery {
	d := entry(seq)
	d.Removed, d.Reason = users, chat.LeftKicked
	return d
}

func TestWatchedOneLeaves(t *testing.T) {
	b := newBench(t)
	f, g := b.attached(1, 1, 5), b.socket(2, 2)
	b.watches(f, 8, 9)
	b.watches(g, 9)
	b.in(left(6, 8))
	f.take()
	b.comes(8, 9) // 8 is withheld before anybody was asked
	b.want(f, "presence 9=true")
	b.want(g, "presence 9=true")
	b.pass(100)
	if len(f.reviews) != 1 || !slices.Equal(f.reviews[0].doubted, []chat.UserID{8, 9}) || len(g.reviews) != 0 {
		t.Fatalf("reviews %+v and %+v", f.reviews, g.reviews)
	}
	if !b.reviewed(f, 9) {
		t.Error("what was withheld isn't made up for")
	}
	b.comes(8)
	b.comes(9)
	b.want(f, "presence 9=true")
	b.pass(60_000)
	if len(f.reviews) != 1 {
		t.Errorf("asked again: %+v", f.reviews)
	}
}

func TestWatcherLeaves(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	b.watches(f, 1, 8, 9)
	b.in(left(6, 1))
	f.take()
	b.comes(8)
	b.comes(1) // oneself needs no room
	b.want(f, "presence 1=true")
	b.pass(100)
	if b.reviewed(f, 1, 9); len(f.state.watch) != 2 {
		t.Errorf("still watched: %v", f.state.watch)
	}
	b.comes(8, 9)
	b.want(f, "presence 9=true")
}

func TestReviewsAreAskedForAgain(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	b.watches(f, 8)
	b.in(left(6, 8))
	b.pass(100)
	first := f.reviews[0].number
	b.pass(2_100)
	if len(f.reviews) != 2 {
		t.Fatalf("%d requests after 2 s", len(f.reviews))
	}
	b.in(entry(7), left(8, 8)) // somebody added them meanwhile, and they left again
	if b.Watched(f, &envelope.Delivery{Repair: true, Number: first, Users: []chat.UserID{8}}) {
		t.Error("an answer that is older than the last notice counts")
	}
	f.take()
	b.comes(8)
	b.want(f)
	b.pass(4_100)
	if b.reviewed(f); len(f.state.watch) != 0 {
		t.Errorf("still watched: %v", f.state.watch)
	}
	b.pass(60_000)
	if n := len(f.reviews); n != 3 || len(b.reviews.due) != 0 || len(b.reviews.left) != 0 {
		t.Errorf("%d requests, %d due, %d left lately", n, len(b.reviews.due), len(b.reviews.left))
	}
}

// TestWatchOnItsWay: a watch list that was judged before a notice and arrives after it is reviewed, too; so is one that a worker of the
// release before sends in answer to a review, with a pause that grows.
func TestWatchOnItsWay(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	b.in(left(6, 8))
	f.take()
	b.watches(f, 8)
	b.comes(8)
	b.want(f)
	b.pass(100)
	b.watches(f, 8)
	b.pass(1_000)
	if len(f.reviews) != 1 {
		t.Errorf("%d requests within a second", len(f.reviews))
	}
	b.pass(1_500)
	if b.reviewed(f); len(f.reviews) != 2 {
		t.Errorf("%d requests", len(f.reviews))
	}
	b.pass(recentMS)
	b.watches(f, 8)
	b.comes(8)
	b.want(f, "presence 8=true")
}

func TestDissolvedRoomEndsWatching(t *testing.T) {
	b := newBench(t)
	f := b.attached(1, 1, 5)
	b.attached2(2, 2)
	g, stranger := b.socks[2], b.socket(3, 3)
	if !b.Leave(&b.sw, g, room1) {
		t.Fatal("not in the room")
	}
	for _, s := range []*fake{f, g, stranger} {
		b.watches(s, 8)
		s.take()
	}
	d := entry(6)
	d.All, d.Reason = true, chat.LeftDissolved
	b.in(d)
	for _, s := range []*fake{f, g, stranger} {
		s.take()
	}
	b.comes(8)
	b.want(f)
	b.want(g)
	b.want(stranger, "presence 8=true")
}

// TestRepairReviewsWatching: who left among entries whose notices were lost isn't known; the room's sockets are reviewed if one of them was
// a system message.
func TestRepairReviewsWatching(t *testing.T) {
	for _, c := range []struct {
		kind chat.MessageKind
		want []string
	}{{chat.Text, []string{"presence 8=true"}}, {chat.System, nil}} {
		b := newBench(t)
		f := b.attached(1, 1, 5)
		b.watches(f, 8)
		b.in(entry(7))
		ask := b.last(envelope.Attach)
		lost := protocol.AppendMessage(nil, chat.Message{Room: room1, Seq: 6, Kind: c.kind, Content: `{"kind":"system"}`})
		b.Attached(&b.sw, &envelope.Delivery{
			Gateway: me, Room: room1, Epoch: 1, Number: ask.Number, Seq: 7, Repair: true, Users: []chat.UserID{1},
			Entries: []envelope.Entry{{Seq: 6, Frame: lost}},
		})
		f.take()
		b.comes(8)
		b.want(f, c.want...)
	}
}
