package storetest

import (
	"fmt"
	"time"

	"chat-service/internal/chat"
)

func readingRules() []rule {
	return []rule{
		{"read/clamped, never back, merged", readPointers},
		{"read/announced when it moved", readAnnounced},
		{"history/stretches", historyStretches},
		{"history/windows", historyWindows},
		{"messages/spans", spans},
		{"standing/places", places},
	}
}

func readPointers(t *trial) {
	u := t.users(3)
	room := t.room(chat.Private, u[:2]...)
	t.say(room, u[0], "a", "b", "c") // 2 3 4
	mark := func(user chat.UserID, seqs ...chat.Seq) []chat.ReadState {
		t.Helper()
		var marks []chat.ReadMark
		for _, seq := range seqs {
			marks = append(marks, chat.ReadMark{Room: room, User: user, Seq: seq})
		}
		states, err := t.Messages.MarkRead(t.ctx, marks)
		t.ok(err)
		return states
	}
	is := func(s chat.ReadState, seq chat.Seq, unread uint64, moved bool) {
		t.Helper()
		if s.Err != nil || s.Room != room || s.ReadSeq != seq || s.Unread != unread || s.Moved != moved {
			t.Errorf("state is %+v, want seq %d, unread %d, moved %v", s, seq, unread, moved)
		}
	}
	is(mark(u[1], 2)[0], 2, 2, true)
	is(mark(u[1], 1)[0], 2, 2, false)
	both := mark(u[1], 3, 2)
	is(both[0], 3, 1, true)
	is(both[1], 3, 1, true)
	is(mark(u[1], 1<<40)[0], 4, 0, true)
	if s := mark(u[2], 2)[0]; s.Err == nil || s.Err.Kind != chat.NotFound || s.User != u[2] {
		t.Errorf("a stranger's mark: %+v", s)
	}
	_, err := t.Members.AddMembers(t.ctx, room, u[0], u[2:]) // 5: sees from there on
	t.ok(err)
	is(mark(u[2], 3)[0], 5, 0, false)
	t.ok(t.Members.RemoveMember(t.ctx, room, u[1], u[1]))
	if s := mark(u[1], 5)[0]; s.Err == nil || s.Err.Kind != chat.NotFound {
		t.Errorf("the mark of one who has left: %+v", s)
	}
	if states, err := t.Messages.MarkRead(t.ctx, nil); err != nil || len(states) != 0 {
		t.Error(states, err)
	}
}

func readAnnounced(t *trial) {
	u := t.users(3)
	room := t.room(chat.Private, u[:2]...)
	t.say(room, u[0], "a")
	t.announced(room)
	for range 2 {
		s, err := t.Messages.ReadAndTell(t.ctx, chat.ReadMark{Room: room, User: u[1], Seq: 2})
		if err != nil || s.ReadSeq != 2 || s.Unread != 0 {
			t.Error(s, err)
		}
	}
	_, err := t.Messages.ReadAndTell(t.ctx, chat.ReadMark{Room: room, User: u[2], Seq: 2})
	t.fails(err, chat.NotFound)
	ans := t.announced(room)
	if len(ans) != 1 || ans[0].Read == nil || ans[0].Read.User != u[1] || ans[0].Read.ReadSeq != 2 {
		t.Errorf("announced: %+v", ans)
	}
}

func at(seq chat.Seq) *chat.Seq { return &seq }

func historyStretches(t *trial) {
	u := t.users(2)
	room := t.room(chat.Private, u[0])
	t.say(room, u[0], "a", "b", "c", "d", "e", "f", "g", "h", "i") // 2 … 10
	for _, c := range []struct {
		q    chat.HistoryQuery
		want string
		more bool
	}{
		{chat.HistoryQuery{}, "1 2 3 4 5 6 7 8 9 10", false},
		{chat.HistoryQuery{PageSize: 3}, "8 9 10", true},
		{chat.HistoryQuery{Page: 3, PageSize: 3}, "2 3 4", true},
		{chat.HistoryQuery{Page: 4, PageSize: 3}, "1", false},
		{chat.HistoryQuery{Page: 5, PageSize: 3}, "", false},
		{chat.HistoryQuery{Page: 1 << 40, PageSize: 1 << 40}, "", false},
		{chat.HistoryQuery{Before: at(4), Limit: 2}, "2 3", true},
		{chat.HistoryQuery{Before: at(3), Limit: 2}, "1 2", false},
		{chat.HistoryQuery{Before: at(1), Limit: 2}, "", false},
		{chat.HistoryQuery{Before: at(99), Limit: 2}, "9 10", true},
		{chat.HistoryQuery{After: at(8), Limit: 2}, "9 10", false},
		{chat.HistoryQuery{After: at(0), Limit: 2}, "1 2", true},
		{chat.HistoryQuery{After: at(10), Limit: 2}, "", false},
		{chat.HistoryQuery{Around: at(5), Limit: 3}, "4 5 6", true},
		{chat.HistoryQuery{Around: at(1), Limit: 3}, "1 2 3", false},
		{chat.HistoryQuery{Around: at(10), Limit: 3}, "8 9 10", true},
	} {
		c.q.Room, c.q.User = room, u[0]
		page, err := t.Messages.History(t.ctx, c.q)
		t.ok(err)
		if got := seqs(page.Messages); got != c.want || page.HasMore != c.more || page.LastSeq != 10 || page.Epoch != 1 {
			t.Errorf("%+v: got %q, more %v, last %d, want %q, %v", c.q, got, page.HasMore, page.LastSeq, c.want, c.more)
		}
	}
	for _, knows := range []bool{false, true} {
		var asked chat.HistoryPage
		var span string
		q := chat.HistoryQuery{Room: room, User: u[0], Page: 2, PageSize: 3, Known: func(page chat.HistoryPage, from, to chat.Seq) ([]chat.Message, bool) {
			asked, span = page, fmt.Sprint(from, "…", to)
			return []chat.Message{{Seq: 99}}, knows
		}}
		page, err := t.Messages.History(t.ctx, q)
		t.ok(err)
		want := map[bool]string{false: "5 6 7", true: "99"}[knows]
		if got := seqs(page.Messages); got != want || span != "5…7" || !asked.HasMore || asked.LastSeq != 10 || asked.Epoch != 1 || asked.Messages != nil {
			t.Errorf("what is known (%v): got %q of %q, asked %+v, want %q", knows, got, span, asked, want)
		}
		q.Page = 9
		span = ""
		if _, err = t.Messages.History(t.ctx, q); err != nil || span != "" {
			t.Errorf("an empty page is asked for: %q, %v", span, err)
		}
	}
	_, err := t.Messages.History(t.ctx, chat.HistoryQuery{Room: room, User: u[0], Limit: -1})
	t.fails(err, chat.Invalid)
	_, err = t.Messages.History(t.ctx, chat.HistoryQuery{Room: room, User: u[1]})
	t.fails(err, chat.NotFound)
}

// historyWindows: who joins a private room sees from the join on, who leaves up to the leaving, who returns from the
// return on.
func historyWindows(t *trial) {
	u := t.users(2)
	room := t.room(chat.Private, u[0])
	t.say(room, u[0], "a") // 2
	sees := func(want string, last chat.Seq) {
		t.Helper()
		page, err := t.Messages.History(t.ctx, chat.HistoryQuery{Room: room, User: u[1]})
		t.ok(err)
		if got := seqs(page.Messages); got != want || page.LastSeq != last || page.Ended == t.member(room, u[1]).Member.In() {
			t.Errorf("sees %q up to %d, ended %v, want %q up to %d", got, page.LastSeq, page.Ended, want, last)
		}
	}
	_, err := t.Members.AddMembers(t.ctx, room, u[0], u[1:]) // 3
	t.ok(err)
	t.say(room, u[0], "b") // 4
	sees("3 4", 4)
	t.ok(t.Members.RemoveMember(t.ctx, room, u[0], u[1])) // 5
	t.say(room, u[0], "c")                                // 6
	sees("3 4 5", 5)
	_, err = t.Members.AddMembers(t.ctx, room, u[0], u[1:]) // 7
	t.ok(err)
	sees("7", 7)
	yes := true
	_, err = t.Rooms.UpdateRoom(t.ctx, room, u[0], chat.RoomPatch{HistoryAll: &yes}) // 8
	t.ok(err)
	t.ok(t.Members.RemoveMember(t.ctx, room, u[1], u[1]))   // 9
	_, err = t.Members.AddMembers(t.ctx, room, u[0], u[1:]) // 10
	t.ok(err)
	sees("1 2 3 4 5 6 7 8 9 10", 10)
}

func spans(t *trial) {
	u := t.user()
	a, b := t.room(chat.Private, u), t.room(chat.Private, u)
	t.say(a, u, "a", "b", "c")
	t.say(b, u, "a", "b", "c")
	ms, whole, err := t.Messages.Spans(t.ctx, []chat.Span{{Room: b, From: 2, To: 3}, {Room: a, From: 4, To: 9}, {Room: a, From: 2, To: 2}}, 1<<20)
	t.ok(err)
	if t.same("seqs", seqs(ms), "2 4 2 3"); !whole || ms[0].Room != a || ms[3].Room != b {
		t.Errorf("whole %v: %+v", whole, ms)
	}
	ms, whole, err = t.Messages.Spans(t.ctx, []chat.Span{{Room: a, From: 2, To: 4}}, len("text of a")+1)
	if t.ok(err); seqs(ms) != "2 3" || whole {
		t.Errorf("a bound on bytes: %s, whole %v", seqs(ms), whole)
	}
	if ms, whole, err := t.Messages.Spans(t.ctx, nil, 1); err != nil || len(ms) != 0 || !whole {
		t.Error(ms, whole, err)
	}
	for _, c := range []struct {
		from, to chat.Seq
		limit    int
		want     string
	}{{2, 3, 9, "2 3"}, {1, 9, 2, "1 2"}, {3, 2, 9, ""}, {9, 12, 9, ""}, {2, 3, 0, ""}} {
		ms, err := t.Messages.Messages(t.ctx, a, c.from, c.to, c.limit)
		if t.ok(err); seqs(ms) != c.want {
			t.Errorf("messages %d … %d, at most %d: %s, want %s", c.from, c.to, c.limit, seqs(ms), c.want)
		}
	}
}

func places(t *trial) {
	u := t.users(3)
	room := t.room(chat.Private, u[:2]...)
	t.ok(t.Members.RemoveMember(t.ctx, room, u[1], u[1]))
	out, err := t.Standing.Places(t.ctx, []chat.Place{{Room: room, User: u[0]}, {Room: room, User: u[1]}, {Room: room, User: u[2]}, {Room: 1 << 40, User: u[0]}})
	t.ok(err)
	if in, left := out[chat.Place{Room: room, User: u[0]}], out[chat.Place{Room: room, User: u[1]}]; len(out) != 2 || !in.Member.In() || left.Member.LeftSeq != 2 || in.Room.LastSeq != 2 {
		t.Errorf("places: %+v", out)
	}
	_, err = t.Standing.Membership(t.ctx, room, u[2])
	t.fails(err, chat.NotFound)
	in, r, err := t.Standing.MembersAmong(t.ctx, room, 2, []chat.UserID{u[2], u[1], u[0], u[0]})
	t.ok(err)
	t.same("members among", in, u[:1])
	t.same("their room", r.LastSeq, 2)
	_, _, err = t.Standing.MembersAmong(t.ctx, 1<<40, 2, u)
	t.fails(err, chat.NotFound)
	late := t.user()
	_, err = t.Members.AddMembers(t.ctx, room, u[0], []chat.UserID{late}) // sees from 3 on
	t.ok(err)
	in, _, err = t.Standing.MembersAmong(t.ctx, room, 2, []chat.UserID{late, u[0]})
	t.ok(err)
	t.same("members who may see seq 2", in, u[:1])
	in, err = t.Standing.SharesRoom(t.ctx, u[0], []chat.UserID{u[2], late, u[1], u[0]})
	t.ok(err)
	t.same("shares a room", in, []chat.UserID{u[0], late})
	rs, err := t.Standing.Rooms(t.ctx, []chat.RoomID{1 << 40, room, room})
	t.ok(err)
	if len(rs) != 1 || rs[0].ID != room || rs[0].MemberCount != 2 {
		t.Errorf("rooms: %+v", rs)
	}
	hs, err := t.Standing.ActiveRooms(t.ctx, room.Partition(t.Partitions), time.Now().Add(-time.Hour), 10_000)
	t.ok(err)
	found := false
	for _, h := range hs {
		found = found || h == chat.Head{Room: room, Seq: 3, Before: 3, Epoch: 1}
	}
	if !found {
		t.Errorf("the room isn't among the active ones: %+v", hs)
	}
}
