// Package webhooks holds what every implementation of the ports for webhooks keeps: endpoints, and how far each was told of each room.
package webhooks

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/store/storetest"
)

// Endpoints keeps endpoints.
type Endpoints interface {
	CreateWebhook(ctx context.Context, w chat.Webhook) (chat.Webhook, error)
	Webhooks(ctx context.Context) ([]chat.Webhook, error)
	Webhook(ctx context.Context, id chat.WebhookID) (chat.Webhook, error)
	UpdateWebhook(ctx context.Context, id chat.WebhookID, p chat.WebhookPatch) (chat.Webhook, error)
	DeleteWebhook(ctx context.Context, id chat.WebhookID) error
	WebhookAttempts(ctx context.Context, q chat.AttemptQuery) ([]chat.WebhookAttempt, error)
	ReplayWebhook(ctx context.Context, id chat.WebhookID, r chat.WebhookReplay) (int, chat.RoomID, error)
}

// Cursors says how far endpoints were told.
type Cursors interface {
	ClaimWebhook(ctx context.Context, c chat.WebhookClaim) (chat.WebhookCursor, error)
	WebhookPage(ctx context.Context, cur chat.WebhookCursor, limit int) ([]chat.WebhookEvent, error)
	SettleWebhook(ctx context.Context, x chat.WebhookSettled) error
	DueWebhooks(ctx context.Context, ids []chat.WebhookID, now time.Time, limit int) ([]chat.WebhookPlace, error)
	SweepWebhook(ctx context.Context, w chat.WebhookSweep) ([]chat.RoomID, chat.WebhookSweep, error)
	WebhookBurdens(ctx context.Context, ids []chat.WebhookID) ([]chat.WebhookBurden, error)
	NoteWebhooks(ctx context.Context, notes []chat.WebhookNote) error
}

// Conform runs the rules on an implementation.
func Conform(t *testing.T, s storetest.Subject, hooks Endpoints, cursors Cursors) {
	for name, rule := range map[string]func(*trial){
		"an endpoint is kept as it was made, and changed":          kept,
		"an endpoint that can't be is refused":                     refused,
		"what is older than the endpoint isn't told":               begins,
		"entries and changes come in the order in which they were": merged,
		"a message is told as it is now":                           present,
		"a cursor has one owner at a time":                         claimed,
		"a cursor moves only under its claim":                      fenced,
		"what failed waits, and is due then":                       waits,
		"an endpoint that gets well is told at once":               recovers,
		"a disabled endpoint goes on where it was":                 disabled,
		"what happens to accounts is told once":                    accounts,
		"what is noted of users is told to whom it is for":         noted,
		"attempts are listed, the newest first":                    attempts,
		"a replay by event":                                        replayed,
		"a replay by time":                                         replayedSince,
		"a walk finds what nobody told":                            swept,
		"nothing is left of a deleted endpoint":                    deleted,
	} {
		t.Run(strings.ReplaceAll(name, ",", ""), func(t *testing.T) {
			rule(&trial{TB: t, Subject: s, Endpoints: hooks, cursors: cursors, ctx: t.Context()})
		})
	}
}

// trial is one rule being tried.
type trial struct {
	testing.TB
	storetest.Subject
	Endpoints
	cursors Cursors
	ctx     context.Context //nolint:containedctx // of the test
	tokens  int
	exts    map[chat.UserID]string // of users
}

func (t *trial) ok(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t *trial) fails(err error, want chat.Kind) {
	t.Helper()
	if err == nil || chat.KindOf(err) != want {
		t.Fatalf("error is %v (%s), want %s", err, chat.KindOf(err), want)
	}
}

func (t *trial) same(got, want any, what string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s differs:\n%s", what, d)
	}
}

// hook makes an endpoint, which is gone when the trial ends: there may be few.
func (t *trial) hook() chat.Webhook {
	t.Helper()
	w, err := t.CreateWebhook(t.ctx, chat.Webhook{Name: "n", URL: "https://example.org/" + rand.Text(), Secret: []byte(rand.Text())})
	t.ok(err)
	t.Cleanup(func() { _ = t.DeleteWebhook(context.WithoutCancel(t.ctx), w.ID) })
	return w
}

func (t *trial) user() chat.UserID {
	t.Helper()
	ext := rand.Text()
	u, _, err := t.Identities.Provide(t.ctx, chat.External(ext), chat.User{Nickname: "n"})
	t.ok(err)
	if t.exts == nil {
		t.exts = map[chat.UserID]string{}
	}
	t.exts[u.ID] = ext
	return u.ID
}

// room makes a room; its log begins with the entry that says so.
func (t *trial) room(users ...chat.UserID) chat.RoomID {
	t.Helper()
	m, err := t.Rooms.CreateRoom(t.ctx, chat.NewRoom{Owner: users[0], Name: "r", Members: users})
	t.ok(err)
	return m.Room.ID
}

func (t *trial) say(room chat.RoomID, user chat.UserID, text string) chat.Message {
	t.Helper()
	sent, _, err := t.Messages.Append(t.ctx, []chat.Send{{Room: room, Sender: user, Session: "s", ClientMsgID: strings.ToLower(rand.Text()), Content: text}}, time.Now())
	if t.ok(err); sent[0].Err != nil {
		t.Fatal(sent[0].Err)
	}
	return sent[0].Message
}

func (t *trial) change(c chat.Change) {
	t.Helper()
	c.Session, c.ID = "s", strings.ToLower(rand.Text())
	done, _, err := t.Changes.Apply(t.ctx, []chat.Change{c}, time.Now())
	if t.ok(err); done[0].Err != nil {
		t.Fatal(done[0].Err)
	}
}

// tick waits until the clock is another millisecond: times are kept so exactly.
func tick() { <-time.After(2 * time.Millisecond) }

// later is a time after all that has happened.
func later() time.Time { return time.Now().Add(time.Hour) }

// claim claims a cursor for a minute from a time on.
func (t *trial) claim(at chat.WebhookPlace, now time.Time) chat.WebhookCursor {
	t.Helper()
	t.tokens++
	cur, err := t.cursors.ClaimWebhook(t.ctx, chat.WebhookClaim{WebhookPlace: at, Token: fmt.Sprintf("%s-%d", rand.Text(), t.tokens), Now: now, Until: now.Add(time.Minute)})
	t.ok(err)
	return cur
}

// mine is claim where nobody else may have it.
func (t *trial) mine(at chat.WebhookPlace, now time.Time) chat.WebhookCursor {
	t.Helper()
	cur := t.claim(at, now)
	if !cur.Claimed {
		t.Fatalf("not claimed: %+v", cur)
	}
	return cur
}

func (t *trial) page(cur chat.WebhookCursor, limit int) []chat.WebhookEvent {
	t.Helper()
	es, err := t.cursors.WebhookPage(t.ctx, cur, limit)
	t.ok(err)
	return es
}

// free settles a claim behind what was told.
func free(cur chat.WebhookCursor, now time.Time) chat.WebhookSettled {
	return chat.WebhookSettled{WebhookPlace: cur.WebhookPlace, Token: cur.Token, Seq: cur.Seq, Changes: cur.Changes, Now: now}
}

// all reads everything behind a cursor, in pages.
func (t *trial) all(cur chat.WebhookCursor, limit int) (es []chat.WebhookEvent) {
	t.Helper()
	for {
		page := t.page(cur, limit)
		if len(page) == 0 {
			return es
		}
		es = append(es, page...)
		cur.Seq, cur.Changes = page[len(page)-1].Then.Seq, page[len(page)-1].Then.Changes
	}
}

func ids(es []chat.WebhookEvent) (out []string) {
	for i := range es {
		out = append(out, string(es[i].Kind)+" "+es[i].ID())
	}
	return out
}

func begins(t *trial) {
	u := t.user()
	room, quiet := t.room(u), t.room(u)
	old := t.say(room, u, "old")
	t.change(chat.Change{Room: room, Seq: old.Seq, User: u, Kind: chat.ChangePin, On: true})
	tick()
	w := t.hook()
	n := t.say(room, u, "new")
	t.change(chat.Change{Room: room, Seq: old.Seq, User: u, Kind: chat.ChangePin})
	cur := t.mine(chat.WebhookPlace{Webhook: w.ID, Room: room}, later())
	if cur.Seq != old.Seq || cur.Changes != 1 {
		t.Fatalf("begins at %+v", cur)
	}
	t.same(ids(t.all(cur, 10)), []string{
		fmt.Sprintf("message.sent msg_%d_1_%d_0", room, n.Seq), fmt.Sprintf("message.unpinned msg_%d_1_%d_2", room, old.Seq),
	}, "what is told")
	if got := t.page(t.mine(chat.WebhookPlace{Webhook: w.ID, Room: quiet}, later()), 10); len(got) > 0 {
		t.Errorf("a quiet room tells %v", ids(got))
	}
	_, err := t.cursors.ClaimWebhook(t.ctx, chat.WebhookClaim{WebhookPlace: chat.WebhookPlace{Webhook: 1 << 40, Room: room}, Token: "x", Now: later(), Until: later()})
	t.fails(err, chat.NotFound)
}

func merged(t *trial) {
	w, u := t.hook(), t.user()
	v := t.user()
	room := t.room(u) // 1
	a := t.say(room, u, "a")
	edited := "b"
	t.change(chat.Change{Room: room, Seq: a.Seq, User: u, Kind: chat.ChangeEdit, Content: &edited})
	t.change(chat.Change{Room: room, Seq: a.Seq, User: u, Kind: chat.ChangeEdit, Content: &edited}) // nothing
	t.change(chat.Change{Room: room, Seq: a.Seq, User: u, Kind: chat.ChangeReaction, Key: "👍", On: true})
	_, err := t.Members.AddMembers(t.ctx, room, u, []chat.UserID{v}) // 3
	t.ok(err)
	t.change(chat.Change{Room: room, Seq: a.Seq, User: u, Kind: chat.ChangeReaction, Key: "👍"})
	b := t.say(room, v, "c") // 4
	t.change(chat.Change{Room: room, Seq: b.Seq, User: u, Kind: chat.ChangeRecall})
	t.ok(t.Members.RemoveMember(t.ctx, room, v, v)) // 5
	want := []string{
		"room.created 1_0", "message.sent 2_0", "message.edited 2_1", "reaction.added 2_2", "member.added 3_0", "reaction.removed 2_3",
		"message.sent 4_0", "message.recalled 4_4", "member.left 5_0",
	}
	for i := range want {
		kind, at, _ := strings.Cut(want[i], " ")
		want[i] = fmt.Sprintf("%s msg_%d_1_%s", kind, room, at)
	}
	cur := t.mine(chat.WebhookPlace{Webhook: w.ID, Room: room}, later())
	for limit := 1; limit <= 10; limit++ {
		t.same(ids(t.all(cur, limit)), want, fmt.Sprintf("in pages of %d", limit))
	}
	es := t.all(cur, 20)
	if e := es[3]; e.Key != "👍" || e.By != u || e.ByExt != t.exts[u] || e.Room != room || e.Message.Seq != a.Seq || e.Message.Content != "b" || e.At.IsZero() {
		t.Errorf("the reaction: %+v", e)
	}
	if e := es[4]; e.By != u || e.Message.Kind != chat.System {
		t.Errorf("the new member: %+v", e)
	}
	for _, e := range es {
		if back, seq, change, ok := chat.ParseWebhookEventID(e.ID()); !ok || back != room || seq != e.Seq || change != e.Changes {
			t.Errorf("%s is read as %d %d %d %v", e.ID(), back, seq, change, ok)
		}
	}
}

func present(t *trial) {
	w, u := t.hook(), t.user()
	room := t.room(u)
	cur := t.mine(chat.WebhookPlace{Webhook: w.ID, Room: room}, later())
	m := t.say(room, u, "secret")
	if e := t.all(cur, 10)[1]; e.Message.Content != "secret" || e.Message.State != nil {
		t.Errorf("at first: %+v", e.Message)
	}
	t.change(chat.Change{Room: room, Seq: m.Seq, User: u, Kind: chat.ChangeRecall})
	for _, e := range t.all(cur, 10)[1:] {
		if e.Message.Content != "" || !e.Message.Recalled() {
			t.Errorf("%s after the recall: %+v", e.Kind, e.Message)
		}
	}
}

func claimed(t *trial) {
	w, u := t.hook(), t.user()
	at, now := chat.WebhookPlace{Webhook: w.ID, Room: t.room(u)}, later().UTC().Truncate(time.Microsecond)
	first := t.mine(at, now)
	if other := t.claim(at, now.Add(59*time.Second)); other.Claimed || other.Token != first.Token || !other.Next.Equal(now.Add(time.Minute)) {
		t.Errorf("claimed twice: %+v", other)
	}
	again, err := t.cursors.ClaimWebhook(t.ctx, chat.WebhookClaim{WebhookPlace: at, Token: first.Token, Now: now, Until: now.Add(time.Minute)})
	if t.ok(err); !again.Claimed {
		t.Errorf("a repeated claim: %+v", again)
	}
	second := t.mine(at, now.Add(time.Minute)) // given up
	t.fails(t.cursors.SettleWebhook(t.ctx, free(first, now)), chat.Conflict)
	t.ok(t.cursors.SettleWebhook(t.ctx, free(second, now)))
	t.mine(at, now.Add(time.Minute))

	won := make(chan bool, 10)
	other := chat.WebhookPlace{Webhook: w.ID, Room: t.room(u)}
	for i := range cap(won) {
		go func() {
			c, err := t.cursors.ClaimWebhook(t.ctx, chat.WebhookClaim{WebhookPlace: other, Token: fmt.Sprint("racer ", i), Now: now, Until: now.Add(time.Minute)})
			if err != nil {
				t.Error(err)
			}
			won <- c.Claimed
		}()
	}
	n := 0
	for range cap(won) {
		if <-won {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d of %d claims won", n, cap(won))
	}
}

func fenced(t *trial) {
	w, u := t.hook(), t.user()
	room := t.room(u)
	at, now := chat.WebhookPlace{Webhook: w.ID, Room: room}, later()
	cur := t.mine(at, now)
	e := t.page(cur, 10)[0]
	x := free(cur, now)
	x.Seq, x.Changes, x.Keep, x.Next = e.Then.Seq, e.Then.Changes, true, now.Add(2*time.Minute)
	t.ok(t.cursors.SettleWebhook(t.ctx, x))
	if other := t.claim(at, now.Add(90*time.Second)); other.Claimed || other.Seq != 1 {
		t.Errorf("the claim that goes on: %+v", other)
	}
	next := t.mine(at, now.Add(2*time.Minute))
	if next.Seq != 1 {
		t.Errorf("the cursor is %+v", next)
	}
	x.Seq = 0
	t.fails(t.cursors.SettleWebhook(t.ctx, x), chat.Conflict)
	t.ok(t.cursors.SettleWebhook(t.ctx, free(next, now)))
	if last := t.mine(at, now); last.Seq != 1 {
		t.Errorf("moved by a lost claim: %+v", last)
	}
}

func (t *trial) due(id chat.WebhookID, now time.Time) (rooms []chat.RoomID) {
	t.Helper()
	ps, err := t.cursors.DueWebhooks(t.ctx, []chat.WebhookID{id}, now, 100)
	t.ok(err)
	for _, p := range ps {
		if p.Webhook != id {
			t.Errorf("due is %+v", p)
		}
		if p.Room != 0 { // accounts are made in other trials
			rooms = append(rooms, p.Room)
		}
	}
	slices.Sort(rooms)
	return rooms
}

func waits(t *trial) {
	w, u := t.hook(), t.user()
	a, b := t.room(u), t.room(u)
	now := later().UTC().Truncate(time.Microsecond)
	first, second := t.mine(chat.WebhookPlace{Webhook: w.ID, Room: a}, now), t.mine(chat.WebhookPlace{Webhook: w.ID, Room: b}, now)
	x := free(first, now)
	x.Tries, x.Next = 3, now.Add(5*time.Minute)
	t.ok(t.cursors.SettleWebhook(t.ctx, x))
	if got := t.due(w.ID, now); len(got) > 0 {
		t.Errorf("due at once: %v", got)
	}
	if c := t.claim(first.WebhookPlace, now.Add(time.Minute)); c.Claimed || c.Token != "" || c.Tries != 3 || !c.Next.Equal(x.Next) {
		t.Errorf("before its time: %+v", c)
	}
	t.same(t.due(w.ID, now.Add(2*time.Minute)), []chat.RoomID{b}, "due when a claim was given up")
	t.same(t.due(w.ID, x.Next), []chat.RoomID{a, b}, "due at its time")
	bs, err := t.cursors.WebhookBurdens(t.ctx, []chat.WebhookID{w.ID})
	t.ok(err)
	t.same(bs, []chat.WebhookBurden{{Webhook: w.ID, Rooms: 1}}, "the burden")
	again := t.mine(first.WebhookPlace, x.Next)
	if again.Tries != 3 {
		t.Errorf("claimed then: %+v", again)
	}
	t.ok(t.cursors.SettleWebhook(t.ctx, free(again, now)))
	t.ok(t.cursors.SettleWebhook(t.ctx, free(second, now)))
	if got := t.due(w.ID, now.Add(time.Hour)); len(got) > 0 {
		t.Errorf("due when all is told: %v", got)
	}
}

func recovers(t *trial) {
	w, u := t.hook(), t.user()
	now := later().UTC().Truncate(time.Microsecond)
	at := chat.WebhookPlace{Webhook: w.ID, Room: t.room(u)}
	fail := func(at chat.WebhookPlace, now time.Time) {
		x := free(t.mine(at, now), now)
		x.Tries, x.Next, x.Health = 1, now.Add(5*time.Hour), chat.WebhookFailing
		t.ok(t.cursors.SettleWebhook(t.ctx, x))
	}
	fail(at, now)
	fail(chat.WebhookPlace{Webhook: w.ID, Room: t.room(u)}, now.Add(time.Second))
	if got, _ := t.Webhook(t.ctx, w.ID); !got.FailingSince.Equal(now) {
		t.Errorf("failing since %v", got.FailingSince)
	}
	well := func(now time.Time) {
		x := free(t.mine(chat.WebhookPlace{Webhook: w.ID, Room: t.room(u)}, now), now)
		x.Health = chat.WebhookWell
		t.ok(t.cursors.SettleWebhook(t.ctx, x))
		if got, _ := t.Webhook(t.ctx, w.ID); !got.FailingSince.IsZero() {
			t.Errorf("it still fails since %v", got.FailingSince)
		}
	}
	well(now.Add(5 * time.Second))
	if got := t.due(w.ID, now.Add(time.Minute)); len(got) > 0 {
		t.Errorf("after a short trouble %v are due", got)
	}
	fail(chat.WebhookPlace{Webhook: w.ID, Room: t.room(u)}, now.Add(10*time.Second))
	well(now.Add(30 * time.Second))
	if got := t.due(w.ID, now.Add(30*time.Second)); len(got) != 3 {
		t.Errorf("after a long trouble %v are due", got)
	}
}

func accounts(t *trial) {
	w := t.hook()
	u := t.user()
	now := later()
	at := chat.WebhookPlace{Webhook: w.ID}
	t.ok(t.Accounts.DisableUser(t.ctx, u))
	v := t.user()
	ps, err := t.cursors.DueWebhooks(t.ctx, []chat.WebhookID{w.ID}, now, 100)
	t.ok(err)
	t.same(ps, []chat.WebhookPlace{at}, "due")
	cur := t.mine(at, now)
	es := t.page(cur, 10)
	var got []string
	for _, e := range es {
		got = append(got, fmt.Sprint(e.Kind, " ", e.User.ID))
		if e.User.Username == "" || e.Ext != t.exts[e.User.ID] || !strings.HasPrefix(e.ID(), fmt.Sprintf("usr_%d_", e.User.ID)) || e.At.IsZero() || e.Room != 0 {
			t.Errorf("event %s: %+v", e.ID(), e)
		}
	}
	t.same(got, []string{fmt.Sprint("user.created ", u), fmt.Sprint("user.disabled ", u), fmt.Sprint("user.created ", v)}, "what is told")
	if page := t.page(cur, 2); len(page) != 2 {
		t.Errorf("a page of two: %v", ids(page))
	}
	x := free(cur, now)
	x.Rows = []uint64{es[0].Row, es[1].Row}
	t.ok(t.cursors.SettleWebhook(t.ctx, x))
	t.same(ids(t.page(cur, 10)), ids(es[2:]), "what is left")
	x = free(t.mine(at, now), now)
	x.Rows = []uint64{es[2].Row}
	lost := x
	lost.Token = "another"
	t.fails(t.cursors.SettleWebhook(t.ctx, lost), chat.Conflict)
	if len(t.page(cur, 10)) != 1 {
		t.Error("a lost claim took it away")
	}
	t.ok(t.cursors.SettleWebhook(t.ctx, x))
	if ps, err := t.cursors.DueWebhooks(t.ctx, []chat.WebhookID{w.ID}, now, 100); err != nil || len(ps) > 0 {
		t.Errorf("due when all is told: %v %v", ps, err)
	}
}

// noted: what is noted of users is told to the endpoint that it was noted for, in its order, and once.
func noted(t *trial) {
	w, other, u := t.hook(), t.hook(), t.user()
	now := later()
	at := chat.WebhookPlace{Webhook: w.ID}
	cur := t.mine(at, now)
	x := free(cur, now)
	for _, e := range t.page(cur, 10) {
		x.Rows = append(x.Rows, e.Row) // the account itself
	}
	t.ok(t.cursors.SettleWebhook(t.ctx, x))
	t.ok(t.cursors.NoteWebhooks(t.ctx, nil))
	t.ok(t.cursors.NoteWebhooks(t.ctx, []chat.WebhookNote{
		{Webhook: w.ID, User: u, Kind: chat.WebhookUserOnline, At: now}, {Webhook: w.ID, User: u, Kind: chat.WebhookUserOffline, At: now.Add(time.Second)},
	}))
	ps, err := t.cursors.DueWebhooks(t.ctx, []chat.WebhookID{w.ID}, now, 100)
	t.ok(err)
	t.same(ps, []chat.WebhookPlace{at}, "due")
	cur = t.mine(at, now)
	es := t.page(cur, 10)
	if len(es) != 2 || es[0].Kind != chat.WebhookUserOnline || es[1].Kind != chat.WebhookUserOffline || es[0].User.ID != u || es[0].User.Username == "" || !es[1].At.After(es[0].At) {
		t.Fatalf("told %+v", es)
	}
	for _, e := range t.page(t.mine(chat.WebhookPlace{Webhook: other.ID}, now), 10) {
		if e.Kind != chat.WebhookUserCreated {
			t.Errorf("another endpoint is told %s", e.Kind)
		}
	}
	x = free(cur, now)
	x.Rows = []uint64{es[0].Row, es[1].Row}
	t.ok(t.cursors.SettleWebhook(t.ctx, x))
	if left := t.page(t.mine(at, now), 10); len(left) > 0 {
		t.Errorf("told twice: %v", ids(left))
	}
}
