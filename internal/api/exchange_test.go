package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"chat-service/internal/api/names"
	"chat-service/internal/chat"
	"chat-service/internal/store/skeleton"
)

// vouchers is an issuer that knows its tokens by heart.
type vouchers map[string]chat.Vouched

// Judge implements Foreigns.
func (v vouchers) Judge(token string) (chat.Vouched, error) {
	switch x, ok := v[token]; {
	case token == "expired":
		return x, chat.E(chat.TokenExpired, "the token has expired")
	case token == "down":
		return x, chat.E(chat.Unavailable, "no keys")
	case !ok:
		return x, chat.E(chat.Unauthenticated, "the token is not valid")
	default:
		return x, nil
	}
}

// trail keeps what was recorded.
type trail struct {
	mu   sync.Mutex
	acts []chat.Act
}

// Record implements Audit.
func (r *trail) Record(_ context.Context, a chat.Act) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acts = append(r.acts, a)
}

// Acts implements backend.Trail: the acts have the ids 1, 2 … in their order.
func (r *trail) Acts(_ context.Context, q chat.ActQuery) (found []chat.Act, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, a := range slices.Backward(r.acts) {
		a.ID = uint64(i + 1)
		if len(found) < q.Limit && (q.Before == 0 || a.ID < q.Before) && (q.User == 0 || q.User == a.User) && (q.Room == 0 || q.Room == a.Room) &&
			(len(q.Kinds) == 0 || slices.Contains(q.Kinds, a.Kind)) && (q.IP == "" || q.IP == a.IP) && !a.At.Before(q.Since) {
			found = append(found, a)
		}
	}
	return found, nil
}

// kinds lists what was recorded since it was asked last.
func (r *trail) kinds() (ks []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.acts {
		ks = append(ks, strings.TrimSuffix(string(a.Kind)+" "+a.Detail, " "))
	}
	r.acts = nil
	return ks
}

func vouched(subject, name string, provide bool) chat.Vouched {
	return chat.Vouched{Identity: chat.Identity{Issuer: "https://app.example", Subject: subject}, Name: name, Picture: "https://app.example/p.png", Provide: provide}
}

// exchangeBench takes the tokens of some users of an application.
func exchangeBench(t *testing.T, change ...func(*Options, *Ports)) (*bench, *trail) {
	t.Helper()
	record := new(trail)
	return newBench(t, append(change, func(_ *Options, p *Ports) {
		p.Audit = record
		p.Foreigns = vouchers{
			"ann": vouched("1", "Ann", true), "bob": vouched("2", strings.Repeat("b", 100), true), "odd": vouched("3", "a\x00\u202e", true),
			"new": vouched("4", "New", false), "known": vouched("1", "Another name", false),
			"bad picture": {Identity: chat.Identity{Issuer: "i", Subject: "5"}, Name: "P", Picture: "javascript:alert(1)", Provide: true},
		}
	})...), record
}

func exchange(token, device string) string {
	b, err := json.Marshal(map[string]string{"token": token, "device": device})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func userOf(a answer) map[string]any { u, _ := a.body["user"].(map[string]any); return u }

// TestExchange: a user is made at first sight, once; the same device goes on with one session, and its tokens are ours.
func TestExchange(t *testing.T) {
	b, record := exchangeBench(t)
	a := b.do(200, "POST", "auth/exchange", "", exchange("ann", " phone "))
	u := userOf(a)
	if u["nickname"] != "Ann" || u["avatar_url"] != "https://app.example/p.png" || !strings.HasPrefix(u["username"].(string), "~") || a.body["token_type"] != "Bearer" {
		t.Errorf("%s", a.raw)
	}
	want := []string{"registered by an issuer's token", "token_exchanged phone"}
	if got := record.kinds(); !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
	token := a.body["access_token"].(string)
	me := b.do(200, "GET", "me", token, "")
	if me.body["id"] != u["id"] {
		t.Errorf("%s is not %v", me.raw, u)
	}
	again := b.do(200, "POST", "auth/exchange", "", exchange("known", "phone"))
	if userOf(again)["id"] != u["id"] || userOf(again)["nickname"] != "Ann" || again.body["refresh_token"] == a.body["refresh_token"] {
		t.Errorf("again: %s", again.raw)
	}
	b.do(200, "POST", "auth/exchange", "", exchange("ann", "desk"))
	sessions := b.do(200, "GET", "auth/sessions", token, "").list("sessions", "device")
	slices.SortFunc(sessions, func(x, y any) int { return strings.Compare(x.(string), y.(string)) })
	if fmt.Sprint(sessions) != "[desk phone]" {
		t.Errorf("sessions are %v", sessions)
	}
	for _, r := range []answer{a, again} { // both refresh tokens are good
		b.do(200, "POST", "auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, r.body["refresh_token"]))
	}
	if n := userOf(b.do(200, "POST", "auth/exchange", "", exchange("bob", "")))["nickname"]; n != strings.Repeat("b", 64) {
		t.Errorf("a long name became %q", n)
	}
	if o := userOf(b.do(200, "POST", "auth/exchange", "", exchange("odd", ""))); o["nickname"] != o["username"] {
		t.Errorf("a name that can't be shown became %v", o)
	}
	if p := userOf(b.do(200, "POST", "auth/exchange", "", exchange("bad picture", ""))); p["avatar_url"] != nil && p["avatar_url"] != "" {
		t.Errorf("a picture that is none became %v", p)
	}
	b.problem(b.raw("POST", "auth/login", "", "application/json", fmt.Sprintf(`{"username":%q,"password":""}`, u["username"])), 422, "invalid")
	b.problem(b.raw("POST", "auth/login", "", "application/json", fmt.Sprintf(`{"username":%q,"password":"x"}`, u["username"])), 401, "unauthenticated")
}

// TestExchangeAtOnce: twenty calls make one user and one session.
func TestExchangeAtOnce(t *testing.T) {
	b, _ := exchangeBench(t)
	ids := make([]string, 20)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			a := b.raw("POST", "auth/exchange", "", "application/json", exchange("ann", "phone"))
			ids[i] = fmt.Sprint(a.status, userOf(a)["id"])
		})
	}
	all.Wait()
	if one := slices.Compact(ids); len(one) != 1 || !strings.HasPrefix(one[0], "200") {
		t.Errorf("answers are %v", one)
	}
	a := b.do(200, "POST", "auth/exchange", "", exchange("ann", "phone"))
	if n := len(b.do(200, "GET", "auth/sessions", a.body["access_token"].(string), "").list("sessions", "id")); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// TestExchangeRefused: each way to be refused has its answer, and its row in the audit trail.
func TestExchangeRefused(t *testing.T) {
	b, record := exchangeBench(t)
	for _, tt := range []struct {
		body     string
		status   int
		code     string
		recorded string
	}{
		{exchange("bad", ""), 401, "unauthenticated", "[exchange_failed unauthenticated]"},
		{exchange("expired", ""), 401, "token_expired", "[exchange_failed token_expired]"},
		{exchange("new", ""), 403, "forbidden", "[exchange_failed no account]"},
		{exchange("down", ""), 503, "unavailable", "[]"},
		{exchange("", ""), 422, "invalid", "[]"},
		{exchange(strings.Repeat("x", 8193), ""), 422, "invalid", "[]"},
		{exchange(strings.Repeat("x", 100<<10), ""), 422, "invalid", "[]"},
		{exchange("ann", strings.Repeat("x", 129)), 422, "invalid", "[]"},
		{exchange("ann", "a\nb"), 422, "invalid", "[]"},
		{`{"token":["ann"]}`, 422, "invalid", "[]"},
		{`{"token":"ann","user":1}`, 400, "unknown_field", "[]"},
	} {
		b.problem(b.raw("POST", "auth/exchange", "", "application/json", tt.body), tt.status, tt.code)
		if got := fmt.Sprint(record.kinds()); got != tt.recorded {
			t.Errorf("%.40s recorded %s, want %s", tt.body, got, tt.recorded)
		}
	}
	a := b.do(200, "POST", "auth/exchange", "", exchange("ann", ""))
	var id chat.UserID
	for n := chat.UserID(1); n < 10; n++ {
		if u, err := b.store.User(t.Context(), n); err == nil && u.Username == userOf(a)["username"] {
			id = n
		}
	}
	if err := b.store.DisableUser(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	record.kinds()
	b.problem(b.raw("POST", "auth/exchange", "", "application/json", exchange("ann", "")), 403, "blocked")
	if got := fmt.Sprint(record.kinds()); got != "[login_refused]" {
		t.Errorf("a disabled user recorded %s", got)
	}
	none := newBench(t)
	none.problem(none.raw("POST", "auth/exchange", "", "application/json", exchange("ann", "")), 403, "forbidden")
}

// TestExchangeBounds: refused tokens use up an address's allowance of failures, and only good ones go on then; one user's exchanges
// are bounded, too.
func TestExchangeBounds(t *testing.T) {
	b, record := exchangeBench(t, func(o *Options, _ *Ports) { o.Patience = 0 })
	for range chat.FailuresAtOnce {
		b.problem(b.raw("POST", "auth/exchange", "", "application/json", exchange("bad", "")), 401, "unauthenticated")
	}
	record.kinds()
	b.problem(b.raw("POST", "auth/exchange", "", "application/json", exchange("bad", "")), 429, "rate_limited")
	if got := record.kinds(); len(got) != 0 {
		t.Errorf("a flood is recorded: %v", got)
	}
	limited := 0
	for range 2 * chat.PasswordsAtOnce {
		if b.raw("POST", "auth/exchange", "", "application/json", exchange("ann", "")).status == 429 {
			limited++
		}
	}
	if limited != chat.PasswordsAtOnce {
		t.Errorf("%d of %d exchanges of one user are refused", limited, 2*chat.PasswordsAtOnce)
	}
	b.do(200, "POST", "auth/exchange", "", exchange("bob", ""))
}

// TestNoPasswords: where none are taken, the three ways by one are closed, and exchanges go on.
func TestNoPasswords(t *testing.T) {
	b, _ := exchangeBench(t, func(o *Options, _ *Ports) { o.NoPasswords = true })
	token := b.do(200, "POST", "auth/exchange", "", exchange("ann", "")).body["access_token"].(string)
	for path, body := range map[string]string{
		"auth/register": `{"username":"ann","password":"123456"}`, "auth/login": `{"username":"ann","password":"123456"}`,
		"auth/password": `{"old_password":"123456","new_password":"1234567"}`,
	} {
		b.problem(b.raw("POST", path, token, "application/json", body), 403, "forbidden")
	}
}

// TestIdentitiesHaveNamesOfTheirOwn: no username that can be registered has a "~", or looks as if it had one.
func TestIdentitiesHaveNamesOfTheirOwn(t *testing.T) {
	name := chat.Identity{Issuer: "i", Subject: "s"}.Username()
	if names.CheckUsername(name) == nil || name[0] != '~' || len(name) != 33 {
		t.Fatalf("%q can be registered", name)
	}
	for r := range rune(unicode.MaxRune) {
		if s := string(r); (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-", r)) && strings.Contains(skeleton.Of(s), "~") {
			t.Errorf("%U looks like ~", r)
		}
	}
	seen := map[string]chat.Identity{}
	for _, i := range []chat.Identity{{Issuer: "i", Subject: "s"}, {Issuer: "is"}, {Subject: "is"}, {Issuer: "i", Subject: "S"}, {Issuer: "s", Subject: "i"}} {
		for _, key := range []string{i.Username(), i.Origin(""), i.Origin("s")} {
			if other, taken := seen[key]; taken {
				t.Errorf("%v and %v have one name", i, other)
			}
			seen[key] = i
		}
	}
}

// TestOwnSubjects: where an issuer's subjects are the application's own ids, its tokens' users are those whom the backend makes, whoever is
// first and however many are at once.
func TestOwnSubjects(t *testing.T) {
	tokens := vouchers{}
	for _, who := range []string{"first", "later", "raced"} {
		tokens[who] = chat.Vouched{Identity: chat.External(who), Name: "By token", Provide: true}
	}
	b := newBench(t, func(_ *Options, p *Ports) { p.Foreigns = tokens })
	key := b.every()
	made := b.do(201, "PUT", "server/users/ext:first", key, `{"nickname":"By key"}`)
	if u := userOf(b.do(200, "POST", "auth/exchange", "", exchange("first", ""))); u["id"] != made.body["id"] || u["nickname"] != "By key" {
		t.Errorf("the token's user is %v", u)
	}
	u := userOf(b.do(200, "POST", "auth/exchange", "", exchange("later", "")))
	if a := b.do(200, "PUT", "server/users/ext:later", key, `{}`); a.body["id"] != u["id"] || a.body["nickname"] != "By token" {
		t.Errorf("the key's user is %s", a.raw)
	}
	var all sync.WaitGroup
	ids := make([]any, 20)
	for i := range ids {
		all.Go(func() {
			if i%2 == 0 {
				ids[i] = b.raw("PUT", "server/users/ext:raced", key, "application/json", `{}`).body["id"]
			} else {
				ids[i] = userOf(b.raw("POST", "auth/exchange", "", "application/json", exchange("raced", fmt.Sprint(i))))["id"]
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] || id == nil {
			t.Fatalf("one user is %v", ids)
		}
	}
}
