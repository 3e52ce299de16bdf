//go:build e2e

package e2e

import (
	"fmt"
	"sync"
	"testing"
)

// TestBackendRooms does with rooms what an application's backend does by its own ids, and those who are in them see it by their sockets.
func TestBackendRooms(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /server/rooms", "DELETE /server/rooms/{room}", "GET /server/rooms/{room}/members", "GET /server/users/{user}/rooms",
		"GET /server/rooms/{room}/messages/{seq}")
	bad(t, "POST /server/rooms", "DELETE /server/rooms/{room}", "GET /server/rooms/{room}/members", "GET /server/users/{user}/rooms",
		"GET /server/rooms/{room}/messages/{seq}")
	key, _ := newKey(t, w.Fleet, "users,tokens,rooms,messages,read")
	ann, bob := "ext:"+fresh(), "ext:"+fresh()
	ids := map[string]uint64{}
	for _, u := range []string{ann, bob} {
		ids[u] = w.api.Must(t, 201, "PUT", "/server/users/"+u, key, obj{}).Num("id")
	}
	token := w.api.Must(t, 200, "POST", "/server/users/"+bob+"/tokens", key, obj{"ttl_seconds": 600}).Str("access_token")
	s := w.dial(t, 1, user{ID: ids[bob], Token: token})

	var all sync.WaitGroup // twenty calls open one direct room
	rooms, made := make([]uint64, 20), make([]int, 20)
	for i := range rooms {
		all.Go(func() {
			pair := []string{ann, bob}
			if i%2 == 1 {
				pair = []string{fmt.Sprint(ids[bob]), fmt.Sprint(ids[ann])}
			}
			status, f := w.api.Do(t, "POST", "/server/rooms", key, obj{"type": "direct", "members": pair})
			made[i], rooms[i] = status, f.Num("id")
		})
	}
	all.Wait()
	first := 0
	for i := range rooms {
		if made[i] == 201 {
			first++
		}
		if rooms[i] != rooms[0] || rooms[i] == 0 || first > 1 {
			t.Fatalf("twenty calls open %v (%v)", rooms, made)
		}
	}
	s.Expect(t, is("joined"))
	w.api.Must(t, 201, "POST", fmt.Sprintf("/server/rooms/%d/messages", rooms[0]), key, obj{"as": ann, "content": "hello"})
	s.Expect(t, is("message", "room_id", rooms[0], "content", "hello", "sender_id", ids[ann]))
	refused(t, w.api, want{403, "forbidden", ""}, "DELETE", fmt.Sprintf("/server/rooms/%d", rooms[0]), key, nil)
	refused(t, w.api, want{422, "invalid", "members[1]"}, "POST", "/server/rooms", key, obj{"type": "direct", "members": []string{ann, ann}})
	refused(t, w.api, want{422, "invalid", "type"}, "POST", "/server/rooms", key, obj{"type": "group", "members": []string{ann, bob}})

	group := "/server/rooms/ext:" + fresh()
	id := w.api.Must(t, 201, "PUT", group, key, obj{"name": "Group", "owner": ann}).Num("id")
	w.api.Must(t, 200, "PUT", group+"/members/"+bob, key, obj{"role": "admin"})
	s.Expect(t, is("joined"))
	s.Expect(t, is("room", "change", "role", "user_id", ids[bob]))
	if ms := w.api.Must(t, 200, "GET", group+"/members", key, nil).List("members"); len(ms) != 2 || ms[1].Str("role") != "admin" {
		t.Errorf("members: %v", ms)
	}
	if rs := w.api.Must(t, 200, "GET", "/server/users/"+bob+"/rooms", key, nil).List("rooms"); len(rs) != 2 || rs[0].Num("id") != id || rs[0].Str("role") != "admin" {
		t.Errorf("bob's rooms: %v", rs)
	}
	if m := w.api.Must(t, 200, "GET", group+"/messages/1", key, nil); m.Str("kind") != "system" {
		t.Errorf("the first message is %s", m)
	}
	refused(t, w.api, want{404, "not_found", ""}, "GET", group+"/messages/99", key, nil)
	refused(t, w.api, want{409, "conflict", ""}, "PUT", group+"/members/"+ann, key, obj{"role": "member"})
	w.api.Must(t, 204, "DELETE", group, key, nil)
	s.Expect(t, is("left", "room_id", id, "reason", "dissolved"))
	refused(t, w.api, want{404, "not_found", ""}, "DELETE", group, key, nil)
	refused(t, w.api, want{404, "not_found", ""}, "GET", group+"/members", key, nil)
	refused(t, w.api, want{404, "not_found", ""}, "GET", "/server/users/ext:nobody/rooms", key, nil)
}
