//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestCreateRoom(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /rooms", "room fields", "< joined", "joined when someone adds you", "one system message per call", "visible from 1 when named at creation")
	us := w.users(t, 3)
	owner, one, two := w.dial(t, 1, us[0]), w.dial(t, 1, us[1]), w.dial(t, 2, us[2])
	phone := w.dial(t, 2, w.api.Login(t, us[2].Username, us[2].Password, "phone"))
	room := w.api.Must(t, 201, "POST", "/rooms", us[0].Token, obj{"name": "群聊名称", "description": "群聊描述", "type": "group", "member_ids": []uint64{us[1].ID, us[2].ID, us[0].ID}})
	id := room.Num("id")
	want := frame{
		"id": num(id), "type": "group", "name": "群聊名称", "description": "群聊描述", "visibility": "private", "owner_id": num(us[0].ID), "member_count": num(3),
		"last_seq": num(1), "change_seq": num(0), "epoch": num(1), "created_at": room["created_at"], "role": "owner", "unread": num(0), "read_seq": num(1), "last_message": room["last_message"],
	}
	if room.String() != want.String() {
		t.Errorf("made\n%s, want\n%s", room, want)
	}
	stamp(t, room, "created_at")
	if e := event(t, room.Obj("last_message")); e.Str("event") != "created" || e.Num("by") != us[0].ID {
		t.Errorf("the first entry tells %s", e)
	}
	for s, role := range map[*sock]string{owner: "owner", one: "member", two: "member", phone: "member"} {
		j := s.Expect(t, is("joined")).Obj("room")
		w := frame{}
		for k, v := range want {
			w[k] = v
		}
		w["role"] = role
		if j.String() != w.String() {
			t.Errorf("joined tells\n%s, want\n%s", j, w)
		}
	}
	seq := w.chat(t, owner, id, "hello")
	for _, s := range []*sock{one, two, phone} {
		s.Expect(t, is("message", "room_id", id, "seq", seq, "content", "hello"))
	}
	if h := w.api.History(t, us[2], id); len(h) != 2 {
		t.Errorf("a member named at the creation sees %v", h)
	}
}

func TestCreateRoomRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "POST /rooms", "member_ids ≤ 500", "room holds at most", "code room_full", "code invalid")
	us := w.users(t, 4)
	u, other := us[0], us[1]
	many := make([]uint64, 501)
	for i := range many {
		many[i] = uint64(i + 1)
	}
	const nobody = 1 << 50
	for _, c := range []struct {
		body any
		want want
	}{
		{obj{"member_ids": []uint64{other.ID}}, want{422, "invalid", "name"}},
		{obj{"name": " ", "type": "group"}, want{422, "invalid", "name"}},
		{obj{"name": strings.Repeat("n", 129)}, want{422, "invalid", "name"}},
		{obj{"name": "n", "description": strings.Repeat("d", 1025)}, want{422, "invalid", "description"}},
		{obj{"name": "n", "type": "channel"}, want{422, "invalid", "type"}},
		{obj{"name": "n", "visibility": "secret"}, want{422, "invalid", "visibility"}},
		{obj{"name": "n", "member_ids": []uint64{other.ID, nobody}}, want{422, "invalid", "member_ids"}},
		{obj{"name": "n", "member_ids": []uint64{0}}, want{422, "invalid", "member_ids"}},
		{`{"name":"n","member_ids":[-1]}`, want{422, "invalid", ""}},
		{`{"name":"n","member_ids":"2"}`, want{422, "invalid", "member_ids"}},
		{`{"name":"n","member_ids":[9007199254740992]}`, want{422, "invalid", "member_ids"}},
		{obj{"name": "n", "member_ids": many}, want{422, "invalid", "member_ids"}},
		{obj{"type": "direct", "member_ids": []uint64{}}, want{422, "invalid", "member_ids"}},
		{obj{"type": "direct", "member_ids": []uint64{us[1].ID, us[2].ID}}, want{422, "invalid", "member_ids"}},
		{obj{"type": "direct", "member_ids": []uint64{nobody}}, want{422, "invalid", "member_ids"}},
		{obj{"type": "direct", "visibility": "public", "member_ids": []uint64{other.ID}}, want{422, "invalid", "visibility"}},
	} {
		refused(t, w.api, c.want, "POST", "/rooms", u.Token, c.body)
	}
	refused(t, w.strict, want{409, "room_full", ""}, "POST", "/rooms", u.Token, obj{"name": "n", "member_ids": []uint64{us[1].ID, us[2].ID, us[3].ID}})
	if n := w.number(t, "SELECT COUNT(*) FROM members WHERE user_id IN (?, ?, ?, ?)", us[0].ID, us[1].ID, us[2].ID, us[3].ID); n != 0 {
		t.Errorf("refused rooms have %d members", n)
	}
	if n := w.number(t, "SELECT COUNT(*) FROM rooms WHERE owner_id = ? OR direct_key LIKE ?", u.ID, fmt.Sprintf("%%%d%%", u.ID)); n != 0 {
		t.Errorf("%d refused rooms are there", n)
	}
	twice := w.api.Must(t, 201, "POST", "/rooms", u.Token, obj{"name": "n", "member_ids": []uint64{other.ID, other.ID, u.ID, u.ID}})
	if twice.Num("member_count") != 2 {
		t.Errorf("somebody named twice: %s", twice)
	}
}

// TestNotes: a direct room with oneself is one's own, on all devices.
func TestNotes(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /rooms", "notes to oneself")
	u := w.users(t, 1)[0]
	one, two := w.dial(t, 1, u), w.dial(t, 2, u)
	room := w.api.Must(t, 201, "POST", "/rooms", u.Token, obj{"type": "direct", "member_ids": []uint64{u.ID}}).Num("id")
	if again := w.api.Must(t, 200, "POST", "/rooms", u.Token, obj{"type": "direct", "member_ids": []uint64{u.ID}}); again.Num("id") != room || again.Num("member_count") != 1 {
		t.Errorf("again %s", again)
	}
	for _, s := range []*sock{one, two} {
		if j := s.Expect(t, is("joined")).Obj("room"); j.Num("id") != room || j.Has("peer") {
			t.Errorf("joined tells %s", j)
		}
	}
	w.chat(t, one, room, "buy milk")
	two.Expect(t, is("message", "room_id", room, "content", "buy milk"))
}

func TestDirectRoom(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /rooms", "room fields")
	us := w.users(t, 2)
	one, two := w.dial(t, 1, us[0]), w.dial(t, 2, us[1])
	var wg sync.WaitGroup
	ids, statuses := make([]uint64, 8), make([]int, 8)
	for i := range ids {
		wg.Go(func() {
			r, err := w.api.Call(t.Context(), "POST", "/rooms", us[i%2].Token, obj{"type": "direct", "member_ids": []uint64{us[1-i%2].ID}})
			if err == nil {
				ids[i], statuses[i] = r.Body.Num("id"), r.Status
			}
		})
	}
	wg.Wait()
	slices.Sort(ids)
	slices.Sort(statuses)
	if ids[0] == 0 || ids[0] != ids[7] || statuses[0] != 200 || statuses[6] != 200 || statuses[7] != 201 {
		t.Fatalf("a pair has rooms %v by answers %v, want one room, made once", ids, statuses)
	}
	for s, peer := range map[*sock]user{one: us[1], two: us[0]} {
		j := s.Expect(t, is("joined")).Obj("room")
		if j.Num("id") != ids[0] || j.Str("type") != "direct" || j.Obj("peer").Num("id") != peer.ID {
			t.Errorf("joined tells %s", j)
		}
	}
	w.chat(t, one, ids[0], "hi")
	two.Expect(t, is("message", "content", "hi"))
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"DELETE", roomPath(ids[0], "/members/me"), nil},
		{"DELETE", roomPath(ids[0], ""), nil},
		{"PATCH", roomPath(ids[0], ""), obj{"name": "n"}},
		{"POST", roomPath(ids[0], "/members"), obj{"member_ids": []uint64{w.api.User(t).ID}}},
		{"DELETE", memberPath(ids[0], us[1]), nil},
		{"POST", roomPath(ids[0], "/owner"), obj{"user_id": us[1].ID}},
	} {
		refused(t, w.api, want{403, "forbidden", ""}, c.method, c.path, us[0].Token, c.body)
	}
}

func TestListRooms(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "GET /rooms", "lists are paged by cursor", "room fields")
	us := w.users(t, 2)
	var ids []uint64
	for range 5 {
		ids = append(ids, w.api.CreateRoom(t, us[0], us[1]))
	}
	w.post(t, us[1], ids[1], "newest activity")
	order := []uint64{ids[1], ids[4], ids[3], ids[2], ids[0]}
	var got []uint64
	pages := 0
	for cursor := ""; ; pages++ {
		f := w.api.Must(t, 200, "GET", "/rooms?limit=2"+cursor, us[0].Token, nil)
		for _, r := range f.List("rooms") {
			got = append(got, r.Num("id"))
		}
		if f["next_cursor"] == nil {
			break
		}
		cursor = "&cursor=" + f.Str("next_cursor")
	}
	if !slices.Equal(got, order) || pages != 2 {
		t.Errorf("listed %v in %d+1 pages, want %v in 3", got, pages, order)
	}
	first := w.api.Must(t, 200, "GET", "/rooms", us[0].Token, nil).List("rooms")[0]
	last := first.Obj("last_message")
	if first.Str("role") != "owner" || first.Num("unread") != 1 || first.Num("read_seq") != 1 || first.Num("last_seq") != 2 || first.Num("member_count") != 2 ||
		last.Str("content") != "newest activity" || last.Num("seq") != 2 || last.Num("sender_id") != us[1].ID {
		t.Errorf("listed as %s", first)
	}
	if one := w.api.Must(t, 200, "GET", roomPath(ids[1], ""), us[0].Token, nil); one.String() != first.String() {
		t.Errorf("the list shows %s, the room itself %s", first, one)
	}
}

func TestListRoomsRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "GET /rooms", "lists are paged by cursor")
	u := w.api.User(t)
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=201": "limit", "limit=x": "limit", "visibility=private": "visibility",
		"q=x": "q", "limit=1&limit=2": "limit",
	} {
		refused(t, w.api, want{422, "invalid", field}, "GET", "/rooms?"+query, u.Token, nil)
	}
	refused(t, w.api, want{400, "invalid", "cursor"}, "GET", "/rooms?cursor=%21", u.Token, nil)
}

func TestPublicRooms(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "GET /rooms", "GET /rooms/{room_id}", "POST /rooms/{room_id}/members", "> join_room", "visible from 1 in public rooms")
	us := w.users(t, 3)
	name := "Public " + strings.ReplaceAll(fresh(), ".", "")
	room := w.api.CreateRoomAs(t, us[0], obj{"name": name, "visibility": "public"}).Num("id")
	w.post(t, us[0], room, "before you came")
	list := w.api.Must(t, 200, "GET", "/rooms?visibility=public&q="+strings.ReplaceAll(strings.ToLower(name), " ", "%20"), us[1].Token, nil).List("rooms")
	if len(list) != 1 || list[0].Num("id") != room || list[0].Has("role") {
		t.Errorf("found %v", list)
	}
	w.api.Must(t, 200, "GET", roomPath(room, ""), us[1].Token, nil)
	owner, byREST, bySocket := w.dial(t, 1, us[0]), w.dial(t, 2, us[1]), w.dial(t, 1, us[2])
	w.routed(t, room, 1)

	f := w.api.Must(t, 200, "POST", roomPath(room, "/members"), us[1].Token, obj{"member_ids": []uint64{us[1].ID}})
	if fmt.Sprint(f["added"]) != fmt.Sprint([]uint64{us[1].ID}) {
		t.Errorf("joined: %s", f)
	}
	j := byREST.Expect(t, is("joined")).Obj("room")
	if j.Num("id") != room || j.Str("role") != "member" || j.Num("member_count") != 2 || j.Num("unread") != 0 || j.Num("last_seq") != 3 {
		t.Errorf("joined tells %s", j)
	}
	owner.Expect(t, is("room", "change", "member_joined", "user_id", us[1].ID))
	bySocket.Send(t, obj{"type": "join_room", "room_id": room})
	j = bySocket.Expect(t, is("joined")).Obj("room")
	if j.Num("id") != room || j.Str("role") != "member" || j.Num("last_seq") != 4 {
		t.Errorf("joined tells %s", j)
	}
	owner.Expect(t, is("room", "change", "member_joined", "user_id", us[2].ID))
	for _, u := range us[1:] {
		h := w.api.History(t, u, room)
		if len(h) != 4 || h[1].Str("content") != "before you came" || event(t, h[2]).Str("event") != "joined" {
			t.Errorf("who joins a public room sees %v", h)
		}
	}
	w.chat(t, bySocket, room, "here I am")
	owner.Expect(t, is("message", "content", "here I am"))
	byREST.Expect(t, is("message", "content", "here I am"))
}

func TestHiddenRooms(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "hidden rooms are 404", "GET /rooms/{room_id}", "PATCH /rooms/{room_id}", "DELETE /rooms/{room_id}", "GET /rooms/{room_id}/members", "POST /rooms/{room_id}/members",
		"DELETE /rooms/{room_id}/members/{user_id}", "PATCH /rooms/{room_id}/members/{user_id}", "POST /rooms/{room_id}/owner", "GET /rooms/{room_id}/messages",
		"POST /rooms/{room_id}/messages", "PUT /rooms/{room_id}/read", "code not_found")
	us := w.users(t, 2)
	room := w.api.CreateRoom(t, us[0])
	stranger := us[1]
	for _, c := range calls() {
		method, path, _ := strings.Cut(c, " ")
		if !strings.HasPrefix(path, "/rooms/{room_id}") {
			continue
		}
		var body any
		switch path {
		case "/rooms/{room_id}":
			if method == "PATCH" {
				body = obj{"name": "mine"}
			}
		case "/rooms/{room_id}/members":
			if method == "POST" {
				body = obj{"member_ids": []uint64{stranger.ID}}
			}
		case "/rooms/{room_id}/members/{user_id}":
			if method == "PATCH" {
				body = obj{"role": "admin"}
			}
		case "/rooms/{room_id}/owner":
			body = obj{"user_id": stranger.ID}
		case "/rooms/{room_id}/messages":
			if method == "POST" {
				body = obj{"content": "let me in"}
			}
		case "/rooms/{room_id}/read":
			body = obj{"seq": 1}
		}
		path = strings.NewReplacer("{user_id}", fmt.Sprint(us[0].ID), "{seq}", "1", "{key}", "x").Replace(path)
		switch {
		case strings.HasSuffix(path, "/messages/1") && method == "PATCH":
			body = obj{"content": "mine"}
		case strings.HasSuffix(path, "/reactions"):
			path += "?key=x"
		case strings.HasSuffix(path, "/mine"):
			path += "?from_seq=1&to_seq=1"
		}
		at := func(id string) frame {
			p := refused(t, w.api, want{404, "not_found", ""}, method, strings.ReplaceAll(path, "{room_id}", id), stranger.Token, body)
			delete(p, "request_id")
			return p
		}
		hidden, missing := at(fmt.Sprint(room)), at("1000000000")
		if hidden.String() != missing.String() {
			t.Errorf("%s tells a hidden room from none: %s, %s", c, hidden, missing)
		}
		at("0")
		at("9007199254740992")
		refused(t, w.api, want{400, "invalid", ""}, method, strings.ReplaceAll(path, "{room_id}", "x"), stranger.Token, body)
	}
	if n := w.number(t, "SELECT COUNT(*) FROM members WHERE user_id = ?", stranger.ID); n != 0 {
		t.Error("the stranger is in")
	}
}

func TestUpdateRoom(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "PATCH /rooms/{room_id}", "< room", "room changes", "one system message per call")
	bad(t, "PATCH /rooms/{room_id}")
	us := w.users(t, 2)
	owner, member := w.dial(t, 1, us[0]), w.dial(t, 2, us[1])
	room := w.api.CreateRoom(t, us[0], us[1])
	owner.Expect(t, is("joined"))
	member.Expect(t, is("joined"))
	refused(t, w.api, want{403, "forbidden", ""}, "PATCH", roomPath(room, ""), us[1].Token, obj{"name": "mine"})
	refused(t, w.api, want{422, "invalid", "name"}, "PATCH", roomPath(room, ""), us[0].Token, obj{"name": "", "description": "half"})
	refused(t, w.api, want{422, "invalid", "visibility"}, "PATCH", roomPath(room, ""), us[0].Token, obj{"visibility": "secret", "name": "half"})
	r := w.api.Must(t, 200, "PATCH", roomPath(room, ""), us[0].Token, obj{"name": "New name", "description": "New\nlines", "visibility": "public"})
	if r.Str("name") != "New name" || r.Str("description") != "New\nlines" || r.Str("visibility") != "public" || r.Num("last_seq") != 2 {
		t.Errorf("changed to %s", r)
	}
	for _, s := range []*sock{owner, member} {
		e := event(t, s.Expect(t, is("message", "room_id", room, "seq", 2)))
		if e.Str("event") != "updated" || e.Num("by") != us[0].ID || e.Str("name") != "New name" || e.Str("description") != "New\nlines" || e.Str("visibility") != "public" {
			t.Errorf("the log tells %s", e)
		}
		c := s.Expect(t, is("room", "change", "updated")).Obj("room")
		if c.Str("name") != "New name" || c.Num("id") != room || c.Num("last_seq") != 2 || c.Num("owner_id") != us[0].ID {
			t.Errorf("room tells %s", c)
		}
	}
	w.api.Must(t, 200, "PATCH", roomPath(room, ""), us[0].Token, obj{"name": "New name"})
	if n := w.number(t, "SELECT last_seq FROM rooms WHERE id = ?", room); n != 2 {
		t.Errorf("a change of nothing takes a seq: %d", n)
	}
}

func TestDissolve(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "DELETE /rooms/{room_id}", "left reasons", "< left", "visible to the leaving")
	bad(t, "DELETE /rooms/{room_id}")
	us := w.users(t, 2)
	owner, member := w.dial(t, 1, us[0]), w.dial(t, 2, us[1])
	room := w.api.CreateRoom(t, us[0], us[1])
	owner.Expect(t, is("joined"))
	member.Expect(t, is("joined"))
	refused(t, w.api, want{403, "forbidden", ""}, "DELETE", roomPath(room, ""), us[1].Token, nil)
	w.api.Must(t, 204, "DELETE", roomPath(room, ""), us[0].Token, nil)
	for _, s := range []*sock{owner, member} {
		if e := event(t, s.Expect(t, is("message", "room_id", room, "seq", 2))); e.Str("event") != "dissolved" {
			t.Errorf("the log tells %s", e)
		}
		s.Expect(t, is("left", "room_id", room, "seq", 2, "reason", "dissolved"))
		refusal(t, s, "not_found", "any", obj{"type": "message", "room_id": room, "content": "anybody?", "client_msg_id": "any"})
	}
	for _, u := range us {
		refused(t, w.api, want{404, "not_found", ""}, "GET", roomPath(room, ""), u.Token, nil)
		refused(t, w.api, want{404, "not_found", ""}, "POST", roomPath(room, "/messages"), u.Token, obj{"content": "anybody?"})
		if h := w.api.History(t, u, room); len(h) != 2 {
			t.Errorf("an ex-member sees %v", h)
		}
		if list := w.api.Must(t, 200, "GET", "/rooms", u.Token, nil).List("rooms"); len(list) != 0 {
			t.Errorf("a dissolved room is listed: %v", list)
		}
	}
}
