package api

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
)

func TestSessions(t *testing.T) {
	b := newBench(t)
	b.join("ann")
	login := func(device string) (access, refresh string) {
		a := b.do(200, "POST", "auth/login", "", `{"username":"ann","password":"123456","device":"`+device+`"}`)
		return a.body["access_token"].(string), a.body["refresh_token"].(string)
	}
	phone, refresh := login("phone")
	laptop, _ := login("laptop")
	a := b.do(200, "GET", "auth/sessions", phone, "")
	current := 0
	other := ""
	for _, s := range a.body["sessions"].([]any) {
		s := s.(map[string]any)
		if s["current"] == true {
			current++
			if s["device"] != "phone" || s["created_at"] == nil || s["last_seen_at"] == nil {
				t.Errorf("current session %v", s)
			}
		}
		if s["device"] == "laptop" {
			other = s["id"].(string)
		}
	}
	if current != 1 || len(a.body["sessions"].([]any)) != 3 {
		t.Errorf("sessions %s", a.raw)
	}
	b.do(200, "GET", "me", laptop, "")
	b.do(204, "DELETE", "auth/sessions/"+other, phone, "")
	b.problem(b.raw("GET", "me", laptop, "", ""), 401, "unauthenticated")
	b.problem(b.raw("DELETE", "auth/sessions/nonsense", phone, "", ""), 404, "not_found")

	a = b.do(200, "POST", "auth/refresh", "", `{"refresh_token":"`+refresh+`"}`)
	if a.body["access_token"] == "" || a.body["refresh_token"] == refresh || a.body["user"] == nil {
		t.Errorf("refreshed %s", a.raw)
	}
	b.problem(b.raw("POST", "auth/refresh", "", "application/json", `{"refresh_token":"made up"}`), 401, "unauthenticated")

	laptop, _ = login("laptop")
	b.problem(b.raw("POST", "auth/password", phone, "application/json", `{"old_password":"wrong!","new_password":"abcdef"}`), 403, "forbidden")
	b.do(200, "POST", "auth/password", phone, `{"old_password":"123456","new_password":"abcdef"}`)
	b.do(200, "GET", "me", phone, "")
	b.problem(b.raw("GET", "me", laptop, "", ""), 401, "unauthenticated")
	b.do(401, "POST", "auth/login", "", `{"username":"ann","password":"123456"}`)
	a = b.do(200, "POST", "auth/login", "", `{"username":"ann","password":"abcdef"}`)
	b.do(200, "POST", "auth/logout-all", phone, "")
	b.problem(b.raw("GET", "me", phone, "", ""), 401, "unauthenticated")
	b.problem(b.raw("GET", "me", a.body["access_token"].(string), "", ""), 401, "unauthenticated")
}

// TestRevocationElsewhere: a session that another process revokes is believed in for a moment, and no longer.
func TestRevocationElsewhere(t *testing.T) {
	b := newBench(t)
	ann := b.join("ann")
	before := b.store.Calls("Session")
	for range 10 {
		b.do(200, "GET", "me", ann, "")
	}
	if n := b.store.Calls("Session") - before; n != 1 {
		t.Errorf("%d queries for 10 requests", n)
	}
	if err := b.store.RevokeSessions(t.Context(), 1, ""); err != nil {
		t.Fatal(err)
	}
	b.pass(5 * time.Second)
	b.problem(b.raw("GET", "me", ann, "", ""), 401, "unauthenticated")
}

func TestLoginThrottling(t *testing.T) {
	for _, down := range []bool{false, true} {
		t.Run(fmt.Sprintf("redis down %v", down), func(t *testing.T) {
			b := newBench(t)
			b.join("ann")
			if down {
				b.state.down = errDown
			}
			wrong := func(name string) answer {
				return b.raw("POST", "auth/login", "", "application/json", `{"username":"`+name+`","password":"wrong!"}`)
			}
			for _, name := range []string{"ann", "nobody"} { // the same for a user who does not exist
				var last answer
				for range 20 {
					if last = wrong(name); last.status == 429 {
						break
					}
					b.problem(last, 401, "unauthenticated")
				}
				b.problem(last, 429, "rate_limited")
			}
			b.problem(b.raw("POST", "auth/login", "", "application/json", `{"username":"ann","password":"123456"}`), 429, "rate_limited")
			if !down {
				return
			}
			b.pass(5 * time.Minute)
			b.do(200, "POST", "auth/login", "", `{"username":"ann","password":"123456"}`)
			if a := wrong("ann"); a.status != 401 {
				t.Errorf("a success didn't clear the failures: %s", a.raw)
			}
		})
	}
}

func TestLimitsOff(t *testing.T) {
	b := newBench(t, func(o *Options, _ *Ports) {
		o.Limits.LoginPerMinute, o.Limits.RegisterPerMinute, o.Limits.RequestsPerSecond = 0, 0, 0
	})
	b.join("ann")
	for range 30 {
		b.do(401, "POST", "auth/login", "", `{"username":"ann","password":"wrong!"}`)
	}
	b.do(200, "POST", "auth/login", "", `{"username":"ann","password":"123456"}`)
}

func TestLimitsPerAddress(t *testing.T) {
	for _, down := range []bool{false, true} {
		b := newBench(t, func(o *Options, _ *Ports) { o.Limits.LoginPerMinute, o.Limits.RegisterPerMinute = 4, 3 })
		b.join("ann")
		if down {
			b.state.down = errDown
		}
		var last answer
		for i := range 5 {
			last = b.raw("POST", "auth/login", "", "application/json", fmt.Sprintf(`{"username":"u%d","password":"wrong!"}`, i))
		}
		b.problem(last, 429, "rate_limited")
		for i := range 4 {
			last = b.raw("POST", "auth/register", "", "application/json", fmt.Sprintf(`{"username":"u%d","password":"123456"}`, i))
		}
		b.problem(last, 429, "rate_limited")
	}
}

func TestRequestsPerUser(t *testing.T) {
	b := newBench(t, func(o *Options, _ *Ports) { o.Limits.RequestsPerSecond = 5 })
	ann, bob := b.join("ann"), b.join("bob")
	for range 10 {
		b.do(200, "GET", "me", ann, "")
	}
	b.problem(b.raw("GET", "me", ann, "", ""), 429, "rate_limited")
	b.do(200, "GET", "me", bob, "")
	b.pass(time.Second)
	b.do(200, "GET", "me", ann, "")
}

func TestLoginAnswers(t *testing.T) {
	b := newBench(t)
	b.join("ann")
	wrong := b.raw("POST", "auth/login", "", "application/json", `{"username":"ann","password":"wrong!"}`, "X-Request-Id", "r")
	nobody := b.raw("POST", "auth/login", "", "application/json", `{"username":"nobody","password":"wrong!"}`, "X-Request-Id", "r")
	if d := cmp.Diff(wrong.body, nobody.body); d != "" || wrong.status != 401 {
		t.Errorf("unknown user and wrong password differ:\n%s", d)
	}
	b.store.AddUser(chat.User{ID: 2, Username: "old", PasswordHash: "weak:123456"})
	for range 2 {
		b.do(200, "POST", "auth/login", "", `{"username":"old","password":"123456"}`)
	}
	if old, err := b.store.User(t.Context(), 2); err != nil || old.PasswordHash != "hash:123456" || b.store.Calls("Rehash") != 1 {
		t.Errorf("rehashed %d times, to %q (%v)", b.store.Calls("Rehash"), old.PasswordHash, err)
	}
	b.auth.down = chat.E(chat.Unavailable, "too many logins")
	b.problem(b.raw("POST", "auth/login", "", "application/json", `{"username":"ann","password":"123456"}`), 503, "unavailable")
	b.auth.down = nil
	if err := b.store.DisableUser(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	b.problem(b.raw("POST", "auth/login", "", "application/json", `{"username":"ann","password":"123456"}`), 403, "blocked")
}
