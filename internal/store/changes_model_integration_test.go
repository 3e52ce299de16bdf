//go:build integration

package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/store/fakestore"
	"chat-service/internal/store/operator"
	"chat-service/internal/store/storetest"
)

// double is a room in the store and in the fake, which is the model: it keeps the rules over plain lists. Everything is done to both.
type double struct {
	rt    *rapid.T
	d     *store.Store
	fake  *fakestore.Store
	room  chat.RoomID
	users []chat.UserID
	in    map[chat.UserID]bool
	last  chat.Seq
	mine  client
}

// client is what somebody holds who was there from the beginning, and catches up now and then.
type client struct {
	cursor chat.ChangeSeq
	states map[chat.Seq]chat.Message
}

func newDouble(rt *rapid.T, d *store.Store, users []chat.UserID) *double {
	x := &double{
		rt: rt, d: d, fake: fakestore.New(fakestore.Options{Limits: storetest.ConformLimits(), AnyUser: true}), users: users,
		in: map[chat.UserID]bool{}, last: 1, mine: client{states: map[chat.Seq]chat.Message{}},
	}
	m, err := d.Rooms.CreateRoom(ctx, chat.NewRoom{Owner: users[0], Name: "room", Members: users})
	x.ok(err)
	x.room = m.Room.ID
	x.fake.AddRoom(chat.Room{ID: x.room, LastSeq: 1, Owner: users[0]})
	for i, u := range users {
		role := chat.Plain
		if i == 0 {
			role = chat.Owner
		}
		x.in[u] = true
		x.fake.AddMember(chat.Member{Room: x.room, User: u, Role: role, VisibleFrom: 1, ReadSeq: 1})
	}
	return x
}

func (x *double) ok(err error) {
	if err != nil {
		x.rt.Helper()
		x.rt.Fatal(err)
	}
}

// same compares what the two say.
func (x *double) same(what string, store, model any) {
	x.rt.Helper()
	if s, m := fmt.Sprint(store), fmt.Sprint(model); s != m {
		x.rt.Fatalf("%s: the store says\n%s\nthe model\n%s", what, s, m)
	}
}

// shown renders a message with its state, without times.
func shown(m chat.Message) string {
	s := fmt.Sprintf("%d.%d %s by %d %q %s to %d", m.Seq, m.Ord, m.Kind, m.Sender, m.Content, m.Data, m.ReplyTo)
	if m.Kind == chat.System {
		return fmt.Sprintf("%d.%d system", m.Seq, m.Ord)
	}
	if st := m.State; st != nil {
		s += fmt.Sprintf(" #%d v%d recalled by %d pinned by %d %v", st.ChangeSeq, st.Version, st.RecalledBy, st.PinnedBy, st.Reactions)
	}
	return s
}

func showAll(ms []chat.Message, err error) string {
	if err != nil {
		return chat.KindOf(err).String()
	}
	var b strings.Builder
	for _, m := range ms {
		b.WriteString(shown(m) + "\n")
	}
	return b.String()
}

func showDone(done []chat.Changed) string {
	var b strings.Builder
	for _, c := range done {
		if c.Err != nil {
			b.WriteString(c.Err.Kind.String() + "\n")
		} else {
			fmt.Fprintf(&b, "#%d after %d v%d at %d noop %v repeat %v: %s\n", c.ChangeSeq, c.Prev, c.Version, c.AtSeq, c.NoOp, c.Repeat, shown(c.Message))
		}
	}
	return b.String()
}

func (x *double) sends() {
	batch := make([]chat.Send, rapid.IntRange(1, 3).Draw(x.rt, "sends"))
	for i := range batch {
		batch[i] = send(x.room, x.any(), rapid.StringMatching("[a-h]").Draw(x.rt, "id"), rapid.StringMatching("[xy]").Draw(x.rt, "content"))
		batch[i].ReplyTo = chat.Seq(rapid.IntRange(0, 3).Draw(x.rt, "reply"))
	}
	s, sh, err := x.d.Messages.Append(ctx, batch, time.Now())
	x.ok(err)
	m, mh, err := x.fake.Append(ctx, batch, time.Now())
	x.ok(err)
	x.same("heads", sh, mh)
	for i := range s {
		if s[i].Err != nil || m[i].Err != nil {
			x.same("refusals", s[i].Err != nil && m[i].Err != nil && s[i].Err.Kind == m[i].Err.Kind, true)
			continue
		}
		x.same("sent", shown(s[i].Message)+fmt.Sprint(s[i].Duplicate), shown(m[i].Message)+fmt.Sprint(m[i].Duplicate))
	}
	x.last = sh[0].Seq
}

func (x *double) any() chat.UserID { return rapid.SampledFrom(x.users).Draw(x.rt, "user") }

func (x *double) changes() {
	batch := make([]chat.Change, rapid.IntRange(1, 8).Draw(x.rt, "changes"))
	kinds := []chat.ChangeKind{chat.ChangeEdit, chat.ChangeEdit, chat.ChangeReaction, chat.ChangeReaction, chat.ChangeReaction, chat.ChangePin, chat.ChangeRecall}
	for i := range batch {
		c := chat.Change{
			Room: x.room, Session: "s", User: x.any(), ID: rapid.StringMatching("[a-z]").Draw(x.rt, "change_id"),
			Seq: chat.Seq(rapid.IntRange(0, int(x.last)+1).Draw(x.rt, "seq")), Kind: rapid.SampledFrom(kinds).Draw(x.rt, "kind"),
		}
		if c.Seq == 1 { // the model's log begins behind it
			c.Seq = 2
		}
		switch c.Kind {
		case chat.ChangeEdit:
			if rapid.IntRange(0, 3).Draw(x.rt, "with content") > 0 {
				text := rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(x.rt, "content")
				c.Content = &text
			}
			if rapid.IntRange(0, 3).Draw(x.rt, "with data") == 0 {
				data := rapid.SampledFrom([]string{"", "{}", `{"a":1}`}).Draw(x.rt, "data")
				c.Data = &data
			}
			c.IfVersion = uint64(max(0, rapid.IntRange(-5, 2).Draw(x.rt, "if_version")))
		case chat.ChangeReaction:
			c.Key, c.On = rapid.StringMatching("[a-e]").Draw(x.rt, "key"), rapid.IntRange(0, 2).Draw(x.rt, "on") > 0
		case chat.ChangePin:
			c.On = rapid.IntRange(0, 2).Draw(x.rt, "on") > 0
		}
		batch[i] = c
	}
	if rapid.IntRange(0, 3).Draw(x.rt, "REST") == 0 {
		for _, c := range batch {
			s, err := x.d.Changes.PostChange(ctx, c, time.Now())
			x.ok(err)
			m, err := x.fake.PostChange(ctx, c, time.Now())
			x.ok(err)
			x.same("posted", showDone([]chat.Changed{s}), showDone([]chat.Changed{m}))
		}
		return
	}
	s, sh, err := x.d.Changes.Apply(ctx, batch, time.Now())
	x.ok(err)
	m, mh, err := x.fake.Apply(ctx, batch, time.Now())
	x.ok(err)
	x.same("changed", showDone(s), showDone(m))
	x.same("heads", sh, mh)
}

// toggle has a member leave, or come back.
func (x *double) toggle() {
	u := rapid.SampledFrom(x.users[1:]).Draw(x.rt, "member")
	if x.in[u] {
		x.ok(x.d.Rooms.RemoveMember(ctx, x.room, x.users[0], u))
		x.ok(x.fake.RemoveMember(ctx, x.room, x.users[0], u))
	} else {
		_, err := x.d.Rooms.AddMembers(ctx, x.room, x.users[0], []chat.UserID{u})
		x.ok(err)
		_, err = x.fake.AddMembers(ctx, x.room, x.users[0], []chat.UserID{u})
		x.ok(err)
	}
	x.in[u] = !x.in[u]
	x.last++
}

func (x *double) rank() {
	u := rapid.SampledFrom(x.users[1:]).Draw(x.rt, "member")
	if !x.in[u] {
		return
	}
	to := rapid.SampledFrom([]chat.Role{chat.Admin, chat.Plain}).Draw(x.rt, "role")
	_, err := x.d.Rooms.SetRole(ctx, x.room, x.users[0], u, to)
	x.ok(err)
	_, err = x.fake.SetRole(ctx, x.room, x.users[0], u, to)
	x.ok(err)
	rs, err := x.d.Messages.Rooms(ctx, []chat.RoomID{x.room})
	x.ok(err)
	x.last = rs[0].LastSeq
}

func (x *double) read() {
	mark := []chat.ReadMark{{Room: x.room, User: x.any(), Seq: chat.Seq(rapid.IntRange(1, int(x.last)).Draw(x.rt, "read"))}}
	s, err := x.d.Messages.MarkRead(ctx, mark)
	x.ok(err)
	m, err := x.fake.MarkRead(ctx, mark)
	x.ok(err)
	x.same("read", fmt.Sprint(s[0].ReadSeq, s[0].Unread, s[0].Changes, s[0].Err != nil), fmt.Sprint(m[0].ReadSeq, m[0].Unread, m[0].Changes, m[0].Err != nil))
}

// sync has the client catch up as PROTOCOL says: the messages above its last one, then what has changed of those it had.
func (x *double) sync() {
	held := chat.Seq(0)
	for seq := range x.mine.states {
		held = max(held, seq)
	}
	ms, err := x.d.Messages.Messages(ctx, x.room, held+1, x.last, 10_000)
	x.ok(err)
	for _, m := range ms {
		x.mine.take(m)
	}
	for more := true; more; {
		p, err := x.d.Changes.ChangedSince(ctx, chat.ChangesQuery{Room: x.room, Since: x.mine.cursor, From: 1, To: held, Limit: 3, Most: 1000})
		x.ok(err)
		for _, m := range p.Messages {
			x.mine.take(m)
		}
		if p.Covered < x.mine.cursor || p.Resync {
			x.rt.Fatalf("the cursor goes from %d to %+v", x.mine.cursor, p)
		}
		x.mine.cursor, more = p.Covered, p.More
	}
}

// take keeps the state with the highest change_seq.
func (c *client) take(m chat.Message) {
	if old, ok := c.states[m.Seq]; !ok || m.ChangeSeq() > old.ChangeSeq() {
		c.states[m.Seq] = m
	}
}

// compare reads all there is, as everybody who ever was there.
func (x *double) compare() {
	x.sync()
	all, err := x.d.Messages.Messages(ctx, x.room, 1, x.last, 10_000)
	x.ok(err)
	var held []chat.Message
	for seq := chat.Seq(1); seq <= x.last; seq++ {
		held = append(held, x.mine.states[seq])
	}
	if diff := cmp.Diff(strings.Split(showAll(all, nil), "\n"), strings.Split(showAll(held, nil), "\n")); diff != "" {
		x.rt.Fatalf("what a client holds isn't what there is (-store +client):\n%s", diff)
	}
	for _, u := range x.users {
		after := chat.Seq(1)
		q := chat.HistoryQuery{Room: x.room, User: u, After: &after, Limit: 10_000}
		s, serr := x.d.Messages.History(ctx, q)
		m, merr := x.fake.History(ctx, q)
		x.same(fmt.Sprint("history of ", u), showAll(s.Messages, serr)+fmt.Sprint(s.Changes), showAll(m.Messages, merr)+fmt.Sprint(m.Changes))
		sm, err := x.d.Messages.Membership(ctx, x.room, u)
		x.ok(err)
		mm, err := x.fake.Membership(ctx, x.room, u)
		x.ok(err)
		x.same(fmt.Sprint("unread of ", u), sm.Unread(), mm.Unread())
		x.same(fmt.Sprint("pins for ", u), showAll(x.d.Changes.Pins(ctx, x.room, u)), showAll(x.fake.Pins(ctx, x.room, u)))
		so, err := x.d.Changes.MyReactions(ctx, x.room, u, 1, 1000)
		x.ok(err)
		mo, err := x.fake.MyReactions(ctx, x.room, u, 1, 1000)
		x.ok(err)
		x.same(fmt.Sprint("reactions of ", u), so, mo)
		seq := chat.Seq(rapid.IntRange(1, int(x.last)).Draw(x.rt, "seq"))
		if seq > 1 {
			so, serr := x.d.Changes.One(ctx, x.room, u, seq)
			mo, merr := x.fake.One(ctx, x.room, u, seq)
			x.same("one", showAll([]chat.Message{so}, serr), showAll([]chat.Message{mo}, merr))
			sv, serr := x.d.Changes.Versions(ctx, x.room, u, seq)
			mv, merr := x.fake.Versions(ctx, x.room, u, seq)
			x.same("versions", showVersions(sv, serr), showVersions(mv, merr))
		}
	}
	cq := chat.ChangesQuery{
		Room: x.room, Since: chat.ChangeSeq(rapid.IntRange(0, 20).Draw(x.rt, "since")), From: chat.Seq(rapid.IntRange(0, 5).Draw(x.rt, "from")),
		Limit: 3, Most: rapid.IntRange(0, 10).Draw(x.rt, "most"),
	}
	s, err := x.d.Changes.ChangedSince(ctx, cq)
	x.ok(err)
	m, err := x.fake.ChangedSince(ctx, cq)
	x.ok(err)
	x.same("since", showAll(s.Messages, nil)+fmt.Sprint(s.Covered, s.More, s.Resync, s.Epoch), showAll(m.Messages, nil)+fmt.Sprint(m.Covered, m.More, m.Resync, m.Epoch))
}

func showVersions(vs []chat.Version, err error) string {
	if err != nil {
		return chat.KindOf(err).String()
	}
	var out []string
	for _, v := range vs {
		out = append(out, fmt.Sprintf("%d %q %s", v.Version, v.Content, v.Data))
	}
	return strings.Join(out, "\n")
}

// TestChangesModel compares sends and changes of all kinds, retries and conflicts among them, of members who leave, return and are
// ranked, with the model; and a client that catches up now and then with what there is.
func TestChangesModel(t *testing.T) {
	set := func(o *db.Options) { o.Limits = storetest.ConformLimits() }
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			var o db.Options
			d := storetest.OpenOn(t, env, func(p *db.Options) { set(p); o = *p })
			users := makeUsers(t, d, 4)
			rapid.Check(t, func(rt *rapid.T) {
				x := newDouble(rt, d, users)
				x.sends()
				for range rapid.IntRange(1, 25).Draw(rt, "steps") {
					steps := []func(){x.sends, x.changes, x.changes, x.changes, x.changes, x.toggle, x.rank, x.read, x.sync}
					steps[rapid.IntRange(0, len(steps)-1).Draw(rt, "step")]()
				}
				x.compare()
			})
			ok(t, d.Operator.VerifyUnread(ctx, false, func(w operator.Drift) { t.Errorf("drift %+v", w) }))
			dense(t, env, o.DBName)
		})
	}
}

// dense shows that the rooms' change_seqs have no holes, that every message's last one is among them and its own, and that what was
// recalled is nowhere any more.
func dense(t *testing.T, env, name string) {
	t.Helper()
	raw := rawOf(t, env, name)
	for what, q := range map[string]string{
		"rooms whose changes have holes": "SELECT COUNT(*) FROM rooms r WHERE r.change_seq <> (SELECT COUNT(*) FROM room_changes h WHERE h.room_id = r.id AND h.noop = '')" +
			" OR r.change_seq <> (SELECT COALESCE(MAX(change_seq), 0) FROM room_changes h WHERE h.room_id = r.id)",
		"states that no change led to": "SELECT COUNT(*) FROM message_state t LEFT JOIN room_changes h ON h.room_id = t.room_id AND h.change_seq = t.change_seq AND h.noop = ''" +
			" WHERE h.seq IS NULL OR h.seq <> t.seq",
		"states behind a change": "SELECT COUNT(*) FROM room_changes h JOIN message_state t ON t.room_id = h.room_id AND t.seq = h.seq WHERE t.change_seq < h.change_seq",
		"answers with another message's number": "SELECT COUNT(*) FROM room_changes h LEFT JOIN room_changes x ON x.room_id = h.room_id AND x.change_seq = h.change_seq" +
			" AND x.noop = '' WHERE h.change_seq > 0 AND (x.seq IS NULL OR x.seq <> h.seq)",
		"texts of recalled messages": "SELECT COUNT(*) FROM message_state t JOIN messages x ON x.room_id = t.room_id AND x.seq = t.seq" +
			" WHERE t.recalled_at IS NOT NULL AND (x.content <> '' OR x.data IS NOT NULL OR t.earlier IS NOT NULL OR t.reactions IS NOT NULL)",
		"edited messages without what they were": "SELECT COUNT(*) FROM message_state t JOIN messages x ON x.room_id = t.room_id AND x.seq = t.seq" +
			" WHERE t.recalled_at IS NULL AND (t.version > 1) <> (t.earlier IS NOT NULL)",
		"reactions to recalled messages": "SELECT COUNT(*) FROM message_state t JOIN reactions e ON e.room_id = t.room_id AND e.seq = t.seq WHERE t.recalled_at IS NOT NULL",
		"pins that states don't have":    "SELECT COUNT(*) FROM pins p LEFT JOIN message_state t ON t.room_id = p.room_id AND t.seq = p.seq WHERE t.pinned_at IS NULL",
		"pinned states without pin":      "SELECT COUNT(*) FROM message_state t LEFT JOIN pins p ON t.room_id = p.room_id AND t.seq = p.seq WHERE t.pinned_at IS NOT NULL AND p.seq IS NULL",
	} {
		var n int
		if err := raw.QueryRowContext(ctx, q).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
	var states, total int
	ok(t, raw.QueryRowContext(ctx, "SELECT COUNT(*), (SELECT COUNT(*) FROM room_changes WHERE noop = '') FROM message_state").Scan(&states, &total))
	if states == 0 || total <= states {
		t.Errorf("%d states of %d changes: this shows nothing", states, total)
	}
}

// TestChangesRace pins more messages than a room may have pinned, sets more keys than a message may have, and edits what is recalled,
// twenty at a time.
func TestChangesRace(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			var o db.Options
			d := storetest.OpenOn(t, env, func(p *db.Options) { o = *p })
			users := makeUsers(t, d, 20)
			room := makeRoom(t, d, users...).Room.ID
			var batch []chat.Send
			for i := range 130 {
				batch = append(batch, send(room, users[0], fmt.Sprint(i), "x"))
			}
			_, _, err := d.Messages.Append(ctx, batch, time.Now())
			ok(t, err)
			count := func(n int, ask func(i int) chat.Change) map[string]int {
				t.Helper()
				return raceChanges(t, d, n, func(i int) chat.Change {
					c := ask(i)
					c.Room, c.Session, c.ID = room, "s", fmt.Sprint(c.Kind, i)
					return c
				})
			}
			got := count(120, func(i int) chat.Change {
				return chat.Change{User: users[0], Seq: chat.Seq(2 + i), Kind: chat.ChangePin, On: true}
			})
			if got["done"] != 100 || got["limit_reached"] != 20 {
				t.Errorf("120 pins: %v", got)
			}
			got = count(60, func(i int) chat.Change {
				return chat.Change{User: users[i%20], Seq: 130, Kind: chat.ChangeReaction, Key: fmt.Sprint("key", i%30), On: true}
			})
			one, err := d.Changes.One(ctx, room, users[0], 130)
			ok(t, err)
			sum := 0
			for _, r := range one.State.Reactions {
				sum += r.Count
			}
			if len(one.State.Reactions) != 20 || got["limit_reached"] == 0 || sum != got["done"] {
				t.Errorf("30 keys: %v, %d reactions with %d keys", got, sum, len(one.State.Reactions))
			}
			got = count(40, func(i int) chat.Change {
				if i == 20 {
					return chat.Change{User: users[0], Seq: 131, Kind: chat.ChangeRecall}
				}
				text := fmt.Sprint("edit ", i)
				return chat.Change{User: users[0], Seq: 131, Kind: chat.ChangeEdit, Content: &text}
			})
			if one, err = d.Changes.One(ctx, room, users[0], 131); err != nil || !one.Recalled() || one.Content != "" || got["done"]+got["conflict"] != 40 {
				t.Errorf("edits beside a recall: %v, %+v, %v", got, one, err)
			}
			pins, err := d.Changes.Pins(ctx, room, users[5])
			if err != nil || len(pins) != 100 {
				t.Errorf("%d pins, %v", len(pins), err)
			}
			dense(t, env, o.DBName)
		})
	}
}

// raceChanges asks for n changes, twenty at a time, by both roads, and counts the answers.
func raceChanges(t *testing.T, d *store.Store, n int, ask func(i int) chat.Change) map[string]int {
	t.Helper()
	answers := make(chan string, n)
	turns := make(chan int, n)
	for i := range n {
		turns <- i
	}
	close(turns)
	for range 20 {
		go func() {
			for i := range turns {
				c := ask(i)
				var got chat.Changed
				var err error
				if i%2 == 0 {
					got, err = d.Changes.PostChange(ctx, c, time.Now())
				} else {
					var done []chat.Changed
					if done, _, err = d.Changes.Apply(ctx, []chat.Change{c}, time.Now()); err == nil {
						got = done[0]
					}
				}
				switch {
				case err != nil:
					answers <- err.Error()
				case got.Err != nil:
					answers <- got.Err.Kind.String()
				case got.NoOp || got.Repeat:
					answers <- "nothing"
				default:
					answers <- "done"
				}
			}
		}()
	}
	count := map[string]int{}
	for range n {
		count[<-answers]++
	}
	return count
}

// TestVersionsAreBounded: of a message that is edited very often the last hundred contents are kept.
func TestVersionsAreBounded(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUser(t, d)
		room := makeRoom(t, d, u).Room.ID
		appendOne(t, d, send(room, u, "a", "text 1"))
		edit := func(i int) chat.Change {
			text := fmt.Sprint("text ", i)
			return chat.Change{Room: room, Seq: 2, User: u, ID: fmt.Sprint(i), Kind: chat.ChangeEdit, Content: &text}
		}
		var batch []chat.Change
		for i := 2; i <= 130; i++ {
			batch = append(batch, edit(i))
		}
		for part := range slices.Chunk(append(batch, edit(131)), 50) {
			_, _, err := d.Changes.Apply(ctx, part, time.Now())
			ok(t, err)
		}
		vs, err := d.Changes.Versions(ctx, room, u, 2)
		ok(t, err)
		if len(vs) != 100 || vs[0].Version != 130 || vs[0].Content != "text 130" || vs[99].Content != "text 31" {
			t.Errorf("%d versions, %+v … %+v", len(vs), vs[0], vs[len(vs)-1])
		}
	})
}
