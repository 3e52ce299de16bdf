//go:build e2e

package attacks

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"chat-service/internal/test/testkit"
)

// injections are what a statement would stumble over if it were put together from them.
var injections = []string{
	"'", "''", `"`, "`", "\\", "1 OR 1=1", "1; DROP TABLE users", "' OR '1'='1", "') OR SLEEP(2) -- ", "1 UNION SELECT password_hash FROM users",
	"%", "_", "\\%", "/*", "-- ", "#", "0x41", "1e1", "+1", "1/1", "NULL", "id desc", "@@version", "?", "$1", ":a", "{{", "\x00",
}

func sqlMeta(a *attack) {
	us := a.users(2)
	room := a.api.CreateRoom(a, us[0], us[1])
	users := a.number("SELECT COUNT(*) FROM users")
	for _, x := range injections {
		q := url.QueryEscape(x)
		a.within(2*time.Second, x, func() {
			for _, path := range []string{
				"/rooms/" + url.PathEscape(x), "/rooms/" + url.PathEscape("1"+x) + "/messages", "/users/" + url.PathEscape(x), "/auth/sessions/" + url.PathEscape(x),
				roomPath(room, "/messages?before_seq="+q), roomPath(room, "/messages?page="+q), "/rooms?cursor=" + q, "/rooms?limit=" + q,
				"/users?q=a&cursor=" + q, roomPath(room, "/members?cursor="+q), "/rooms?visibility=" + q,
			} {
				method := "GET"
				if strings.HasPrefix(path, "/auth/sessions") {
					method = "DELETE"
				}
				a.client(a.ask(a.api, request{method: method, path: path, token: us[0].Token}), path)
			}
			for _, path := range []string{"/users?q=" + q, "/rooms?visibility=public&q=" + q, "/rooms?order=" + q, roomPath(room, "/messages?order="+q)} {
				if r := a.ask(a.api, request{method: "GET", path: path, token: us[0].Token}); r.Status >= 500 || strings.HasPrefix(path, "/users") && len(r.Body.List("users")) > 0 && strings.Trim(x, "%_") == "" {
					a.Errorf("%s: %d %s", path, r.Status, brief(string(r.Raw)))
				}
			}
			r := a.ask(a.api, request{method: "POST", path: "/auth/login", body: obj{"username": x, "password": x}})
			a.client(r, "login as "+x)
		})
	}
	a.post(us[0], room, "x'); DELETE FROM messages; -- ")
	if h := a.api.History(a, us[1], room); len(h) != 2 || !strings.Contains(h[1].Str("content"), "DELETE FROM") {
		a.Errorf("the log is %v", h)
	}
	if now := a.number("SELECT COUNT(*) FROM users"); now < users {
		a.Errorf("%d users of %d are left", now, users)
	}
	for _, name := range a.Names() {
		if log := a.Fleet.Log(name, 1<<30); strings.Contains(log, "Error 1064") || strings.Contains(log, "SQL syntax") {
			a.Errorf("%s ran a broken statement", name)
		}
	}
}

// spoilt are a cursor with one change each.
func spoilt(cursor string) (list []string) {
	raw := []byte(cursor)
	for i := range raw {
		b := append([]byte(nil), raw...)
		if b[i]++; b[i] == 'z'+1 || b[i] == '9'+1 || b[i] == 'Z'+1 {
			b[i] = '!'
		}
		list = append(list, string(b))
	}
	return append(list, cursor[1:], cursor[:len(cursor)-1], cursor+"A", cursor+"=", cursor+"\n", " "+cursor, cursor+cursor, strings.ToUpper(cursor), strings.Repeat("A", 600), "-", "\x00", "é", "null", "0", "-1")
}

// noCursor asks for a page by what no list has returned.
func (a *attack) noCursor(path string, u user) {
	a.Helper()
	r := a.ask(a.api, request{method: "GET", path: path, token: u.Token})
	if r.Status != 422 {
		a.problem(r, 400, "invalid", path)
	}
}

func cursors(a *attack) {
	us := a.users(4)
	for range 3 {
		a.api.CreateRoomAs(a, us[0], obj{"visibility": "public"}, us[1:]...)
	}
	room := a.api.CreateRoom(a, us[0], us[1:]...)
	lists := []string{"/rooms?limit=1", "/rooms?visibility=public&limit=1", "/users?q=u&limit=1", roomPath(room, "/members?limit=1")}
	given := map[string]string{}
	for _, path := range lists {
		if given[path] = a.api.Must(a, 200, "GET", path, us[0].Token, nil).Str("next_cursor"); given[path] == "" {
			a.Fatalf("%s has no next page", path)
		}
		a.api.Must(a, 200, "GET", path+"&cursor="+url.QueryEscape(given[path]), us[0].Token, nil)
	}
	for _, path := range lists {
		for _, bad := range spoilt(given[path]) {
			if isID(bad) && isID(given[path]) {
				continue // the place of another id, which one may as well ask for
			}
			a.noCursor(path+"&cursor="+url.QueryEscape(bad), us[0])
		}
		for _, other := range lists {
			if other != path && isID(given[other]) != isID(given[path]) || strings.HasPrefix(other, "/rooms?") && strings.HasPrefix(path, "/rooms?") && other != path {
				a.noCursor(path+"&cursor="+url.QueryEscape(given[other]), us[0])
			}
		}
	}
	a.noCursor("/rooms?cursor=a&cursor=b", us[0])
}

// isID reports whether a cursor is the strictly typed place of an id: i and a number to the base of 36, written in one way.
func isID(cursor string) bool {
	rest, ok := strings.CutPrefix(cursor, "i")
	return ok && rest != "" && rest[0] != '0' && strings.Trim(rest, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

func strictJSON(a *attack) {
	u := a.users(1)[0]
	room := a.api.CreateRoom(a, u)
	path := roomPath(room, "/messages")
	for text, status := range map[string]int{
		`{"content":"a","content":"b"}`: 400, `{"content":"a"} {}`: 400, `{"content":"a"}x`: 400, `{"content":"a",}`: 400, `{'content':'a'}`: 400,
		`[{"content":"a"}]`: 0, `"content"`: 0, `null`: 0, `{"content":"a","Content":"b"}`: 400, `{"CONTENT":"a"}`: 400, `{"content":"\ud800"}`: 400,
		"{\"content\":\"a\x01b\"}": 400, "{\"content\":\"\xff\"}": 400, `{"content":NaN}`: 400, `{"content":01}`: 0, "\ufeff" + `{"content":"a"}`: 400,
		`{"content":"a","x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`: 400, `{"content":` + strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat("}", 40) + `}`: 0,
		strings.Repeat("[", 30_000): 400, ``: 400, `{`: 400, `{"content":"a" /* no */}`: 400, `{"content":{"a":1}}`: 422, `{"content":["a"]}`: 422,
	} {
		r := a.ask(a.api, request{method: "POST", path: path, token: u.Token, body: text})
		if a.client(r, brief(text)); status != 0 && r.Status != status {
			a.Errorf("%s: %d, want %d", brief(text), r.Status, status)
		}
	}
	s := a.dial(1, u)
	message := fmt.Sprintf(`"type":"message","room_id":%d,"content":"x"`, room)
	for _, text := range []string{
		`{` + message + `,"content":"y"}`, `{` + message + `,"Content":"y"}`, `{` + message + `} {}`, `{` + message + `,}`,
		`{"type":"message","type":"ping"}`, `{"type":"message","room_id":9007199254740993,"content":"x"}`, `{"type":"message","room_id":1e3,"content":"x"}`,
		`{"type":"message","room_id":"1","content":"x"}`, `{` + message + `,"client_msg_id":"\ud800"}`,
		`{"type":"sync","rooms":` + strings.Repeat(`{"1":`, 40) + `1` + strings.Repeat("}", 40) + `}`,
		`{"type":"sync","rooms":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
	} {
		s.SendText(a, text)
		if e := s.Expect(a, is("error")); e.Str("code") != "invalid" && e.Str("code") != "unknown_field" {
			a.Errorf("%s is answered by %s", brief(text), e)
		}
	}
	if n := a.number("SELECT last_seq FROM rooms WHERE id = ?", room); n != 1 {
		a.Errorf("%d messages were read out of malformed JSON", n-1)
	}
	strictChanges(a, u, room)
}

// strictChanges sends changes, and messages with more than a text, that are not quite as they should be.
func strictChanges(a *attack, u user, room uint64) {
	a.Helper()
	seq := a.post(u, room, "unchanged")
	about := fmt.Sprintf(`"room_id":%d,"seq":%d`, room, seq)
	message := fmt.Sprintf(`"type":"message","room_id":%d,"content":"x"`, room)
	deep := strings.Repeat(`{"a":`, 32) + `{}` + strings.Repeat("}", 32)
	for _, texts := range [][]string{{
		`{"type":"edit",` + about + `}`, `{"type":"edit",` + about + `,"content":"y","content":"z"}`, `{"type":"edit",` + about + `,"Content":"y"}`,
		`{"type":"edit",` + about + `,"content":["y"]}`, `{"type":"edit",` + about + `,"content":"y","if_version":"1"}`, `{"type":"edit",` + about + `,"content":"y","if_version":1.0}`,
		`{"type":"edit",` + about + `,"content":"\ud800"}`, `{"type":"edit",` + about + `,"data":[]}`, `{"type":"edit",` + about + `,"data":` + deep + `}`,
		`{"type":"edit",` + about + `,"data":{"a":"` + strings.Repeat("x", 8<<10) + `"}}`, `{"type":"edit",` + about + `,"content":"y","change_id":"\u0000"}`,
	}, {
		`{"type":"recall",` + about + `,"on":true}`, `{"type":"recall","room_id":` + fmt.Sprint(room) + `}`, `{"type":"recall",` + about + `,"seq":1}`,
		`{"type":"recall","room_id":` + fmt.Sprint(room) + `,"seq":-1}`, `{"type":"pin",` + about + `,"on":"true"}`, `{"type":"pin",` + about + `,"on":null}`,
		`{"type":"react",` + about + `,"key":"k"}`, `{"type":"react",` + about + `,"on":true}`, `{"type":"react",` + about + `,"key":"","on":true}`,
		`{"type":"react",` + about + `,"key":"a\u2003b","on":true}`, `{"type":"react",` + about + `,"key":"\u200d","on":true}`,
		`{"type":"react",` + about + `,"key":"` + strings.Repeat("é", 17) + `","on":true}`, `{"type":"react",` + about + `,"key":{"k":1},"on":true}`,
	}, {
		`{` + message + `,"data":null}`, `{` + message + `,"data":"{}"}`, `{` + message + `,"data":{"a":1,"a":2}}`, `{` + message + `,"data":{"a":1e999}}`,
		`{` + message + `,"data":{"a":9007199254740993}}`, `{` + message + `,"data":` + deep + `}`, `{` + message + `,"data":{"a":"\udfff"}}`,
		`{` + message + `,"reply_to":0}`, `{` + message + `,"reply_to":"1"}`, `{` + message + `,"reply_to":999}`, `{` + message + `,"seq":1}`,
		`{"type":"sync","rooms":{"` + fmt.Sprint(room) + `":{"seq":1,"changes":"1"}}}`, `{"type":"sync","rooms":{"` + fmt.Sprint(room) + `":{"seq":1,"changes":1,"from_seq":{}}}}`,
	}} {
		s := a.dial(1, u)
		for _, text := range texts {
			s.SendText(a, text)
			if code := s.Expect(a, is("error")).Str("code"); code != "invalid" && code != "unknown_field" && code != "too_large" {
				a.Errorf("%s is answered by %s", brief(text), code)
			}
		}
	}
	if n := a.number("SELECT last_seq FROM rooms WHERE id = ?", room); n != seq {
		a.Errorf("%d messages were read out of malformed data", n-seq)
	}
	if n := a.number("SELECT COUNT(*) FROM room_changes WHERE room_id = ?", room); n != 0 {
		a.Errorf("%d changes were read out of malformed frames", n)
	}
}

func strangeTexts(a *attack) {
	us := a.users(2)
	room := a.api.CreateRoom(a, us[0], us[1])
	s, to := a.dial(1, us[0]), a.dial(2, us[1])
	for what, text := range map[string]string{
		"C0": "a\x01\x02\x1b[31m\x7fb", "C1": "a\u0080\u0085\u009bb", "bidi": "a\u202e\u2066b\u2069\u202c", "combining": "e" + strings.Repeat("\u0301", 8000),
		"ZWJ": strings.Repeat("👩\u200d", 1000) + "👧", "emoji": "😀🏳️‍🌈👍🏽", "surrogates' place": "\ufffd\ufffe\uffff", "private": "\ue000\U0010ffff", "lines": "a\r\nb\u2028c\u2029d",
		"spaces kept": "  a\t\u3000b  ", "normal forms": "é e\u0301 ﬁ Å Å", "full": strings.Repeat("x", 16<<10), "escapes": `\u0000 \n "<>&` + "`",
	} {
		seq := a.chat(s, room, text)
		by := a.post(us[0], room, text)
		for _, seq := range []uint64{seq, by} {
			if m := to.Expect(a, is("message", "room_id", room, "seq", seq)); m.Str("content") != text {
				a.Errorf("%s comes as %q", what, brief(m.Str("content")))
			}
			if got := a.text("SELECT content FROM messages WHERE room_id = ? AND seq = ?", room, seq); got != text {
				a.Errorf("%s is stored as %q", what, brief(got))
			}
		}
	}
	for what, text := range map[string]string{"NUL": "a\x00b", "empty": "", "blank": " \n\t\u3000\u00a0", "invisible": "\u200b\u200d\u2060\ufeff", "filler": "\u3164\u115f", "too long": strings.Repeat("é", 8193)} {
		code, status := "invalid", 422
		if what == "too long" {
			code, status = "too_large", 413
		}
		id := fresh()
		a.refusal(s, code, id, obj{"type": "message", "room_id": room, "content": text, "client_msg_id": id})
		a.refused(a.api, status, code, "POST", roomPath(room, "/messages"), us[0].Token, obj{"content": text})
	}
	name := "ann" + fresh()
	wide := strings.Map(func(r rune) rune { return r + 0xfee0 }, name)
	if got := a.api.Must(a, 201, "POST", "/auth/register", "", obj{"username": wide, "password": goodPassword}).Obj("user").Str("username"); got != name {
		a.Errorf("%q is registered as %q", wide, got)
	}
	for _, same := range []string{name, strings.ToUpper(name), wide, " " + name + " "} {
		a.refused(a.api, 409, "username_taken", "POST", "/auth/register", "", obj{"username": same, "password": goodPassword})
	}
	a.api.Login(a, strings.ToUpper(wide), goodPassword, "")
}

func logLines(a *attack) {
	u := a.users(1)[0]
	room := a.api.CreateRoom(a, u)
	evil := "x\r\n{\"level\":\"ERROR\",\"msg\":\"forged " + fresh() + "\"}\r\n\x1b[31mred\x1b[0m\u2028\u0085"
	s := a.dial(1, u, testkit.Query("device", evil))
	for _, f := range []obj{
		{"type": evil},
		{"type": "message", "room_id": room, "content": evil, "client_msg_id": evil},
		{"type": "sync", "rooms": obj{evil: 1}},
		{"type": "ping", evil: 1},
		{"type": "auth", "tokem": evil},
	} {
		s.Send(a, f)
		s.Expect(a, is("error"))
	}
	for _, r := range []request{
		{method: "POST", path: "/auth/login", body: obj{"username": evil, "password": evil, "device": evil}},
		{method: "POST", path: "/auth/register", body: obj{"username": evil, "nickname": evil, "email": evil, "password": evil}},
		{method: "POST", path: "/auth/login", body: obj{"username": u.Username, "password": u.Password, "device": evil}},
		{method: "GET", path: "/" + url.PathEscape(evil)},
		{method: "GET", path: "/users?q=" + url.QueryEscape(evil), token: u.Token},
		{method: "GET", path: "/me", header: http.Header{"X-Request-Id": {"x\"} forged"}, "X-Forwarded-For": {"x forged"}}},
		{method: "POST", path: roomPath(room, "/messages"), token: u.Token, body: obj{evil: evil}},
	} {
		for _, api := range []testkit.API{a.api, a.strict} {
			_, _ = tryAsk(a.Context(), api, r)
		}
	}
	a.wire(hostOf(a.api.Base), "GET /\r\n\x1b[31mforged HTTP/1.1\r\nHost: x\r\n\r\n", time.Second)
	a.wire(hostOf(a.WS(1)), "GET /\x1b[31mforged\x00 HTTP/1.1\r\nHost: x\r\n\r\n", time.Second)
	for name := range a.pids {
		log := a.Fleet.Log(name, 1<<30)
		for line := range strings.Lines(log) {
			if line = strings.TrimSuffix(line, "\n"); !json.Valid([]byte(line)) || strings.ContainsAny(line, "\r\x1b\x00") {
				a.Errorf("a line in the log of %s: %q", name, brief(line))
			}
		}
		if len(log) < 100 {
			a.Errorf("%s has logged nothing", name)
		}
	}
}

func storedScripts(a *attack) {
	us := a.users(2)
	evil := `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	room := a.api.CreateRoomAs(a, us[0], obj{"name": evil, "description": evil}, us[1]).Num("id")
	a.post(us[0], room, evil)
	a.api.Must(a, 200, "PATCH", "/me", us[0].Token, obj{"nickname": evil})
	for _, link := range []string{"javascript:alert(1)", "data:text/html,x", "vbscript:x", "//evil.example/x", "https://user:pass@evil.example/", "x"} {
		a.refused(a.api, 422, "invalid", "PATCH", "/me", us[0].Token, obj{"avatar_url": link})
	}
	for _, path := range []string{"/rooms", roomPath(room, ""), roomPath(room, "/messages"), roomPath(room, "/members"), fmt.Sprint("/users/", us[0].ID), "/rooms/%3Cscript%3E", "/users?q=%3Cscript%3E&limit=x"} {
		r := a.ask(a.api, request{method: "GET", path: path, token: us[1].Token})
		ct := r.Header.Get("Content-Type")
		if !strings.HasPrefix(ct, "application/") || !strings.Contains(ct, "json") || r.Header.Get("X-Content-Type-Options") != "nosniff" ||
			r.Header.Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors 'none'" {
			a.Errorf("%s: %v", path, r.Header)
		}
	}
	for _, path := range []string{"//", "//docs"} {
		r := a.ask(a.api, request{method: "GET", path: path})
		csp, page := r.Header.Get("Content-Security-Policy"), strings.ToLower(string(r.Raw))
		if r.Status != 200 || !strings.Contains(csp, "script-src 'self'") && !strings.Contains(csp, "default-src 'self'") || strings.Contains(csp, "unsafe") {
			a.Errorf("%s: %d, policy %s", path, r.Status, csp)
		}
		if strings.Contains(page, "<script>") || strings.Contains(page, "onclick=") || strings.Contains(page, "javascript:") || strings.Contains(page, "<style") {
			a.Errorf("%s has something inline", path)
		}
	}
	for _, file := range []string{"app.js", "chat-api.js", "chat-client.js", "dialogs.js", "model.js", "view.js"} {
		r := a.ask(a.api, request{method: "GET", path: "//" + file})
		for _, way := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"} {
			if r.Status != 200 || strings.Contains(string(r.Raw), way) {
				a.Errorf("%s (%d) makes markup of texts: %s", file, r.Status, way)
			}
		}
	}
}

func mixedUp(a *attack) {
	const crowd, rounds = 32, 12
	us := a.users(crowd)
	var wg sync.WaitGroup
	for i, u := range us {
		room := a.api.CreateRoom(a, u)
		own := fmt.Sprintf("only-%02d-%s", i, fresh())
		wg.Go(func() {
			for n := range rounds {
				for _, r := range []request{
					{method: "PATCH", path: "/me", body: obj{"nickname": own}},
					{method: "GET", path: "/me"},
					{method: "POST", path: roomPath(room, "/messages"), body: obj{"content": own + strings.Repeat(" x", n*50), "client_msg_id": fmt.Sprint(own[5:], ".", n)}},
					{method: "GET", path: roomPath(room, "/messages?limit=5")},
					{method: "GET", path: "/rooms"},
					{method: "GET", path: "/users?q=" + own},
				} {
					r.token, r.header = u.Token, http.Header{"X-Request-Id": {own}}
					res, err := tryAsk(a.Context(), a.api, r)
					if err != nil || res.Status >= 400 {
						a.Errorf("%s %s: %d %v", r.method, r.path, res.Status, err)
						return
					}
					if text := string(res.Raw); strings.Count(text, "only-") != strings.Count(text, own) || res.Header.Get("X-Request-Id") != own {
						a.Errorf("%s got what is another's: %s %v", own, brief(text), res.Header)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	for i := range us {
		wrong := a.number("SELECT COUNT(*) FROM messages WHERE sender_id = ? AND (content NOT LIKE ? OR client_msg_id NOT LIKE ?)", us[i].ID, fmt.Sprintf("only-%02d-%%", i), fmt.Sprintf("%02d-%%", i))
		if n := a.number("SELECT COUNT(*) FROM messages WHERE sender_id = ?", us[i].ID); wrong != 0 || n != rounds {
			a.Errorf("%d messages of one sender are there, %d are another's", n, wrong)
		}
	}
}

// basic is a header of HTTP's own logins.
func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}
