//go:build e2e

package attacks

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"chat-service/internal/test/testkit"
)

func foreignOrigins(a *attack) {
	u := a.users(1)[0]
	own := hostOf(a.WS(2))
	before := a.metric("gateway-2", "chat_gateway_refused_total")
	tricks := []string{
		"https://evil.example", "null", origin + ".evil.example", "https://evil-chat.example.com", "https://evil.chat.example.com",
		"https://chat.example.com@evil.example", "https://user@chat.example.com", origin + ":444", "http://chat.example.com",
		origin + "/page", origin + "?x", "file://", "https://", "chat.example.com", origin + " https://evil.example",
		"http://" + own + ".evil.example", "http://evil.example/" + own, "wss://chat.example.com",
	}
	for _, o := range tricks {
		if _, err := testkit.TryDial(a, a.WS(2), u.Token, testkit.Header("Origin", o)); testkit.StatusOf(err) != http.StatusForbidden {
			a.Errorf("Origin %s: %v, want 403", o, err)
		}
	}
	if n := a.metric("gateway-2", "chat_gateway_refused_total") - before; n < float64(len(tricks)) {
		a.Errorf("%v refusals counted, want at least %d", n, len(tricks))
	}
	a.dial(2, u, testkit.Header("Origin", origin)).Ping(a)
	a.dial(2, u, testkit.Header("Origin", "http://"+own)).Ping(a)
}

func noOrigin(a *attack) {
	u := a.users(1)[0]
	a.dial(2, u).Ping(a)
	for _, cookie := range []string{"token=" + u.Token, "access_token=" + u.Token, "Authorization=Bearer " + u.Token} {
		s := testkit.Dial(a, a.WS(2), "", testkit.TokenInFrame(), testkit.Header("Cookie", cookie), testkit.Header("Origin", origin))
		s.Send(a, obj{"type": "ping"})
		a.closed(s, 4501)
		r := a.ask(a.strict, request{method: "GET", path: "/me", header: http.Header{"Cookie": {cookie}}})
		a.problem(r, 401, "unauthenticated", "a cookie in place of a token")
	}
}

func tokenInQuery(a *attack) {
	u := a.users(1)[0]
	a.canaries.add(u.Token, "an access token")
	for _, way := range [][]testkit.DialOption{nil, {testkit.TokenInHeader()}, {testkit.TokenInProtocol()}, {testkit.TokenInFrame()}} {
		a.dial(1, u, way...).Ping(a)
	}
	bad := u.Token[:len(u.Token)-4] + "AAAA"
	a.canaries.add(bad, "a bad access token")
	a.closed(testkit.Dial(a, a.WS(1), bad), 4500)
	a.refused(a.api, 401, "unauthenticated", "GET", "/me?token="+u.Token, "", nil)
	for _, name := range a.Names() {
		for _, found := range a.canaries.told(a.Fleet.Log(name, 1<<30)) {
			a.Errorf("the log of %s tells %s", name, found)
		}
	}
}

func beforeAuth(a *attack) {
	u := a.users(1)[0]
	room := a.api.CreateRoom(a, u)
	id := fresh()
	for _, text := range []string{
		fmt.Sprintf(`{"type":"message","room_id":%d,"content":"x","client_msg_id":"%s"}`, room, id),
		fmt.Sprintf(`{"type":"join_room","room_id":%d}`, room), `{"type":"ping"}`, `{"type":"sync","rooms":{}}`, `{"type":"presence","user_ids":[1]}`,
		`nonsense`, ``, `{"type":"auth","token":"x","x":1}`, `{"type":"auth","token":"` + strings.Repeat("x", 20<<10) + `"}`,
	} {
		s := testkit.Dial(a, a.WS(1), "", testkit.TokenInFrame())
		s.SendText(a, text)
		a.closed(s, 4501)
	}
	s := testkit.Dial(a, a.WS(1), "", testkit.TokenInFrame())
	s.Send(a, obj{"type": "auth", "token": "nonsense"})
	a.closed(s, 4500)
	if n := a.number("SELECT COUNT(*) FROM messages WHERE client_msg_id = ?", id); n != 0 {
		a.Error("a message of nobody was stored")
	}
}

func tokenExpires(a *attack) {
	u := a.users(1)[0]
	ends := time.Now().Add(3 * time.Second)
	short := u
	short.Token = a.forged(u, nil, obj{"exp": ends.Unix()})
	s, renewed := a.dial(1, short), a.dial(2, short)
	renewed.Send(a, obj{"type": "auth", "token": u.Token})
	a.closed(s, 4001)
	if late := time.Since(ends); late > 6*time.Second {
		a.Errorf("closed %v after the token's end", late)
	}
	renewed.Ping(a)
	a.closed(testkit.Dial(a, a.WS(2), a.forged(u, nil, obj{"exp": time.Now().Add(-time.Minute).Unix()})), 4001)
}

func sessionsEnd(a *attack) {
	us := a.users(5)
	u := us[0]
	soon := func(what string, s *sock, code int, do func()) {
		a.Helper()
		do()
		a.within(2*time.Second, what, func() { a.closed(s, code) })
	}
	s := a.dial(1, u)
	soon("logout", s, 4502, func() { a.api.Must(a, 200, "POST", "/auth/logout", u.Token, nil) })
	u = us[1]
	other := a.api.Login(a, u.Username, u.Password, "other")
	s, mine := a.dial(2, other), a.dial(1, u)
	soon("a password change", s, 4502, func() {
		a.api.Must(a, 200, "POST", "/auth/password", u.Token, obj{"old_password": u.Password, "new_password": "another horse 43"})
	})
	mine.Ping(a)
	s, id := a.dial(2, us[2]), a.api.Must(a, 200, "GET", "/auth/sessions", us[2].Token, nil).List("sessions")[0].Str("id")
	soon("an operator's end of a session", s, 4502, func() { a.Chatctl(a, "user", "sessions", fmt.Sprint(us[2].ID), "--end", id) })
	s = a.dial(1, us[3])
	soon("a ban", s, 4504, func() { a.Chatctl(a, "user", "disable", fmt.Sprint(us[3].ID)) })
	s = a.dial(2, us[4])
	a.exec("UPDATE sessions SET revoked_at = NOW(6) WHERE user_id = ?", us[4].ID) // nobody is told
	a.within(time.Minute, "a session's end whose notice was lost", func() {
		testkit.Eventually(a, time.Minute, func() (bool, string) { _, _, over := s.Ended(); return over, "open" })
	})
	a.closed(s, 4502)
}

func anothersToken(a *attack) {
	us := a.users(2)
	room := a.api.CreateRoom(a, us[1])
	s := a.dial(1, us[0])
	s.Send(a, obj{"type": "auth", "token": us[1].Token})
	s.Send(a, obj{"type": "message", "room_id": room, "content": "as another", "client_msg_id": fresh()})
	a.closed(s, 4501)
	if n := a.number("SELECT COUNT(*) FROM messages WHERE room_id = ? AND kind = 'text'", room); n != 0 {
		a.Error("a socket acted for another user")
	}
}

func afterLeaving(a *attack) {
	us := a.users(2)
	room := a.api.CreateRoom(a, us[0], us[1])
	s := a.dial(1, us[1])
	a.chat(s, room, "still in")
	a.api.Must(a, 204, "DELETE", roomPath(room, "/members/me"), us[1].Token, nil)
	for range 3 {
		id := fresh()
		a.refusal(s, "not_found", id, obj{"type": "message", "room_id": room, "content": "gone", "client_msg_id": id})
		a.refused(a.api, 404, "not_found", "POST", roomPath(room, "/messages"), us[1].Token, obj{"content": "gone", "client_msg_id": id})
		a.refusal(s, "not_found", "read", obj{"type": "read", "room_id": room, "seq": 1})
	}
	s.Expect(a, is("left", "room_id", room))
	if h := a.api.History(a, us[0], room); h[len(h)-1].Str("kind") != "system" {
		a.Errorf("after the leaving came %s", h[len(h)-1])
	}
}
