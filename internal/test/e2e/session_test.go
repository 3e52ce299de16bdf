//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chat-service/internal/auth"
	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/test/testkit"
)

func TestSessions(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "GET /auth/sessions", "DELETE /auth/sessions/{session_id}", "session fields", "close 4502")
	bad(t, "DELETE /auth/sessions/{session_id}")
	u := w.api.User(t)
	phone := w.api.Login(t, u.Username, u.Password, "phone")
	list := w.api.Must(t, 200, "GET", "/auth/sessions", u.Token, nil).List("sessions")
	var id string
	for _, s := range list {
		stamp(t, s, "created_at")
		stamp(t, s, "last_seen_at")
		if s.Str("device") == "phone" {
			id = s.Str("id")
		}
		if s.Bool("current") == (s.Str("device") == "phone") {
			t.Errorf("current is wrong: %s", s)
		}
	}
	if len(list) != 2 || id == "" {
		t.Fatalf("sessions: %v", list)
	}
	stranger := w.api.User(t)
	refused(t, w.api, want{404, "not_found", ""}, "DELETE", "/auth/sessions/"+id, stranger.Token, nil)
	refused(t, w.api, want{404, "not_found", ""}, "DELETE", "/auth/sessions/none", u.Token, nil)
	one, two, own := w.dial(t, 1, phone), w.dial(t, 2, phone), w.dial(t, 2, u)
	w.api.Must(t, 204, "DELETE", "/auth/sessions/"+id, u.Token, nil)
	closed(t, one, 4502)
	closed(t, two, 4502)
	own.Ping(t)
	refused(t, w.api, want{401, "unauthenticated", ""}, "GET", "/me", phone.Token, nil)
	refused(t, w.api, want{401, "unauthenticated", ""}, "POST", "/auth/refresh", "", obj{"refresh_token": phone.Refresh})
	late := testkit.Dial(t, w.WS(1), phone.Token)
	closed(t, late, 4502)
}

func TestLogout(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /auth/logout", "POST /auth/logout-all", "close 4502", "close reason")
	u := w.api.User(t)
	phone, laptop := w.api.Login(t, u.Username, u.Password, "phone"), w.api.Login(t, u.Username, u.Password, "laptop")
	sock1, sock2, other := w.dial(t, 1, phone), w.dial(t, 2, phone), w.dial(t, 1, laptop)
	w.api.Must(t, 200, "POST", "/auth/logout", phone.Token, nil)
	closed(t, sock1, 4502)
	closed(t, sock2, 4502)
	other.Ping(t)
	refused(t, w.api, want{401, "unauthenticated", ""}, "GET", "/me", phone.Token, nil)
	first := w.dial(t, 2, u)
	w.api.Must(t, 200, "POST", "/auth/logout-all", laptop.Token, obj{})
	closed(t, other, 4502)
	closed(t, first, 4502)
	for _, x := range []user{u, laptop} {
		refused(t, w.api, want{401, "unauthenticated", ""}, "GET", "/me", x.Token, nil)
	}
	if n := w.number(t, "SELECT COUNT(*) FROM sessions WHERE user_id = ? AND revoked_at IS NULL", u.ID); n != 0 {
		t.Errorf("%d sessions live on", n)
	}
}

func TestPassword(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /auth/password", "close 4502")
	bad(t, "POST /auth/password", "code forbidden")
	u := w.api.User(t)
	other := w.api.Login(t, u.Username, u.Password, "")
	own, others := w.dial(t, 1, u), w.dial(t, 2, other)
	refused(t, w.api, want{403, "forbidden", ""}, "POST", "/auth/password", u.Token, obj{"old_password": "wrong horse", "new_password": "another one"})
	refused(t, w.api, want{422, "invalid", "new_password"}, "POST", "/auth/password", u.Token, obj{"old_password": u.Password, "new_password": "12345"})
	refused(t, w.api, want{422, "invalid", "old_password"}, "POST", "/auth/password", u.Token, obj{"new_password": "another one"})
	others.Ping(t)
	w.api.Must(t, 200, "POST", "/auth/password", u.Token, obj{"old_password": u.Password, "new_password": "another one"})
	closed(t, others, 4502)
	own.Ping(t)
	w.api.Must(t, 200, "GET", "/me", u.Token, nil)
	refused(t, w.api, want{401, "unauthenticated", ""}, "GET", "/me", other.Token, nil)
	refused(t, w.api, want{401, "unauthenticated", ""}, "POST", "/auth/login", "", obj{"username": u.Username, "password": u.Password})
	w.api.Login(t, u.Username, "another one", "")
}

// TestTokenWays: four ways to show a token, each good, bad, old and of a session that has ended.
func TestTokenWays(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "token in query", "token in header", "token in subprotocol", "token in first frame", "bad token is upgraded", "close 4500", "close 4001", "> auth")
	bad(t, "> auth")
	u := w.api.User(t)
	old, foreign := w.expired(t, u), w.foreign(t, u)
	for name, way := range map[string][]testkit.DialOption{
		"query": nil, "header": {testkit.TokenInHeader()}, "subprotocol": {testkit.TokenInProtocol()}, "first frame": {testkit.TokenInFrame()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w.dial(t, 1, u, way...).Ping(t)
			closed(t, testkit.Dial(t, w.WS(2), "nonsense", way...), 4500)
			closed(t, testkit.Dial(t, w.WS(1), foreign, way...), 4500)
			closed(t, testkit.Dial(t, w.WS(2), old, way...), 4001)
		})
	}
	other := w.token(t, u, func(o *auth.TokenOptions) { o.Issuer = "another service" }, 0)
	closed(t, testkit.Dial(t, w.WS(1), other), 4500)
	other = w.token(t, u, func(o *auth.TokenOptions) { o.Audience = "another service" }, 0)
	closed(t, testkit.Dial(t, w.WS(1), other), 4500)
}

// TestRenew: a live socket ends with its token, unless auth has brought a newer one of the same user.
func TestRenew(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "> auth", "close 4001")
	bad(t, "> auth")
	us := w.users(t, 2)
	short := us[0]
	short.Token = w.token(t, us[0], func(o *auth.TokenOptions) { o.Lifetime = 3 * time.Second }, 0)
	ends, lives := w.dial(t, 1, short), w.dial(t, 2, short)
	lives.Send(t, obj{"type": "auth", "token": us[0].Token})
	closed(t, ends, 4001)
	lives.Ping(t)
	lives.Send(t, obj{"type": "auth", "token": "nonsense"})
	closed(t, lives, 4500)
	stolen := w.dial(t, 1, us[0])
	stolen.Send(t, obj{"type": "auth", "token": us[1].Token})
	closed(t, stolen, 4501)
}

func TestSocketsOfASession(t *testing.T) {
	w := shared(t)
	good(t, "close 4503", "close 4505")
	u, socks := w.tenSockets(t)
	closed(t, testkit.Dial(t, w.WS(1), u.Token), 4505)
	closed(t, testkit.Dial(t, w.WS(2), u.Token), 4505)
	another := w.api.Login(t, u.Username, u.Password, "")
	apart := w.dial(t, 1, another)
	last := w.dial(t, 2, u, testkit.Query("replace", "true"))
	for _, s := range socks {
		closed(t, s, 4503)
	}
	last.Ping(t)
	apart.Ping(t)
	w.dial(t, 1, u).Ping(t)
}

// tenSockets opens as many sockets of one login session as there may be. A socket that Redis could not be told of in time
// is welcome and does not count; where that happened, another user has another go.
func (w *world) tenSockets(t *testing.T) (u user, socks []*sock) {
	t.Helper()
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		before := w.counts(t).workers("chat_worker_state_errors_total")
		u, socks = w.api.User(t), nil
		for i := range 10 {
			socks = append(socks, w.dial(t, 1+i%2, u))
		}
		return w.counts(t).workers("chat_worker_state_errors_total") == before, "Redis is too slow for this test"
	})
	return u, socks
}

// TestSilentSocketsGiveWay: clients that went without a word don't keep their login session out.
func TestSilentSocketsGiveWay(t *testing.T) {
	w := shared(t)
	good(t, "close 4003")
	var u user
	var silent []*raw
	testkit.Eventually(t, time.Minute, func() (bool, string) { // as in tenSockets
		before := w.counts(t).workers("chat_worker_state_errors_total")
		u, silent = w.api.User(t), nil
		for i := range 9 {
			s := dialRaw(t, w.WS(1+i%2), u.Token, 0, "chat.v1")
			s.next(t) // the welcome; it never reads again, and so answers no ping
			silent = append(silent, s)
		}
		return w.counts(t).workers("chat_worker_state_errors_total") == before, "Redis is too slow for this test"
	})
	alive := w.dial(t, 1, u)
	begun := time.Now()
	w.dial(t, 2, u).Ping(t)
	t.Logf("welcomed after %v", time.Since(begun).Round(10*time.Millisecond))
	alive.Ping(t)
	for _, s := range silent {
		f, err := s.frame()
		for err == nil && f.Header.OpCode == ws.OpPing { // not answered
			f, err = s.frame()
		}
		if code, reason := ws.ParseCloseFrameData(f.Payload); err != nil || f.Header.OpCode != ws.OpClose || code != 4003 {
			t.Errorf("a silent socket got opcode %d, %d %s, %v, want a close with 4003", f.Header.OpCode, code, reason, err)
		}
	}
}

func TestSubprotocolVersion(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "close 4506")
	u := w.api.User(t)
	s := dialRaw(t, w.WS(1), u.Token, 0, "chat.v9")
	code, reason := s.closed(t)
	if code != 4506 {
		t.Fatalf("closed with %d %s, want 4506", code, reason)
	}
	checkReason(t, code, reason)
}

func TestDisabledAccount(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "close 4504", "code blocked")
	us := w.users(t, 2)
	u := us[0]
	one, two := w.dial(t, 1, u), w.dial(t, 2, u)
	other := w.dial(t, 1, us[1])
	w.disable(t, u)
	closed(t, one, 4504)
	closed(t, two, 4504)
	other.Ping(t)
	refused(t, w.api, want{403, "blocked", ""}, "POST", "/auth/login", "", obj{"username": u.Username, "password": u.Password})
	closed(t, testkit.Dial(t, w.WS(2), u.Token), 4504)
	testkit.Eventually(t, patience, func() (bool, string) {
		status, f := w.api.Do(t, "GET", "/me", u.Token, nil)
		return status == 401, fmt.Sprintf("a disabled account may act: %d %s", status, f)
	})
}

// disable does what an operator does; there is no call for it.
func (w *world) disable(t *testing.T, u user) {
	t.Helper()
	port := 0
	_, _ = fmt.Sscan(w.DB.Port, &port)
	stores, err := store.Open(db.Options{Host: w.DB.Host, Port: port, User: w.DB.User, Password: w.DB.Password, DBName: w.DB.Name, Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	defer stores.Close()
	if err := stores.Accounts.DisableUser(t.Context(), chat.UserID(u.ID)); err != nil {
		t.Fatal(err)
	}
}
