//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

// TestOperatorsActs: what an operator does to an account or a room reaches its sockets within a second, at every gateway, with
// the code that says why; neighbours see nothing, and the trail says who it was.
func TestOperatorsActs(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "close 4504", "close 4502")
	us := w.users(t, 2)
	u, other := us[0], us[1]
	room := w.api.CreateRoom(t, u, other)
	phone := w.api.Login(t, u.Username, u.Password, "phone")
	one, two, own, bystander := w.dial(t, 1, phone), w.dial(t, 2, phone), w.dial(t, 2, u), w.dial(t, 1, other)
	soon := func(code int, ss ...*sock) {
		t.Helper()
		began := time.Now()
		for _, s := range ss {
			closed(t, s, code)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("code %d took %v", code, d)
		}
	}
	var id string
	for _, s := range w.api.Must(t, 200, "GET", "/auth/sessions", u.Token, nil).List("sessions") {
		if s.Str("ip") != "127.0.0.1" {
			t.Errorf("session without its address: %s", s)
		}
		if s.Str("device") == "phone" {
			id = s.Str("id")
		}
	}
	name := fmt.Sprint(u.ID)
	w.Chatctl(t, "user", "sessions", name, "--end", id)
	soon(4502, one, two)
	own.Ping(t)
	w.Chatctl(t, "user", "disable", name)
	soon(4504, own)
	refused(t, w.api, want{403, "blocked", ""}, "POST", "/auth/login", "", obj{"username": u.Username, "password": u.Password})
	late := testkit.Dial(t, w.WS(1), u.Token)
	closed(t, late, 4504)
	w.Chatctl(t, "user", "enable", name)
	again := w.api.Login(t, u.Username, u.Password, "again")
	back := w.dial(t, 1, again)
	password := strings.TrimSpace(w.Chatctl(t, "user", "password", name))
	soon(4502, back)
	refused(t, w.api, want{401, "unauthenticated", ""}, "POST", "/auth/login", "", obj{"username": u.Username, "password": u.Password})
	w.api.Login(t, u.Username, password, "again")
	w.Chatctl(t, "room", "owner", fmt.Sprint(room), fmt.Sprint(other.ID))
	bystander.Expect(t, is("room", "change", "owner"))
	w.Chatctl(t, "room", "dissolve", fmt.Sprint(room), "--yes")
	bystander.Expect(t, is("left", "room_id", room))
	bystander.Ping(t)
	refused(t, w.api, want{404, "not_found", ""}, "GET", roomPath(room, ""), other.Token, nil)
	trail := w.Chatctl(t, "audit", "--user", name)
	for _, kind := range []string{"user_disabled", "user_enabled", "password_changed", "session_ended", "operator:"} {
		if !strings.Contains(trail, kind) {
			t.Errorf("no %s in\n%s", kind, trail)
		}
	}
	testkit.Eventually(t, patience, func() (bool, string) { // written in batches
		trail = w.Chatctl(t, "audit", "--user", name, "--kind", "login,login_failed,login_refused,registered")
		ok := strings.Contains(trail, "login_failed") && strings.Contains(trail, "login_refused") && strings.Contains(trail, "registered") && strings.Contains(trail, "127.0.0.1")
		return ok, trail
	})
}

// TestLostNotice: the sockets of a disabled account close with 4504 within a minute if nothing announced it.
func TestLostNotice(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "close 4504")
	u := w.api.User(t)
	s := w.dial(t, 1, u)
	w.exec(t, "UPDATE users SET status = 'disabled' WHERE id = ?", u.ID)
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		_, _, over := s.Ended()
		return over, "the socket of a disabled account stays open"
	})
	closed(t, s, 4504)
}
