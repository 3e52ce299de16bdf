//go:build integration

package main

import (
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
)

// TestOperatorsActs: each verb does what it says, leaves its line in the trail, and refuses what isn't there.
func TestOperatorsActs(t *testing.T) {
	p := settle(t)
	db := p.populate(t)
	alice, bob, room := people(t, db)
	open := func(id chat.SessionID) {
		t.Helper()
		until := time.Now().Add(time.Hour)
		err := db.Accounts.OpenSession(t.Context(), chat.NewSession{
			Session: chat.Session{ID: id, User: alice.ID, Device: "phone", IP: "192.0.2.7", ExpiresAt: until}, RefreshHash: [32]byte{id[0]}, Until: until,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	open("a")
	open("b")
	type sessions struct{ Sessions []sessionView }
	if out := must(t, "user", "sessions", "alice"); !strings.Contains(out, "192.0.2.7") || !strings.Contains(out, "phone") {
		t.Errorf("sessions:\n%s", out)
	}
	must(t, "user", "sessions", "alice", "--end", "a")
	if v := fromJSON[sessions](t, must(t, "user", "sessions", "alice", "--json")); len(v.Sessions) != 1 || v.Sessions[0].ID != "b" {
		t.Errorf("sessions %+v after ending one", v)
	}
	password := strings.TrimSpace(must(t, "user", "password", "alice"))
	u, err := db.Accounts.User(t.Context(), alice.ID)
	if err != nil || len(password) < 20 || u.PasswordHash == alice.PasswordHash || !strings.HasPrefix(u.PasswordHash, "$argon2id$") {
		t.Errorf("password %q, hash %q, %v", password, u.PasswordHash, err)
	}
	if v := fromJSON[sessions](t, must(t, "user", "sessions", "alice", "--json")); len(v.Sessions) != 0 {
		t.Errorf("sessions %+v after a new password", v)
	}
	must(t, "user", "disable", "alice")
	if u, err = db.Accounts.User(t.Context(), alice.ID); err != nil || u.Status != chat.Disabled {
		t.Errorf("user %+v, %v", u, err)
	}
	must(t, "user", "enable", alice.ID.String())
	must(t, "room", "owner", room.String(), "bob")
	for _, args := range [][]string{{"user", "disable", "nobody"}, {"user", "sessions", "nobody"}, {"room", "owner", "99", "bob"}, {"room", "dissolve", "99", "--yes"}} {
		if _, _, err := chatctl(t, args...); err == nil {
			t.Errorf("%v succeeds", args)
		}
	}
	must(t, "room", "dissolve", room.String(), "--yes")

	type trail struct{ Acts []actView }
	v := fromJSON[trail](t, must(t, "audit", "--json"))
	var kinds []string
	for _, a := range v.Acts {
		kinds = append(kinds, string(a.Kind))
		if !strings.HasPrefix(a.By, "operator:") {
			t.Errorf("by %q: %+v", a.By, a)
		}
	}
	want := "room_dissolved room_owner user_enabled user_disabled password_changed session_ended"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("trail %s, want %s", got, want)
	}
	if v = fromJSON[trail](t, must(t, "audit", "--user", "alice", "--kind", "user_disabled,user_enabled", "--since", "1h", "--json")); len(v.Acts) != 2 {
		t.Errorf("filtered: %+v", v)
	}
	if out := must(t, "audit", "--room", room.String()); strings.Count(out, "\n") != 3 || !strings.Contains(out, bob.ID.String()) {
		t.Errorf("table:\n%s", out)
	}
}
