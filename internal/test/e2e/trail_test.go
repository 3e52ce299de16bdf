//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"chat-service/internal/test/testkit"
)

// TestTrail: logins, failures, throttles, changes of password and mail and what operators do stand in the audit trail, with who it was,
// from where and in which request; no secret does, and nothing but what happened.
func TestTrail(t *testing.T) {
	t.Parallel()
	env := calm()
	env["CHAT_LIMITS_LOGIN_PER_MINUTE"] = "1000" // tries are counted
	env["CHAT_LOG_LEVEL"] = "debug"              // a line per request
	fleet := testkit.StartFleet(t, testkit.FleetOptions{Workers: 1, APIs: 1, Env: env})
	w := &world{Fleet: fleet, api: fleet.API(1)}
	good(t, "POST /auth/register", "POST /auth/login", "POST /auth/refresh", "PATCH /me", "POST /auth/password")
	type line struct {
		kind, by string
		user     uint64
		request  string
	}
	var want []line
	// does makes a request and expects a line of it; by is who the line says it was.
	does := func(kind string, status int, user uint64, by, method, path, token string, body any) frame {
		t.Helper()
		r, err := w.api.Call(t.Context(), method, path, token, body)
		if err != nil || r.Status != status {
			t.Fatalf("%s %s: %d %v %s", method, path, r.Status, err, r.Raw)
		}
		want = append(want, line{kind, by, user, r.Header.Get("X-Request-Id")})
		return r.Body
	}
	name := "trail." + fresh()
	id := does("registered", 201, 1, "", "POST", "/auth/register", "", obj{"username": name, "email": name + "@example.com", "password": "123456"}).Obj("user").Num("id")
	own := fmt.Sprintf("user:%d", id)
	login := func(password string) obj { return obj{"username": name, "password": password, "device": "phone"} }
	token := does("login", 200, id, "", "POST", "/auth/login", "", login("123456")).Str("access_token")
	other := does("login", 200, id, "", "POST", "/auth/login", "", login("123456")).Str("access_token")
	does("login_failed", 401, id, "", "POST", "/auth/login", "", login("wrong one"))
	does("login_failed", 401, 0, "", "POST", "/auth/login", "", obj{"username": "nobody." + fresh(), "password": "wrong one"})
	does("wrong_password", 403, id, own, "POST", "/auth/password", token, obj{"old_password": "wrong one", "new_password": "another one"})
	does("email_changed", 200, id, own, "PATCH", "/me", token, obj{"email": "new." + name + "@example.com", "password": "123456"})
	does("password_changed", 200, id, own, "POST", "/auth/password", token, obj{"old_password": "123456", "new_password": "another one"})
	refused(t, w.api, want401, "GET", "/me", other, nil) // the other session has ended with it
	does("session_ended", 200, id, own, "POST", "/auth/logout", token, nil)
	token = does("login", 200, id, "", "POST", "/auth/login", "", login("another one")).Str("access_token")
	does("sessions_ended", 200, id, own, "POST", "/auth/logout-all", token, obj{})
	for range 100 { // until the tries are too many
		r, err := w.api.Call(t.Context(), "POST", "/auth/login", "", login("wrong one"))
		if err != nil {
			t.Fatal(err)
		}
		kind := map[int]string{401: "login_failed", 429: "throttled"}[r.Status]
		want = append(want, line{kind, "", id, r.Header.Get("X-Request-Id")})
		if kind != "login_failed" {
			break
		}
	}
	w.Chatctl(t, "user", "disable", fmt.Sprint(id))
	w.Chatctl(t, "user", "enable", fmt.Sprint(id))

	read := func() (lines map[string]line, operators int) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		rows, err := w.DB.DB.QueryContext(ctx, "SELECT kind, by_whom, user_id, request_id, ip FROM audit")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		lines = map[string]line{}
		for rows.Next() {
			var l line
			var ip string
			if err := rows.Scan(&l.kind, &l.by, &l.user, &l.request, &ip); err != nil {
				t.Fatal(err)
			}
			switch {
			case strings.HasPrefix(l.by, "operator:") && strings.Contains(l.by, "@"):
				operators++
			case ip != "127.0.0.1" || l.request == "":
				t.Errorf("%+v is from %q", l, ip)
			}
			lines[l.request+l.kind] = l
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return lines, operators
	}
	testkit.Eventually(t, patience, func() (bool, string) { // some are written in batches
		n := w.number(t, "SELECT COUNT(*) FROM audit")
		return n >= uint64(len(want)+2), fmt.Sprintf("%d lines, want %d", n, len(want)+2)
	})
	lines, operators := read()
	for _, l := range want {
		got := lines[l.request+l.kind]
		if l.kind == "registered" {
			l.user = id
		}
		if got != l {
			t.Errorf("the trail has %+v, want %+v", got, l)
		}
	}
	requests := w.Log("api-1", 10_000)
	for _, l := range want { // F16: each request has its line, with its id and how long it took
		line := regexp.MustCompile(`"msg":"request".*"request_id":"` + l.request + `".*"status":[0-9]{3},"took":"[0-9.]+(µs|ms|s)"`)
		if !line.MatchString(requests) {
			t.Errorf("the log has no line of request %s (%s)", l.request, l.kind)
		}
	}
	if n := w.number(t, "SELECT COUNT(*) FROM audit"); operators != 2 || n != uint64(len(want)+2) {
		t.Errorf("%d lines of operators, %d in all, want 2 of %d", operators, n, len(want)+2)
	}
	if n := w.number(t, "SELECT COUNT(*) FROM audit WHERE CONCAT(detail, by_whom) LIKE '%another one%' OR detail LIKE '%example.com%'"); n != 0 {
		t.Error("a password or an address is in the trail")
	}
}

var want401 = want{401, "unauthenticated", ""}
