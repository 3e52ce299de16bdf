//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

// TestPresence: online with the first socket, offline after the last one, for those who watch and share a room.
func TestPresence(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "> presence", "< presence", "GET /users/{user_id}/presence", "POST /presence")
	us := w.users(t, 4)
	watcher, friend, quiet, stranger := us[0], us[1], us[2], us[3]
	w.api.CreateRoom(t, watcher, friend, quiet)
	w.dial(t, 2, stranger)
	w.knows(t, watcher)
	s := w.dial(t, 1, watcher)
	s.Send(t, obj{"type": "presence", "user_ids": testkit.IDs(friend, quiet, stranger)})
	snap := s.Expect(t, is("presence"))
	if list := snap.List("users"); len(list) != 2 || list[0].Num("user_id") != friend.ID || list[0]["online"] != false || list[0]["last_seen"] != nil || list[1].Num("user_id") != quiet.ID {
		t.Errorf("the snapshot is %s, want the two who share a room, offline", snap)
	}
	online := func(u user) bool {
		f := w.api.Must(t, 200, "GET", fmt.Sprintf("/users/%d/presence", u.ID), watcher.Token, nil)
		return f.Bool("online")
	}
	phone := w.dial(t, 2, friend)
	if f := s.Expect(t, is("presence")).List("users"); len(f) != 1 || f[0].Num("user_id") != friend.ID || f[0]["online"] != true {
		t.Errorf("coming online tells %v", f)
	}
	if !online(friend) || online(quiet) {
		t.Error("REST and socket differ")
	}
	laptop := w.dial(t, 1, w.api.Login(t, friend.Username, friend.Password, "laptop"))
	phone.Close()
	laptop.Ping(t)
	before := time.Now()
	laptop.Drop()
	gone := s.Expect(t, is("presence")).List("users")
	if len(gone) != 1 || gone[0].Num("user_id") != friend.ID || gone[0]["online"] != false {
		t.Fatalf("going offline tells %v", gone)
	}
	if seen := stamp(t, gone[0], "last_seen"); seen.Before(before.Add(-time.Second)) {
		t.Errorf("last seen %v, but a device lived at %v", seen, before)
	}
	f := w.api.Must(t, 200, "POST", "/presence", watcher.Token, obj{"user_ids": testkit.IDs(friend, quiet, stranger, watcher)})
	list := f.List("users")
	if len(list) != 3 || list[0].Num("user_id") != friend.ID || list[0]["online"] != false || list[0].Str("last_seen") == "" || list[2]["online"] != true {
		t.Errorf("REST tells %s, want friend, quiet and oneself", f)
	}
	// The list replaces: nobody is watched any more but quiet.
	s.Send(t, obj{"type": "presence", "user_ids": testkit.IDs(quiet)})
	s.Expect(t, is("presence"))
	w.dial(t, 2, friend)
	w.dial(t, 1, quiet)
	if f := s.Expect(t, is("presence")).List("users"); len(f) != 1 || f[0].Num("user_id") != quiet.ID {
		t.Errorf("who is not watched any more is told of: %v", f)
	}
	s.Send(t, obj{"type": "presence", "user_ids": []uint64{}})
	if f := s.Expect(t, is("presence")); len(f.List("users")) != 0 {
		t.Errorf("an empty list shows %s", f)
	}
}

// knows waits until presence can be told: gateways that have just been started prove for a lease that they live.
func (w *world) knows(t *testing.T, u user) {
	t.Helper()
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		// Before a worker has been up for a lease, presence becomes unknown only when it first looks. Workers of 0.1.0 don't say when.
		if w.number(t, "SELECT COUNT(*) FROM workers WHERE features LIKE '%+hears%' OR"+
			" started_at < UTC_TIMESTAMP(6) - INTERVAL 20 SECOND AND beat_at > UTC_TIMESTAMP(6) - INTERVAL 3 SECOND") == 0 {
			return false, "no worker has heard heartbeats for a lease"
		}
		f := w.api.Must(t, 200, "GET", fmt.Sprintf("/users/%d/presence", u.ID), u.Token, nil)
		return f["online"] != nil, "presence is not known yet"
	})
}

func TestPresenceRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "> presence", "GET /users/{user_id}/presence", "POST /presence")
	us := w.users(t, 2)
	s := w.dial(t, 1, us[0])
	many := make([]uint64, 201)
	for i := range many {
		many[i] = uint64(i + 1)
	}
	refusal(t, s, "invalid", "presence", obj{"type": "presence", "user_ids": many})
	refusal(t, s, "invalid", "presence", obj{"type": "presence"})
	refusal(t, s, "invalid", "presence", obj{"type": "presence", "user_ids": "all"})
	refusal(t, s, "invalid", "presence", obj{"type": "presence", "user_ids": []any{"1"}})
	refusal(t, s, "unknown_field", "presence", obj{"type": "presence", "user_ids": []uint64{1}, "room_id": 1})
	for _, body := range []obj{{"user_ids": many}, {"user_ids": []uint64{}}, {}, {"user_ids": []uint64{0}}} {
		refused(t, w.api, want{422, "invalid", "user_ids"}, "POST", "/presence", us[0].Token, body)
	}
	stranger := refused(t, w.api, want{404, "not_found", ""}, "GET", fmt.Sprintf("/users/%d/presence", us[1].ID), us[0].Token, nil)
	nobody := refused(t, w.api, want{404, "not_found", ""}, "GET", "/users/9007199254740991/presence", us[0].Token, nil)
	if stranger.Str("detail") != nobody.Str("detail") {
		t.Errorf("a stranger is told from nobody: %s, %s", stranger, nobody)
	}
}
