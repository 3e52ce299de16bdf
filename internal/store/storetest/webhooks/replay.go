package webhooks

import (
	"fmt"
	"slices"
	"time"

	"chat-service/internal/chat"
)

func replayed(t *trial) {
	u := t.user()
	room := t.room(u)
	old := t.say(room, u, "old")
	tick()
	w := t.hook()
	a := t.say(room, u, "a")
	t.change(chat.Change{Room: room, Seq: a.Seq, User: u, Kind: chat.ChangePin, On: true})
	t.say(room, u, "b")
	at, now := chat.WebhookPlace{Webhook: w.ID, Room: room}, later()
	cur := t.mine(at, now)
	es := t.all(cur, 10)
	last := es[len(es)-1].Then
	for i := range es {
		_, _, err := t.ReplayWebhook(t.ctx, w.ID, chat.WebhookReplay{Event: es[i].ID()})
		t.fails(err, chat.Conflict)
	}
	x := free(cur, now)
	x.Seq, x.Changes, x.Keep, x.Next = last.Seq, last.Changes, true, now.Add(time.Minute)
	t.ok(t.cursors.SettleWebhook(t.ctx, x))
	for i := len(es) - 1; i >= 0; i-- {
		n, next, err := t.ReplayWebhook(t.ctx, w.ID, chat.WebhookReplay{Event: es[i].ID()})
		if t.ok(err); n != 1 || next != 0 {
			t.Errorf("replay: %d %d", n, next)
		}
		t.fails(t.cursors.SettleWebhook(t.ctx, x), chat.Conflict)
		t.same(t.due(w.ID, time.Now().Add(time.Second)), []chat.RoomID{room}, "due")
		c := t.mine(at, time.Now().Add(time.Second))
		t.same(ids(t.all(c, 10)), ids(es[i:]), "what is told once more")
		t.ok(t.cursors.SettleWebhook(t.ctx, free(c, now)))
	}
	for _, none := range []string{
		"", "x", "msg_1", fmt.Sprintf("msg_%d_1_%d_0", room, old.Seq), fmt.Sprintf("msg_%d_1_99_0", room), fmt.Sprintf("msg_%d_1_%d_7", room, a.Seq), "msg_999999_1_1_0",
		fmt.Sprintf("msg_%d_1_%d_00", room, a.Seq),
	} {
		if none == "" {
			continue // by time
		}
		_, _, err := t.ReplayWebhook(t.ctx, w.ID, chat.WebhookReplay{Event: none})
		t.fails(err, chat.NotFound)
	}
	_, _, err := t.ReplayWebhook(t.ctx, 1<<40, chat.WebhookReplay{Event: es[0].ID()})
	t.fails(err, chat.NotFound)
}

func replayedSince(t *trial) {
	w, u := t.hook(), t.user()
	var places []chat.WebhookPlace
	now := later()
	for range 3 {
		places = append(places, chat.WebhookPlace{Webhook: w.ID, Room: t.room(u)})
	}
	tell := func(at chat.WebhookPlace) (got []string) {
		cur := t.mine(at, now)
		x := free(cur, now)
		es := t.all(cur, 10)
		if len(es) > 0 {
			x.Seq, x.Changes = es[len(es)-1].Then.Seq, es[len(es)-1].Then.Changes
		}
		t.ok(t.cursors.SettleWebhook(t.ctx, x))
		return ids(es)
	}
	for _, at := range places {
		tell(at)
	}
	tick()
	since := time.Now()
	t.say(places[1].Room, u, "x")
	want := tell(places[1])
	total, after, calls := 0, chat.RoomID(0), 0
	for {
		n, next, err := t.ReplayWebhook(t.ctx, w.ID, chat.WebhookReplay{Since: since, After: after, Limit: 2})
		t.ok(err)
		total, after, calls = total+n, next, calls+1
		if next == 0 {
			break
		}
	}
	if total != 1 || calls != 2 {
		t.Errorf("%d cursors set back in %d calls", total, calls)
	}
	t.same(tell(places[1]), want, "what is told once more")
	if n, _, err := t.ReplayWebhook(t.ctx, w.ID, chat.WebhookReplay{Since: time.Time{}, Limit: 100}); err != nil || n != 3 {
		t.Errorf("from the beginning: %d %v", n, err)
	}
	if got := tell(places[0]); len(got) != 1 {
		t.Errorf("from the beginning: %v", got)
	}
}

func (t *trial) walk(by string, id chat.WebhookID, now time.Time) (rooms []chat.RoomID, ran bool) {
	t.Helper()
	s := chat.WebhookSweep{Webhook: id, By: by, Now: now, Limit: 7, Pause: 10 * time.Second}
	for !s.Done {
		found, next, err := t.cursors.SweepWebhook(t.ctx, s)
		t.ok(err)
		rooms, s = append(rooms, found...), next
	}
	return rooms, !s.Began.IsZero()
}

func swept(t *trial) {
	w, u := t.hook(), t.user()
	room, other := t.room(u), t.room(u)
	t.say(room, u, "x")
	now := time.Now()
	found, _ := t.walk("p", w.ID, now)
	if !slices.Contains(found, room) || !slices.Contains(found, other) {
		t.Fatalf("found %v, want %d and %d among them", found, room, other)
	}
	if _, ran := t.walk("q", w.ID, now.Add(9*time.Second)); ran {
		t.Error("walked again within the pause")
	}
	cur := t.mine(chat.WebhookPlace{Webhook: w.ID, Room: room}, now)
	if found, _ := t.walk("q", w.ID, now.Add(10*time.Second)); slices.Contains(found, room) || !slices.Contains(found, other) {
		t.Errorf("found %v, and %d is claimed", found, room)
	}
	x := free(cur, now)
	es := t.all(cur, 10)
	x.Seq = es[len(es)-1].Then.Seq
	t.ok(t.cursors.SettleWebhook(t.ctx, x))
	if found, _ := t.walk("q", w.ID, now.Add(20*time.Second)); slices.Contains(found, room) {
		t.Errorf("found %v, and %d is told", found, room)
	}
	t.change(chat.Change{Room: room, Seq: es[len(es)-1].Seq, User: u, Kind: chat.ChangePin, On: true})
	if found, ran := t.walk("p", w.ID, now.Add(30*time.Second)); !slices.Contains(found, room) {
		t.Errorf("found %v (%v), and %d has changed", found, ran, room)
	}
}
