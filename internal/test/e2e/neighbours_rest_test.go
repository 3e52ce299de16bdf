//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"testing"

	"chat-service/internal/test/testkit"
)

// both are one user's two sockets, at the two gateways.
type both = [2]*sock

// rooms: made, changed and dissolved by REST, as both gateways show it.
func (w way) rooms(t *testing.T) {
	us := w.users(t, 2)
	owner, member := both{w.dial(t, w.near, us[0]), w.dial(t, w.far, us[0])}, both{w.dial(t, w.near, us[1]), w.dial(t, w.far, us[1])}
	made := w.api.Must(t, 201, "POST", "/rooms", us[0].Token, obj{"name": "群聊 <name>", "description": "d", "type": "group", "member_ids": []uint64{us[1].ID}})
	room := made.Num("id")
	for s, role := range map[*sock]string{owner[0]: "owner", owner[1]: "owner", member[0]: "member", member[1]: "member"} {
		want := frame{}
		for k, v := range made {
			want[k] = v
		}
		want["role"] = role
		if j := s.Expect(t, is("joined")).Obj("room"); firstEdition(j) != firstEdition(want) {
			t.Errorf("joined:\n%s, want\n%s", j, want)
		}
	}
	w.sameEverywhere(t, us[0], "/rooms", roomPath(room, ""), roomPath(room, "/members"))
	all := []*sock{owner[0], owner[1], member[0], member[1]}
	name := "New " + us[0].Username // the other ways' rooms are in the same list
	w.other.Must(t, 200, "PATCH", roomPath(room, ""), us[0].Token, obj{"name": name, "visibility": "public"})
	for _, s := range all {
		if e := event(t, s.Expect(t, is("message", "room_id", room, "seq", 2))); e.Str("event") != "updated" || e.Str("name") != name {
			t.Errorf("the entry says %s", e)
		}
		if r := s.Expect(t, is("room", "change", "updated")).Obj("room"); r.Str("name") != name || r.Num("last_seq") != 2 {
			t.Errorf("room: %s", r)
		}
	}
	w.sameEverywhere(t, us[1], "/rooms", roomPath(room, "/messages"), "/rooms?visibility=public&q="+us[0].Username)
	w.api.Must(t, 204, "DELETE", roomPath(room, ""), us[0].Token, nil)
	for _, s := range all {
		if e := event(t, s.Expect(t, is("message", "room_id", room, "seq", 3))); e.Str("event") != "dissolved" {
			t.Errorf("the entry says %s", e)
		}
		s.Expect(t, is("left", "room_id", room, "seq", 3, "reason", "dissolved"))
		refusal(t, s, "not_found", "any", obj{"type": "message", "room_id": room, "content": "anybody?", "client_msg_id": "any"})
	}
	refused(t, w.other, want{404, "not_found", ""}, "GET", roomPath(room, ""), us[1].Token, nil)
}

// directRooms: two people have one room, whichever api is asked.
func (w way) directRooms(t *testing.T) {
	us := w.users(t, 2)
	one, two := w.dial(t, w.near, us[0]), w.dial(t, w.far, us[1])
	room := w.api.Must(t, 201, "POST", "/rooms", us[0].Token, obj{"type": "direct", "member_ids": []uint64{us[1].ID}}).Num("id")
	if again := w.other.Must(t, 200, "POST", "/rooms", us[1].Token, obj{"type": "direct", "member_ids": []uint64{us[0].ID}}).Num("id"); again != room {
		t.Errorf("rooms %d and %d, want one", room, again)
	}
	for s, peer := range map[*sock]user{one: us[1], two: us[0]} {
		if j := s.Expect(t, is("joined")).Obj("room"); j.Num("id") != room || j.Str("type") != "direct" || j.Obj("peer").Num("id") != peer.ID {
			t.Errorf("joined: %s", j)
		}
	}
	w.routed(t, room, w.near, w.far)
	w.chat(t, one, room, "hi")
	two.Expect(t, is("message", "room_id", room, "content", "hi"))
	w.chat(t, two, room, "hi yourself")
	one.Expect(t, is("message", "room_id", room, "content", "hi yourself"))
}

// members: added, promoted, muted, made owner, gone and removed.
func (w way) members(t *testing.T) {
	us := w.users(t, 4)
	owner, member, invited, joins := w.dial(t, w.near, us[0]), w.dial(t, w.far, us[1]), w.dial(t, w.far, us[2]), w.dial(t, w.near, us[3])
	room := w.api.CreateRoomAs(t, us[0], obj{"visibility": "public"}, us[1]).Num("id")
	owner.Expect(t, is("joined"))
	member.Expect(t, is("joined"))
	w.routed(t, room, w.near, w.far)
	seq := uint64(1)
	// tells checks the entry and the change that the sockets receive for one call.
	tells := func(name, change string, about user, socks ...*sock) (e frame) {
		t.Helper()
		seq++
		for _, s := range socks {
			if e = event(t, s.Expect(t, is("message", "room_id", room, "seq", seq))); e.Str("event") != name {
				t.Errorf("entry %d says %s, want %s", seq, e, name)
			}
			if r := s.Expect(t, is("room", "change", change, "user_id", about.ID)).Obj("room"); r.Num("last_seq") != seq {
				t.Errorf("room: %s, want last_seq %d", r, seq)
			}
		}
		return e
	}
	w.api.Must(t, 200, "POST", roomPath(room, "/members"), us[0].Token, obj{"member_ids": []uint64{us[2].ID}})
	invited.Expect(t, is("joined"))
	tells("added", "member_joined", us[2], owner, member)
	w.other.Must(t, 200, "POST", roomPath(room, "/members"), us[3].Token, obj{"member_ids": []uint64{us[3].ID}})
	joins.Expect(t, is("joined"))
	tells("joined", "member_joined", us[3], owner, member, invited)
	all := []*sock{owner, member, invited, joins}

	w.api.Must(t, 200, "PATCH", memberPath(room, us[1]), us[0].Token, obj{"role": "admin"})
	if e := tells("role", "role", us[1], all...); e.Str("role") != "admin" {
		t.Errorf("the entry says %s", e)
	}
	w.other.Must(t, 200, "PATCH", memberPath(room, us[2]), us[1].Token, obj{"mute_seconds": 3600})
	tells("muted", "role", us[2], all...)
	refusal(t, invited, "muted", "quiet", obj{"type": "message", "room_id": room, "content": "shh", "client_msg_id": "quiet"})
	for _, a := range []testkit.API{w.api, w.other} {
		refused(t, a, want{403, "muted", ""}, "POST", roomPath(room, "/messages"), us[2].Token, obj{"content": "shh", "client_msg_id": "quiet"})
	}
	w.api.Must(t, 200, "PATCH", memberPath(room, us[2]), us[0].Token, `{"muted_until":null}`)
	tells("unmuted", "role", us[2], all...)
	seq++
	if got := w.chat(t, invited, room, "I may again"); got != seq {
		t.Errorf("seq %d, want %d", got, seq)
	}
	w.other.Must(t, 200, "POST", roomPath(room, "/owner"), us[0].Token, obj{"user_id": us[1].ID})
	tells("owner", "owner", us[1], all...)
	w.sameEverywhere(t, us[3], roomPath(room, "/members"), roomPath(room, ""), roomPath(room, "/messages"))

	w.api.Must(t, 204, "DELETE", roomPath(room, "/members/me"), us[0].Token, nil)
	tells("left", "member_left", us[0], member, invited, joins)
	owner.Expect(t, is("message", "room_id", room, "seq", seq))
	owner.Expect(t, is("left", "room_id", room, "seq", seq, "reason", "left"))
	again := w.dial(t, w.near, us[2]) // the gateway that isn't the api's neighbour only
	w.other.Must(t, 204, "DELETE", memberPath(room, us[2]), us[1].Token, nil)
	tells("removed", "member_left", us[2], member, joins)
	for _, s := range []*sock{invited, again} {
		s.Expect(t, is("left", "room_id", room, "seq", seq, "reason", "kicked"))
	}
	w.chat(t, member, room, "among us")
	joins.Expect(t, is("message", "content", "among us"))
	for _, s := range []*sock{owner, invited, again} {
		s.ExpectNone(t, is("message", "content", "among us"))
		refusal(t, s, "not_found", "out", obj{"type": "message", "room_id": room, "content": "x", "client_msg_id": "out"})
	}
	for _, u := range []user{us[0], us[2]} {
		same(t, w.api.History(t, u, room), w.other.History(t, u, room))
	}
}

// posts: messages and read pointers by REST reach the sockets, and a retry is the same message whichever api and gateway it comes by.
func (w way) posts(t *testing.T) {
	us, room, first, second := w.pairOf(t)
	all := []*sock{first[0], first[1], second[0], second[1]}
	id := fresh()
	body := obj{"content": "by REST <b>", "client_msg_id": id}
	m := w.api.Must(t, 201, "POST", roomPath(room, "/messages"), us[0].Token, body)
	for _, s := range all {
		f := s.Expect(t, is("message", "room_id", room, "seq", 2))
		f = maps.Clone(f)
		if delete(f, "type"); f.String() != m.String() {
			t.Errorf("a socket receives\n%s, REST answers\n%s", f, m)
		}
	}
	for _, a := range []testkit.API{w.api, w.other} {
		if r := a.Must(t, 200, "POST", roomPath(room, "/messages"), us[0].Token, body); r.String() != m.String() {
			t.Errorf("a retry is answered with\n%s, want\n%s", r, m)
		}
		refused(t, a, want{409, "idempotency_conflict", ""}, "POST", roomPath(room, "/messages"), us[0].Token, obj{"content": "other", "client_msg_id": id})
	}
	for _, s := range first { // by the socket, too
		s.Send(t, obj{"type": "message", "room_id": room, "content": "by REST <b>", "client_msg_id": id})
		s.Expect(t, is("ack", "client_msg_id", id, "seq", 2, "duplicate", true))
	}
	w.chat(t, first[0], room, "by socket")
	for _, s := range second {
		s.Expect(t, is("message", "seq", 3))
	}
	if r := w.other.Must(t, 200, "PUT", roomPath(room, "/read"), us[1].Token, obj{"seq": 2}); r.Num("read_seq") != 2 || r.Num("unread") != 1 {
		t.Errorf("read: %s, want seq 2 and 1 unread", r)
	}
	for _, s := range second {
		if r := s.Expect(t, is("read", "room_id", room, "user_id", us[1].ID, "seq", 2)); r.Num("unread") != 1 || !r.Has("unread") {
			t.Errorf("one's own device receives %s, want 1 unread", r)
		}
	}
	for _, s := range first {
		s.Expect(t, is("read", "room_id", room, "user_id", us[1].ID, "seq", 2))
	}
	w.sameEverywhere(t, us[1], "/unread", "/rooms", roomPath(room, "/messages"))
}

// logins: what ends login sessions closes their sockets at both gateways, and no others.
func (w way) logins(t *testing.T) {
	u := w.api.User(t)
	login := func() (user, both) {
		x := w.other.Login(t, u.Username, u.Password, "")
		return x, both{w.dial(t, w.near, x), w.dial(t, w.far, x)}
	}
	over := func(ended both, live ...both) {
		t.Helper()
		for _, s := range ended {
			closed(t, s, 4502)
		}
		for _, b := range live {
			b[0].Ping(t)
			b[1].Ping(t)
		}
	}
	own := both{w.dial(t, w.near, u), w.dial(t, w.far, u)}
	phone, phones := login()
	_, laptops := login()
	w.api.Must(t, 200, "POST", "/auth/logout", phone.Token, nil)
	over(phones, own, laptops)
	refused(t, w.other, want{401, "unauthenticated", ""}, "GET", "/me", phone.Token, nil)
	closed(t, testkit.Dial(t, w.WS(w.far), phone.Token), 4502)

	tablet, tablets := login()
	list := w.other.Must(t, 200, "GET", "/auth/sessions", tablet.Token, nil).List("sessions")
	for _, s := range list {
		if s.Bool("current") {
			w.api.Must(t, 204, http.MethodDelete, "/auth/sessions/"+s.Str("id"), u.Token, nil)
		}
	}
	over(tablets, own, laptops)

	w.other.Must(t, 200, "POST", "/auth/password", u.Token, obj{"old_password": u.Password, "new_password": "another one 17"})
	over(laptops, own)
	refused(t, w.api, want{401, "unauthenticated", ""}, "POST", "/auth/login", "", obj{"username": u.Username, "password": u.Password})
	u.Password = "another one 17"
	last, lasts := login()
	r := w.api.Must(t, 200, "POST", "/auth/refresh", "", obj{"refresh_token": last.Refresh})
	w.other.Must(t, 200, "GET", "/me", r.Str("access_token"), nil)
	w.api.Must(t, 200, "POST", "/auth/logout-all", last.Token, obj{})
	over(lasts)
	over(own)
	if n := w.number(t, "SELECT COUNT(*) FROM sessions WHERE user_id = ? AND revoked_at IS NULL", u.ID); n != 0 {
		t.Error(fmt.Sprint(n, " sessions are not revoked"))
	}
}
