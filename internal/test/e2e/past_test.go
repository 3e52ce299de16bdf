//go:build e2e

package e2e

import (
	"fmt"
	"testing"
)

// TestThePastDoesNotOpenItself (G17): who doesn't see all of a room's past can't open it to those who join later, and so can't see more of it
// by leaving and joining again.
func TestThePastDoesNotOpenItself(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "PATCH /rooms/{room_id}")
	good(t, "visible from joining", "visible with history_all", "code forbidden")
	us := w.users(t, 3)
	owner, late, later := us[0], us[1], us[2]
	room := w.api.CreateRoom(t, owner)
	w.post(t, owner, room, "before anybody came") // 2
	add := func(u user) {
		t.Helper()
		w.api.Must(t, 200, "POST", roomPath(room, "/members"), owner.Token, obj{"member_ids": []uint64{u.ID}})
	}
	first := func(u user) uint64 { return w.api.History(t, u, room)[0].Num("seq") }
	add(late)
	w.api.Must(t, 200, "PATCH", memberPath(room, late), owner.Token, obj{"role": "admin"})
	w.api.Must(t, 200, "PATCH", roomPath(room, ""), late.Token, obj{"name": "an admin may", "history_all": false})
	for _, body := range []obj{{"history_all": true}, {"visibility": "public"}, {"visibility": "public", "history_all": true, "name": "x"}} {
		refused(t, w.api, want{403, "forbidden", ""}, "PATCH", roomPath(room, ""), late.Token, body)
	}
	w.api.Must(t, 200, "POST", roomPath(room, "/owner"), owner.Token, obj{"user_id": late.ID})
	refused(t, w.api, want{403, "forbidden", ""}, "PATCH", roomPath(room, ""), late.Token, obj{"history_all": true})
	w.api.Must(t, 200, "POST", roomPath(room, "/owner"), late.Token, obj{"user_id": owner.ID})
	w.api.Must(t, 204, "DELETE", roomPath(room, "/members/me"), late.Token, nil)
	add(late)
	if seq := first(late); seq <= 3 {
		t.Errorf("somebody who left and came back sees from %d", seq)
	}
	w.api.Must(t, 200, "PATCH", roomPath(room, ""), owner.Token, obj{"history_all": true}) // who sees all of it may
	add(later)
	if seq := first(later); seq != 1 {
		t.Errorf("somebody who joined an open history sees from %d", seq)
	}
}

// TestOwnershipIsHandedBack (G17): who was made the owner without wanting it hands it back, and leaves.
func TestOwnershipIsHandedBack(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /rooms/{room_id}/owner", "DELETE /rooms/{room_id}/members/{user_id}")
	us := w.users(t, 2)
	room := w.api.CreateRoom(t, us[0], us[1])
	w.api.Must(t, 200, "POST", roomPath(room, "/owner"), us[0].Token, obj{"user_id": us[1].ID})
	refused(t, w.api, want{409, "conflict", ""}, "DELETE", roomPath(room, "/members/me"), us[1].Token, nil)
	w.api.Must(t, 200, "POST", roomPath(room, "/owner"), us[1].Token, obj{"user_id": us[0].ID})
	w.api.Must(t, 204, "DELETE", roomPath(room, "/members/me"), us[1].Token, nil)
	list := w.api.Must(t, 200, "GET", roomPath(room, "/members"), us[0].Token, nil).List("members")
	if len(list) != 1 || list[0].Num("user_id") != us[0].ID || list[0].Str("role") != "owner" {
		t.Errorf("the room's members: %s", fmt.Sprint(list))
	}
}
