package storetest

import (
	"fmt"
	"time"

	"chat-service/internal/chat"
)

func whoMayChange(t *trial) {
	u := t.users(4)
	d := t.desk(u[:3]...)
	t.say(d.room, u[1], "a") // 2
	for name, c := range map[string]struct {
		user chat.UserID
		seq  chat.Seq
		want string
	}{
		"a stranger": {u[3], 2, "not_found"}, "a seq that isn't there": {u[1], 3, "not_found"}, "no seq": {u[1], 0, "not_found"},
		"a huge seq": {u[1], chat.MaxID, "not_found"}, "a system message": {u[0], 1, "forbidden"},
	} {
		t.same(name+" edits", d.edit(c.user, c.seq, "x"), c.want)
		t.same(name+" recalls", d.recall(c.user, c.seq), c.want)
		t.same(name+" reacts", d.react(c.user, c.seq, "+", true), c.want)
		t.same(name+" pins", d.pin(c.user, c.seq, true), c.want)
	}
	t.same("the owner edits", d.edit(u[0], 2, "x"), "forbidden")
	t.same("another recalls", d.recall(u[2], 2), "forbidden")
	t.same("a kind that nobody asks for", told(d.ask(u[0], 2, chat.Change{Kind: chat.ChangeErase})), "invalid")
	room := d.room
	d.room = 1 << 40
	done, heads, err := d.Changes.Apply(t.ctx, []chat.Change{{Room: d.room, Seq: 1, User: u[0], ID: "c", Kind: chat.ChangeRecall}}, time.Now())
	t.ok(err)
	t.same("no room", fmt.Sprint(told(done[0]), " ", len(heads)), "not_found 0")
	d.room = room

	t.ok(t.Sessions.OpenSession(t.ctx, chat.NewSession{
		Session: chat.Session{ID: chat.SessionID(unique("s")), User: u[1], ExpiresAt: time.Now().Add(time.Hour)}, Until: time.Now().Add(time.Hour),
		RefreshHash: [32]byte{1, byte(u[1]), byte(u[1] >> 8), byte(u[1] >> 16)},
	}))
	ss, err := t.Sessions.Sessions(t.ctx, u[1])
	t.ok(err)
	t.ok(t.Sessions.RevokeSession(t.ctx, u[1], ss[0].ID))
	c := chat.Change{Room: room, Seq: 2, User: u[1], Session: ss[0].ID, ID: "ended", Kind: chat.ChangeRecall}
	done, _, err = d.Changes.Apply(t.ctx, []chat.Change{c}, time.Now())
	t.ok(err)
	t.same("a session that has ended", told(done[0]), "unauthenticated")

	_, err = t.Members.Mute(t.ctx, room, u[0], u[1], time.Now().Add(time.Hour)) // a system message: 3
	t.ok(err)
	t.same("the owner reacts", d.react(u[0], 2, "+", true), "1 v1")
	t.same("a muted one edits", d.edit(u[1], 2, "x"), "muted")
	t.same("a muted one reacts", d.react(u[1], 2, "+", true), "muted")
	t.same("a muted one takes a reaction back", d.react(u[1], 2, "+", false), "1 v1 as it was")
	t.same("a muted one recalls", d.recall(u[1], 2), "2 v1")
	t.ok(t.Rooms.Dissolve(t.ctx, room, u[0]))
	t.same("a room that is gone", d.pin(u[0], 2, true), "not_found")
	_, err = t.Changes.PostChange(t.ctx, chat.Change{Room: room, Seq: 2, User: u[0], ID: "gone", Kind: chat.ChangeRecall}, time.Now())
	t.ok(err)
}

func changeWindows(t *trial) {
	u := t.users(3)
	d := t.desk(u[:2]...)
	t.say(d.room, u[1], "a", "b") // 2 3
	sent, err := t.Views.One(t.ctx, d.room, u[1], 2)
	t.ok(err)
	at := func(after time.Duration, c chat.Change) string {
		t.Helper()
		d.n++
		c.Room, c.User, c.ID = d.room, u[1], fmt.Sprint("w", d.n)
		done, _, err := t.Changes.Apply(t.ctx, []chat.Change{c}, sent.CreatedAt.Add(after))
		t.ok(err)
		return told(done[0])
	}
	day := chat.DefaultLimits().EditWindow
	t.same("edit at the end of the window", at(day, chat.Change{Seq: 2, Kind: chat.ChangeEdit, Content: text("x")}), "1 v2")
	t.same("edit after it", at(day+time.Millisecond, chat.Change{Seq: 2, Kind: chat.ChangeEdit, Content: text("y")}), "forbidden")
	t.same("recall, which has no window", at(100*day, chat.Change{Seq: 2, Kind: chat.ChangeRecall}), "2 v2")

	// Who joins later, or left, changes only what they see; who left nothing.
	_, err = t.Members.AddMembers(t.ctx, d.room, u[0], u[2:]) // 4
	t.ok(err)
	t.say(d.room, u[1], "c") // 5
	t.same("of what is older than the join", d.react(u[2], 3, "+", true), "not_found")
	t.same("of what isn't", d.react(u[2], 5, "+", true), "3 v1")
	id := fmt.Sprint("c", d.n)
	_, err = t.Views.One(t.ctx, d.room, u[2], 3)
	t.fails(err, chat.NotFound)
	t.ok(t.Members.RemoveMember(t.ctx, d.room, u[0], u[2])) // 6
	t.same("after leaving", d.react(u[2], 5, "-", true), "not_found")
	t.same("recall", d.recall(u[1], 5), "4 v1")
	d.shows(u[2], 5, `5 text "" #4 v1 recalled by %d`, u[1])
	_, err = t.Views.Versions(t.ctx, d.room, u[2], 5)
	t.fails(err, chat.Forbidden)

	// A retry by REST of somebody who came back and no longer sees the message tells them nothing of it.
	again := chat.Change{Room: d.room, Seq: 5, User: u[2], Session: "s", ID: id, Kind: chat.ChangeReaction, Key: "+", On: true}
	posted, err := t.Changes.PostChange(t.ctx, again, time.Now())
	t.ok(err)
	t.same("a retry after leaving", told(posted), "3 v1 again")
	_, err = t.Members.AddMembers(t.ctx, d.room, u[0], u[2:]) // 7
	t.ok(err)
	posted, err = t.Changes.PostChange(t.ctx, again, time.Now())
	t.ok(err)
	t.same("a retry after coming back", told(posted), "not_found")
}

// seqsOf renders messages as "seq#change_seq …".
func changesOf(ms []chat.Message) (out string) {
	for _, m := range ms {
		out += fmt.Sprintf("%d#%d ", m.Seq, m.ChangeSeq())
	}
	return out
}

func changedSince(t *trial) {
	u := t.users(2)
	d := t.desk(u...)
	t.say(d.room, u[0], "a", "b", "c", "d", "e") // 2 … 6
	since := func(since chat.ChangeSeq, from, to chat.Seq, limit, most int) string {
		t.Helper()
		p, err := t.Changes.ChangedSince(t.ctx, chat.ChangesQuery{Room: d.room, Since: since, From: from, To: to, Limit: limit, Most: most})
		t.ok(err)
		if p.Epoch != 1 {
			t.Errorf("epoch %d", p.Epoch)
		}
		for _, m := range p.Messages {
			one, err := t.Views.One(t.ctx, d.room, u[0], m.Seq)
			t.ok(err)
			t.same("a changed message", looks(m), looks(one))
		}
		return fmt.Sprint(changesOf(p.Messages), p.Covered, p.More, p.Resync)
	}
	t.same("nothing changed", since(0, 1, 0, 10, 10), "0 false false")
	d.edit(u[0], 4, "one")       // 1
	d.react(u[1], 2, "+", true)  // 2
	d.edit(u[0], 4, "two")       // 3
	d.recall(u[0], 6)            // 4
	d.edit(u[0], 3, "three")     // 5
	d.react(u[1], 2, "+", false) // 6
	d.edit(u[0], 3, "three")     // changes nothing
	t.same("from the start", since(0, 1, 0, 10, 10), "4#3 6#4 3#5 2#6 6 false false")
	t.same("from the middle", since(3, 1, 0, 10, 10), "6#4 3#5 2#6 6 false false")
	t.same("up to date", since(6, 1, 0, 10, 10), "6 false false")
	t.same("from a seq on", since(0, 4, 0, 10, 10), "4#3 6#4 6 false false")
	t.same("to a seq", since(0, 3, 4, 10, 10), "4#3 3#5 6 false false")
	t.same("more than the limit", since(0, 1, 0, 2, 10), "4#3 6#4 4 true false")
	t.same("the rest", since(4, 1, 0, 2, 10), "3#5 2#6 6 false false")
	t.same("as many as may be", since(0, 1, 0, 2, 4), "4#3 6#4 4 true false")
	t.same("more than may be", since(0, 5, 0, 2, 3), "6 false true")
	t.same("from beyond the room", since(7, 1, 0, 10, 10), "6 false true")
	t.same("no bound", since(0, 1, 0, 10, 0), "4#3 6#4 3#5 2#6 6 false false")
	for bytes, want := range map[int]string{1: "4#3 3 true false", 3: "4#3 3 true false", 4: "4#3 6#4 3#5 5 true false", 1000: "4#3 6#4 3#5 2#6 6 false false"} {
		p, err := t.Changes.ChangedSince(t.ctx, chat.ChangesQuery{Room: d.room, From: 1, Limit: 10, Bytes: bytes}) // 4: "two", 6: "", 3: "three"
		t.ok(err)
		t.same(fmt.Sprint("of ", bytes, " bytes"), fmt.Sprint(changesOf(p.Messages), p.Covered, p.More, p.Resync), want)
	}
	_, err := t.Changes.ChangedSince(t.ctx, chat.ChangesQuery{Room: 1 << 40, Limit: 10})
	t.fails(err, chat.NotFound)

	// How far the room has come is said by all that reads it.
	rs, err := t.Standing.Rooms(t.ctx, []chat.RoomID{d.room})
	t.ok(err)
	active, err := t.Standing.ActiveRooms(t.ctx, d.room.Partition(t.Partitions), time.Now().Add(-time.Hour), 1000)
	t.ok(err)
	_, heads, err := t.Messages.Append(t.ctx, []chat.Send{send(d.room, u[0], "f")}, time.Now())
	t.ok(err)
	seen := []chat.ChangeSeq{rs[0].Changes, heads[0].Changes}
	for _, h := range active {
		if h.Room == d.room {
			seen = append(seen, h.Changes)
		}
	}
	t.same("change_seq", seen, "[6 6 6]")
	ms, err := t.Changes.States(t.ctx, d.room, []chat.Seq{4, 2, 99, 2, 1})
	t.ok(err)
	t.same("states", changesOf(ms), "1#0 2#6 4#3 ")
}

func batchSeesItself(t *trial) {
	u := t.users(2)
	d := t.desk(u...)
	other := t.room(chat.Private, u...)
	t.say(d.room, u[0], "a", "b") // 2 3
	t.say(other, u[1], "a")       // 2
	change := func(room chat.RoomID, seq chat.Seq, user chat.UserID, id string, c chat.Change) chat.Change {
		c.Room, c.Seq, c.User, c.ID = room, seq, user, id
		return c
	}
	react := func(on bool) chat.Change { return chat.Change{Kind: chat.ChangeReaction, Key: "+", On: on} }
	edit := func(content string) chat.Change { return chat.Change{Kind: chat.ChangeEdit, Content: &content} }
	recall := chat.Change{Kind: chat.ChangeRecall}
	batch := []chat.Change{
		change(d.room, 2, u[0], "1", edit("one")), change(other, 2, u[1], "1", edit("one")), change(d.room, 2, u[0], "2", edit("two")),
		change(d.room, 2, u[0], "1", edit("one")), change(d.room, 2, u[0], "1", edit("other")), change(d.room, 2, u[1], "3", edit("x")),
		change(d.room, 3, u[1], "4", react(true)), change(d.room, 3, u[1], "5", react(false)), change(d.room, 3, u[1], "6", react(true)),
		change(d.room, 3, u[0], "7", react(true)), change(d.room, 3, u[0], "8", react(false)),
		change(other, 2, u[0], "2", react(true)), change(other, 2, u[1], "2", recall), change(other, 2, u[0], "3", react(true)),
		change(d.room, 2, u[0], "9", chat.Change{Kind: chat.ChangePin, On: true}), change(d.room, 2, u[0], "10", chat.Change{Kind: chat.ChangePin}),
		change(d.room, 2, u[0], "11", chat.Change{Kind: chat.ChangePin, On: true}),
	}
	want := []string{
		"1 v2", "1 v2", "2 v3", "1 v2 again", "idempotency_conflict", "forbidden", "3 v1", "4 v1", "5 v1", "6 v1", "7 v1",
		"2 v2", "3 v2", "conflict", "8 v3", "9 v3", "10 v3",
	}
	got := func() (out []string) {
		t.Helper()
		done, heads, err := t.Changes.Apply(t.ctx, batch, time.Now())
		t.ok(err)
		t.same("heads", len(heads), 2)
		for _, x := range done {
			out = append(out, told(x))
		}
		if looks(done[0].Message) != `2 text "one" #1 v2` || looks(done[2].Message) != `2 text "two" #2 v3` {
			t.Errorf("answers share a message: %s, %s", looks(done[0].Message), looks(done[2].Message))
		}
		if looks(done[9].Message) != fmt.Sprintf(`3 text "text of b" #6 v1 +×2[%d %d]`, u[1], u[0]) {
			t.Errorf("answers share reactions: %s", looks(done[9].Message))
		}
		return out
	}
	t.same("answers", got(), want)
	d.shows(u[1], 2, `2 text "two" #10 v3 pinned by %d`, u[0])
	d.shows(u[1], 3, `3 text "text of b" #7 v1 +×1[%d]`, u[1])
	vs, err := t.Views.Versions(t.ctx, d.room, u[0], 2)
	t.ok(err)
	t.same("versions", len(vs), 2)
	d.room = other
	d.shows(u[1], 2, `2 text "" #3 v2 recalled by %d`, u[1])
	if vs, err = t.Views.Versions(t.ctx, other, u[1], 2); err != nil || len(vs) != 0 {
		t.Errorf("versions: %v, %v", vs, err)
	}
	own, err := t.Views.MyReactions(t.ctx, other, u[0], 1, 9)
	t.ok(err)
	t.same("reactions to what was recalled", len(own), 0)
	done, heads, err := t.Changes.Apply(t.ctx, nil, time.Now())
	t.same("nothing", fmt.Sprint(done, heads, err), "[] [] <nil>")
}

func postedChanges(t *trial) {
	u := t.users(2)
	d := t.desk(u...)
	t.say(d.room, u[1], "a") // 2
	post := func(id string, c chat.Change) string {
		t.Helper()
		c.Room, c.Seq, c.User, c.Session, c.ID = d.room, 2, u[1], "s", id
		x, err := t.Changes.PostChange(t.ctx, c, time.Now())
		t.ok(err)
		if x.Err == nil {
			d.shows(u[0], 2, "%s", looks(x.Message))
		}
		return told(x)
	}
	t.same("edit", post("a", chat.Change{Kind: chat.ChangeEdit, Content: text("one")}), "1 v2")
	t.same("again", post("a", chat.Change{Kind: chat.ChangeEdit, Content: text("one")}), "1 v2 again")
	t.same("no change", post("b", chat.Change{Kind: chat.ChangeEdit, Content: text("one")}), "1 v2 as it was")
	t.same("another body", post("a", chat.Change{Kind: chat.ChangeEdit, Content: text("two")}), "idempotency_conflict")
	t.same("reaction", post("c", chat.Change{Kind: chat.ChangeReaction, Key: "+", On: true}), "2 v2")
	t.same("pin", post("d", chat.Change{Kind: chat.ChangePin, On: true}), "forbidden")
	t.same("recall", post("e", chat.Change{Kind: chat.ChangeRecall}), "3 v2")
	_, err := t.Changes.PostChange(t.ctx, chat.Change{Room: d.room, Seq: 9, User: u[1], ID: "f", Kind: chat.ChangeRecall}, time.Now())
	t.ok(err)

	// What changed something is announced, once, without what was written.
	var got []string
	for _, an := range t.announced(d.room) {
		if an.Changed == nil {
			continue // how the room began
		}
		x := *an.Changed
		if x.Change.User != u[1] || x.Change.Session != "s" || x.Change.Content != nil || x.Message.Seq != 0 || x.AtSeq != 2 || x.Prev != x.ChangeSeq-1 {
			t.Errorf("announced: %+v", x)
		}
		got = append(got, fmt.Sprint(x.Change.ID, " ", x.Change.Kind, x.Change.Key, x.Change.On, " of ", x.Change.Seq, ": ", told(x)))
	}
	t.same("announced", got, []string{"a editfalse of 2: 1 v2", "c reaction+true of 2: 2 v2", "e recallfalse of 2: 3 v2"})
	posted, err := t.Messages.Post(t.ctx, chat.Send{Room: d.room, Sender: u[0], ClientMsgID: "data", Data: `{"a":1}`, ReplyTo: 2}, time.Now())
	t.ok(err)
	if ans := t.announced(d.room); len(ans) != 1 || looks(*ans[0].Message) != looks(posted.Message) || ans[0].Room.Changes != 3 {
		t.Errorf("announced: %+v", ans)
	}
}

func dataAndReplies(t *trial) {
	u := t.users(2)
	d := t.desk(u[:1]...)
	say := func(user chat.UserID, id, content, data string, to chat.Seq) string {
		t.Helper()
		s := chat.Send{Room: d.room, Sender: user, Session: "s", ClientMsgID: id, Content: content, Data: data, ReplyTo: to}
		sent, _, err := t.Messages.Append(t.ctx, []chat.Send{s}, time.Now())
		t.ok(err)
		return fmt.Sprint(answers(sent))
	}
	t.same("data alone", say(u[0], "a", "", `{"a":1}`, 0), "[2]")
	t.same("data and a text", say(u[0], "b", "text", `{"a":1}`, 2), "[3]")
	d.shows(u[0], 2, `2 custom "" {"a":1}`)
	d.shows(u[0], 3, `3 text "text" {"a":1} to 2`)
	t.same("again", say(u[0], "b", "text", `{"a":1}`, 2), "[3 dup]")
	t.same("other data", say(u[0], "b", "text", `{"a":2}`, 2), "[idempotency_conflict]")
	t.same("without data", say(u[0], "b", "text", "", 2), "[idempotency_conflict]")
	t.same("another reply", say(u[0], "b", "text", `{"a":1}`, 1), "[idempotency_conflict]")
	t.same("a reply to itself", say(u[0], "c", "text", "", 4), "[invalid]")
	t.same("a reply to the last", say(u[0], "c", "text", "", 3), "[4]")
	_, err := t.Members.AddMembers(t.ctx, d.room, u[0], u[1:]) // 5
	t.ok(err)
	t.same("a reply to what one can't see", say(u[1], "a", "text", "", 4), "[invalid]")
	t.same("a reply to the first that one can", say(u[1], "a", "text", "", 5), "[6]")
	posted, err := t.Messages.Post(t.ctx, chat.Send{Room: d.room, Sender: u[1], ClientMsgID: "b", Data: "{}", ReplyTo: 6}, time.Now())
	t.ok(err)
	t.same("by REST", looks(posted.Message), `7 custom "" {} to 6`)
	posted, err = t.Messages.Post(t.ctx, chat.Send{Room: d.room, Sender: u[1], ClientMsgID: "c", Data: "{}", ReplyTo: 8}, time.Now())
	t.ok(err)
	t.same("by REST, to what isn't there", posted.Err.Kind, chat.Invalid)
	ms, _, err := t.Lists.RoomList(t.ctx, u[0], "", 1)
	t.ok(err)
	t.same("in the list", looks(*ms[0].Last), `7 custom "" {} to 6`)
	t.same("unread", ms[0].Unread(), 2)
}
