package api

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-service/internal/chat"
)

// keyBench takes keys; the trail holds what was recorded.
func keyBench(t *testing.T, change ...func(*Options, *Ports)) (*bench, *trail) {
	t.Helper()
	record := new(trail)
	return newBench(t, append(change, func(_ *Options, p *Ports) { p.Audit = record })...), record
}

// key makes a key with the scopes, and returns it.
func (b *bench) key(scopes ...chat.Scope) string {
	b.Helper()
	all, err := b.store.Keys(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	secret := chat.KeySecret{byte(len(all) + 1), 31: 7}
	k := chat.Key{ID: fmt.Sprintf("%016x", len(all)+1), Hash: secret.Hash(), Name: "test", Scopes: scopes}
	if err := b.store.CreateKey(b.Context(), k); err != nil {
		b.Fatal(err)
	}
	return chat.KeyText(k.ID, secret)
}

// every makes a key that may do everything.
func (b *bench) every() string {
	var all []chat.Scope
	for _, s := range chat.ScopeSpecs() {
		all = append(all, s.Scope)
	}
	return b.key(all...)
}

func keyID(text string) string {
	id, _, _ := chat.ParseKey(text)
	return id
}

// TestKeysAreJudged: a route for keys takes a good key with its scope, and nothing else; every call with a known key is recorded.
func TestKeysAreJudged(t *testing.T) {
	b, record := keyBench(t)
	user := b.join("ann")
	good, narrow, revoked, expiring := b.key(chat.ScopeRead), b.key(chat.ScopeUsers, chat.ScopeRooms), b.key(chat.ScopeRead), b.key(chat.ScopeRead)
	if err := b.store.RevokeKey(t.Context(), keyID(revoked)); err != nil {
		t.Fatal(err)
	}
	k, err := b.store.Key(t.Context(), keyID(expiring))
	if err != nil {
		t.Fatal(err)
	}
	k.ExpiresAt = b.now()
	if err := b.store.CreateKey(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	_, secret, _ := chat.ParseKey(good)
	for _, tt := range []struct {
		name, token string
		status      int
		code        string
		recorded    string
	}{
		{"good", good, 200, "", "[key_call GET /server/users/{user} 200]"},
		{"without the scope", narrow, 403, "forbidden", "[key_call GET /server/users/{user} 403]"},
		{"revoked", revoked, 401, "unauthenticated", "[key_call GET /server/users/{user} 401]"},
		{"expired", expiring, 401, "unauthenticated", "[key_call GET /server/users/{user} 401]"},
		{"none", "", 401, "unauthenticated", "[]"},
		{"a user's token", user, 401, "unauthenticated", "[]"},
		{"an expired token", "old|1|x", 401, "unauthenticated", "[]"},
		{"another secret", chat.KeyText(keyID(good), chat.KeySecret{9}), 401, "unauthenticated", "[]"},
		{"another id", chat.KeyText("00000000000000ff", secret), 401, "unauthenticated", "[]"},
		{"cut", good[:len(good)-1], 401, "unauthenticated", "[]"},
		{"long", good + strings.Repeat("A", 5000), 401, "unauthenticated", "[]"},
		{"in capitals", strings.ToUpper(good), 401, "unauthenticated", "[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			record.kinds()
			a := b.raw("GET", "server/users/1", tt.token, "", "")
			if tt.code == "" && a.status != tt.status {
				t.Errorf("%d %s", a.status, a.raw)
			} else if tt.code != "" {
				b.problem(a, tt.status, tt.code)
			}
			if got := fmt.Sprint(record.kinds()); got != tt.recorded {
				t.Errorf("recorded %s, want %s", got, tt.recorded)
			}
		})
	}
	if a := b.raw("GET", "server/users/1", narrow, "", ""); !strings.Contains(string(a.raw), `\"read\"`) {
		t.Errorf("the scope isn't named: %s", a.raw)
	}
	b.problem(b.raw("GET", "me", good, "", ""), 401, "unauthenticated") // a key is no user's token
	b.problem(b.raw("GET", "server/users/1", "", "", "", "Authorization", "Bearer "+good, "Authorization", "Bearer "+good), 401, "unauthenticated")
	for _, r := range Routes() { // each route asks for its own scope
		if r.Scope == "" {
			continue
		}
		var others []chat.Scope
		for _, s := range chat.ScopeSpecs() {
			if s.Scope != r.Scope {
				others = append(others, s.Scope)
			}
		}
		a := b.raw(r.Method, fill(r.Path), b.key(others...), "application/json", "{}")
		if b.problem(a, 403, "forbidden"); !strings.Contains(string(a.raw), fmt.Sprintf(`\"%s\"`, r.Scope)) {
			t.Errorf("%s: %s", r.ID, a.raw)
		}
	}
}

// TestKeysAreRemembered: for three seconds, so that a revoked one ends within them, and what it is used for isn't written at each call.
func TestKeysAreRemembered(t *testing.T) {
	b, _ := keyBench(t)
	b.join("ann")
	key := b.key(chat.ScopeRead)
	for range 5 {
		b.do(200, "GET", "server/users/1", key, "")
	}
	if n, m := b.store.Calls("Key"), b.store.Calls("KeyUsed"); n != 1 || m != 1 {
		t.Errorf("%d lookups and %d marks of five calls", n, m)
	}
	if err := b.store.RevokeKey(t.Context(), keyID(key)); err != nil {
		t.Fatal(err)
	}
	b.pass(3*time.Second - 1)
	b.do(200, "GET", "server/users/1", key, "")
	b.pass(1)
	b.problem(b.raw("GET", "server/users/1", key, "", ""), 401, "unauthenticated")

	key = b.key(chat.ScopeRead)
	for range 4 {
		b.do(200, "GET", "server/users/1", key, "")
		b.pass(30 * time.Second)
	}
	k, err := b.store.Key(t.Context(), keyID(key))
	if n := b.store.Calls("KeyUsed"); err != nil || n != 3 || !k.LastUsedAt.Equal(b.now().Add(-time.Minute)) {
		t.Errorf("%d marks, the last use was %v ago (%v)", n-1, b.now().Sub(k.LastUsedAt), err)
	}
	b.store.Down(errDown)
	b.pass(4 * time.Second)
	b.problem(b.raw("GET", "server/users/1", key, "", ""), 503, "unavailable")
}

// TestKeysAreBounded: wrong keys use up an address's allowance, like wrong tokens, before they cost a question; good ones have a pace.
func TestKeysAreBounded(t *testing.T) {
	b, record := keyBench(t, func(o *Options, _ *Ports) { o.Limits.RequestsPerSecond, o.Limits.ServerRequests = 1, 5 })
	limit := chat.DefaultLimits().TokenRate().Burst
	last := 0
	known := b.key(chat.ScopeRead)
	b.problem(b.raw("GET", "server/users/1", known, "", ""), 404, "not_found")
	b.pass(10 * time.Second)
	before := b.store.Calls("Key")
	for i := range limit + 5 {
		last = b.raw("GET", "server/users/1", chat.KeyText(fmt.Sprintf("%016x", 1<<20+i), chat.KeySecret{}), "", "").status
	}
	if n := b.store.Calls("Key") - before; last != http.StatusTooManyRequests || n > limit {
		t.Errorf("%d after %d wrong keys, %d lookups", last, limit+5, n)
	}
	b.problem(b.raw("GET", "server/users/1", known, "", ""), 404, "not_found") // who is known isn't kept out by strangers
	b.problem(b.raw("GET", "server/users/1", b.key(chat.ScopeRead), "", ""), 429, "rate_limited")
	b.pass(time.Minute)
	key, other := b.every(), b.every()
	record.kinds()
	refused := 0
	for range 15 {
		if b.raw("GET", "server/users/1", key, "", "").status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused != 5 {
		t.Errorf("%d of 15 calls are refused", refused)
	}
	if n := len(record.kinds()); n != 10 {
		t.Errorf("%d calls are recorded", n)
	}
	b.problem(b.raw("GET", "server/users/1", other, "", ""), 404, "not_found") // another key has its own pace
}

// TestOwnIDs: what can't be an id is refused by the path's reader, and named.
func TestOwnIDs(t *testing.T) {
	b, _ := keyBench(t)
	key := b.every()
	bad := []string{
		"..", "me", "-1", "01", "x", "ext:", "ext64:", "ext64:YQ==", "ext64:AA", "ext:" + strings.Repeat("x", 129), "%2e%2e%2f", "ext:%2e%2e%2f", "ext:a%00", "ext:a%2fb",
		"ext:a%20b", "ext64:" + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("x", 97))),
	}
	for _, id := range bad {
		for _, call := range []string{"GET server/users/%s", "PUT server/users/%s", "PUT server/rooms/%s", "GET server/rooms/%s/messages"} {
			method, path, _ := strings.Cut(fmt.Sprintf(call, id), " ")
			a := b.raw(method, path, key, "application/json", "{}")
			if a.status == 404 && id == ".." { // a client or a proxy may have taken it for a step up
				continue
			}
			b.problem(a, 400, "invalid")
			if f := a.fields(); len(f) != 1 || f[0] != "user" && f[0] != "room" {
				t.Errorf("%s %s names %v", method, path, f)
			}
		}
	}
	b.problem(b.raw("GET", "server/users/ext:a/b", key, "", ""), 404, "not_found")
	for _, id := range []string{"0", "9007199254740992", "7", "ext:nobody"} {
		b.problem(b.raw("GET", "server/users/"+id, key, "", ""), 404, "not_found")
	}
}

// TestOwnUsers: PUT makes a user once and changes them then; both spellings of an id are one user.
func TestOwnUsers(t *testing.T) {
	b, record := keyBench(t)
	key := b.every()
	a := b.do(201, "PUT", "server/users/ext:ann", key, `{"nickname":" Ann ","avatar_url":"https://app.example/a.png"}`)
	id := fmt.Sprint(a.body["id"])
	if a.body["nickname"] != "Ann" || a.body["avatar_url"] != "https://app.example/a.png" || a.body["disabled"] != false ||
		a.body["username"] != chat.External("ann").Username() || a.head.Get("Location") != "/api/v1/server/users/"+id {
		t.Errorf("%v %s", a.head, a.raw)
	}
	if got := fmt.Sprint(record.kinds()); got != "[registered by a key key_call PUT /server/users/{user} 201]" {
		t.Errorf("recorded %s", got)
	}
	if again := b.do(200, "PUT", "server/users/ext64:YW5u", key, `{"nickname":"Anna"}`); again.body["id"] != a.body["id"] ||
		again.body["nickname"] != "Anna" || again.body["avatar_url"] != a.body["avatar_url"] {
		t.Errorf("again: %s", again.raw)
	}
	if got := b.do(200, "PUT", "server/users/"+id, key, `{"avatar_url":""}`).body; got["nickname"] != "Anna" || got["avatar_url"] != nil {
		t.Errorf("by number: %v", got)
	}
	if got := b.do(200, "GET", "server/users/ext:ann", key, "").body; fmt.Sprint(got["id"]) != id || got["nickname"] != "Anna" {
		t.Errorf("shown: %v", got)
	}
	if got := b.do(201, "PUT", "server/users/ext:bob", key, `{}`).body["nickname"]; got != "bob" {
		t.Errorf("nickname %q", got)
	}
	b.problem(b.raw("PUT", "server/users/77", key, "application/json", `{}`), 404, "not_found")
	for body, want := range map[string]string{
		`{"nickname":""}`: "422 invalid", `{"nickname":"a\u0000"}`: "422 invalid", `{"nickname":7}`: "422 invalid", `{"avatar_url":"javascript:x"}`: "422 invalid",
		`{"nickname":"` + strings.Repeat("x", 65) + `"}`: "422 invalid", `{"password":"x"}`: "400 unknown_field", `{`: "400 invalid", ``: "400 invalid", `[]`: "400 invalid",
	} {
		a := b.raw("PUT", "server/users/ext:new", key, "application/json", body)
		if got := fmt.Sprint(a.status, " ", a.body["code"]); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	b.problem(b.raw("GET", "server/users/ext:new", key, "", ""), 404, "not_found")
}

// TestOwnUsersAtOnce: twenty calls make one user.
func TestOwnUsersAtOnce(t *testing.T) {
	b, _ := keyBench(t)
	key := b.every()
	var all sync.WaitGroup
	answers := make([]string, 20)
	for i := range answers {
		all.Go(func() {
			a := b.raw("PUT", "server/users/ext:ann", key, "application/json", `{"nickname":"Ann"}`)
			answers[i] = fmt.Sprint(a.status, " ", a.body["id"])
		})
	}
	all.Wait()
	slices.Sort(answers)
	if c := slices.Compact(answers); len(c) != 2 || c[0] != "200 1" || c[1] != "201 1" {
		t.Errorf("answers are %v", c)
	}
}

// TestManyOwnUsers: all are checked before one is made.
func TestManyOwnUsers(t *testing.T) {
	b, _ := keyBench(t)
	key := b.every()
	a := b.do(200, "POST", "server/users", key, `{"users":[{"id":"ext:a"},{"id":"ext:b","nickname":"Bob"},{"id":"ext64:Yw"}]}`)
	if got := fmt.Sprint(a.list("users", "nickname")); got != "[a Bob c]" {
		t.Errorf("made %s", got)
	}
	again := b.do(200, "POST", "server/users", key, `{"users":[{"id":"ext:b"},{"id":"ext:a","nickname":"Ann"}]}`)
	if got := fmt.Sprint(again.list("users", "nickname")); got != "[Bob Ann]" {
		t.Errorf("changed %s", got)
	}
	users, _, _ := b.store.Counts()
	many := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`{"id":"ext:n%d"}`, i)
		}
		return `{"users":[` + strings.Join(list, ",") + `]}`
	}
	for body, fields := range map[string]string{
		`{"users":[]}`: "[users]", `{}`: "[users]", many(101): "[users]",
		`{"users":[{"id":"ext:x"},{"id":"ext:y","nickname":""},{"id":"bad"}]}`: "[users[1].nickname]",
		`{"users":[{"id":"ext:x"},{"id":"bad","avatar_url":"x"}]}`:             "[users[1].avatar_url users[1].id]",
		`{"users":[{"id":"ext:x"},{"id":"ext64:eA"}]}`:                         "[users[1].id]",
		`{"users":[{"nickname":"x"}]}`:                                         "[users[0].id]",
	} {
		a := b.raw("POST", "server/users", key, "application/json", body)
		b.problem(a, 422, "invalid")
		if got := fmt.Sprint(a.fields()); got != fields {
			t.Errorf("%.80s names %s, want %s", body, got, fields)
		}
	}
	b.problem(b.raw("POST", "server/users", key, "application/json", `{"users":[{"id":"ext:x","email":"e"}]}`), 400, "unknown_field")
	if n, _, _ := b.store.Counts(); n != users {
		t.Errorf("refused calls made %d users", n-users)
	}
	b.do(200, "POST", "server/users", key, many(100))
}

// TestOwnSessions: a session that the application opens is one like any other, and lasts as long as it asked for.
func TestOwnSessions(t *testing.T) {
	b, record := keyBench(t)
	key := b.every()
	b.do(201, "PUT", "server/users/ext:ann", key, `{}`)
	short := b.do(200, "POST", "server/users/ext:ann/tokens", key, `{"ttl_seconds":60,"device":" phone "}`).body
	if short["expires_in"] != float64(60) || short["refresh_token"] != nil || short["token_type"] != "Bearer" || short["user"].(map[string]any)["nickname"] != "ann" {
		t.Errorf("a short one: %v", short)
	}
	record.kinds()
	long := b.do(200, "POST", "server/users/1/tokens", key, `{}`).body
	if long["expires_in"] != float64(3600) || long["refresh_token"] == nil {
		t.Errorf("a long one: %v", long)
	}
	if got := fmt.Sprint(record.kinds()); got != "[login key_call POST /server/users/{user}/tokens 200]" {
		t.Errorf("recorded %s", got)
	}
	token := short["access_token"].(string)
	if got := b.do(200, "GET", "auth/sessions", token, "").list("sessions", "device"); len(got) != 2 || !slices.Contains(got, any("phone")) {
		t.Errorf("sessions of %v", got)
	}
	b.do(200, "POST", "auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, long["refresh_token"]))
	b.pass(61 * time.Second)
	b.problem(b.raw("GET", "me", token, "", ""), 401, "unauthenticated")
	b.do(200, "GET", "me", long["access_token"].(string), "")
	b.do(200, "POST", "server/users/ext:ann/tokens/revoke", key, "")
	b.problem(b.raw("GET", "me", long["access_token"].(string), "", ""), 401, "unauthenticated")

	token = b.do(200, "POST", "server/users/ext:ann/tokens", key, `{}`).body["access_token"].(string)
	for range 2 {
		b.do(200, "PUT", "server/users/ext:ann/disabled", key, "")
	}
	b.problem(b.raw("GET", "me", token, "", ""), 401, "unauthenticated")
	b.problem(b.raw("POST", "server/users/ext:ann/tokens", key, "application/json", `{}`), 403, "blocked")
	if b.do(200, "GET", "server/users/ext:ann", key, "").body["disabled"] != true {
		t.Error("the user isn't shown as disabled")
	}
	for range 2 {
		b.do(204, "DELETE", "server/users/ext:ann/disabled", key, "")
	}
	b.do(200, "POST", "server/users/ext:ann/tokens", key, `{"ttl_seconds":86400}`)
	for _, call := range []string{"POST %s/tokens", "POST %s/tokens/revoke", "PUT %s/disabled", "DELETE %s/disabled"} {
		method, path, _ := strings.Cut(fmt.Sprintf(call, "server/users/ext:nobody"), " ")
		b.problem(b.raw(method, path, key, "application/json", "{}"), 404, "not_found")
	}
	for _, body := range []string{`{"ttl_seconds":0}`, `{"ttl_seconds":86401}`, `{"ttl_seconds":-1}`, `{"ttl_seconds":"60"}`, `{"device":"a\nb"}`} {
		b.problem(b.raw("POST", "server/users/ext:ann/tokens", key, "application/json", body), 422, "invalid")
	}
	b.problem(b.raw("POST", "server/users/ext:ann/tokens", key, "application/json", `{"password":"x"}`), 400, "unknown_field")
}
