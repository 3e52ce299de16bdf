package storetest

import (
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

func outboxRules() []rule {
	return []rule{
		{"outbox/by partition, in order, until announced", outboxOrder},
		{"fleet/beats", fleet},
		{"fleet/sweep", sweep},
		{"fleet/epoch", epochs},
	}
}

func outboxOrder(t *trial) {
	u := t.user()
	room := t.room(chat.Private, u)
	p := room.Partition(t.Partitions)
	for _, id := range []string{"a", "b", "c"} {
		if sent, err := t.Messages.Post(t.ctx, send(room, u, id), time.Now()); err != nil || sent.Err != nil {
			t.Fatal(sent, err)
		}
	}
	mine := func() (seqs []chat.Seq, ids []uint64) {
		t.Helper()
		ans, err := t.Outbox.Outbox(t.ctx, []int{p}, 10_000)
		t.ok(err)
		for _, an := range ans {
			if an.Message != nil && an.Message.Room == room {
				seqs, ids = append(seqs, an.Message.Seq), append(ids, an.ID)
			}
		}
		return seqs, ids
	}
	seqs, ids := mine()
	t.same("seqs", seqs, []chat.Seq{1, 2, 3, 4})
	again, _ := mine()
	t.same("read again", again, seqs)
	if ans, err := t.Outbox.Outbox(t.ctx, []int{p}, 2); err != nil || len(ans) != 2 {
		t.Errorf("%d announcements (%v), asked for 2", len(ans), err)
	}
	waiting, err := t.Outbox.OutboxWaiting(t.ctx, []int{p})
	t.ok(err)
	t.same("waiting", waiting, []int{p})
	t.ok(t.Outbox.Announced(t.ctx, ids[:3]))
	t.ok(t.Outbox.Announced(t.ctx, ids[:3]))
	t.ok(t.Outbox.Announced(t.ctx, nil))
	left, _ := mine()
	t.same("left", left, []chat.Seq{4})
	t.ok(t.Outbox.Announced(t.ctx, ids))
	if left, _ = mine(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	others := slices.DeleteFunc([]int{0, 1, 2, 3, 4, 5, 6, 7}, func(q int) bool { return q == p })
	if ans, err := t.Outbox.Outbox(t.ctx, others, 10_000); err != nil || slices.ContainsFunc(ans, func(an envelope.Announcement) bool { return an.Partition == p }) {
		t.Error("other partitions:", err)
	}
	if ans, err := t.Outbox.Outbox(t.ctx, nil, 5); err != nil || len(ans) != 0 {
		t.Error(ans, err)
	}
	if n, err := t.Outbox.OutboxUnknown(t.ctx, []int{p}); err != nil || n != 0 {
		t.Error(n, err)
	}
}

func fleet(t *trial) {
	one, two := chat.LiveWorker{Boot: unique("b1"), Features: []string{"x", "y"}}, chat.LiveWorker{Boot: unique("b2")}
	for _, w := range []chat.LiveWorker{two, one, one} {
		t.ok(t.Fleet.Beat(t.ctx, w))
	}
	live := func() (mine []chat.LiveWorker) {
		t.Helper()
		ws, err := t.Fleet.Workers(t.ctx, time.Minute)
		t.ok(err)
		for _, w := range ws {
			if w.Boot == one.Boot || w.Boot == two.Boot {
				mine = append(mine, w)
			}
		}
		return mine
	}
	t.same("live", live(), []chat.LiveWorker{one, two})
	one.Features = []string{"z"}
	t.ok(t.Fleet.Beat(t.ctx, one))
	t.ok(t.Fleet.Retire(t.ctx, two.Boot))
	t.ok(t.Fleet.Retire(t.ctx, two.Boot))
	t.same("live", live(), []chat.LiveWorker{one})
	t.ok(t.Fleet.Quarantine(t.ctx, chat.DeadCommand{Partition: 1, Kind: "send", User: 1, Room: 2, Payload: []byte("\xff\x00'"), Reason: "broken"}))
	t.ok(t.Fleet.Quarantine(t.ctx, chat.DeadCommand{Kind: "send", Reason: "without a payload"}))
}

func sweep(t *trial) {
	u := t.user()
	old, live := t.id(u, "old"), t.open(u, "live")
	t.ok(t.Sessions.OpenSession(t.ctx, chat.NewSession{
		Session: chat.Session{ID: old, User: u, ExpiresAt: time.Now().Add(-48 * time.Hour)}, RefreshHash: hash(old, "1"), Until: time.Now().Add(time.Hour),
	}))
	if n, err := t.Fleet.Sweep(t.ctx, time.Now().Add(-24*time.Hour), 100); err != nil || n != 2 { // with its token
		t.Errorf("%d rows, %v", n, err)
	}
	if n, err := t.Fleet.Sweep(t.ctx, time.Now().Add(-24*time.Hour), 100); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
	_, _, err := t.Logins.Session(t.ctx, live, u)
	t.ok(err)
}

func epochs(t *trial) {
	u := t.user()
	room, other := t.room(chat.Private, u), t.room(chat.Private, u)
	t.ok(t.Fleet.BumpEpoch(t.ctx, room))
	t.same("epoch", t.member(room, u).Room.Epoch, 2)
	t.same("epoch of another room", t.member(other, u).Room.Epoch, 1)
	_, heads, err := t.Messages.Append(t.ctx, []chat.Send{send(room, u, "a")}, time.Now())
	t.ok(err)
	t.same("head", heads, []chat.Head{{Room: room, Seq: 2, Before: 1, Epoch: 2, MsgCount: 1}})
	page, err := t.Messages.History(t.ctx, chat.HistoryQuery{User: u, Room: room})
	t.ok(err)
	t.same("epoch of the history", page.Epoch, 2)
	t.fails(t.Fleet.BumpEpoch(t.ctx, chat.MaxID), chat.NotFound)
}
