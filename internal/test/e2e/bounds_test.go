//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/faultproxy"
)

// tightly sets every bound of a user and of an address so that a test reaches it. What is refused comes back slowly: no test waits for it.
func tightly(env map[string]string) {
	for key, value := range map[string]string{
		"USER_MESSAGES_PER_SECOND": "0.05", "USER_MESSAGE_BURST": "20", "SOCKETS_PER_USER": "3", "SOCKETS_PER_SESSION": "0",
		"SESSIONS_PER_USER": "3", "ROOMS_PER_HOUR": "4", "INVITATIONS_PER_HOUR": "5", "SEARCHES_PER_MINUTE": "3",
		"UNAUTHENTICATED_PER_ADDRESS": "4", "CONNECTS_PER_MINUTE": "12",
	} {
		env["CHAT_LIMITS_"+key] = value
	}
}

// bounded is a fleet of two processes of each kind with tight bounds, Redis behind a proxy.
type bounded struct {
	*world
	redis *faultproxy.Proxy
}

func startBounded(t *testing.T) *bounded {
	t.Helper()
	b := &bounded{redis: faultproxy.New(t, testkit.RedisAddr(t))}
	env := calm()
	tightly(env)
	host, port, _ := strings.Cut(b.redis.Addr(), ":")
	f := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 2, Workers: 2, APIs: 2, Env: env, EnvOf: func(_ string, env map[string]string) {
		env["CHAT_REDIS_HOST"], env["CHAT_REDIS_PORT"] = host, port
	}})
	b.world = &world{Fleet: f, api: f.API(1), strict: f.API(2)}
	b.shares(t)
	return b
}

// burst sends n messages by each of some sockets at once, and counts what was acknowledged and what refused. Refusals must say when.
func burst(t *testing.T, room uint64, n int, socks ...*sock) (acked, refused int) {
	t.Helper()
	ids := map[string]*sock{}
	for i := range n {
		for _, s := range socks {
			id := fresh()
			ids[id] = s
			s.Send(t, obj{"type": "message", "room_id": room, "content": strconv.Itoa(i), "client_msg_id": id})
		}
	}
	for id, s := range ids {
		f := s.Expect(t, func(f frame) bool {
			return f.Str("type") == "ack" && f.Str("client_msg_id") == id || f.Str("type") == "error" && f.Str("ref") == id
		})
		if f.Str("type") == "ack" {
			acked++
			continue
		}
		refused++
		checkError(t, f, "rate_limited")
		if f.Num("retry_after_ms") == 0 {
			t.Errorf("%s doesn't say when", f)
		}
	}
	return acked, refused
}

// refusedSoon makes a request until it is refused with 429, in full form. A few may pass: on a busy machine Redis is unavailable for a moment,
// and a process counts by itself.
func refusedSoon(t *testing.T, api testkit.API, method, path, token string, body any) {
	t.Helper()
	for range 4 {
		if status, _ := api.Do(t, method, path, token, body); status == http.StatusTooManyRequests {
			break
		}
	}
	refused(t, api, want{429, "rate_limited", ""}, method, path, token, body)
}

// posts sends n messages by REST and counts what was taken.
func posts(t *testing.T, apis []testkit.API, u user, room uint64, n int) (taken int) {
	t.Helper()
	for i := range n {
		r, err := apis[i%len(apis)].Call(t.Context(), "POST", roomPath(room, "/messages"), u.Token, obj{"content": "x", "client_msg_id": fresh()})
		switch {
		case err != nil:
			t.Fatal(err)
		case r.Status == http.StatusCreated:
			taken++
		case r.Status != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "":
			t.Errorf("%d %s, Retry-After %q", r.Status, r.Body, r.Header.Get("Retry-After"))
		}
	}
	return taken
}

// TestBoundsOfAUser: each bound refuses with its error and its time, over all processes together, and nobody else is refused.
func TestBoundsOfAUser(t *testing.T) {
	t.Parallel()
	w := startBounded(t)
	apis := []testkit.API{w.API(1), w.API(2)}
	t.Run("messages", func(t *testing.T) {
		us := w.users(t, 3)
		room := w.api.CreateRoom(t, us[0], us[1], us[2])
		s, other := w.dial(t, 1, us[0]), w.dial(t, 1, us[2])
		acked, refused := burst(t, room, 30, s, w.dial(t, 1, us[0]))
		if acked != 20 || refused != 40 {
			t.Errorf("of 60 by two sockets %d were acknowledged and %d refused, want 20 and 40", acked, refused)
		}
		s.Ping(t)
		m := w.metrics(t, "gateway-1")
		if n := m[`chat_gateway_limited_total{limit="user_messages_per_second"}`]; n < 40 {
			t.Errorf("%v were counted, want 40", n)
		}
		testkit.Eventually(t, patience, func() (bool, string) { // the workers report within a moment what the user has sent
			r, err := apis[1].Call(t.Context(), "POST", roomPath(room, "/messages"), us[0].Token, obj{"content": "x", "client_msg_id": fresh()})
			return err == nil && r.Status == http.StatusTooManyRequests, "REST takes as much again"
		})
		w.chat(t, other, room, "somebody else")
		if n := posts(t, apis, us[1], room, 60); n < 20 || n > 26 {
			t.Errorf("of 60 by REST %d were taken by two processes, want 20 to 26", n)
		}
	})
	t.Run("rooms, invitations and searches", func(t *testing.T) {
		us := w.users(t, 6)
		for i := range 4 {
			apis[i%2].Must(t, 201, "POST", "/rooms", us[0].Token, obj{"name": "r", "visibility": "public"})
		}
		refusedSoon(t, apis[0], "POST", "/rooms", us[0].Token, obj{"name": "r"})
		refusedSoon(t, apis[1], "POST", "/rooms", us[0].Token, obj{"type": "direct", "member_ids": testkit.IDs(us[1])})
		room := apis[0].CreateRoom(t, us[1], us[2], us[3])
		apis[1].Must(t, 200, "POST", roomPath(room, "/members"), us[1].Token, obj{"member_ids": testkit.IDs(us[4], us[5])})
		refusedSoon(t, apis[1], "POST", "/rooms", us[1].Token, obj{"name": "r", "member_ids": testkit.IDs(us[2], us[3])})
		for i := range 3 {
			apis[i%2].Must(t, 200, "GET", "/rooms?visibility=public&q=nowhere", us[2].Token, nil)
		}
		refusedSoon(t, apis[0], "GET", "/users?q=u", us[2].Token, nil)
		apis[0].Must(t, 200, "GET", "/users?q=u", us[3].Token, nil)
		for what, process := range map[string]string{"rooms": "api-1", "invitations": "api-2", "searches": "api-1", "messages": "api-1"} {
			if n := w.metrics(t, process)[fmt.Sprintf("chat_api_throttled_total{what=%q}", what)]; n < 1 {
				t.Errorf("%s counted %v refusals of %s", process, n, what)
			}
		}
	})
	t.Run("sessions", func(t *testing.T) {
		u := w.users(t, 1)[0]
		first := w.dial(t, 1, u)
		for i := range 3 {
			apis[i%2].Login(t, u.Username, u.Password, "device")
		}
		closed(t, first, 4502)
		if n := len(w.api.Must(t, 200, "GET", "/auth/sessions", apis[1].Login(t, u.Username, u.Password, "last").Token, nil).List("sessions")); n != 3 {
			t.Errorf("%d sessions, want 3", n)
		}
	})
	t.Run("sockets", func(t *testing.T) {
		u := w.users(t, 1)[0]
		again := apis[1].Login(t, u.Username, u.Password, "device")
		w.dial(t, 1, u)
		w.dial(t, 2, again)
		w.dial(t, 2, u)
		testkit.Eventually(t, 4*patience, func() (bool, string) { // a worker that can't reach Redis for a moment lets it in
			s := testkit.Dial(t, w.WS(1), again.Token)
			defer s.Close()
			welcomed := func(f frame) bool { return f.Str("type") == "welcome" }
			testkit.Eventually(t, patience, func() (bool, string) {
				_, _, over := s.Ended()
				return over || slices.ContainsFunc(s.Frames(), welcomed), "neither welcomed nor closed"
			})
			code, reason, over := s.Ended()
			if over {
				checkReason(t, code, reason)
			}
			return code == 4505, fmt.Sprintf("a fourth socket is welcomed, or closed with %d", code)
		})
		w.dial(t, 1, w.users(t, 1)[0])
	})
	t.Run("silent sockets of an address", func(t *testing.T) {
		u := w.users(t, 1)[0]
		for range 4 {
			testkit.Dial(t, w.WS(2), "")
		}
		if _, err := testkit.TryDial(t, w.WS(2), ""); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("the fifth: %v, want 503", err)
		}
		w.dial(t, 2, u) // whoever brings a token is let in
		if n := w.metrics(t, "gateway-2")[`chat_gateway_refused_total{reason="unauthenticated_per_address"}`]; n < 1 {
			t.Errorf("%v were counted", n)
		}
	})
	t.Run("connects of a user", func(t *testing.T) {
		u := w.users(t, 1)[0]
		err := error(nil)
		for range 13 {
			var s *sock
			if s, err = testkit.TryDial(t, w.WS(1), u.Token); err == nil {
				s.Close()
			}
		}
		if err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("the thirteenth: %v, want 503", err)
		}
		w.dial(t, 1, w.users(t, 1)[0])
	})
	t.Run("without Redis each process counts by itself", func(t *testing.T) {
		us := w.users(t, 2)
		room := w.api.CreateRoom(t, us[0], us[1])
		w.redis.Refuse(true)
		w.redis.Cut()
		defer w.redis.Refuse(false)
		if n := posts(t, apis[:1], us[0], room, 40); n != 20 {
			t.Errorf("of 40 by REST %d were taken by one process, want 20", n)
		}
		if acked, refused := burst(t, room, 40, w.dial(t, 1, us[1])); acked != 20 || refused != 20 {
			t.Errorf("of 40 by a socket %d were acknowledged and %d refused", acked, refused)
		}
		for range 3 {
			apis[0].Must(t, 200, "GET", "/users?q=u", us[0].Token, nil)
		}
		refused(t, apis[0], want{429, "rate_limited", ""}, "GET", "/users?q=u", us[0].Token, nil)
		apis[1].Must(t, 200, "GET", "/users?q=u", us[0].Token, nil)
		w.redis.Refuse(false)
		testkit.Eventually(t, patience, func() (bool, string) { // shared again: the other process counts with it
			u := w.users(t, 1)[0]
			for range 3 {
				apis[0].Must(t, 200, "GET", "/users?q=u", u.Token, nil)
			}
			status, _ := apis[1].Do(t, "GET", "/users?q=u", u.Token, nil)
			return status == http.StatusTooManyRequests, "Redis is back, and the processes still count apart"
		})
	})
}

// TestBoundsAreOff: with every limit at 0 nothing is refused.
func TestBoundsAreOff(t *testing.T) {
	t.Parallel()
	env := calm()
	tight := map[string]string{}
	tightly(tight)
	for key := range tight {
		env[key] = "0"
	}
	for _, key := range []string{"UNAUTHENTICATED_SOCKETS", "HANDSHAKE_FAILURES_PER_MINUTE", "SOCKETS_PER_ADDRESS"} {
		env["CHAT_LIMITS_"+key] = "0"
	}
	f := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 1, APIs: 1, Env: env})
	w := &world{Fleet: f, api: f.API(1)}
	us := w.users(t, 2)
	room := w.api.CreateRoom(t, us[0], us[1])
	var socks []*sock
	for range 15 {
		socks = append(socks, w.dial(t, 1, us[0]))
	}
	if acked, refused := burst(t, room, 40, socks...); acked != 600 || refused != 0 {
		t.Errorf("%d acknowledged, %d refused", acked, refused)
	}
	if n := posts(t, []testkit.API{w.api}, us[1], room, 300); n != 300 {
		t.Errorf("%d of 300 by REST were taken", n)
	}
	for range 8 {
		w.api.CreateRoom(t, us[0], us[1])
		w.api.Must(t, 200, "GET", "/rooms?visibility=public&q=x", us[0].Token, nil)
		w.api.Login(t, us[1].Username, us[1].Password, "device")
		testkit.Dial(t, w.WS(1), "")
	}
}
