//go:build integration

package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store"
)

var ctx = context.Background()

func send(room chat.RoomID, user chat.UserID, id, content string) chat.Send {
	return chat.Send{Room: room, Sender: user, Session: "s1", ClientMsgID: id, Content: content}
}

// appendOne appends one message that must be taken.
func appendOne(t testing.TB, d *store.Store, s chat.Send) chat.Message {
	t.Helper()
	sent, _, err := d.Messages.Append(ctx, []chat.Send{s}, time.Now())
	ok(t, err)
	if sent[0].Err != nil {
		t.Fatal(sent[0].Err)
	}
	return sent[0].Message
}

func TestAppendAnswersEachRow(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 3) // the third is no member
		r1, r2 := makeRoom(t, d, u[0], u[1]).Room.ID, makeRoom(t, d, u[0], u[1]).Room.ID
		now := time.Now().UTC().Add(time.Hour).Truncate(time.Second).Add(123_999_999)
		batch := []chat.Send{
			send(r2, u[0], "a", "one"),
			send(r1, u[0], "a", "two"),
			send(r1, u[1], "a", "three"),
			send(r1, u[0], "a", "two"),       // within the batch
			send(r1, u[0], "a", "other"),     // the same id, another body
			send(r1, u[2], "x", "stranger"),  // no member
			send(999999, u[0], "x", "lost"),  // no room
			send(r1, u[0], "A ", "trailing"), // neither case nor trailing spaces are ignored
			send(r1, u[0], "a ", "trailing"),
		}
		sent, heads, err := d.Messages.Append(ctx, batch, now)
		ok(t, err)
		type row struct {
			Seq  chat.Seq
			Ord  uint64
			Dup  bool
			Kind string
		}
		var got []row
		for _, s := range sent {
			r := row{s.Message.Seq, s.Message.Ord, s.Duplicate, ""}
			if s.Err != nil {
				r.Kind = s.Err.Kind.String()
			}
			got = append(got, r)
		}
		want := []row{
			{2, 1, false, ""},
			{2, 1, false, ""},
			{3, 2, false, ""},
			{2, 1, true, ""},
			{0, 0, false, "idempotency_conflict"},
			{0, 0, false, "not_found"},
			{0, 0, false, "not_found"},
			{4, 3, false, ""},
			{5, 4, false, ""},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		wantHeads := []chat.Head{{Room: r1, Seq: 5, Before: 1, Epoch: 1, MsgCount: 4}, {Room: r2, Seq: 2, Before: 1, Epoch: 1, MsgCount: 1}}
		if diff := cmp.Diff(wantHeads, heads); diff != "" {
			t.Fatal(diff)
		}

		again, heads, err := d.Messages.Append(ctx, batch[:3], now.Add(time.Hour))
		ok(t, err)
		for i, s := range again {
			if !s.Duplicate || !cmp.Equal(s.Message, sent[i].Message) {
				t.Errorf("repeat %d: %v", i, cmp.Diff(sent[i].Message, s.Message))
			}
		}
		if heads[0].Seq != 5 || heads[0].Before != 5 {
			t.Errorf("a repeat moved the head: %+v", heads[0])
		}
		ms, err := d.Messages.Messages(ctx, r1, 1, 100, 100)
		ok(t, err)
		if len(ms) != 5 || ms[0].Kind != chat.System || ms[4].ClientMsgID != "a " || !ms[1].CreatedAt.Equal(now.Truncate(time.Millisecond)) {
			t.Fatalf("messages: %+v", ms)
		}
		if ms, err := d.Messages.Messages(ctx, r1, 2, 4, 2); err != nil || len(ms) != 2 || ms[0].Seq != 2 {
			t.Fatalf("limited: %+v, %v", ms, err)
		}
		m, err := d.Messages.Membership(ctx, r1, u[0])
		ok(t, err)
		if m.Member.ReadSeq != 5 || m.Unread() != 0 {
			t.Fatalf("sender's pointer: %+v", m.Member)
		}
	})
}

func TestAppendDuplicateOutlivesEveryRule(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 2)
		room := makeRoom(t, d, u...).Room.ID
		first := appendOne(t, d, send(room, u[1], "id", "body"))
		ok(t, d.Rooms.RemoveMember(ctx, room, u[0], u[1]))
		if again := appendOne(t, d, send(room, u[1], "id", "body")); again.Seq != first.Seq {
			t.Fatalf("got seq %d, want %d", again.Seq, first.Seq)
		}
		ok(t, d.Rooms.Dissolve(ctx, room, u[0]))
		if again := appendOne(t, d, send(room, u[1], "id", "body")); again.Seq != first.Seq {
			t.Fatalf("got seq %d, want %d", again.Seq, first.Seq)
		}
		sent, _, err := d.Messages.Append(ctx, []chat.Send{send(room, u[0], "new", "body")}, time.Now())
		ok(t, err)
		wantKind(t, sent[0].Err, chat.NotFound)
	})
}

func TestAppendClientSeq(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 2)
		room := makeRoom(t, d, u...).Room.ID
		numbered := func(session chat.SessionID, id, body string, n uint64) chat.Send {
			s := send(room, u[1], id, body)
			s.Session, s.ClientSeq = session, n
			return s
		}
		step := func(s chat.Send, want chat.Kind, expected uint64) {
			t.Helper()
			sent, _, err := d.Messages.Append(ctx, []chat.Send{s}, time.Now())
			ok(t, err)
			switch e := sent[0].Err; {
			case e == nil && want != chat.Internal, e != nil && (e.Kind != want || e.Expected != expected):
				t.Fatalf("client_seq %d: got %v, want %s %d", s.ClientSeq, e, want, expected)
			}
		}
		const taken = chat.Internal // stands for "no error"
		step(numbered("s1", "a", "x", 2), chat.OutOfOrder, 1)
		step(numbered("s1", "a", "x", 1), taken, 0)
		step(numbered("s1", "a", "x", 1), taken, 0) // a duplicate is answered first
		step(numbered("s1", "b", "x", 1), chat.OutOfOrder, 2)
		step(numbered("s1", "a", "other", 2), chat.IdempotencyConflict, 0) // and uses its number up
		step(numbered("s1", "c", "x", 3), taken, 0)
		step(numbered("s2", "d", "x", 1), taken, 0) // each session counts for itself
		step(numbered("s1", "e", "x", 0), taken, 0) // unnumbered
		step(numbered("s3", "c", "x", 1), taken, 0) // a new session sends again what the old one left unanswered
		step(numbered("s3", "d", "x", 2), taken, 0)
		step(numbered("s3", "m", "x", 3), taken, 0)
		_, err := d.Rooms.Mute(ctx, room, u[0], u[1], time.Now().Add(time.Hour))
		ok(t, err)
		step(numbered("s1", "f", "x", 4), chat.Muted, 0) // uses it up
		_, err = d.Rooms.Mute(ctx, room, u[0], u[1], time.Time{})
		ok(t, err)
		step(numbered("s1", "g", "x", 4), chat.OutOfOrder, 5)
		sent, _, err := d.Messages.Append(ctx, []chat.Send{
			numbered("s1", "h", "x", 5), numbered("s1", "i", "x", 6), numbered("s1", "j", "x", 8), numbered("s1", "k", "x", 7), numbered("s2", "l", "x", 2),
		}, time.Now())
		ok(t, err)
		for i, bad := range []bool{false, false, true, false, false} {
			if (sent[i].Err != nil) != bad {
				t.Errorf("row %d: %v", i, sent[i].Err)
			}
		}
		// What was on its way when the member was removed is refused for good, and spends its number if they had begun
		// to number.
		ok(t, d.Rooms.RemoveMember(ctx, room, u[0], u[1]))
		step(numbered("s1", "n", "x", 8), chat.NotFound, 0)
		step(numbered("s1", "o", "x", 9), chat.NotFound, 0)
		step(numbered("s4", "p", "x", 1), chat.NotFound, 0)
		_, err = d.Rooms.AddMembers(ctx, room, u[0], u[1:])
		ok(t, err)
		step(numbered("s1", "q", "x", 10), taken, 0)
		step(numbered("s4", "r", "x", 1), taken, 0)
	})
}

func TestAppendBadRowFailsAlone(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 1)
		room := makeRoom(t, d, u...).Room.ID
		var batch []chat.Send
		for i := range 9 {
			s := send(room, u[0], fmt.Sprint("m", i), "fine")
			s.ClientSeq = uint64(i + 1)
			batch = append(batch, s)
		}
		batch[3].Content = "not UTF-8: \xff\xfe"
		batch[7].Content = strings.Repeat("x", 17<<20) // more than MEDIUMTEXT and max_allowed_packet hold
		sent, heads, err := d.Messages.Append(ctx, batch, time.Now())
		ok(t, err)
		var seqs []chat.Seq
		for i, s := range sent {
			if bad := i == 3 || i == 7; bad != (s.Err != nil) {
				t.Fatalf("row %d: %v", i, s.Err)
			}
			if s.Err != nil {
				wantKind(t, s.Err, chat.Invalid)
				continue
			}
			seqs = append(seqs, s.Message.Seq)
		}
		if diff := cmp.Diff([]chat.Seq{2, 3, 4, 5, 6, 7, 8}, seqs); diff != "" {
			t.Fatal(diff)
		}
		if len(heads) != 1 || heads[0].Before != 1 || heads[0].Seq != 8 {
			t.Fatalf("heads: %+v", heads)
		}
		one, err := d.Messages.Post(ctx, send(room, u[0], "p", "\xff"), time.Now())
		ok(t, err)
		wantKind(t, one.Err, chat.Invalid)
	})
}

func TestAppendRacing(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 32)
		room, other := makeRoom(t, d, u...).Room.ID, makeRoom(t, d, u...).Room.ID
		var all sync.WaitGroup
		for i, user := range u {
			all.Go(func() {
				for k := range 30 {
					batch := []chat.Send{send(room, user, fmt.Sprint(k), "x"), send(other, user, fmt.Sprint(k), "x")}
					if i%2 == 0 {
						batch[0], batch[1] = batch[1], batch[0]
					}
					sent, _, err := d.Messages.Append(ctx, batch, time.Now())
					if err != nil || sent[0].Err != nil || sent[1].Err != nil {
						t.Errorf("send: %v %+v", err, sent)
						return
					}
				}
				if _, err := d.Messages.MarkRead(ctx, []chat.ReadMark{{Room: room, User: user, Seq: 500}, {Room: other, User: user, Seq: 500}}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for _, r := range []chat.RoomID{room, other} {
			ms, err := d.Messages.Messages(ctx, r, 1, 10_000, 10_000)
			ok(t, err)
			if len(ms) != 1+32*30 {
				t.Fatalf("%d messages", len(ms))
			}
			for i, m := range ms {
				if m.Seq != chat.Seq(i+1) || m.Ord != uint64(i) {
					t.Fatalf("message %d has seq %d and ord %d", i, m.Seq, m.Ord)
				}
			}
		}
	})
}

func TestAppendSameIDRacing(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 1)
		room := makeRoom(t, d, u...).Room.ID
		var all sync.WaitGroup
		seqs := make([]chat.Seq, 16)
		fresh := make([]bool, 16)
		for i := range seqs {
			all.Go(func() {
				sent, _, err := d.Messages.Append(ctx, []chat.Send{send(room, u[0], "same", "x")}, time.Now())
				if err != nil || sent[0].Err != nil {
					t.Errorf("send: %v %+v", err, sent)
					return
				}
				seqs[i], fresh[i] = sent[0].Message.Seq, !sent[0].Duplicate
			})
		}
		all.Wait()
		n := 0
		for i := range seqs {
			if seqs[i] != 2 {
				t.Errorf("send %d got seq %d", i, seqs[i])
			}
			if fresh[i] {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d of 16 were the first", n)
		}
	})
}

func TestKickRacingSends(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 2)
		room := makeRoom(t, d, u...).Room.ID
		var all sync.WaitGroup
		started := make(chan struct{}, 4)
		for w := range 4 {
			all.Go(func() {
				for k := 0; ; k++ {
					sent, _, err := d.Messages.Append(ctx, []chat.Send{send(room, u[1], fmt.Sprint(w, "-", k), "x")}, time.Now())
					if err != nil {
						t.Error(err)
						return
					}
					if k == 3 {
						started <- struct{}{}
					}
					if sent[0].Err != nil {
						if sent[0].Err.Kind != chat.NotFound {
							t.Error(sent[0].Err)
						}
						return
					}
				}
			})
		}
		for range 4 {
			<-started
		}
		ok(t, d.Rooms.RemoveMember(ctx, room, u[0], u[1]))
		all.Wait()
		m, err := d.Messages.Membership(ctx, room, u[1])
		ok(t, err)
		if m.Member.In() || m.Room.LastSeq != m.Member.LeftSeq {
			t.Fatalf("left at %d, room at %d", m.Member.LeftSeq, m.Room.LastSeq)
		}
	})
}

func TestPostAnnouncesOnce(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 1)
		room := makeRoom(t, d, u...).Room
		drain(t, d)
		sent, err := d.Messages.Post(ctx, send(room.ID, u[0], "a", "hello"), time.Now())
		ok(t, err)
		again, err := d.Messages.Post(ctx, send(room.ID, u[0], "a", "hello"), time.Now())
		ok(t, err)
		if sent.Duplicate || !again.Duplicate || again.Message.Seq != sent.Message.Seq {
			t.Fatalf("%+v, %+v", sent, again)
		}
		stranger, err := d.Messages.Post(ctx, send(room.ID, makeUser(t, d), "a", "hello"), time.Now())
		ok(t, err)
		wantKind(t, stranger.Err, chat.NotFound)
		ans := drain(t, d)
		if len(ans) != 1 || ans[0].Message == nil || !cmp.Equal(*ans[0].Message, sent.Message) {
			t.Fatalf("announcements: %+v", ans)
		}
		if an := ans[0]; an.Room.LastSeq != 2 || an.Room.MsgCount != 1 || an.Partition != room.ID.Partition(16) {
			t.Fatalf("announcement: %+v %+v", an, an.Room)
		}
	})
}

// drain takes all announcements out of the outbox.
func drain(t testing.TB, d *store.Store) []envelope.Announcement {
	t.Helper()
	var parts []int
	for p := range 16 {
		parts = append(parts, p)
	}
	ans, err := d.Outbox.Outbox(ctx, parts, 1000)
	ok(t, err)
	waiting, err := d.Outbox.OutboxWaiting(ctx, parts)
	ok(t, err)
	if (len(waiting) > 0) != (len(ans) > 0) {
		t.Fatalf("waiting %v, have %d", waiting, len(ans))
	}
	var ids []uint64
	for i, a := range ans {
		if i > 0 && a.ID <= ans[i-1].ID {
			t.Fatalf("ids out of order: %d after %d", a.ID, ans[i-1].ID)
		}
		ids = append(ids, a.ID)
	}
	ok(t, d.Outbox.Announced(ctx, ids))
	return ans
}

// TestAppendMoreThanOnePacket has one transaction write more than goes to the server at once, and one whose last part
// is refused: its first parts go with it.
func TestAppendMoreThanOnePacket(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 1)
		room := makeRoom(t, d, u[0]).Room.ID
		large := func(id string) []chat.Send {
			batch := make([]chat.Send, 700)
			for i := range batch {
				batch[i] = send(room, u[0], fmt.Sprint(id, i), strings.Repeat(`\\'`, 8<<10))
			}
			return batch
		}
		sent, heads, err := d.Messages.Append(ctx, large("a"), time.Now())
		ok(t, err)
		if heads[0].Seq != 701 || heads[0].MsgCount != 700 || sent[699].Message.Seq != 701 {
			t.Fatal(heads, sent[699])
		}
		batch := large("b")
		batch[699].Content = "\xff" // no text: the row is refused
		sent, heads, err = d.Messages.Append(ctx, batch, time.Now())
		ok(t, err)
		if heads[0].Seq != 1400 || sent[698].Message.Seq != 1400 || chat.KindOf(sent[699].Err) != chat.Invalid {
			t.Fatal(heads, sent[698].Message.Seq, sent[699].Err)
		}
		if got := appendOne(t, d, send(room, u[0], "c", "after")); got.Seq != 1401 {
			t.Fatal(got)
		}
	})
}
