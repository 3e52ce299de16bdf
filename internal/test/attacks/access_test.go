//go:build e2e

package attacks

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"chat-service/internal/api"
	"chat-service/internal/test/testkit"
)

// bodies are bodies that the routes take, for routes that take one; room is one of the caller's, other somebody in it.
func bodies(other uint64) map[string]obj {
	return map[string]obj{
		"POST /auth/register":                      {"username": "u" + fresh(), "password": goodPassword},
		"POST /auth/login":                         {"username": "nobody", "password": goodPassword},
		"POST /auth/refresh":                       {"refresh_token": "made up"},
		"POST /auth/exchange":                      {"token": "made up"},
		"POST /auth/password":                      {"old_password": "x", "new_password": goodPassword},
		"PATCH /me":                                {"nickname": "Another"},
		"POST /presence":                           {"user_ids": []uint64{other}},
		"POST /rooms":                              {"name": "n", "member_ids": []uint64{other}},
		"PATCH /rooms/{room_id}":                   {"name": "mine"},
		"POST /rooms/{room_id}/owner":              {"user_id": other},
		"POST /rooms/{room_id}/members":            {"member_ids": []uint64{other}},
		"PATCH /rooms/{room_id}/members/{user_id}": {"role": "admin"},
		"POST /rooms/{room_id}/messages":           {"content": "x", "client_msg_id": fresh()},
		"PUT /rooms/{room_id}/read":                {"seq": 1},
		"PATCH /rooms/{room_id}/messages/{seq}":    {"content": "x"},
		"POST /auth/logout":                        {},
		"POST /auth/logout-all":                    {},
		"PUT /server/users/{user}":                 {"nickname": "Another"},
		"POST /server/users":                       {"users": []obj{{"id": "ext:" + fresh()}}},
		"POST /server/users/{user}/tokens":         {"ttl_seconds": 60},
		"PUT /server/rooms/{room}":                 {"name": "mine"},
		"POST /server/rooms":                       {"type": "direct", "members": []string{fmt.Sprint(other)}},
		"POST /server/export":                      {"user": fmt.Sprint(other)},
		"POST /server/rooms/{room}/messages":       {"as": fmt.Sprint(other), "content": "x"},
		"POST /server/webhooks":                    {"url": "https://hooks.invalid/"},
		"PATCH /server/webhooks/{webhook_id}":      {"name": "mine"},

		"POST /server/webhooks/{webhook_id}/secret": {"secret": "whsec_x"},
		"POST /server/webhooks/{webhook_id}/replay": {"event": "msg_1_1_1_0"},
	}
}

func otherRooms(a *attack) {
	us := a.users(2)
	room, stranger := a.api.CreateRoom(a, us[0]), us[1]
	with := bodies(us[0].ID)
	looked := 0
	for _, r := range api.Routes() {
		if !strings.Contains(r.Path, "{room_id}") {
			continue
		}
		looked++
		at := func(id any) string {
			path := strings.NewReplacer("{room_id}", fmt.Sprint(id), "{user_id}", fmt.Sprint(us[0].ID), "{seq}", "1", "{key}", "x").Replace(r.Path)
			if strings.HasSuffix(path, "/reactions") {
				path += "?key=x"
			}
			var body any
			if b, ok := with[r.Method+" "+r.Path]; ok {
				body = b
			}
			res := a.ask(a.api, request{method: r.Method, path: path, token: stranger.Token, body: body})
			a.problem(res, 404, "not_found", r.Method+" "+path)
			delete(res.Body, "request_id")
			res.Header.Del("X-Request-Id")
			res.Header.Del("Date")
			return fmt.Sprint(res.Status, res.Body, res.Header)
		}
		hidden := at(room)
		if missing := at(1 << 40); missing != hidden {
			a.Errorf("%s %s tells a hidden room from none:\n%s\n%s", r.Method, r.Path, hidden, missing)
		}
		for _, id := range []string{"0", "9007199254740992", "18446744073709551616"} { // no rooms' ids
			at(id)
		}
	}
	if looked < 10 {
		a.Errorf("%d routes about rooms", looked)
	}
	s := a.dial(1, stranger)
	for _, typ := range []string{"message", "join_room", "read", "typing", "sync", "edit", "recall", "pin", "react"} {
		answer := func(id uint64) string {
			f := obj{"type": typ, "room_id": id}
			switch typ {
			case "message":
				f["content"], f["client_msg_id"] = "x", "same"
			case "read":
				f["seq"] = 1
			case "edit", "recall", "pin", "react":
				maps.Copy(f, changeOf(typ, 1))
			case "sync":
				f = obj{"type": typ, "rooms": obj{fmt.Sprint(id): 0}}
			}
			s.Send(a, f)
			s.Ping(a)
			e := s.Expect(a, is("error"))
			delete(e, "room_id")
			return strings.ReplaceAll(e.String(), fmt.Sprint("room ", id), "room …")
		}
		if hidden, missing := answer(room), answer(1<<40); hidden != missing || !strings.Contains(hidden, "not_found") {
			a.Errorf("%s tells a hidden room from none: %s, %s", typ, hidden, missing)
		}
	}
}

func historyBounds(a *attack) {
	us := a.users(3)
	room := a.api.CreateRoom(a, us[0], us[1])
	for range 5 {
		a.post(us[0], room, "while they are here")
	}
	a.api.Must(a, 204, "DELETE", memberPath(room, us[1]), us[0].Token, nil)
	for range 5 {
		a.post(us[0], room, "after that")
	}
	const left = 7
	sees := func(u user, query string, from, to uint64) {
		a.Helper()
		for _, m := range a.api.Must(a, 200, "GET", roomPath(room, "/messages?"+query), u.Token, nil).List("messages") {
			if seq := m.Num("seq"); seq < from || seq > to {
				a.Errorf("%s shows seq %d, may show %d to %d", query, seq, from, to)
			}
		}
	}
	for _, query := range []string{"", "page=1&page_size=100", "before_seq=1000", "after_seq=6", "after_seq=7", "after_seq=9007199254740991", "around_seq=10&limit=100", "limit=100"} {
		sees(us[1], query, 1, left)
	}
	if f := a.api.Must(a, 200, "GET", roomPath(room, "/messages"), us[1].Token, nil); f.Num("last_seq") != left {
		a.Errorf("last_seq %d is shown to who left at %d", f.Num("last_seq"), left)
	}
	gone := a.dial(1, us[1])
	gone.Send(a, obj{"type": "sync", "rooms": obj{fmt.Sprint(room): 0}})
	if f := gone.Expect(a, is("synced")); f.Num("last_seq") != left || f.Num("to_seq") != left {
		a.Errorf("sync by who left at %d ends with %s", left, f)
	}
	for _, f := range gone.Frames() {
		if f.Type() == "message" && f.Num("seq") > left {
			a.Errorf("sync shows %s to who left at %d", f, left)
		}
	}
	a.api.Must(a, 200, "POST", roomPath(room, "/members"), us[0].Token, obj{"member_ids": []uint64{us[2].ID}})
	for _, query := range []string{"", "page_size=100", "after_seq=0", "before_seq=13", "around_seq=1&limit=100"} {
		sees(us[2], query, 13, 13)
	}
	s := a.dial(1, us[2])
	s.Send(a, obj{"type": "sync", "rooms": obj{fmt.Sprint(room): 0}})
	if f := s.Expect(a, testkit.Any(is("synced"), is("resync"))); f.Type() != "synced" {
		a.Errorf("sync from 0 by a later member: %s", f)
	}
	for _, f := range s.Frames() {
		if f.Type() == "message" && f.Num("seq") < 13 {
			a.Errorf("sync shows %s", f)
		}
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=-1", "page=0", "page_size=101", "before_seq=-1", "after_seq=9007199254740992"} {
		a.refused(a.api, 422, "invalid", "GET", roomPath(room, "/messages?"+query), us[1].Token, nil)
	}
}

// bodyless are paths whose calls that write take no body.
func bodyless(path string) bool {
	return strings.Contains(path, "/reactions/") || slices.ContainsFunc([]string{"/pin", "/disabled", "/tokens/revoke", "/members/{user}"}, func(end string) bool {
		return strings.HasSuffix(path, end)
	})
}

func extraFields(a *attack) {
	us := a.users(2)
	room := a.api.CreateRoom(a, us[0], us[1])
	key := a.key(a, "users,tokens,rooms,messages,webhooks,read")
	with := bodies(us[1].ID)
	looked := 0
	for _, r := range api.Routes() {
		body, ok := with[r.Method+" "+r.Path]
		if !ok {
			if slices.Contains([]string{"POST", "PUT", "PATCH"}, r.Method) && !bodyless(r.Path) {
				a.Errorf("%s %s has no body here", r.Method, r.Path)
			}
			continue
		}
		path := strings.NewReplacer("{room_id}", fmt.Sprint(room), "{user_id}", fmt.Sprint(us[1].ID), "{seq}", "1",
			"{room}", fmt.Sprint(room), "{user}", fmt.Sprint(us[1].ID), "{webhook_id}", "1").Replace(r.Path)
		token := us[0].Token
		if r.Scope != "" {
			token = key
		}
		for _, field := range []string{"is_admin", "sender_id", "created_at", "id", "epoch", "__proto__", "Content"} {
			looked++
			more := obj{field: 1}
			for k, v := range body {
				more[k] = v
			}
			p := a.refused(a.api, 400, "unknown_field", r.Method, path, token, more)
			if len(p.List("errors")) != 1 || p.List("errors")[0].Str("field") != field {
				a.Errorf("%s: %s doesn't name %s", path, p, field)
			}
		}
	}
	if looked < 70 {
		a.Errorf("%d bodies were tried", looked)
	}
	s := a.dial(1, us[1])
	for _, field := range []string{"sender_id", "seq", "created_at", "kind", "id", "user_id", "epoch", "Content"} {
		id := fresh()
		a.refusal(s, "unknown_field", id, obj{"type": "message", "room_id": room, "content": "x", "client_msg_id": id, field: 1})
	}
	if n := a.number("SELECT last_seq FROM rooms WHERE id = ?", room); n != 1 {
		a.Errorf("refusals took %d seqs", n-1)
	}
	a.chat(s, room, "mine")
	if h := a.api.History(a, us[0], room); h[1].Num("sender_id") != us[1].ID {
		a.Errorf("the sender is %s", h[1])
	}
}

func memberIDs(a *attack) {
	us := a.users(3)
	room := a.api.CreateRoom(a, us[0])
	many := make([]uint64, 501)
	for i := range many {
		many[i] = uint64(i + 1)
	}
	rooms := a.number("SELECT COUNT(*) FROM members WHERE user_id IN (?, ?, ?)", us[0].ID, us[1].ID, us[2].ID)
	for _, ids := range []any{
		many,
		[]uint64{us[1].ID, 1 << 50},
		[]uint64{us[1].ID, 0},
		[]any{us[1].ID, -1},
		[]any{us[1].ID, "2"},
		[]any{us[1].ID, nil},
		[]any{us[1].ID, 1.5},
		[]any{us[1].ID, uint64(1) << 53},
		"2", 2,
		obj{"0": 2},
		[]any{[]uint64{2}},
		true,
	} {
		for _, call := range []request{
			{method: "POST", path: "/rooms", body: obj{"name": "n", "member_ids": ids}},
			{method: "POST", path: "/rooms", body: obj{"type": "direct", "member_ids": ids}},
			{method: "POST", path: roomPath(room, "/members"), body: obj{"member_ids": ids}},
		} {
			call.token = us[0].Token
			a.problem(a.ask(a.api, call), 422, "invalid", fmt.Sprint(call.path, " ", brief(ids)))
		}
	}
	if n := a.number("SELECT COUNT(*) FROM members WHERE user_id IN (?, ?, ?)", us[0].ID, us[1].ID, us[2].ID); n != rooms {
		a.Errorf("refusals made %d memberships", n-rooms)
	}
	f := a.api.Must(a, 200, "POST", roomPath(room, "/members"), us[0].Token, obj{"member_ids": []uint64{us[1].ID, us[1].ID, us[0].ID, us[2].ID}})
	if added, _ := f["added"].([]any); len(added) != 2 {
		a.Errorf("somebody named twice, and oneself: %s", f)
	}
}

func readPointers(a *attack) {
	us := a.users(3)
	room := a.api.CreateRoom(a, us[0], us[1])
	for range 4 {
		a.post(us[0], room, "x")
	}
	put := func(seq any, want uint64) {
		a.Helper()
		if f := a.api.Must(a, 200, "PUT", roomPath(room, "/read"), us[1].Token, obj{"seq": seq}); f.Num("read_seq") != want {
			a.Errorf("read %v moves the pointer to %s, want %d", seq, f, want)
		}
	}
	put(3, 3)
	put(1, 3)
	put(0, 3)
	put(uint64(9007199254740991), 5)
	put(2, 5)
	for _, seq := range []any{-1, "3", 1.5, nil, uint64(1) << 53, []int{1}} {
		a.refused(a.api, 422, "invalid", "PUT", roomPath(room, "/read"), us[1].Token, obj{"seq": seq})
	}
	a.refused(a.api, 400, "unknown_field", "PUT", roomPath(room, "/read"), us[1].Token, obj{"seq": 1, "user_id": us[0].ID})
	a.refused(a.api, 404, "not_found", "PUT", roomPath(room, "/read"), us[2].Token, obj{"seq": 1})
	s := a.dial(1, us[0])
	own := a.dial(2, us[0])
	a.refusal(s, "unknown_field", "read", obj{"type": "read", "room_id": room, "seq": 1, "user_id": us[1].ID})
	s.Expect(a, is("message", "seq", a.post(us[1], room, "unread")))
	s.Send(a, obj{"type": "read", "room_id": room, "seq": 9007199254740991})
	if f := own.Expect(a, is("read", "user_id", us[0].ID)); f.Num("seq") != 6 {
		a.Errorf("a read beyond the end is told as %s", f)
	}
	for i, want := range []uint64{6, 6} {
		if n := a.number("SELECT read_seq FROM members WHERE room_id = ? AND user_id = ?", room, us[i].ID); n != want {
			a.Errorf("the pointer is %d, want %d", n, want)
		}
	}
}

func strangersPresence(a *attack) {
	us := a.users(3)
	room := a.api.CreateRoom(a, us[0], us[1])
	victim, stranger := a.dial(1, us[0]), a.dial(2, us[2])
	a.refused(a.api, 404, "not_found", "GET", fmt.Sprintf("/users/%d/presence", us[0].ID), us[2].Token, nil)
	for _, f := range a.api.Must(a, 200, "POST", "/presence", us[2].Token, obj{"user_ids": []uint64{us[0].ID, us[2].ID}}).List("users") {
		if f.Num("user_id") == us[0].ID {
			a.Errorf("a stranger sees %s", f)
		}
	}
	stranger.Send(a, obj{"type": "presence", "user_ids": []uint64{us[0].ID}})
	if f := stranger.Expect(a, is("presence")); len(f.List("users")) != 0 {
		a.Errorf("a stranger watches %s", f)
	}
	a.refusal(stranger, "not_found", "typing", obj{"type": "typing", "room_id": room})
	member := a.dial(2, us[1])
	testkit.Eventually(a, patience, func() (bool, string) { // what is typed while a gateway learns of a room may be dropped
		member.Send(a, obj{"type": "typing", "room_id": room})
		member.Ping(a)
		return slices.ContainsFunc(victim.Frames(), is("typing", "user_id", us[1].ID)), "a member's typing isn't relayed"
	})
	victim.Close()
	testkit.Eventually(a, time.Minute, func() (bool, string) {
		f := a.api.Must(a, 200, "GET", fmt.Sprintf("/users/%d/presence", us[0].ID), us[1].Token, nil)
		return f["online"] == false, f.String()
	})
	stranger.ExpectNone(a, testkit.Any(is("presence"), is("typing")))
}

func kickAndSend(a *attack) {
	const rounds = 40
	us := a.users(2)
	room := a.api.CreateRoom(a, us[0], us[1])
	s, owner := a.dial(1, us[1]), a.dial(2, us[0])
	late := 0
	for range rounds {
		var wg sync.WaitGroup
		ids := []string{fresh(), fresh(), fresh(), fresh(), fresh(), fresh()}
		wg.Go(func() {
			for i, id := range ids {
				if i%3 == 2 {
					_, _ = tryAsk(a.Context(), a.api, request{method: "POST", path: roomPath(room, "/messages"), token: us[1].Token, body: obj{"content": "race", "client_msg_id": id}})
					continue
				}
				s.Send(a, obj{"type": "message", "room_id": room, "content": "race", "client_msg_id": id})
				s.Expect(a, testkit.Any(is("ack", "client_msg_id", id), is("error", "ref", id)))
			}
		})
		a.api.Must(a, 204, "DELETE", memberPath(room, us[1]), us[0].Token, nil)
		wg.Wait()
		left := a.number("SELECT left_seq FROM members WHERE room_id = ? AND user_id = ?", room, us[1].ID)
		if n := a.number("SELECT COUNT(*) FROM messages WHERE room_id = ? AND sender_id = ? AND seq > ?", room, us[1].ID, left); n != 0 {
			a.Fatalf("%d messages came after their sender's removal", n)
		}
		late += int(a.number("SELECT COUNT(*) FROM messages WHERE room_id = ? AND sender_id = ?", room, us[1].ID))
		a.api.Must(a, 200, "POST", roomPath(room, "/members"), us[0].Token, obj{"member_ids": []uint64{us[1].ID}})
	}
	if late == 0 {
		a.Error("no message ever came before the removal: nothing raced")
	}
	owner.Ping(a)
}
