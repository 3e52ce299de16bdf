package storetest

import (
	"fmt"
	"strings"
	"time"

	"chat-service/internal/chat"
)

func changeRules() []rule {
	return []rule{
		{"changes/edits", edits},
		{"changes/asked once", askedOnce},
		{"changes/recalls", recalls},
		{"changes/unread without what was recalled", recalledUnread},
		{"changes/reactions", reactions},
		{"changes/the first ten", firstTen},
		{"changes/pins", pins},
		{"changes/who may", whoMayChange},
		{"changes/windows", changeWindows},
		{"changes/since", changedSince},
		{"changes/a batch sees itself", batchSeesItself},
		{"changes/by REST", postedChanges},
		{"append/data and replies", dataAndReplies},
	}
}

// desk is a room in which messages change.
type desk struct {
	*trial
	room chat.RoomID
	n    int
}

func (t *trial) desk(users ...chat.UserID) *desk {
	t.Helper()
	return &desk{trial: t, room: t.room(chat.Private, users...)}
}

func text(s string) *string { return &s }

// ask applies one change with an id of its own.
func (d *desk) ask(user chat.UserID, seq chat.Seq, c chat.Change) chat.Changed {
	d.Helper()
	d.n++
	c.Room, c.Seq, c.User, c.Session = d.room, seq, user, "s"
	if c.ID == "" {
		c.ID = fmt.Sprint("c", d.n)
	}
	done, heads, err := d.Changes.Apply(d.ctx, []chat.Change{c}, time.Now())
	d.ok(err)
	if len(done) != 1 || done[0].Change != c || len(heads) != 1 || heads[0].Room != d.room || heads[0].Seq != heads[0].Before {
		d.Fatalf("answers %+v, heads %+v", done, heads)
	}
	if x := done[0]; x.Err == nil && !x.NoOp && !x.Repeat && (x.Prev != x.ChangeSeq-1 || x.ChangeSeq != heads[0].Changes || x.AtSeq != heads[0].Seq) {
		d.Errorf("numbers: %+v, head %+v", x, heads[0])
	}
	return done[0]
}

// done renders an answer: change_seq and version, or the error's kind.
func told(x chat.Changed) string {
	switch {
	case x.Err != nil:
		return x.Err.Kind.String()
	case x.Repeat && x.NoOp:
		return fmt.Sprint(x.ChangeSeq, " v", x.Version, " again as it was")
	case x.Repeat:
		return fmt.Sprint(x.ChangeSeq, " v", x.Version, " again")
	case x.NoOp:
		return fmt.Sprint(x.ChangeSeq, " v", x.Version, " as it was")
	}
	return fmt.Sprint(x.ChangeSeq, " v", x.Version)
}

func (d *desk) edit(user chat.UserID, seq chat.Seq, content string) string {
	d.Helper()
	return told(d.ask(user, seq, chat.Change{Kind: chat.ChangeEdit, Content: &content}))
}

func (d *desk) recall(user chat.UserID, seq chat.Seq) string {
	d.Helper()
	return told(d.ask(user, seq, chat.Change{Kind: chat.ChangeRecall}))
}

func (d *desk) react(user chat.UserID, seq chat.Seq, key string, on bool) string {
	d.Helper()
	return told(d.ask(user, seq, chat.Change{Kind: chat.ChangeReaction, Key: key, On: on}))
}

func (d *desk) pin(user chat.UserID, seq chat.Seq, on bool) string {
	d.Helper()
	return told(d.ask(user, seq, chat.Change{Kind: chat.ChangePin, On: on}))
}

// looks renders a message with its state.
func looks(m chat.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s %q", m.Seq, m.Kind, m.Content)
	if m.Data != "" {
		b.WriteString(" " + m.Data)
	}
	if m.ReplyTo != 0 {
		fmt.Fprintf(&b, " to %d", m.ReplyTo)
	}
	st := m.State
	if st == nil {
		return b.String()
	}
	fmt.Fprintf(&b, " #%d v%d", st.ChangeSeq, st.Version)
	if st.EditedAt.IsZero() != (st.Version == 1) || st.RecalledAt.IsZero() != (st.RecalledBy == 0) || st.PinnedAt.IsZero() != (st.PinnedBy == 0) {
		b.WriteString(" with a time or a person missing")
	}
	if m.Recalled() {
		fmt.Fprintf(&b, " recalled by %d", st.RecalledBy)
	}
	if m.Pinned() {
		fmt.Fprintf(&b, " pinned by %d", st.PinnedBy)
	}
	for _, r := range st.Reactions {
		fmt.Fprintf(&b, " %s×%d%v", r.Key, r.Count, r.Users)
	}
	return b.String()
}

// shows compares a message with what it should look like, by all ways to it.
func (d *desk) shows(user chat.UserID, seq chat.Seq, format string, args ...any) {
	d.Helper()
	want := fmt.Sprintf(format, args...)
	one, err := d.Views.One(d.ctx, d.room, user, seq)
	d.ok(err)
	span, err := d.Messages.Messages(d.ctx, d.room, seq, seq, 1)
	d.ok(err)
	spans, _, err := d.Messages.Spans(d.ctx, []chat.Span{{Room: d.room, From: seq, To: seq}}, 1000)
	d.ok(err)
	states, err := d.Changes.States(d.ctx, d.room, []chat.Seq{seq})
	d.ok(err)
	after := seq - 1
	page, err := d.Messages.History(d.ctx, chat.HistoryQuery{Room: d.room, User: user, After: &after, Limit: 1})
	d.ok(err)
	for way, ms := range map[string][]chat.Message{
		"one": {one}, "span": span, "spans": spans, "states": states, "page": page.Messages,
	} {
		if len(ms) != 1 || looks(ms[0]) != want {
			d.Errorf("%s: %v, want %s", way, ms, want)
		} else if looks(ms[0]) != looks(one) {
			d.Errorf("%s: %s", way, looks(ms[0]))
		}
	}
	if page.Changes != d.member(d.room, user).Room.Changes {
		d.Errorf("the page has change_seq %d", page.Changes)
	}
}

func edits(t *trial) {
	u := t.users(3)
	d := t.desk(u...)
	t.say(d.room, u[1], "a", "b")
	before := d.member(d.room, u[1])
	t.same("edit", d.edit(u[1], 2, "one"), "1 v2")
	t.same("the same again", d.edit(u[1], 2, "one"), "1 v2 as it was")
	t.same("a message that never changed", d.edit(u[1], 3, "text of b"), "0 v1 as it was")
	t.same("edit", d.edit(u[1], 2, "two"), "2 v3")
	t.same("only its version", told(d.ask(u[1], 2, chat.Change{Kind: chat.ChangeEdit, Content: text("x"), IfVersion: 2})), "version_conflict")
	t.same("its version", told(d.ask(u[1], 2, chat.Change{Kind: chat.ChangeEdit, Content: text("three"), IfVersion: 3})), "3 v4")
	d.shows(u[0], 2, "2 text %q #3 v4", "three")
	d.shows(u[0], 3, "3 text %q", "text of b")
	t.same("data", told(d.ask(u[1], 2, chat.Change{Kind: chat.ChangeEdit, Content: text(""), Data: text(`{"a":1}`)})), "4 v5")
	d.shows(u[0], 2, `2 custom "" {"a":1} #4 v5`)
	t.same("nothing left", told(d.ask(u[1], 2, chat.Change{Kind: chat.ChangeEdit, Data: text("")})), "invalid")
	t.same("a text beside it", d.edit(u[1], 2, "four"), "5 v6")
	t.same("without data", told(d.ask(u[1], 2, chat.Change{Kind: chat.ChangeEdit, Data: text("")})), "6 v7")
	d.shows(u[0], 2, "2 text %q #6 v7", "four")

	after := d.member(d.room, u[1])
	if after.Room.LastSeq != before.Room.LastSeq || after.Room.MsgCount != before.Room.MsgCount || after.Member != before.Member || after.Room.Changes != 6 {
		t.Errorf("changes move %+v to %+v", before, after)
	}
	vs, err := t.Views.Versions(t.ctx, d.room, u[1], 2)
	t.ok(err)
	var got []string
	for i, v := range vs {
		got = append(got, fmt.Sprint(v.Version, " ", v.Content, v.Data))
		if i > 0 && v.At.After(vs[i-1].At) {
			t.Errorf("version %d is newer than %d", v.Version, vs[i-1].Version)
		}
	}
	t.same("versions", got, []string{`6 four{"a":1}`, `5 {"a":1}`, "4 three", "3 two", "2 one", "1 text of a"})
	if vs, err = t.Views.Versions(t.ctx, d.room, u[0], 3); err != nil || len(vs) != 0 {
		t.Errorf("versions of what never changed: %v, %v", vs, err)
	}
	_, err = t.Views.Versions(t.ctx, d.room, u[2], 2)
	t.fails(err, chat.Forbidden)
	_, err = t.Views.Versions(t.ctx, d.room, t.user(), 2)
	t.fails(err, chat.NotFound)
}

func askedOnce(t *trial) {
	u := t.users(3)
	d := t.desk(u[:2]...)
	t.say(d.room, u[1], "a")
	edit := chat.Change{ID: "e", Kind: chat.ChangeEdit, Content: text("one")}
	t.same("edit", told(d.ask(u[1], 2, edit)), "1 v2")
	t.same("its like", told(d.ask(u[1], 2, chat.Change{ID: "same", Kind: chat.ChangeEdit, Content: text("one")})), "1 v2 as it was")
	t.same("edit", d.edit(u[1], 2, "two"), "2 v3")
	again := d.ask(u[1], 2, edit)
	t.same("again", told(again), "1 v2 again")
	t.same("its message", looks(again.Message), `2 text "two" #2 v3`)
	t.same("its like, again", told(d.ask(u[1], 2, chat.Change{ID: "same", Kind: chat.ChangeEdit, Content: text("one")})), "1 v2 again as it was")
	for name, other := range map[string]chat.Change{
		"content": {Kind: chat.ChangeEdit, Content: text("other")}, "kind": {Kind: chat.ChangeRecall},
		"data": {Kind: chat.ChangeEdit, Content: text("one"), Data: text("")}, "version": {Kind: chat.ChangeEdit, Content: text("one"), IfVersion: 3},
	} {
		other.ID = "e"
		if got := told(d.ask(u[1], 2, other)); got != "idempotency_conflict" {
			t.Errorf("another %s under the same id: %s", name, got)
		}
	}
	t.same("another's id", told(d.ask(u[0], 2, chat.Change{ID: "e", Kind: chat.ChangeReaction, Key: "+", On: true})), "3 v3")
	t.same("another case", told(d.ask(u[1], 2, chat.Change{ID: "E", Kind: chat.ChangeReaction, Key: "+", On: true})), "4 v3")

	// What was done is confirmed to who has left, was muted, or isn't there; what was refused is judged anew.
	t.same("too early", told(d.ask(u[2], 2, chat.Change{ID: "x", Kind: chat.ChangeReaction, Key: "+", On: true})), "not_found")
	_, err := t.Members.AddMembers(t.ctx, d.room, u[0], u[2:])
	t.ok(err)
	t.say(d.room, u[0], "b") // 4
	t.same("of another message", told(d.ask(u[2], 4, chat.Change{ID: "x", Kind: chat.ChangeReaction, Key: "+", On: true})), "5 v1")
	t.ok(t.Members.RemoveMember(t.ctx, d.room, u[0], u[1]))
	t.same("after leaving", told(d.ask(u[1], 2, edit)), "1 v2 again")
	t.same("something new after leaving", d.edit(u[1], 2, "three"), "not_found")
	t.same("after all", d.member(d.room, u[0]).Room.Changes, 5)
}

func recalls(t *trial) {
	u := t.users(3)
	d := t.desk(u...)
	in := send(d.room, u[1], "a")
	in.Data, in.ReplyTo = `{"a":1}`, 1
	_, _, err := t.Messages.Append(t.ctx, []chat.Send{in}, time.Now())
	t.ok(err)
	t.same("edit", d.edit(u[1], 2, "one"), "1 v2")
	t.same("reaction", d.react(u[2], 2, "+", true), "2 v2")
	t.same("pin", d.pin(u[0], 2, true), "3 v2")
	t.same("recall", d.recall(u[0], 2), "4 v2")
	d.shows(u[2], 2, `2 text "" to 1 #4 v2 recalled by %d pinned by %d`, u[0], u[0])
	t.same("recall again", d.recall(u[1], 2), "4 v2 as it was")
	t.same("edit", d.edit(u[1], 2, "two"), "conflict")
	t.same("reaction", d.react(u[2], 2, "+", true), "conflict")
	t.same("reaction taken back", d.react(u[2], 2, "+", false), "conflict")
	t.same("pin", d.pin(u[0], 2, true), "conflict")
	t.same("unpin", d.pin(u[0], 2, false), "5 v2")
	if vs, err := t.Views.Versions(t.ctx, d.room, u[1], 2); err != nil || len(vs) != 0 {
		t.Errorf("versions after a recall: %v, %v", vs, err)
	}
	rs, _, err := t.Views.Reactors(t.ctx, chat.ReactorsQuery{Room: d.room, User: u[0], Seq: 2, Key: "+"})
	t.ok(err)
	own, err := t.Views.MyReactions(t.ctx, d.room, u[2], 1, 10)
	t.ok(err)
	t.same("reactions", len(rs)+len(own), 0)

	// A retry finds the message and doesn't bring it back.
	sent, _, err := t.Messages.Append(t.ctx, []chat.Send{in}, time.Now())
	t.ok(err)
	if !sent[0].Duplicate || looks(sent[0].Message) != fmt.Sprintf(`2 text "" to 1 #5 v2 recalled by %d`, u[0]) {
		t.Errorf("the retry of a recalled message: %+v, %s", sent[0], looks(sent[0].Message))
	}
	posted, err := t.Messages.Post(t.ctx, in, time.Now())
	t.ok(err)
	t.same("by REST", looks(posted.Message), looks(sent[0].Message))
	in.Content = ""
	sent, _, err = t.Messages.Append(t.ctx, []chat.Send{in}, time.Now())
	t.ok(err)
	t.same("what it looks like now isn't what was sent", answers(sent), []string{"idempotency_conflict"})
	ms, _, err := t.Lists.RoomList(t.ctx, u[2], "", 10)
	t.ok(err)
	t.same("in the list", looks(*ms[0].Last), looks(posted.Message))
}

func recalledUnread(t *trial) {
	u := t.users(4)
	d := t.desk(u[:3]...)
	t.say(d.room, u[0], "a", "b", "c") // 2 3 4
	_, err := t.Messages.MarkRead(t.ctx, []chat.ReadMark{{Room: d.room, User: u[1], Seq: 3}})
	t.ok(err)
	// unread compares all that counts.
	unread := func(user chat.UserID, want uint64) {
		t.Helper()
		m := d.member(d.room, user)
		stands, err := t.Standing.MembershipsOf(t.ctx, []chat.UserID{user}, 10)
		t.ok(err)
		places, err := t.Standing.Places(t.ctx, []chat.Place{{Room: d.room, User: user}})
		t.ok(err)
		list, _, err := t.Lists.RoomList(t.ctx, user, "", 10)
		t.ok(err)
		view, err := t.Rooms.View(t.ctx, d.room, user)
		t.ok(err)
		_, per, err := t.Lists.Unread(t.ctx, user)
		t.ok(err)
		states, err := t.Messages.MarkRead(t.ctx, []chat.ReadMark{{Room: d.room, User: user, Seq: m.Member.ReadSeq}})
		t.ok(err)
		if _, listed := per[d.room]; listed != (want > 0) {
			t.Errorf("of %d: %v", user, per)
		}
		if states[0].Changes != m.Room.Changes || stands[user][0].Room.Changes != m.Room.Changes || list[0].Room.Changes != m.Room.Changes {
			t.Errorf("of %d: change_seq is %d, %d, %d beside the numbers, want %d", user, states[0].Changes, stands[user][0].Room.Changes,
				list[0].Room.Changes, m.Room.Changes)
		}
		got := []uint64{m.Unread(), stands[user][0].Unread(), places[chat.Place{Room: d.room, User: user}].Unread(), list[0].Unread(), view.Unread(), per[d.room], states[0].Unread}
		t.same(fmt.Sprint("unread of ", user), got, []uint64{want, want, want, want, want, want, want})
	}
	unread(u[1], 1)
	unread(u[2], 3)
	t.same("recall", d.recall(u[0], 3), "1 v1") // below the pointer of u[1]
	unread(u[0], 0)
	unread(u[1], 1)
	unread(u[2], 2)
	t.same("recall", d.recall(u[0], 4), "2 v1")
	unread(u[1], 0)
	unread(u[2], 1)
	t.say(d.room, u[1], "d")                                  // 5
	_, err = t.Members.AddMembers(t.ctx, d.room, u[0], u[3:]) // 6
	t.ok(err)
	unread(u[3], 0)
	t.same("recall of what is older than the join", d.recall(u[1], 5), "3 v1")
	unread(u[3], 0)
	unread(u[0], 0)
	unread(u[2], 1)
	t.say(d.room, u[0], "e") // 7
	unread(u[3], 1)
	states, err := t.Messages.MarkRead(t.ctx, []chat.ReadMark{{Room: d.room, User: u[2], Seq: 2}})
	t.ok(err)
	t.same("moved to below recalled ones", states[0].Unread, 1)
	unread(u[2], 1)
}

func reactions(t *trial) {
	u := t.users(3)
	d := t.desk(u...)
	t.say(d.room, u[0], "a", "b")
	t.same("first", d.react(u[1], 2, "b", true), "1 v1")
	t.same("there already", d.react(u[1], 2, "b", true), "1 v1 as it was")
	t.same("second", d.react(u[2], 2, "a", true), "2 v1")
	t.same("third", d.react(u[0], 2, "b", true), "3 v1")
	d.shows(u[2], 2, `2 text "text of a" #3 v1 b×2[%d %d] a×1[%d]`, u[1], u[0], u[2])
	t.same("not there", d.react(u[0], 2, "a", false), "3 v1 as it was")
	t.same("back", d.react(u[1], 2, "b", false), "4 v1")
	d.shows(u[2], 2, `2 text "text of a" #4 v1 b×1[%d] a×1[%d]`, u[0], u[2])
	t.same("the last", d.react(u[0], 2, "b", false), "5 v1")
	t.same("and again", d.react(u[1], 2, "b", true), "6 v1")
	d.shows(u[2], 2, `2 text "text of a" #6 v1 a×1[%d] b×1[%d]`, u[2], u[1])
	for i, key := range []string{"c", "d"} { // the limit is 4
		t.same("key", d.react(u[0], 2, key, true), fmt.Sprint(7+i, " v1"))
	}
	t.same("one too many", d.react(u[0], 2, "e", true), "limit_reached")
	t.same("one that is there", d.react(u[0], 2, "a", true), "9 v1")
	t.same("a last key", d.react(u[0], 2, "d", false), "10 v1")
	t.same("one that fits now", d.react(u[0], 2, "B", true), "11 v1") // case matters
	t.same("another message", d.react(u[0], 3, "x", true), "12 v1")
	own, err := t.Views.MyReactions(t.ctx, d.room, u[0], 0, 100)
	t.ok(err)
	t.same("own", own, "[{2 [B a c]} {3 [x]}]")
	own, err = t.Views.MyReactions(t.ctx, d.room, u[0], 3, 3)
	t.ok(err)
	t.same("own of a stretch", own, "[{3 [x]}]")
	_, err = t.Views.MyReactions(t.ctx, d.room, t.user(), 0, 100)
	t.fails(err, chat.NotFound)
}

func firstTen(t *trial) {
	u := t.users(10) // as many as a room may have
	d := &desk{trial: t, room: t.room(chat.Public, u...)}
	t.say(d.room, u[0], "a")
	for _, x := range u {
		d.react(x, 2, "+", true)
	}
	t.ok(t.Members.RemoveMember(t.ctx, d.room, u[0], u[9]))
	late := t.user()
	_, err := t.Members.AddMembers(t.ctx, d.room, late, []chat.UserID{late})
	t.ok(err)
	t.same("the eleventh", d.react(late, 2, "+", true), "11 v1")
	d.shows(late, 2, `2 text "text of a" #11 v1 +×11%v`, u)
	t.same("the first takes it back", d.react(u[0], 2, "+", false), "12 v1")
	ten := append(append([]chat.UserID{}, u[1:]...), late)
	d.shows(late, 2, `2 text "text of a" #12 v1 +×10%v`, ten)
	t.same("and comes again", d.react(u[0], 2, "+", true), "13 v1")
	d.shows(late, 2, `2 text "text of a" #13 v1 +×11%v`, ten)
	t.same("one who isn't shown takes it back", d.react(u[0], 2, "+", false), "14 v1")
	d.shows(late, 2, `2 text "text of a" #14 v1 +×10%v`, ten)

	rs, next, err := t.Views.Reactors(t.ctx, chat.ReactorsQuery{Room: d.room, User: u[1], Seq: 2, Key: "+", Limit: 7})
	t.ok(err)
	more, end, err := t.Views.Reactors(t.ctx, chat.ReactorsQuery{Room: d.room, User: u[1], Seq: 2, Key: "+", Limit: 7, Cursor: next})
	t.ok(err)
	var all []chat.UserID
	for _, r := range append(rs, more...) {
		if all = append(all, r.User); r.At.IsZero() {
			t.Error("a reaction without a time")
		}
	}
	t.same("reactors", fmt.Sprint(len(rs), next != "", all, end == ""), fmt.Sprint(7, true, ten, true))
	_, _, err = t.Views.Reactors(t.ctx, chat.ReactorsQuery{Room: d.room, User: u[1], Seq: 2, Key: "+", Cursor: "x"})
	t.fails(err, chat.Invalid)
	_, _, err = t.Views.Reactors(t.ctx, chat.ReactorsQuery{Room: d.room, User: u[1], Seq: 3, Key: "+"})
	t.ok(err)
	_, _, err = t.Views.Reactors(t.ctx, chat.ReactorsQuery{Room: d.room, User: u[9], Seq: 4, Key: "+"})
	t.fails(err, chat.NotFound) // that is after they left
	rs, next, err = t.Views.Reactors(t.ctx, chat.ReactorsQuery{Room: d.room, User: u[1], Seq: 2, Key: "none"})
	t.ok(err)
	t.same("of a key that nobody set", fmt.Sprint(len(rs), next), "0")
}

func pins(t *trial) {
	u := t.users(3)
	d := t.desk(u[:2]...)
	t.say(d.room, u[1], "a", "b", "c", "d") // 2 3 4 5
	t.same("a member's", d.pin(u[1], 2, true), "forbidden")
	for i, seq := range []chat.Seq{4, 2, 3} { // the limit is 3
		t.same("pin", d.pin(u[0], seq, true), fmt.Sprint(i+1, " v1"))
	}
	t.same("pinned already", d.pin(u[0], 4, true), "1 v1 as it was")
	t.same("one too many", d.pin(u[0], 5, true), "limit_reached")
	d.shows(u[1], 4, `4 text "text of c" #1 v1 pinned by %d`, u[0])
	t.same("unpin", d.pin(u[0], 4, false), "4 v1")
	t.same("not pinned", d.pin(u[0], 4, false), "4 v1 as it was")
	t.same("one that fits now", d.pin(u[0], 5, true), "5 v1")
	t.same("unpin", d.pin(u[0], 2, false), "6 v1")
	t.same("and again", d.pin(u[0], 2, true), "7 v1")
	pinned := func(user chat.UserID) string {
		t.Helper()
		ms, err := t.Views.Pins(t.ctx, d.room, user)
		t.ok(err)
		return seqs(ms)
	}
	t.same("pins", pinned(u[1]), "2 5 3")
	_, err := t.Views.Pins(t.ctx, d.room, u[2])
	t.fails(err, chat.NotFound)
	_, err = t.Members.AddMembers(t.ctx, d.room, u[0], u[2:]) // 6
	t.ok(err)
	t.same("of who joined later", pinned(u[2]), "")
	direct, _, err := t.Rooms.DirectRoom(t.ctx, u[1], u[2])
	t.ok(err)
	d.room = direct.Room.ID
	t.say(d.room, u[1], "a") // 1 or 2, behind what began the room
	last := d.member(d.room, u[1]).Room.LastSeq
	t.same("the other one's, direct", d.pin(u[2], last, true), "1 v1")
}
