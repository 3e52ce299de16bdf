//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

// TestErase: a user is erased by the application while workers are killed: what they wrote is taken back everywhere, those in the rooms see
// it by their sockets, and an operator's command says the same of another one.
func TestErase(t *testing.T) {
	t.Parallel()
	fleet := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 2, APIs: 1, Env: calm()})
	w := &world{Fleet: fleet, api: fleet.API(1), strict: fleet.API(1)}
	good(t, "DELETE /server/users/{user}", "GET /server/jobs/{job}")
	bad(t, "DELETE /server/users/{user}", "GET /server/jobs/{job}")
	key, _ := newKey(t, fleet, "users,tokens,rooms,messages,moderation,read")
	ids := map[string]uint64{}
	for _, who := range []string{"ann", "bob", "cem"} {
		ids[who] = w.api.Must(t, 201, "PUT", "/server/users/ext:"+who, key, obj{"nickname": "canary " + who}).Num("id")
	}
	login := func(who string) user {
		return user{ID: ids[who], Token: w.api.Must(t, 200, "POST", "/server/users/ext:"+who+"/tokens", key, obj{"ttl_seconds": 3600}).Str("access_token")}
	}
	var rooms []uint64
	for i := range 3 {
		path := fmt.Sprintf("/server/rooms/ext:room-%d", i)
		rooms = append(rooms, w.api.Must(t, 201, "PUT", path, key, obj{"name": "Room", "owner": "ext:bob", "members": []string{"ext:ann", "ext:cem"}}).Num("id"))
		for n := range 60 {
			w.api.Must(t, 201, "POST", path+"/messages", key, obj{"as": "ext:ann", "content": fmt.Sprintf("canary %d", n)})
		}
	}
	other := w.api.Must(t, 201, "POST", "/server/rooms/ext:room-0/messages", key, obj{"as": "ext:bob", "content": "stays"}).Num("seq")
	ann, bob := login("ann"), login("bob")
	w.api.Must(t, 200, "PUT", fmt.Sprintf("/rooms/%d/messages/%d/reactions/canary", rooms[0], other), ann.Token, nil)
	gone, stays := w.dial(t, 1, ann), w.dial(t, 1, bob)

	j := w.api.Must(t, 202, "DELETE", "/server/users/ext:ann?erase=true", key, nil)
	closed(t, gone, 4504)
	stays.Expect(t, func(f testkit.Frame) bool {
		return f.Type() == "user" && f.Obj("user").Str("nickname") == "Deleted user"
	})
	path := fmt.Sprintf("/server/jobs/%d", j.Num("id"))
	for i := range 2 { // the first worker of the moment is one of the two: both die
		testkit.Eventually(t, patience, func() (bool, string) {
			now := w.api.Must(t, 200, "GET", path, key, nil)
			return now.Num("done") > uint64(25*i) || now.Str("state") == "done", now.String()
		})
		name := fmt.Sprintf("worker-%d", 1+i%2)
		fleet.Kill(t, name)
		fleet.Restart(t, name)
	}
	var done testkit.Frame
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		done = w.api.Must(t, 200, "GET", path, key, nil)
		return done.Str("state") == "done", done.String()
	})
	if done.Num("done") != 181 || done.Str("error") != "" || done.Str("finished_at") == "" {
		t.Errorf("the job is %s", done)
	}
	stays.Expect(t, func(f testkit.Frame) bool { return f.Type() == "change" && f.Obj("cause").Str("kind") == "erase" })
	for _, room := range rooms {
		for before := uint64(101); before > 1; before -= 50 {
			h := w.api.Must(t, 200, "GET", fmt.Sprintf("/rooms/%d/messages?before_seq=%d&limit=50", room, before), bob.Token, nil)
			if strings.Contains(h.String(), "canary") || !strings.Contains(h.String(), `"recalled"`) {
				t.Fatalf("room %d: %.300s", room, h)
			}
		}
	}
	if n := w.number(t, "SELECT COUNT(*) FROM messages WHERE content LIKE '%canary%'") + w.number(t, "SELECT COUNT(*) FROM identities WHERE user_id = ?", ann.ID); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if u := w.api.Must(t, 200, "GET", "/unread", bob.Token, nil); u.Num("total") != 0 {
		t.Errorf("unread: %s", u)
	}
	refused(t, w.api, want{404, "not_found", ""}, "GET", "/server/users/ext:ann", key, nil)
	refused(t, w.api, want{409, "conflict", ""}, "PUT", fmt.Sprintf("/server/users/%d", ann.ID), key, obj{"nickname": "x"})
	refused(t, w.api, want{404, "not_found", ""}, "DELETE", "/server/users/ext:ann?erase=true", key, nil)
	refused(t, w.api, want{404, "not_found", ""}, "GET", "/server/jobs/99", key, nil)
	if again := w.api.Must(t, 202, "DELETE", fmt.Sprintf("/server/users/%d?erase=true", ann.ID), key, nil); again.Num("id") != j.Num("id") {
		t.Errorf("again: %s", again)
	}
	if out := fleet.Chatctl(t, "user", "erase", fmt.Sprint(ids["cem"]), "--yes"); !strings.Contains(out, "done: 0 messages") {
		t.Errorf("chatctl says %s", out)
	}
	if trail := fleet.Chatctl(t, "audit", "--kind", "user_erased"); strings.Count(trail, "user_erased") != 2 {
		t.Errorf("the trail is %s", trail)
	}
	w.api.Must(t, 204, "DELETE", "/server/users/ext:bob", key, nil)
	closed(t, stays, 4504)
}
