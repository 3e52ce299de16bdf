//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

func TestMembers(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "GET /rooms/{room_id}/members", "POST /rooms/{room_id}/members", "PATCH /rooms/{room_id}/members/{user_id}", "POST /rooms/{room_id}/owner",
		"DELETE /rooms/{room_id}/members/{user_id}", "member fields", "room changes", "left reasons", "one system message per call", "joined when someone adds you",
		"visible from joining", "lists are paged by cursor", "< room", "< left")
	us := w.users(t, 5)
	owner, member := w.dial(t, 1, us[0]), w.dial(t, 2, us[1])
	room := w.api.CreateRoom(t, us[0], us[1])
	path := roomPath(room, "/members")
	both := []*sock{owner, member}
	tells := func(what string, seq uint64, name string, about user, socks ...*sock) frame {
		t.Helper()
		var e frame
		for _, s := range socks {
			e = event(t, s.Expect(t, is("message", "room_id", room, "seq", seq)))
			if e.Str("event") != name || e.Num("by") == 0 {
				t.Errorf("%s: entry %d tells %s", what, seq, e)
			}
			if c := s.Expect(t, is("room", "user_id", about.ID)); c.Obj("room").Num("last_seq") != seq {
				t.Errorf("%s: room tells %s", what, c)
			}
		}
		return e
	}

	invited := w.dial(t, 1, us[2])
	f := w.api.Must(t, 200, "POST", path, us[0].Token, obj{"member_ids": []uint64{us[2].ID}})
	if fmt.Sprint(f["added"]) != fmt.Sprint([]uint64{us[2].ID}) {
		t.Errorf("added %s", f)
	}
	if j := invited.Expect(t, is("joined")).Obj("room"); j.Num("id") != room || j.Num("read_seq") != 2 || j.Num("unread") != 0 || j.Num("member_count") != 3 {
		t.Errorf("joined tells %s", j)
	}
	tells("invite", 2, "added", us[2], both...)
	if h := w.api.History(t, us[2], room); len(h) != 1 || h[0].Num("seq") != 2 {
		t.Errorf("who joins a private room sees %v, want it from his joining on", h)
	}
	f = w.api.Must(t, 200, "POST", path, us[0].Token, obj{"member_ids": []uint64{us[1].ID, us[3].ID, us[4].ID}})
	if list, _ := f["added"].([]any); len(list) != 2 {
		t.Errorf("added %s, want the two who were not in", f)
	}
	for _, s := range []*sock{owner, member, invited} {
		if e := event(t, s.Expect(t, is("message", "seq", 3))); e.Str("event") != "added" || fmt.Sprint(e["user_ids"]) != fmt.Sprint([]uint64{us[3].ID, us[4].ID}) {
			t.Errorf("one entry should tell of both: %s", e)
		}
	}

	var list []frame
	for cursor := ""; ; {
		f := w.api.Must(t, 200, "GET", path+"?limit=2"+cursor, us[1].Token, nil)
		list = append(list, f.List("members")...)
		if f["next_cursor"] == nil {
			break
		}
		cursor = "&cursor=" + f.Str("next_cursor")
	}
	if len(list) != 5 || list[0].Num("user_id") != us[0].ID || list[0].Str("role") != "owner" || list[1].Str("role") != "member" ||
		list[1].Obj("user").Str("username") != us[1].Username || list[1].Obj("user").Has("email") || list[1].Has("muted_until") {
		t.Errorf("members: %v", list)
	}
	stamp(t, list[0], "joined_at")

	m := w.api.Must(t, 200, "PATCH", memberPath(room, us[1]), us[0].Token, obj{"role": "admin"})
	if m.Str("role") != "admin" || m.Num("user_id") != us[1].ID {
		t.Errorf("member: %s", m)
	}
	if e := tells("role", 4, "role", us[1], owner, member, invited); e.Str("role") != "admin" {
		t.Errorf("the entry tells %s", e)
	}
	w.api.Must(t, 200, "POST", roomPath(room, "/owner"), us[0].Token, obj{"user_id": us[1].ID})
	for _, s := range []*sock{owner, member, invited} {
		c := s.Expect(t, is("room", "change", "owner", "user_id", us[1].ID)).Obj("room")
		if c.Num("owner_id") != us[1].ID {
			t.Errorf("room tells %s", c)
		}
	}
	w.api.Must(t, 204, "DELETE", memberPath(room, us[3]), us[1].Token, nil)
	w.api.Must(t, 204, "DELETE", path+"/me", us[0].Token, nil)
	if e := event(t, owner.Expect(t, is("message", "seq", 7))); e.Str("event") != "left" {
		t.Errorf("the last entry tells %s", e)
	}
	owner.Expect(t, is("left", "room_id", room, "seq", 7, "reason", "left"))
	for _, s := range []*sock{member, invited} {
		s.Expect(t, is("room", "change", "member_left", "user_id", us[3].ID))
		s.Expect(t, is("room", "change", "member_left", "user_id", us[0].ID))
	}
	w.api.Must(t, 204, "DELETE", memberPath(room, us[2]), us[1].Token, nil)
	invited.Expect(t, is("left", "room_id", room, "seq", 8, "reason", "kicked"))
	if n := w.number(t, "SELECT member_count FROM rooms WHERE id = ?", room); n != 2 {
		t.Errorf("%d members counted, want 2", n)
	}
}

func TestMembersRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "POST /rooms/{room_id}/members", "DELETE /rooms/{room_id}/members/{user_id}", "PATCH /rooms/{room_id}/members/{user_id}", "POST /rooms/{room_id}/owner",
		"GET /rooms/{room_id}/members", "member_ids ≤ 500", "room holds at most", "code forbidden", "code conflict", "code room_full")
	us := w.users(t, 5)
	owner, admin, member, out := us[0], us[1], us[2], us[3]
	room := w.api.CreateRoom(t, owner, admin, member)
	w.api.Must(t, 200, "PATCH", memberPath(room, admin), owner.Token, obj{"role": "admin"})
	path := roomPath(room, "/members")
	many := make([]uint64, 501)
	for i := range many {
		many[i] = uint64(i + 1)
	}
	const nobody = 1 << 50
	for _, c := range []struct {
		by           user
		method, path string
		body         any
		want         want
	}{
		{member, "POST", path, obj{"member_ids": []uint64{out.ID}}, want{403, "forbidden", ""}},
		{owner, "POST", path, obj{"member_ids": []uint64{out.ID, nobody}}, want{422, "invalid", "member_ids"}},
		{owner, "POST", path, obj{"member_ids": []uint64{}}, want{422, "invalid", "member_ids"}},
		{owner, "POST", path, obj{}, want{422, "invalid", "member_ids"}},
		{owner, "POST", path, obj{"member_ids": many}, want{422, "invalid", "member_ids"}},
		{owner, "PATCH", memberPath(room, member), obj{"role": "owner"}, want{422, "invalid", "role"}},
		{owner, "PATCH", memberPath(room, member), obj{}, want{422, "invalid", "role"}},
		{owner, "PATCH", memberPath(room, member), obj{"role": "admin", "mute_seconds": 5}, want{422, "invalid", "role"}},
		{owner, "PATCH", memberPath(room, member), obj{"mute_seconds": -1}, want{422, "invalid", "mute_seconds"}},
		{owner, "PATCH", memberPath(room, member), obj{"muted_until": "tomorrow"}, want{422, "invalid", "muted_until"}},
		{owner, "PATCH", memberPath(room, owner), obj{"role": "member"}, want{409, "conflict", ""}},
		{owner, "PATCH", memberPath(room, out), obj{"role": "admin"}, want{404, "not_found", ""}},
		{admin, "PATCH", memberPath(room, member), obj{"role": "admin"}, want{403, "forbidden", ""}},
		{admin, "PATCH", memberPath(room, owner), obj{"mute_seconds": 60}, want{403, "forbidden", ""}},
		{member, "PATCH", memberPath(room, admin), obj{"mute_seconds": 60}, want{403, "forbidden", ""}},
		{admin, "DELETE", memberPath(room, owner), nil, want{403, "forbidden", ""}},
		{member, "DELETE", memberPath(room, admin), nil, want{403, "forbidden", ""}},
		{owner, "DELETE", memberPath(room, out), nil, want{404, "not_found", ""}},
		{owner, "DELETE", path + "/x", nil, want{400, "invalid", ""}},
		{owner, "DELETE", path + "/me", nil, want{409, "conflict", ""}},
		{admin, "POST", roomPath(room, "/owner"), obj{"user_id": admin.ID}, want{403, "forbidden", ""}},
		{owner, "POST", roomPath(room, "/owner"), obj{"user_id": out.ID}, want{404, "not_found", ""}},
		{owner, "POST", roomPath(room, "/owner"), obj{"user_id": 0}, want{422, "invalid", "user_id"}},
		{owner, "GET", path + "?limit=0", nil, want{422, "invalid", "limit"}},
		{owner, "GET", path + "?cursor=!", nil, want{400, "invalid", "cursor"}},
	} {
		refused(t, w.api, c.want, c.method, c.path, c.by.Token, c.body)
	}
	refused(t, w.strict, want{409, "room_full", ""}, "POST", path, owner.Token, obj{"member_ids": []uint64{out.ID}})
	if n := w.number(t, "SELECT last_seq FROM rooms WHERE id = ?", room); n != 2 {
		t.Errorf("refusals took %d seqs", n-2)
	}
	if n := w.number(t, "SELECT COUNT(*) FROM members WHERE room_id = ? AND user_id NOT IN (?, ?, ?)", room, owner.ID, admin.ID, member.ID); n != 0 {
		t.Error("somebody got in")
	}
}

func TestMute(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "PATCH /rooms/{room_id}/members/{user_id}", "code muted", "member fields", "room changes", "duplicate before any other rule")
	us := w.users(t, 2)
	owner, member := w.dial(t, 1, us[0]), w.dial(t, 2, us[1])
	room := w.api.CreateRoom(t, us[0], us[1])
	before := fresh()
	message := obj{"type": "message", "room_id": room, "content": "before", "client_msg_id": before}
	member.Send(t, message)
	seq := member.Expect(t, is("ack", "client_msg_id", before)).Num("seq")
	m := w.api.Must(t, 200, "PATCH", memberPath(room, us[1]), us[0].Token, obj{"mute_seconds": 3600})
	if until := stamp(t, m, "muted_until"); time.Until(until) < 50*time.Minute || time.Until(until) > time.Hour {
		t.Errorf("muted until %v", until)
	}
	if e := event(t, owner.Expect(t, is("message", "seq", seq+1))); e.Str("event") != "muted" || e.Str("until") == "" {
		t.Errorf("the log tells %s", e)
	}
	owner.Expect(t, is("room", "change", "role", "user_id", us[1].ID))
	refusal(t, member, "muted", "quiet", obj{"type": "message", "room_id": room, "content": "shh", "client_msg_id": "quiet"})
	refused(t, w.api, want{403, "muted", ""}, "POST", roomPath(room, "/messages"), us[1].Token, obj{"content": "shh", "client_msg_id": "quiet"})
	member.Send(t, message) // a retry of what stands is no new message
	member.Expect(t, is("ack", "client_msg_id", before, "seq", seq, "duplicate", true))
	w.api.Must(t, 200, "PATCH", memberPath(room, us[1]), us[0].Token, `{"muted_until":null}`)
	if got := w.chat(t, member, room, "I may again"); got != seq+3 {
		t.Errorf("seq %d after a message, a mute and its end, want %d", got, seq+3)
	}
	if n := w.number(t, "SELECT COUNT(*) FROM messages WHERE room_id = ? AND client_msg_id = 'quiet'", room); n != 0 {
		t.Error("a muted member was heard")
	}
}

// TestKickUnderFlood: nothing above the seq of the kick reaches who was kicked, at either gateway, while everybody talks.
func TestKickUnderFlood(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "DELETE /rooms/{room_id}/members/{user_id}", "left reasons", "visible to the leaving", "visible from joining", "seqs are dense, in one order", "duplicate before any other rule")
	us := w.users(t, 4)
	owner, victim := us[0], us[1]
	talkers := []*sock{w.dial(t, 1, owner), w.dial(t, 2, us[2]), w.dial(t, 1, us[3])}
	victims := []*sock{w.dial(t, 1, victim), w.dial(t, 2, victim)}
	room := w.api.CreateRoom(t, owner, victim, us[2], us[3])
	for _, s := range slices.Concat(talkers, victims) {
		s.Expect(t, is("joined"))
	}
	own := fresh()
	victims[0].Send(t, obj{"type": "message", "room_id": room, "content": "mine", "client_msg_id": own})
	ownSeq := victims[0].Expect(t, is("ack", "client_msg_id", own)).Num("seq")

	var stop atomic.Bool
	done := make(chan struct{}, len(talkers))
	for _, s := range talkers {
		go func() {
			defer func() { done <- struct{}{} }()
			for n := 0; n < 400 && !stop.Load(); n++ {
				id := fresh()
				s.Send(t, obj{"type": "message", "room_id": room, "content": "blah", "client_msg_id": id})
				if n%8 == 7 {
					s.Expect(t, is("ack", "client_msg_id", id))
				}
			}
		}()
	}
	at := func(n uint64) {
		testkit.Eventually(t, patience, func() (bool, string) {
			have := w.number(t, "SELECT last_seq FROM rooms WHERE id = ?", room)
			return have >= n, fmt.Sprintf("the flood has come to %d of %d", have, n)
		})
	}
	at(40)
	w.api.Must(t, 204, "DELETE", memberPath(room, victim), owner.Token, nil)
	kick := w.number(t, "SELECT left_seq FROM members WHERE room_id = ? AND user_id = ?", room, victim.ID)
	at(kick + 40)
	stop.Store(true)
	for range talkers {
		<-done
	}
	for i, s := range victims {
		s.Expect(t, is("left", "room_id", room, "seq", kick, "reason", "kicked"))
		s.ExpectNone(t, func(f frame) bool { return f.Type() == "message" && f.Num("seq") > kick }, func() { w.chat(t, talkers[0], room, "last") })
		var have []uint64
		for _, f := range s.Frames() {
			if f.Type() == "message" {
				have = append(have, f.Num("seq"))
			}
		}
		if i == 0 {
			have = append(have, ownSeq)
			slices.Sort(have)
		}
		for j, seq := range have {
			if seq != uint64(j+2) {
				t.Fatalf("socket %d got seqs %v, want 2 … %d without a hole", i, have, kick)
			}
		}
		if uint64(len(have)) != kick-1 {
			t.Errorf("socket %d got %d entries, want 2 … %d", i, len(have), kick)
		}
	}
	refusal(t, victims[0], "not_found", "late", obj{"type": "message", "room_id": room, "content": "let me in", "client_msg_id": "late"})
	victims[0].Send(t, obj{"type": "message", "room_id": room, "content": "mine", "client_msg_id": own})
	victims[0].Expect(t, is("ack", "client_msg_id", own, "seq", ownSeq, "duplicate", true))
	w.api.Must(t, 200, "POST", roomPath(room, "/messages"), victim.Token, obj{"content": "mine", "client_msg_id": own})
	if h := w.api.History(t, victim, room); h[len(h)-1].Num("seq") != kick || uint64(len(h)) != kick {
		t.Errorf("an ex-member sees %d entries up to %d, want 1 … %d", len(h), h[len(h)-1].Num("seq"), kick)
	}
	w.api.Must(t, 200, "POST", roomPath(room, "/members"), owner.Token, obj{"member_ids": []uint64{victim.ID}})
	again := victims[1].Expect(t, is("joined")).Obj("room")
	if h := w.api.History(t, victim, room); len(h) != 1 || h[0].Num("seq") != again.Num("last_seq") {
		t.Errorf("who comes again sees %d entries from %d, want them from %d on", len(h), h[0].Num("seq"), again.Num("last_seq"))
	}
}

// TestRooms of one connection: leave_room and join_room are about live delivery here, not about membership.
func TestConnectionRooms(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "> leave_room", "> join_room", "left reasons", "< left")
	bad(t, "> leave_room", "> join_room")
	us := w.users(t, 3)
	one, two := w.dial(t, 1, us[0]), w.dial(t, 2, us[0])
	other := w.dial(t, 1, us[1])
	room := w.api.CreateRoom(t, us[0], us[1])
	for _, s := range []*sock{one, two, other} {
		s.Expect(t, is("joined"))
	}
	one.Send(t, obj{"type": "leave_room", "room_id": room})
	one.Expect(t, is("left", "room_id", room, "reason", "unsubscribed"))
	w.chat(t, other, room, "to the other device only")
	two.Expect(t, is("message", "content", "to the other device only"))
	one.ExpectNone(t, is("message", "room_id", room))
	w.api.Must(t, 200, "GET", roomPath(room, ""), us[0].Token, nil)
	one.Send(t, obj{"type": "join_room", "room_id": room})
	j := one.Expect(t, is("joined")).Obj("room")
	if j.Num("id") != room || j.Num("last_seq") != 2 || j.Num("unread") != 1 || j.Str("role") != "owner" {
		t.Errorf("joined tells %s", j)
	}
	if n := w.number(t, "SELECT last_seq FROM rooms WHERE id = ?", room); n != 2 {
		t.Errorf("leaving and joining a connection took %d seqs", n-2)
	}
	w.chat(t, other, room, "to both")
	one.Expect(t, is("message", "content", "to both"))
	two.Expect(t, is("message", "content", "to both"))

	refusal(t, one, "not_found", "leave_room", obj{"type": "leave_room", "room_id": 1 << 40})
	refusal(t, one, "not_found", "join_room", obj{"type": "join_room", "room_id": 1 << 40})
	hidden := w.api.CreateRoom(t, us[2])
	refusal(t, one, "not_found", "join_room", obj{"type": "join_room", "room_id": hidden})
	for _, typ := range []string{"join_room", "leave_room"} {
		refusal(t, one, "invalid", typ, obj{"type": typ})
		refusal(t, one, "invalid", typ, obj{"type": typ, "room_id": 0})
		refusal(t, one, "invalid", typ, obj{"type": typ, "room_id": "1"})
		refusal(t, one, "unknown_field", typ, obj{"type": typ, "room_id": room, "seq": 1})
	}
	if n := w.number(t, "SELECT COUNT(*) FROM members WHERE room_id = ?", hidden); n != 1 {
		t.Errorf("the hidden room has %d members", n)
	}
}

// TestWindows: who sees what, by how he came and whether he is still there.
func TestWindows(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "visible from joining", "visible from 1 when named at creation", "visible from 1 in public rooms", "visible with history_all", "visible to the leaving")
	us := w.users(t, 3)
	for name, c := range map[string]struct {
		fields obj
		from   uint64
	}{
		"private":     {obj{"visibility": "private"}, 3},
		"public":      {obj{"visibility": "public"}, 1},
		"history_all": {obj{"visibility": "private", "history_all": true}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			room := w.api.CreateRoomAs(t, us[0], c.fields, us[1]).Num("id")
			w.post(t, us[0], room, "early")
			w.api.Must(t, 200, "POST", roomPath(room, "/members"), us[0].Token, obj{"member_ids": []uint64{us[2].ID}})
			w.post(t, us[0], room, "late")
			sees := func(u user, from, to uint64) {
				t.Helper()
				h := w.api.History(t, u, room)
				if len(h) == 0 || h[0].Num("seq") != from || h[len(h)-1].Num("seq") != to {
					t.Errorf("%s sees %v, want %d … %d", u.Username, h, from, to)
				}
				page := w.api.Must(t, 200, "GET", roomPath(room, "/messages?page_size=100"), u.Token, nil)
				if ms := page.List("messages"); len(ms) != len(h) || page.Num("last_seq") != to {
					t.Errorf("%s sees the page %s", u.Username, page)
				}
			}
			sees(us[1], 1, 4)
			sees(us[2], c.from, 4)
			w.api.Must(t, 204, "DELETE", roomPath(room, "/members/me"), us[2].Token, nil)
			w.post(t, us[0], room, "gone")
			sees(us[2], c.from, 5)
			sees(us[1], 1, 6)
		})
	}
}
