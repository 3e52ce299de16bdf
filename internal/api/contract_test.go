package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
)

// TestBadBodies: what can't be read is 400, a bad value is 422 and names its field, and nothing changes.
func TestBadBodies(t *testing.T) {
	b := newBench(t)
	ann := b.join("ann")
	b.join("bob")
	b.do(201, "POST", "rooms", ann, `{"name":"one","member_ids":[2]}`)
	long := strings.Repeat("x", 2000)
	ids := func(n int) string {
		var l []string
		for i := range n {
			l = append(l, fmt.Sprint(i+1))
		}
		return "[" + strings.Join(l, ",") + "]"
	}
	for _, tt := range []struct {
		method, path, body string
		status             int
		code, field        string
	}{
		{"POST", "auth/register", ``, 400, "invalid", "body"},
		{"POST", "auth/register", `{`, 400, "invalid", "body"},
		{"POST", "auth/register", `[]`, 400, "invalid", "body"},
		{"POST", "auth/register", `null`, 400, "invalid", "body"},
		{"POST", "auth/register", `"x"`, 400, "invalid", "body"},
		{"POST", "auth/register", `{} {}`, 400, "invalid", "body"},
		{"POST", "auth/register", "{\"username\":\"\xff\"}", 400, "invalid", "body"},
		{"POST", "auth/register", `{"username":"a","username":"b"}`, 400, "invalid", "username"},
		{"POST", "auth/register", `{"Username":"carl","password":"123456"}`, 400, "unknown_field", "Username"},
		{"POST", "auth/register", `{"username":"carl","password":"123456","is_admin":true}`, 400, "unknown_field", "is_admin"},
		{"POST", "auth/register", `{}`, 422, "invalid", "password,username"},
		{"POST", "auth/register", `{"username":"carl"}`, 422, "invalid", "password"},
		{"POST", "auth/register", `{"username":"carl","password":"12345"}`, 422, "invalid", "password"},
		{"POST", "auth/register", `{"username":"carl","password":"` + long + `"}`, 422, "invalid", "password"},
		{"POST", "auth/register", `{"username":"c a","password":"123456"}`, 422, "invalid", "username"},
		{"POST", "auth/register", `{"username":17,"password":"123456"}`, 422, "invalid", "username"},
		{"POST", "auth/register", `{"username":"carl","password":"123456","email":"nope"}`, 422, "invalid", "email"},
		{"POST", "auth/register", `{"username":"carl","password":"123456","nickname":"a\u0000b"}`, 422, "invalid", "nickname"},
		{"POST", "auth/login", `{}`, 422, "invalid", "password,username"},
		{"POST", "auth/login", `{"username":"` + long + `","password":"x"}`, 422, "invalid", "username"},
		{"POST", "auth/login", `{"username":"ann","password":"x","device":"` + long + `"}`, 422, "invalid", "device"},
		{"POST", "auth/refresh", `{}`, 422, "invalid", "refresh_token"},
		{"POST", "auth/logout", `{"x":1}`, 400, "unknown_field", "x"},
		{"POST", "auth/password", `{"old_password":"123456"}`, 422, "invalid", "new_password"},
		{"POST", "auth/password", `{"old_password":"123456","new_password":"1"}`, 422, "invalid", "new_password"},
		{"PATCH", "me", `{"nickname":""}`, 422, "invalid", "nickname"},
		{"PATCH", "me", `{"username":"x"}`, 400, "unknown_field", "username"},
		{"PATCH", "me", `{"avatar_url":"javascript:alert(1)"}`, 422, "invalid", "avatar_url"},
		{"PATCH", "me", `{"email":"x"}`, 422, "invalid", "email"},
		{"POST", "presence", `{"user_ids":[]}`, 422, "invalid", "user_ids"},
		{"POST", "presence", `{"user_ids":` + ids(201) + `}`, 422, "invalid", "user_ids"},
		{"POST", "rooms", `{}`, 422, "invalid", "name"},
		{"POST", "rooms", `{"name":"` + long + `"}`, 422, "invalid", "name"},
		{"POST", "rooms", `{"name":"x","type":"channel"}`, 422, "invalid", "type"},
		{"POST", "rooms", `{"name":"x","visibility":"all"}`, 422, "invalid", "visibility"},
		{"POST", "rooms", `{"name":"x","owner_id":2}`, 400, "unknown_field", "owner_id"},
		{"POST", "rooms", `{"name":"x","member_ids":["2"]}`, 422, "invalid", "member_ids.0"},
		{"POST", "rooms", `{"name":"x","member_ids":[-2]}`, 422, "invalid", "member_ids.0"},
		{"POST", "rooms", `{"name":"x","member_ids":[0]}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"name":"x","member_ids":[1.5]}`, 422, "invalid", "member_ids.0"},
		{"POST", "rooms", `{"name":"x","member_ids":[9007199254740993]}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"name":"x","member_ids":` + ids(501) + `}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"name":"x","member_ids":[99]}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"type":"direct"}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"type":"direct","member_ids":[1]}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"type":"direct","member_ids":[2,3]}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"type":"direct","member_ids":[2],"visibility":"public"}`, 422, "invalid", "visibility"},
		{"PATCH", "rooms/1", `{"name":" "}`, 422, "invalid", "name"},
		{"PATCH", "rooms/1", `{"visibility":"x"}`, 422, "invalid", "visibility"},
		{"PATCH", "rooms/x", `{"name":"y"}`, 400, "invalid", "room_id"},
		{"PATCH", "rooms/0", `{"name":"y"}`, 404, "not_found", ""},
		{"PATCH", "rooms/99999999999999999999", `{"name":"y"}`, 404, "not_found", ""},
		{"POST", "rooms/1/owner", `{}`, 422, "invalid", "user_id"},
		{"POST", "rooms/1/members", `{}`, 422, "invalid", "member_ids"},
		{"PATCH", "rooms/1/members/2", `{}`, 422, "invalid", "role"},
		{"PATCH", "rooms/1/members/2", `{"role":"owner"}`, 422, "invalid", "role"},
		{"PATCH", "rooms/1/members/2", `{"role":"admin","mute_seconds":5}`, 422, "invalid", "role"},
		{"PATCH", "rooms/1/members/2", `{"mute_seconds":-1}`, 422, "invalid", "mute_seconds"},
		{"PATCH", "rooms/1/members/2", `{"muted_until":"tomorrow"}`, 422, "invalid", "muted_until"},
		{"PATCH", "rooms/1/members/2", `{"muted_until":"2126-01-01T00:00:00Z"}`, 422, "invalid", "muted_until"},
		{"PATCH", "rooms/1/members/-2", `{"role":"admin"}`, 400, "invalid", "user_id"},
		{"POST", "rooms/1/messages", `{}`, 422, "invalid", "content"},
		{"POST", "rooms/1/messages", `{"content":" \n "}`, 422, "invalid", "content"},
		{"POST", "rooms/1/messages", `{"content":"a\u0000b"}`, 422, "invalid", "content"},
		{"POST", "rooms/1/messages", `{"content":7}`, 422, "invalid", "content"},
		{"POST", "rooms/1/messages", `{"content":"\ud800"}`, 400, "invalid", "body"},
		{"POST", "rooms/1/messages", `{"content":"` + strings.Repeat("x", 16<<10+1) + `"}`, 413, "too_large", ""},
		{"POST", "rooms/1/messages", `{"content":"x","client_msg_id":""}`, 422, "invalid", "client_msg_id"},
		{"POST", "rooms/1/messages", `{"content":"x","client_msg_id":"a b"}`, 422, "invalid", "client_msg_id"},
		{"POST", "rooms/1/messages", `{"content":"x","client_msg_id":"` + strings.Repeat("x", 37) + `"}`, 422, "invalid", "client_msg_id"},
		{"POST", "rooms/1/messages", `{"content":"x","sender_id":2}`, 400, "unknown_field", "sender_id"},
		{"PUT", "rooms/1/read", `{}`, 422, "invalid", "seq"},
		{"PUT", "rooms/1/read", `{"seq":-1}`, 422, "invalid", "seq"},
		{"PUT", "rooms/1/read", `{"seq":9007199254740992}`, 422, "invalid", "seq"},
		{"PUT", "rooms/1/read", `{"seq":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, 422, "invalid", "seq"},
	} {
		name := tt.path + " " + tt.body[:min(40, len(tt.body))]
		t.Run(name, func(t *testing.T) {
			a := b.raw(tt.method, tt.path, ann, "application/json", tt.body)
			b.problem(a, tt.status, tt.code)
			if got := strings.Join(a.fields(), ","); got != tt.field {
				t.Errorf("blames %q, want %q: %s", got, tt.field, a.raw)
			}
		})
	}
	if len(b.store.users) != 2 || len(b.store.rooms) != 1 || len(b.store.log[1]) != 0 {
		t.Errorf("something was done: %d users, %d rooms, %d messages", len(b.store.users), len(b.store.rooms), len(b.store.log[1]))
	}
}

func TestBadQueries(t *testing.T) {
	b := newBench(t)
	ann := b.join("ann")
	b.do(201, "POST", "rooms", ann, `{"name":"one"}`)
	for path, field := range map[string]string{
		"rooms/1/messages?page=0": "page", "rooms/1/messages?page=-1": "page", "rooms/1/messages?page=x": "page",
		"rooms/1/messages?page=": "page", "rooms/1/messages?page=1&page=2": "page", "rooms/1/messages?page=1.5": "page",
		"rooms/1/messages?page=%2B1": "page", "rooms/1/messages?page=99999999999999999999": "page",
		"rooms/1/messages?page_size=0": "page_size", "rooms/1/messages?page_size=101": "page_size",
		"rooms/1/messages?limit=0": "limit", "rooms/1/messages?after_seq=0&limit=101": "limit",
		"rooms/1/messages?before_seq=-1": "before_seq", "rooms/1/messages?after_seq=x": "after_seq", "rooms/1/messages?around_seq=": "around_seq",
		"rooms/1/messages?before_seq=5&after_seq=1": "before_seq", "rooms/1/messages?before_seq=5&page=1": "page",
		"rooms/1/messages?page=1&limit=5": "limit", "rooms/1/messages?min_seq=x": "min_seq",
		"rooms?limit=0": "limit", "rooms?limit=201": "limit", "rooms?limit=x": "limit", "rooms?visibility=private": "visibility",
		"rooms?q=x": "q", "rooms?cursor=%27%20OR%201": "cursor", "rooms/1/members?cursor=i0": "cursor",
		"rooms/1/members?cursor=x1": "cursor", "rooms/1/members?cursor=I1": "cursor", "rooms/1/members?limit=-1": "limit",
		"users": "q", "users?q=%20": "q", "users?q=a&cursor=2": "cursor", "users?q=a&limit=1000": "limit",
		"users?q=" + strings.Repeat("x", 257): "q",
	} {
		a := b.raw("GET", path, ann, "", "")
		b.problem(a, 422, "invalid")
		if got := a.fields(); !slices.Equal(got, []string{field}) {
			t.Errorf("%s blames %v, want %s", path, got, field)
		}
	}
	b.do(200, "GET", "rooms?utm_source=x", ann, "")
}

func TestContentTypes(t *testing.T) {
	b := newBench(t)
	body := `{"username":"ann","password":"123456"}`
	b.do(201, "POST", "auth/register", "", body)
	for ct, code := range map[string]string{
		"": "username_taken", "application/json; charset=UTF-8": "username_taken", "text/plain": "invalid",
		"application/x-www-form-urlencoded": "invalid", "application/json; charset=latin1": "invalid", ";": "invalid",
	} {
		status := http.StatusUnsupportedMediaType
		if code == "username_taken" {
			status = http.StatusConflict
		}
		b.problem(b.raw("POST", "auth/register", "", ct, body), status, code)
	}
	b.problem(b.raw("POST", "auth/register", "", "application/json", body, "Content-Encoding", "gzip"), 415, "invalid")
}

func TestAccount(t *testing.T) {
	b := newBench(t)
	a := b.do(201, "POST", "auth/register", "", `{"username":" TestUser ","nickname":"测试用户","email":"Test@Example.com","password":"123456"}`)
	want := map[string]any{"id": 1.0, "username": "testuser", "nickname": "测试用户", "email": "test@example.com", "created_at": "2026-03-01T12:00:00.000Z"}
	if d := cmp.Diff(map[string]any{"user": want}, a.body); d != "" {
		t.Errorf("registered:\n%s", d)
	}
	b.problem(b.raw("POST", "auth/register", "", "application/json", `{"username":"ＴＥＳＴuser","password":"123456"}`), 409, "username_taken")
	b.problem(b.raw("POST", "auth/register", "", "application/json", `{"username":"other","email":"TEST@example.com","password":"123456"}`), 409, "email_taken")

	a = b.do(200, "POST", "auth/login", "", `{"username":"TEST@example.com","password":"123456","device":"phone"}`)
	if d := cmp.Diff(want, a.body["user"]); d != "" || a.body["token_type"] != "Bearer" || a.body["expires_in"] != 3600.0 || a.body["refresh_token"] == "" {
		t.Errorf("login %s\n%s", a.raw, d)
	}
	token := a.body["access_token"].(string)
	if d := cmp.Diff(want, b.do(200, "GET", "me", token, "").body); d != "" {
		t.Errorf("me:\n%s", d)
	}
	a = b.do(200, "PATCH", "me", token, `{"nickname":" New ","avatar_url":"https://x.example/a.png","email":""}`)
	if a.body["nickname"] != "New" || a.body["avatar_url"] != "https://x.example/a.png" || a.body["email"] != nil {
		t.Errorf("patched %s", a.raw)
	}
	other := b.join("other")
	if a = b.do(200, "GET", "users/1", other, ""); a.body["email"] != nil || a.body["username"] != "testuser" {
		t.Errorf("shown to others: %s", a.raw)
	}
	b.problem(b.raw("GET", "users/99", other, "", ""), 404, "not_found")
}

func TestUserPages(t *testing.T) {
	b := newBench(t)
	ann := b.join("ann")
	for i := range 5 {
		b.join(fmt.Sprintf("user%d", i))
	}
	var seen []any
	cursor := ""
	for range 3 {
		a := b.do(200, "GET", "users?q=USER&limit=2"+cursor, ann, "")
		seen = append(seen, a.list("users", "username")...)
		next, ok := a.body["next_cursor"].(string)
		if !ok {
			break
		}
		cursor = "&cursor=" + next
	}
	if d := cmp.Diff([]any{"user0", "user1", "user2", "user3", "user4"}, seen); d != "" {
		t.Errorf("pages:\n%s", d)
	}
	if a := b.do(200, "GET", "users?q=nobody", ann, ""); string(a.raw) != `{"users":[],"next_cursor":null}` {
		t.Errorf("empty page %s", a.raw)
	}
}

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
	b.store.lookups = 0
	for range 10 {
		b.do(200, "GET", "me", ann, "")
	}
	if b.store.lookups != 1 {
		t.Errorf("%d queries for 10 requests", b.store.lookups)
	}
	if err := b.store.RevokeSessions(t.Context(), 1, ""); err != nil {
		t.Fatal(err)
	}
	b.store.pass(5 * time.Second)
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
			b.store.pass(5 * time.Minute)
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
	b.store.pass(time.Second)
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
	b.do(201, "POST", "auth/register", "", `{"username":"old","password":"stale-1"}`)
	b.do(200, "POST", "auth/login", "", `{"username":"old","password":"stale-1"}`)
	if !slices.Equal(b.store.rehashed, []string{"hash:stale-1 → hash:stale-1"}) {
		t.Errorf("rehashed %v", b.store.rehashed)
	}
	b.auth.down = chat.E(chat.Unavailable, "too many logins")
	b.problem(b.raw("POST", "auth/login", "", "application/json", `{"username":"ann","password":"123456"}`), 503, "unavailable")
	b.auth.down = nil
	u := b.store.users[1]
	u.Status = chat.Disabled
	b.store.users[1] = u
	b.problem(b.raw("POST", "auth/login", "", "application/json", `{"username":"ann","password":"123456"}`), 403, "blocked")
}

func TestRooms(t *testing.T) {
	b := newBench(t)
	ann, bob := b.join("ann"), b.join("bob")
	b.join("eve")
	a := b.do(201, "POST", "rooms", ann, `{"name":"群聊名称","description":"群聊\n描述","type":"group","member_ids":[1,2]}`)
	want := map[string]any{
		"id": 1.0, "type": "group", "name": "群聊名称", "description": "群聊\n描述", "visibility": "private", "owner_id": 1.0,
		"member_count": 2.0, "last_seq": 0.0, "epoch": 1.0, "created_at": "2026-03-01T12:00:00.000Z", "role": "owner", "unread": 0.0, "read_seq": 0.0,
	}
	if d := cmp.Diff(want, a.body); d != "" || a.head.Get("Location") != "/api/v1/rooms/1" {
		t.Errorf("room at %q:\n%s", a.head.Get("Location"), d)
	}
	if d := cmp.Diff(want, b.do(200, "GET", "rooms/1", ann, "").body); d != "" {
		t.Errorf("room:\n%s", d)
	}
	if a = b.do(200, "PATCH", "rooms/1", ann, `{"name":" New "}`); a.body["name"] != "New" {
		t.Errorf("patched %s", a.raw)
	}
	b.problem(b.raw("PATCH", "rooms/1", bob, "application/json", `{"name":"Mine"}`), 403, "forbidden")

	first := b.do(201, "POST", "rooms", ann, `{"type":"direct","member_ids":[2]}`)
	again := b.do(200, "POST", "rooms", bob, `{"type":"direct","member_ids":[2,1]}`)
	if first.body["id"] != again.body["id"] || again.body["owner_id"] != 0.0 {
		t.Errorf("direct rooms %s and %s", first.raw, again.raw)
	}
	page := b.do(200, "GET", "rooms?limit=1", ann, "")
	rest := b.do(200, "GET", "rooms?limit=1&cursor="+page.body["next_cursor"].(string), ann, "")
	if d := cmp.Diff([]any{1.0, 2.0}, append(page.list("rooms", "id"), rest.list("rooms", "id")...)); d != "" || rest.body["next_cursor"] != nil {
		t.Errorf("pages:\n%s", d)
	}
	b.do(201, "POST", "rooms", ann, `{"name":"Lobby","visibility":"public"}`)
	a = b.do(200, "GET", "rooms?visibility=public&q=Lob", bob, "")
	if d := cmp.Diff([]any{3.0}, a.list("rooms", "id")); d != "" || a.list("rooms", "role")[0] != nil {
		t.Errorf("public rooms %s", a.raw)
	}
	if a = b.do(200, "GET", "rooms/3", bob, ""); a.body["role"] != nil {
		t.Errorf("a public room from outside %s", a.raw)
	}
	b.do(200, "POST", "rooms/3/members", bob, `{"member_ids":[2]}`)
	if a = b.do(200, "POST", "rooms/3/owner", ann, `{"user_id":2}`); a.body["owner_id"] != 2.0 {
		t.Errorf("owner %s", a.raw)
	}
	b.problem(b.raw("DELETE", "rooms/3", ann, "", ""), 403, "forbidden")
	b.do(204, "DELETE", "rooms/3", bob, "")
	b.problem(b.raw("GET", "rooms/3", bob, "", ""), 404, "not_found")
}

func TestMembers(t *testing.T) {
	b := newBench(t)
	ann, bob := b.join("ann"), b.join("bob")
	b.join("eve")
	b.do(201, "POST", "rooms", ann, `{"name":"one","member_ids":[2]}`)
	if a := b.do(200, "POST", "rooms/1/members", ann, `{"member_ids":[2,3]}`); string(a.raw) != `{"added":[3]}` {
		t.Errorf("added %s", a.raw)
	}
	if a := b.do(200, "POST", "rooms/1/members", ann, `{"member_ids":[2,3]}`); string(a.raw) != `{"added":[]}` {
		t.Errorf("added again %s", a.raw)
	}
	a := b.do(200, "GET", "rooms/1/members?limit=2", bob, "")
	rest := b.do(200, "GET", "rooms/1/members?limit=2&cursor="+a.body["next_cursor"].(string), bob, "")
	if d := cmp.Diff([]any{1.0, 2.0, 3.0}, append(a.list("members", "user_id"), rest.list("members", "user_id")...)); d != "" {
		t.Errorf("members:\n%s", d)
	}
	want := map[string]any{
		"user_id": 2.0, "role": "admin", "joined_at": "2026-03-01T12:00:00.000Z",
		"user": map[string]any{"id": 2.0, "username": "bob", "nickname": "bob", "created_at": "2026-03-01T12:00:00.000Z"},
	}
	if d := cmp.Diff(want, b.do(200, "PATCH", "rooms/1/members/2", ann, `{"role":"admin"}`).body); d != "" {
		t.Errorf("member:\n%s", d)
	}
	for body, until := range map[string]any{
		`{"mute_seconds":60}`: "2026-03-01T12:01:00.000Z", `{"mute_seconds":0}`: nil,
		`{"muted_until":"2026-03-02T12:00:00+02:00"}`: "2026-03-02T10:00:00.000Z", `{"muted_until":null}`: nil,
	} {
		if a := b.do(200, "PATCH", "rooms/1/members/3", bob, body); a.body["muted_until"] != until {
			t.Errorf("%s gives %s", body, a.raw)
		}
	}
	b.problem(b.raw("DELETE", "rooms/1/members/1", bob, "", ""), 403, "forbidden")
	b.problem(b.raw("DELETE", "rooms/1/members/me", ann, "", ""), 409, "conflict")
	b.do(204, "DELETE", "rooms/1/members/3", bob, "")
	b.do(204, "DELETE", "rooms/1/members/me", bob, "")
	b.problem(b.raw("GET", "rooms/1", bob, "", ""), 404, "not_found")
}

func TestMessages(t *testing.T) {
	b := newBench(t)
	ann, bob := b.join("ann"), b.join("bob")
	b.do(201, "POST", "rooms", ann, `{"name":"one","member_ids":[2]}`)
	body := `{"content":"<b>你好</b> & 👋","client_msg_id":"c-1"}`
	a := b.do(201, "POST", "rooms/1/messages", ann, body)
	want := map[string]any{
		"room_id": 1.0, "seq": 1.0, "id": "1:1", "kind": "text", "sender_id": 1.0, "client_msg_id": "c-1",
		"content": "<b>你好</b> & 👋", "created_at": "2026-03-01T12:00:00.000Z",
	}
	if d := cmp.Diff(want, a.body); d != "" {
		t.Errorf("message:\n%s", d)
	}
	if d := cmp.Diff(want, b.do(200, "POST", "rooms/1/messages", ann, body).body); d != "" {
		t.Errorf("retried:\n%s", d)
	}
	b.problem(b.raw("POST", "rooms/1/messages", ann, "application/json", `{"content":"other","client_msg_id":"c-1"}`), 409, "idempotency_conflict")
	one, two := b.do(201, "POST", "rooms/1/messages", ann, `{"content":"x"}`), b.do(201, "POST", "rooms/1/messages", ann, `{"content":"x"}`)
	for _, a := range []answer{one, two} {
		if id := a.body["client_msg_id"].(string); chat.CheckClientMsgID(id) != nil || one.body["client_msg_id"] == two.body["client_msg_id"] {
			t.Errorf("made up the id %q", id)
		}
	}
	if a = b.do(200, "GET", "unread", bob, ""); string(a.raw) != `{"total":3,"rooms":{"1":3}}` {
		t.Errorf("unread %s", a.raw)
	}
	if a = b.do(200, "PUT", "rooms/1/read", bob, `{"seq":2}`); string(a.raw) != `{"read_seq":2,"unread":1}` {
		t.Errorf("read %s", a.raw)
	}
	if a = b.do(200, "PUT", "rooms/1/read", bob, `{"seq":0}`); a.body["read_seq"] != 2.0 {
		t.Errorf("moved backwards: %s", a.raw)
	}
	if a = b.do(200, "PUT", "rooms/1/read", bob, `{"seq":9007199254740991}`); string(a.raw) != `{"read_seq":3,"unread":0}` {
		t.Errorf("read %s", a.raw)
	}
	b.do(200, "PATCH", "rooms/1/members/2", ann, `{"mute_seconds":60}`)
	b.problem(b.raw("POST", "rooms/1/messages", bob, "application/json", `{"content":"x"}`), 403, "muted")
	if a = b.do(200, "GET", "unread", ann, ""); string(a.raw) != `{"total":0,"rooms":{}}` {
		t.Errorf("own messages are unread: %s", a.raw)
	}
}

func TestHistory(t *testing.T) {
	b := newBench(t)
	ann := b.join("ann")
	b.do(201, "POST", "rooms", ann, `{"name":"one"}`)
	if a := b.do(200, "GET", "rooms/1/messages", ann, ""); string(a.raw) != `{"messages":[],"last_seq":0,"epoch":1,"has_more":false,"page":1,"page_size":20}` {
		t.Errorf("empty room %s", a.raw)
	}
	for i := range 45 {
		b.do(201, "POST", "rooms/1/messages", ann, fmt.Sprintf(`{"content":"m%d"}`, i+1))
	}
	for _, tt := range []struct {
		query       string
		first, last float64
		more        bool
	}{
		{"", 26, 45, true},
		{"?page=1&page_size=20", 26, 45, true},
		{"?page=3", 1, 5, false},
		{"?page=4", 0, 0, false},
		{"?page=9007199254740991&page_size=100", 0, 0, false},
		{"?limit=3", 43, 45, true},
		{"?page_size=100", 1, 45, false},
		{"?before_seq=4", 1, 3, false},
		{"?before_seq=4&limit=2", 2, 3, true},
		{"?before_seq=0", 0, 0, false},
		{"?after_seq=0&limit=2", 1, 2, true},
		{"?after_seq=44", 45, 45, false},
		{"?after_seq=45", 0, 0, false},
		{"?min_seq=45", 26, 45, true},
	} {
		a := b.do(200, "GET", "rooms/1/messages"+tt.query, ann, "")
		seqs := a.list("messages", "seq")
		first, last := 0.0, 0.0
		if len(seqs) > 0 {
			first, last = seqs[0].(float64), seqs[len(seqs)-1].(float64)
		}
		if first != tt.first || last != tt.last || a.body["has_more"] != tt.more || a.body["last_seq"] != 45.0 {
			t.Errorf("%s gives %v … %v, more %v", tt.query, first, last, a.body["has_more"])
		}
	}
}

// TestRecent: the cache serves the newest page if it holds exactly that, and never anything else.
func TestRecent(t *testing.T) {
	b := newBench(t)
	ann, bob := b.join("ann"), b.join("bob")
	b.do(201, "POST", "rooms", ann, `{"name":"one","member_ids":[2]}`)
	say := func(n int) {
		for range n {
			b.do(201, "POST", "rooms/1/messages", ann, `{"content":"x"}`)
		}
	}
	newest := func(token string, fromStore bool) answer {
		b.Helper()
		before := b.store.histories
		a := b.do(200, "GET", "rooms/1/messages?page_size=5", token, "")
		if got := b.store.histories > before; got != fromStore {
			b.Errorf("asked the store: %v, want %v", got, fromStore)
		}
		return a
	}
	say(8)
	want := newest(ann, true) // cold
	if d := cmp.Diff(want.body, newest(ann, false).body); d != "" {
		t.Errorf("cache and store differ:\n%s", d)
	}
	say(1)
	newest(ann, true) // behind
	b.state.cached[1] = slices.Delete(b.state.cached[1], 2, 3)
	newest(ann, true) // a gap
	b.state.cached[1] = b.store.log[1][7:]
	newest(ann, true) // too short
	b.state.cached[1] = slices.Clone(b.store.log[1])
	a := newest(bob, false)
	if d := cmp.Diff([]any{5.0, 6.0, 7.0, 8.0, 9.0}, a.list("messages", "seq")); d != "" || a.body["has_more"] != true {
		t.Errorf("page:\n%s", d)
	}
	b.store.rooms[1].Epoch++ // chatctl epoch bump
	if a = newest(ann, true); a.body["epoch"] != float64(b.store.rooms[1].Epoch) {
		t.Errorf("epoch %v", a.body["epoch"])
	}
	b.state.cached[1] = slices.Clone(b.store.log[1])
	b.store.members[1][2].LeftSeq = 7
	a = newest(bob, false)
	if d := cmp.Diff([]any{3.0, 4.0, 5.0, 6.0, 7.0}, a.list("messages", "seq")); d != "" || a.body["last_seq"] != 7.0 {
		t.Errorf("someone who left sees:\n%s", d)
	}
	b.store.members[1][2].VisibleFrom = 6
	if a = newest(bob, false); len(a.list("messages", "seq")) != 2 || a.body["has_more"] != false {
		t.Errorf("someone who came late sees %s", a.raw)
	}
	b.state.down = errDown
	newest(ann, true)
}

func TestTail(t *testing.T) {
	ms := func(seqs ...chat.Seq) (out []chat.Message) {
		for _, s := range seqs {
			out = append(out, chat.Message{Seq: s})
		}
		return out
	}
	for _, tt := range []struct {
		have []chat.Message
		upTo chat.Seq
		n    int
		ok   bool
	}{
		{ms(1, 2, 3), 3, 3, true},
		{ms(1, 2, 3, 4), 3, 2, true},
		{ms(1, 2, 3), 4, 2, false},
		{ms(1, 3, 4), 4, 3, false},
		{ms(3, 4), 4, 3, false},
		{nil, 1, 1, false},
		{ms(1, 2, 4, 5), 5, 2, true},
	} {
		cut, ok := tail(tt.have, tt.upTo, tt.n)
		if ok != tt.ok || ok && (len(cut) != tt.n || cut[len(cut)-1].Seq != tt.upTo) {
			t.Errorf("tail(%v, %d, %d) = %v, %v", tt.have, tt.upTo, tt.n, cut, ok)
		}
	}
}

func TestPresence(t *testing.T) {
	b := newBench(t)
	ann := b.join("ann")
	b.join("bob")
	b.join("stranger")
	b.do(201, "POST", "rooms", ann, `{"name":"one","member_ids":[2]}`)
	a := b.do(200, "POST", "presence", ann, `{"user_ids":[3,2,1,77]}`)
	if string(a.raw) != `{"users":[{"user_id":2,"online":true,"last_seen":null},{"user_id":1,"online":true,"last_seen":null}]}` {
		t.Errorf("presence %s", a.raw)
	}
	if a = b.do(200, "POST", "presence", ann, `{"user_ids":[3]}`); string(a.raw) != `{"users":[]}` {
		t.Errorf("strangers %s", a.raw)
	}
	if a = b.do(200, "GET", "users/2/presence", ann, ""); a.body["online"] != true || a.body["user_id"] != 2.0 || len(a.list("users", "user_id")) != 1 {
		t.Errorf("one %s", a.raw)
	}
	b.problem(b.raw("GET", "users/3/presence", ann, "", ""), 404, "not_found")
	b.problem(b.raw("GET", "users/77/presence", ann, "", ""), 404, "not_found")
	b.state.down = errDown
	if a = b.do(200, "GET", "users/2/presence", ann, ""); a.body["online"] != nil {
		t.Errorf("without the state %s", a.raw)
	}
	if _, there := a.body["online"]; !there {
		t.Errorf("unknown is left out: %s", a.raw)
	}
}

// TestWithoutState: nil ports of the state are as good as an unavailable one.
func TestWithoutState(t *testing.T) {
	b := newBench(t, func(_ *Options, p *Ports) { p.Recents, p.Presences, p.Throttle = nil, nil, nil })
	ann := b.join("ann")
	b.do(201, "POST", "rooms", ann, `{"name":"one"}`)
	b.do(201, "POST", "rooms/1/messages", ann, `{"content":"x"}`)
	b.do(200, "GET", "rooms/1/messages", ann, "")
	if a := b.do(200, "POST", "presence", ann, `{"user_ids":[1]}`); a.body["users"].([]any)[0].(map[string]any)["online"] != nil {
		t.Errorf("presence %s", a.raw)
	}
}

func TestNormal(t *testing.T) {
	for in, want := range map[string]string{" Ann ": "ann", "ＡＮＮ": "ann", "ﬁsh": "fish", "İx": "ix", "K": "k"} {
		got := normal(in)
		if got != want || normal(got) != got {
			t.Errorf("normal(%q) = %q, then %q", in, got, normal(got))
		}
	}
}
