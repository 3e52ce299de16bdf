//go:build e2e

package attacks

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"chat-service/internal/test/testkit"
)

func parallelGuesses(a *attack) {
	name := "u" + fresh()
	r := a.ask(a.strict, request{method: "POST", path: "/auth/register", header: from("198.18.6.1"), body: obj{"username": name, "email": name + "@example.com", "password": goodPassword}})
	if r.Status != 201 {
		a.Fatalf("register: %d %s", r.Status, r.Raw)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	got, most := map[int]int{}, a.allowed("api-2", 3)
	for i := range 100 {
		password := "guess " + fresh()
		if i == 70 {
			password = goodPassword
		}
		called := []string{name, name + "@example.com", strings.ToUpper(name)}[i%3]
		wg.Go(func() {
			res, err := tryAsk(a.Context(), a.strict, request{method: "POST", path: "/auth/login", header: from("198.18.6.2"), body: obj{"username": called, "password": password}})
			if err != nil {
				a.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[res.Status]++
		})
	}
	wg.Wait()
	if judged, limit := got[200]+got[401], most(); judged > limit || judged+got[429] != 100 {
		a.Errorf("100 guesses at once at one account, by three names, are answered by %v: %d may be judged", got, limit)
	}
	a.found = fmt.Sprintf("%d judged, %d refused", got[200]+got[401], got[429])
}

func lockedOut(a *attack) {
	name := "u" + fresh()
	a.registered(a.strict, name, goodPassword, "198.18.7.1")
	home := a.login(a.strict, name, goodPassword, "198.18.7.1")
	judged, most := 0, a.allowed("api-2", 3)
	for range 40 {
		if a.login(a.strict, name, "guess "+fresh(), "198.18.7.9").Status == 401 {
			judged++
		}
	}
	if limit := most(); judged > limit {
		a.Errorf("%d of a stranger's 40 guesses were judged, may be %d", judged, limit)
	}
	a.getsIn(name, "198.18.7.1", "after a stranger's 40 guesses")
	r := a.ask(a.strict, request{method: "POST", path: "/auth/password", token: home.Body.Str("access_token"), header: from("198.18.7.1"), body: obj{"old_password": goodPassword, "new_password": goodPassword + " two"}})
	if r.Status != 200 {
		a.Errorf("and the change of the password by %d %s", r.Status, r.Raw)
	}
}

func privateDatabase(a *attack) {
	target := filepath.Join(a.TempDir(), "written")
	_, err := a.DB.DB.ExecContext(a.Context(), "SELECT 'x' INTO OUTFILE '"+target+"'")
	if err == nil || !strings.Contains(err.Error(), "1290") {
		a.Errorf("a statement writes files: %v", err)
	}
	for _, password := range []string{"", "root"} {
		if err := a.databaseTakes("root", password); err == nil || !strings.Contains(err.Error(), "1045") {
			a.Errorf("the database takes root with the password %q: %v", password, err)
		}
	}
}

func abuser(a *attack) {
	us := a.users(2)
	abuser := us[0]
	room := a.api.CreateRoom(a, us[1], abuser)
	phone := a.api.Login(a, abuser.Username, abuser.Password, "phone")
	socks := []*sock{a.dial(1, abuser), a.dial(2, phone)}
	began := time.Now()
	a.Chatctl(a, "user", "disable", fmt.Sprint(abuser.ID))
	disabled := time.Now()
	for _, s := range socks {
		a.closed(s, 4504)
	}
	if took := time.Since(disabled); took > time.Second {
		a.Errorf("the sockets of a disabled account close %v after the order", took)
	}
	a.refused(a.api, 403, "blocked", "POST", "/auth/login", "", obj{"username": abuser.Username, "password": abuser.Password})
	a.refused(a.api, 403, "blocked", "POST", "/auth/refresh", "", obj{"refresh_token": abuser.Refresh})
	testkit.Eventually(a, 5*time.Second, func() (bool, string) {
		r := a.ask(a.api, request{method: "POST", path: roomPath(room, "/messages"), token: phone.Token, body: obj{"content": "still here"}})
		return r.Status == 401, fmt.Sprintf("a disabled account's message is answered by %d", r.Status)
	})
	a.closed(testkit.Dial(a, a.WS(1), abuser.Token), 4504)
	a.Chatctl(a, "user", "enable", fmt.Sprint(abuser.ID))
	a.dial(1, a.api.Login(a, abuser.Username, abuser.Password, "again")).Ping(a)
	a.found = fmt.Sprintf("%v with the command", time.Since(began).Round(time.Millisecond))
}

func checkedConfiguration(a *attack) {
	a.refusesToStart("api", []string{"jwt.secret"}, append(releaseEnv(), "CHAT_JWT_SECRET=your-256-bit-secret-your-256-bit-secret")...)
	a.refusesToStart("api", []string{"jwt.secret"}, append(releaseEnv(), "CHAT_JWT_SECRET=abcdefghabcdefghabcdefghabcdefgh")...)
	a.refusesToStart("api", []string{"database.password"}, append(releaseEnv(), "CHAT_DATABASE_PASSWORD=x")...)
	a.refusesToStart("worker", []string{"rabbitmq.url"}, append(forProgram("worker", releaseEnv()), "CHAT_RABBITMQ_URL=amqp://chat:x@localhost:5672/")...)
	a.refusesToStart("api", []string{"redis.password"}, append(releaseEnv(), "CHAT_REDIS_PASSWORD=x")...)
	for env, words := range map[string][]string{
		"CHAT_DATABASE_USER=root": {"database.user", "root"}, "CHAT_DATABASE_HOST=far.example": {"database.tls", "far.example"},
		"CHAT_REDIS_HOST=far.example": {"redis.tls", "redis.password"}, "CHAT_DEBUG_HOST=0.0.0.0": {"debug.host"},
	} {
		said, ok := a.configured("api", "", append(releaseEnv(), env)...)
		for _, word := range words {
			if !ok || !strings.Contains(said, word) {
				a.Errorf("%s: %v %q, want a warning of %s", env, ok, said, word)
			}
		}
	}
}

func misleadingNames(a *attack) {
	for i, name := range []string{
		"\u200b\u200b\u200b", "\u3164\u3164", "ann\u202e" + fresh(), "аdmin" + fresh(), "раypal" + fresh(), "..", "me", "---", "ann\u200d" + fresh(), "a b" + fresh(), "\u00ad\u00ad", "αdmin" + fresh(),
		"a", strings.Repeat("x", 65), "a/b", "a\x00b", "e\u0301\u0301\u0301" + fresh(),
	} {
		r := a.registered(a.api, name, goodPassword, fmt.Sprint("198.18.8.", i))
		if r.Status != 422 {
			a.Errorf("%q is answered by %d %s", name, r.Status, brief(string(r.Raw)))
		}
	}
	u := a.users(1)[0]
	room := a.api.CreateRoom(a, u)
	for _, text := range []string{"\u200b\u200b", "\u3164", "ab\u202ecd", "\u2066x", "", " ", "a\nb", "a\x00b"} {
		a.refused(a.api, 422, "invalid", "PATCH", "/me", u.Token, obj{"nickname": text})
		a.refused(a.api, 422, "invalid", "POST", "/rooms", u.Token, obj{"name": text})
	}
	for _, text := range []string{"\u200b\u200d", "\u3164\u115f", "\u2800\u2800", "\u00ad", "\u180e \u2060", "\ufeff"} {
		a.refused(a.api, 422, "invalid", "POST", roomPath(room, "/messages"), u.Token, obj{"content": text})
	}
	a.post(u, room, "👨\u200d👩\u200d👧 مرحبا \u202aok\u202c")
}

func typedElsewhere(a *attack) {
	const composed, decomposed = "na\u00efve \u00c5ngstr\u00f6m", "nai\u0308ve A\u030angstro\u0308m"
	for _, one := range [][2]string{{composed, decomposed}, {decomposed, composed}} {
		name := "u" + fresh()
		a.api.Must(a, 201, "POST", "/auth/register", "", obj{"username": name, "password": one[0]})
		a.api.Login(a, name, one[0], "")
		a.api.Login(a, name, one[1], "")
		a.refused(a.api, 401, "unauthenticated", "POST", "/auth/login", "", obj{"username": name, "password": "naive Angstrom"})
	}
}

func webSocketLetters(a *attack) {
	u := a.users(1)[0]
	room := a.api.CreateRoom(a, u)
	for what, c := range map[string]struct {
		code  int
		bytes []byte
	}{
		"a close of one byte": {1002, masked(0x88, "\x03")}, "16 bits for 2": {1002, append([]byte{0x81, 0xfe, 0, 2, 0, 0, 0, 0}, "{}"...)}, "64 bits for 200": {1002, append(header(0x81, 200), strings.Repeat(" ", 200)...)},
	} {
		s := a.dial(1, u)
		_ = s.SendRaw(c.bytes)
		if code, reason := s.Closed(a); code != c.code {
			a.Errorf("%s: %d %s", what, code, reason)
		}
	}
	for what, flood := range map[string][]byte{
		"empty continuations": append(masked(0x01, ""), []byte(strings.Repeat(string(masked(0x00, "")), 20_000))...), "pongs": []byte(strings.Repeat(string(masked(0x8a, "")), 20_000)),
	} {
		s := a.dial(2, a.users(1)[0]) // who floods may not come back at once
		_ = s.SendRaw(flood)
		if code, reason := s.Closed(a); code != 4004 {
			a.Errorf("a flood of %s: %d %s", what, code, reason)
		}
	}
	s := a.dial(1, u)
	for _, text := range []string{
		`{"type":"sync","rooms":{"01":0}}`, `{"type":"sync","rooms":{"+1":0}}`, `{"type":"sync","rooms":{" 1":0}}`, `{"type":"sync","rooms":{"1.0":0}}`, `{"type":"sync","rooms":{"1e0":0}}`,
		fmt.Sprintf(`{"type":"sync","rooms":{"%d":0,"0%d":0}}`, room, room), `{"type":"ping","x":` + strings.Repeat("[", 33) + strings.Repeat("]", 33) + `}`,
		`{"type":"sync","rooms":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
	} {
		s.SendText(a, text)
		if e := s.Expect(a, is("error")); e.Str("code") != "invalid" && !strings.Contains(text, `"ping"`) {
			a.Errorf("%s is answered by %s", brief(text), e)
		}
	}
	if err := s.SendFrame(ws.OpText, true, []byte(`{"type":"ping"}`)); err != nil {
		a.Error(err)
	}
	s.Expect(a, is("pong"))
}

func seasonalPasswords(a *attack) {
	for i, password := range []string{"Summer2026", "Winter2025!", "chat-service", "ChatService1!", "welcome123", "Password2026", "letmein!!", "qwertzuiop", "iloveyou1", "football1", "sunshine1"} {
		a.problem(a.registered(a.strict, "u"+fresh(), password, fmt.Sprint("198.18.9.", i)), 422, "invalid", "the password "+password)
	}
	name := "gustav" + fresh()
	a.problem(a.registered(a.strict, name, strings.ToUpper(name)+"!", "198.18.9.100"), 422, "invalid", "the account's name as its password")
}

func rebinding(a *attack) {
	for _, process := range []string{"gateway-1", "worker-1", "api-1"} {
		for host, status := range map[string]int{"evil.example": 421, "evil.example:9101": 421, "127.0.0.1.evil.example": 421, "localhost": 200, "127.0.0.1:9101": 200} {
			for _, path := range []string{"/debug/pprof/cmdline", "/metrics", "/readyz"} {
				req, err := http.NewRequestWithContext(a.Context(), http.MethodGet, a.Debug(process)+path, nil)
				if err != nil {
					a.Fatal(err)
				}
				req.Host = host
				res, err := direct.Do(req)
				if err != nil {
					a.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != status {
					a.Errorf("%s%s as %s: %d, want %d", process, path, host, res.StatusCode, status)
				}
			}
		}
	}
}

func presenceAfterRemoval(a *attack) {
	us := a.users(3)
	room := a.api.CreateRoom(a, us[0], us[1], us[2])
	watcher, first, member := a.dial(1, us[1]), a.dial(2, us[0]), a.dial(1, us[2])
	a.sees(watcher, us[0], true)
	a.api.Must(a, 204, "DELETE", memberPath(room, us[1]), us[0].Token, nil)
	watcher.Expect(a, is("left", "room_id", room))
	seen := len(watcher.Frames())
	first.Close()
	a.sees(member, us[0], false)
	a.dial(2, us[0]).Ping(a)
	a.sees(member, us[0], true)
	watcher.Ping(a)
	for _, f := range watcher.Frames()[seen:] {
		if f.Type() == "presence" {
			a.Errorf("after the removal comes %s", f)
		}
	}
	a.refused(a.api, 404, "not_found", "GET", fmt.Sprintf("/users/%d/presence", us[0].ID), us[1].Token, nil)
}

// sees watches a user until they are seen to be online, or not.
func (a *attack) sees(s *sock, u user, online bool) {
	a.Helper()
	testkit.Eventually(a, time.Minute, func() (bool, string) { // unknown while Redis is slow
		s.Send(a, obj{"type": "presence", "user_ids": []uint64{u.ID}})
		f := s.Expect(a, is("presence"))
		return presenceOf(u, online)(f), f.String()
	})
}

// presenceOf matches frames that tell of a user's presence.
func presenceOf(u user, online bool) testkit.Match {
	return func(f frame) bool {
		for _, x := range f.List("users") {
			if f.Type() == "presence" && x.Num("user_id") == u.ID && x["online"] == online {
				return true
			}
		}
		return false
	}
}

func ownActs(a *attack) {
	us := a.users(3)
	owner, admin := us[0], us[1]
	room := a.api.CreateRoom(a, owner)
	for range 4 {
		a.post(owner, room, "before the admin came")
	}
	a.api.Must(a, 200, "POST", roomPath(room, "/members"), owner.Token, obj{"member_ids": []uint64{admin.ID}})
	came := a.number("SELECT visible_from FROM members WHERE room_id = ? AND user_id = ?", room, admin.ID)
	a.api.Must(a, 200, "PATCH", memberPath(room, admin), owner.Token, obj{"role": "admin"})
	a.ask(a.api, request{method: "PATCH", path: roomPath(room, ""), token: admin.Token, body: obj{"history_all": true}}) // granted or not
	a.api.Must(a, 204, "DELETE", roomPath(room, "/members/me"), admin.Token, nil)
	a.api.Must(a, 200, "POST", roomPath(room, "/members"), owner.Token, obj{"member_ids": []uint64{admin.ID}})
	for _, m := range a.api.History(a, admin, room) {
		if m.Num("seq") < came {
			a.Errorf("by an act of their own an admin sees %s, from before they came at %d", m, came)
			break
		}
	}
	a.api.Must(a, 200, "POST", roomPath(room, "/members"), owner.Token, obj{"member_ids": []uint64{us[2].ID}})
	a.api.Must(a, 200, "POST", roomPath(room, "/owner"), owner.Token, obj{"user_id": us[2].ID})
	if r := a.ask(a.api, request{method: "POST", path: roomPath(room, "/owner"), token: us[2].Token, body: obj{"user_id": owner.ID}}); r.Status != 200 {
		a.Errorf("ownership that nobody asked for can't be handed back: %d %s", r.Status, brief(string(r.Raw)))
	}
	a.api.Must(a, 204, "DELETE", roomPath(room, "/members/me"), us[2].Token, nil)
}
