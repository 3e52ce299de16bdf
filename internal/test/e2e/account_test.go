//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"chat-service/internal/test/testkit"
)

// unreadable are bodies that no call can read.
var unreadable = []struct {
	name string
	body any
	want want
}{
	{"empty", "", want{400, "invalid", ""}},
	{"malformed", `{`, want{400, "invalid", ""}},
	{"two objects", `{} {}`, want{400, "invalid", ""}},
	{"not an object", `[]`, want{400, "invalid", ""}},
	{"invalid UTF-8", []byte("{\"\xff\":1}"), want{400, "invalid", ""}},
	{"an unknown field", `{"colour":"red"}`, want{400, "unknown_field", "colour"}},
}

func TestUnreadableBodies(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "POST /auth/register", "POST /auth/login", "POST /auth/refresh", "POST /auth/password", "PATCH /me", "POST /presence", "POST /rooms",
		"PATCH /rooms/{room_id}", "POST /rooms/{room_id}/members", "PATCH /rooms/{room_id}/members/{user_id}", "POST /rooms/{room_id}/owner",
		"POST /rooms/{room_id}/messages", "PUT /rooms/{room_id}/read", "POST /auth/logout", "POST /auth/logout-all")
	good(t, "code invalid", "code unknown_field")
	u, other := w.api.User(t), w.api.User(t)
	room := w.api.CreateRoom(t, u, other)
	key, _ := newKey(t, w.Fleet, "users,tokens,rooms,messages,moderation,webhooks,read")
	hook := w.api.Must(t, 201, "POST", "/server/webhooks", key, obj{"url": "https://hooks.invalid/", "enabled": false}).Num("id")
	bodiless := []string{"{key}", "pin", "disabled", "revoke", "secret"} // the ends of their paths
	for _, c := range calls() {
		method, path, _ := strings.Cut(c, " ")
		if method == "GET" || method == "DELETE" || slices.Contains(bodiless, path[strings.LastIndexByte(path, '/')+1:]) {
			continue // these take no body
		}
		token, optional := u.Token, strings.HasPrefix(path, "/auth/logout") || strings.HasSuffix(path, "/members/{user}")
		if strings.HasPrefix(path, "/server/") {
			token = key
		}
		path = strings.NewReplacer("{room_id}", fmt.Sprint(room), "{user_id}", fmt.Sprint(other.ID), "{seq}", "1", "{key}", "x",
			"{user}", fmt.Sprint(other.ID), "{room}", fmt.Sprint(room), "{webhook_id}", fmt.Sprint(hook)).Replace(path)
		for _, b := range unreadable {
			if optional && b.name == "empty" {
				continue
			}
			refused(t, w.api, b.want, method, path, token, b.body)
		}
	}
	if n := w.number(t, "SELECT last_seq FROM rooms WHERE id = ?", room); n != 1 {
		t.Errorf("the room has come to seq %d by requests that can't be read", n)
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /auth/register", "passwords in debug mode", "user fields")
	name := "Reg." + fresh()
	f := w.api.Must(t, 201, "POST", "/auth/register", "", obj{"username": name, "nickname": "测试用户", "email": name + "@Example.com", "password": "123456"})
	u := f.Obj("user")
	if u.Num("id") == 0 || u.Str("username") != strings.ToLower(name) || u.Str("nickname") != "测试用户" ||
		u.Str("email") != strings.ToLower(name)+"@example.com" || strings.Contains(f.String(), "123456") {
		t.Errorf("registered as %s", f)
	}
	stamp(t, u, "created_at")
	w.api.Must(t, 201, "POST", "/auth/register", "", obj{"username": "only." + fresh(), "password": "123456"})
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "POST /auth/register", "code username_taken", "code email_taken", "passwords in debug mode")
	taken := w.api.User(t)
	good, with := func(name string) obj {
		return obj{"username": name, "nickname": "n", "email": name + "@example.com", "password": "123456"}
	}, func(o obj, k string, v any) obj {
		o[k] = v
		return o
	}
	for i, c := range []struct {
		key   string
		value any
		want  want
	}{
		{"username", "", want{422, "invalid", "username"}},
		{"username", "a", want{422, "invalid", "username"}},
		{"username", "with space", want{422, "invalid", "username"}},
		{"username", strings.Repeat("x", 65), want{422, "invalid", "username"}},
		{"username", 5, want{422, "invalid", "username"}},
		{"username", taken.Username, want{409, "username_taken", ""}},
		{"username", strings.ToUpper(taken.Username), want{409, "username_taken", ""}},
		{"email", taken.Username + "@example.com", want{409, "email_taken", ""}},
		{"email", strings.ToUpper(taken.Username) + "@EXAMPLE.com", want{409, "email_taken", ""}},
		{"email", "nowhere", want{422, "invalid", "email"}},
		{"email", "a@b@c", want{422, "invalid", "email"}},
		{"password", "", want{422, "invalid", "password"}},
		{"password", "12345", want{422, "invalid", "password"}},
		{"password", strings.Repeat("x", 1025), want{422, "invalid", "password"}},
		{"nickname", strings.Repeat("n", 65), want{422, "invalid", "nickname"}},
		{"nickname", "two\nlines", want{422, "invalid", "nickname"}},
		{"id", 7, want{400, "unknown_field", "id"}},
	} {
		name := fmt.Sprintf("refused.%d.%s", i, fresh())
		refused(t, w.api, c.want, "POST", "/auth/register", "", with(good(name), c.key, c.value))
		if n := w.number(t, "SELECT COUNT(*) FROM users WHERE username = ? OR email = ?", name, name+"@example.com"); n != 0 {
			t.Errorf("%s %v: half an account is there", c.key, c.value)
		}
	}
	if n := w.number(t, "SELECT COUNT(*) FROM users WHERE username = ?", taken.Username); n != 1 {
		t.Errorf("%d users are called %s", n, taken.Username)
	}
	refused(t, w.api, want{400, "invalid", "username"}, "POST", "/auth/register", "", `{"username":"one","username":"two","password":"123456"}`)
	p := refused(t, w.api, want{422, "invalid", "email"}, "POST", "/auth/register", "", obj{"username": "x", "email": "y", "password": "z"})
	if len(p.List("errors")) != 3 {
		t.Errorf("want all three fields at once, got %s", p)
	}
}

func TestReleasePasswords(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "passwords in release mode")
	good(t, "config secrets from files")
	for i, p := range []string{"1234567", "password", "12345678", "aaaaaaaaaaaa"} {
		refused(t, w.strict, want{422, "invalid", "password"}, "POST", "/auth/register", "", obj{"username": fmt.Sprintf("r%d.%s", i, fresh()), "password": p})
	}
	w.strict.Must(t, 201, "POST", "/auth/register", "", obj{"username": "r." + fresh(), "password": "a long and unusual one"})
}

func TestLogin(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /auth/login", "login by username or email")
	u := w.api.User(t)
	for _, name := range []string{u.Username, strings.ToUpper(u.Username), u.Username + "@example.com"} {
		f := w.api.Must(t, 200, "POST", "/auth/login", "", obj{"username": name, "password": u.Password, "device": "phone"})
		if f.Str("token_type") != "Bearer" || f.Num("expires_in") != 24*3600 || f.Str("refresh_token") == "" || f.Obj("user").Num("id") != u.ID {
			t.Errorf("login as %s: %s", name, f)
		}
		w.api.Must(t, 200, "GET", "/me", f.Str("access_token"), nil)
	}
}

func TestLoginRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "POST /auth/login", "code unauthenticated", "code blocked")
	u := w.api.User(t)
	wrong := refused(t, w.api, want{401, "unauthenticated", ""}, "POST", "/auth/login", "", obj{"username": u.Username, "password": "wrong horse"})
	nobody := refused(t, w.api, want{401, "unauthenticated", ""}, "POST", "/auth/login", "", obj{"username": "nobody." + fresh(), "password": "wrong horse"})
	if wrong.Str("detail") != nobody.Str("detail") {
		t.Errorf("the answers tell who exists: %s, %s", wrong, nobody)
	}
	refused(t, w.api, want{422, "invalid", "username"}, "POST", "/auth/login", "", obj{"password": "x"})
	refused(t, w.api, want{422, "invalid", "password"}, "POST", "/auth/login", "", obj{"username": u.Username})
	refused(t, w.api, want{422, "invalid", "username"}, "POST", "/auth/login", "", obj{"username": true, "password": "x"})
	if n := w.number(t, "SELECT COUNT(*) FROM sessions WHERE user_id = ?", u.ID); n != 1 {
		t.Errorf("%d sessions after one login", n)
	}
	w.exec(t, "UPDATE users SET status = 'disabled' WHERE id = ?", u.ID)
	refused(t, w.api, want{403, "blocked", ""}, "POST", "/auth/login", "", obj{"username": u.Username, "password": u.Password})
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /auth/refresh")
	u := w.api.User(t)
	again := func(token string) frame {
		return w.api.Must(t, 200, "POST", "/auth/refresh", "", obj{"refresh_token": token})
	}
	f := again(u.Refresh)
	if f.Str("token_type") != "Bearer" || f.Num("expires_in") == 0 || f.Str("refresh_token") == u.Refresh || f.Obj("user").Num("id") != u.ID {
		t.Errorf("refresh answers %s", f)
	}
	w.api.Must(t, 200, "GET", "/me", f.Str("access_token"), nil)
	// The answer got lost: within the grace the used token leads to the same successor.
	if lost := again(u.Refresh); lost.Str("refresh_token") != f.Str("refresh_token") {
		t.Error("two tabs with one token part ways")
	}
	again(f.Str("refresh_token"))
	list := w.api.Must(t, 200, "GET", "/auth/sessions", f.Str("access_token"), nil).List("sessions")
	if len(list) != 1 {
		t.Errorf("one login is %d sessions after refreshes", len(list))
	}
}

func TestRefreshRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "POST /auth/refresh")
	u := w.api.User(t)
	refused(t, w.api, want{401, "unauthenticated", ""}, "POST", "/auth/refresh", "", obj{"refresh_token": "made up"})
	refused(t, w.api, want{422, "invalid", "refresh_token"}, "POST", "/auth/refresh", "", obj{})
	refused(t, w.api, want{401, "unauthenticated", ""}, "POST", "/auth/refresh", "", obj{"refresh_token": u.Token})
	s := w.dial(t, 1, u)
	next := w.strict.Must(t, 200, "POST", "/auth/refresh", "", obj{"refresh_token": u.Refresh}).Str("refresh_token")
	// Used twice, without a grace: somebody has a copy. The session ends, for the thief and for the owner.
	refused(t, w.strict, want{401, "unauthenticated", ""}, "POST", "/auth/refresh", "", obj{"refresh_token": u.Refresh})
	refused(t, w.strict, want{401, "unauthenticated", ""}, "POST", "/auth/refresh", "", obj{"refresh_token": next})
	closed(t, s, 4502)
}

func TestMe(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "GET /me", "PATCH /me", "user fields")
	u := w.api.User(t)
	me := w.api.Must(t, 200, "GET", "/me", u.Token, nil)
	if me.Num("id") != u.ID || me.Str("username") != u.Username || me.Str("email") != u.Username+"@example.com" {
		t.Errorf("me: %s", me)
	}
	name := fresh()
	me = w.api.Must(t, 200, "PATCH", "/me", u.Token, obj{"nickname": "New " + name, "email": name + "@example.com", "avatar_url": "https://example.com/a.png", "password": u.Password})
	if me.Str("nickname") != "New "+name || me.Str("email") != name+"@example.com" || me.Str("avatar_url") != "https://example.com/a.png" || me.Str("username") != u.Username {
		t.Errorf("changed to %s", me)
	}
	if again := w.api.Must(t, 200, "GET", "/me", u.Token, nil); again.String() != me.String() {
		t.Errorf("PATCH answers %s, GET then %s", me, again)
	}
}

func TestMeRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "PATCH /me", "code email_taken")
	u, other := w.api.User(t), w.api.User(t)
	before := w.api.Must(t, 200, "GET", "/me", u.Token, nil)
	for _, c := range []struct {
		body obj
		want want
	}{
		{obj{"email": other.Username + "@example.com", "nickname": "half", "password": u.Password}, want{409, "email_taken", ""}},
		{obj{"email": "half@example.com", "nickname": "half"}, want{422, "invalid", "password"}},
		{obj{"email": "half@example.com", "nickname": "half", "password": "wrong horse"}, want{403, "forbidden", ""}},
		{obj{"email": "nowhere", "nickname": "half"}, want{422, "invalid", "email"}},
		{obj{"nickname": "", "email": "half@example.com"}, want{422, "invalid", "nickname"}},
		{obj{"avatar_url": "javascript:alert(1)"}, want{422, "invalid", "avatar_url"}},
		{obj{"username": "other"}, want{400, "unknown_field", "username"}},
		{obj{"nickname": 1}, want{422, "invalid", "nickname"}},
	} {
		refused(t, w.api, c.want, "PATCH", "/me", u.Token, c.body)
	}
	if after := w.api.Must(t, 200, "GET", "/me", u.Token, nil); after.String() != before.String() {
		t.Errorf("refused changes made %s of %s", after, before)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "GET /users", "GET /users/{user_id}", "lists are paged by cursor")
	prefix := "find." + strings.ReplaceAll(fresh(), ".", "") + "."
	for i := range 3 {
		w.api.Must(t, 201, "POST", "/auth/register", "", obj{"username": fmt.Sprint(prefix, i), "email": fmt.Sprint(prefix, i, "@example.com"), "password": "123456"})
	}
	u := w.api.User(t)
	var names []string
	path, pages := "/users?limit=2&q="+strings.ToUpper(prefix), 0
	for cursor := ""; ; pages++ {
		f := w.api.Must(t, 200, "GET", path+cursor, u.Token, nil)
		for _, x := range f.List("users") {
			names = append(names, x.Str("username"))
			if x.Has("email") {
				t.Errorf("a stranger's email is shown: %s", x)
			}
			one := w.api.Must(t, 200, "GET", fmt.Sprint("/users/", x.Num("id")), u.Token, nil)
			if one.String() != x.String() {
				t.Errorf("list and single user differ: %s, %s", x, one)
			}
		}
		if f["next_cursor"] == nil {
			break
		}
		cursor = "&cursor=" + f.Str("next_cursor")
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{prefix + "0", prefix + "1", prefix + "2"}) || pages != 1 {
		t.Errorf("found %v with %d further pages", names, pages)
	}
}

func TestUsersRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "GET /users", "GET /users/{user_id}", "lists are paged by cursor", "code not_found")
	u := w.api.User(t)
	refused(t, w.api, want{422, "invalid", "q"}, "GET", "/users", u.Token, nil)
	refused(t, w.api, want{422, "invalid", "limit"}, "GET", "/users?q=a&limit=0", u.Token, nil)
	refused(t, w.api, want{422, "invalid", "limit"}, "GET", "/users?q=a&limit=201", u.Token, nil)
	refused(t, w.api, want{400, "invalid", "cursor"}, "GET", "/users?q=a&cursor=zzz!", u.Token, nil)
	refused(t, w.api, want{404, "not_found", ""}, "GET", "/users/9007199254740991", u.Token, nil)
	refused(t, w.api, want{404, "not_found", ""}, "GET", "/users/0", u.Token, nil)
	refused(t, w.api, want{400, "invalid", ""}, "GET", "/users/x", u.Token, nil)
	refused(t, w.api, want{404, "not_found", ""}, "GET", "/nowhere", u.Token, nil)
}

// TestRequestLimits: login, register and request limits are there, and tell when to come back.
func TestRequestLimits(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "code rate_limited", "Retry-After", "config limits can be 0")
	u := w.api.User(t)
	hit := func(what string, call func() testkit.Response) {
		t.Helper()
		for range 1000 {
			r := call()
			if r.Status != http.StatusTooManyRequests {
				continue
			}
			if r.Header.Get("Retry-After") == "" || r.Body.Str("code") != "rate_limited" {
				t.Errorf("%s: %v %s", what, r.Header, r.Body)
			}
			return
		}
		t.Errorf("%s: 1,000 went through", what)
	}
	do := func(method, path, token string, body any) func() testkit.Response {
		return func() testkit.Response {
			r, err := w.strict.Call(t.Context(), method, path, token, body)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
	hit("requests", do("GET", "/me", u.Token, nil))
	hit("login", do("POST", "/auth/login", "", obj{"username": "limited." + fresh(), "password": "wrong horse"}))
	for range 50 { // the other api has them switched off
		w.api.Must(t, 200, "GET", "/me", u.Token, nil)
		refused(t, w.api, want{401, "unauthenticated", ""}, "POST", "/auth/login", "", obj{"username": u.Username, "password": "wrong horse"})
	}
}
