//go:build integration

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/auth"
	"chat-service/internal/chat"
	"chat-service/internal/config"
	"chat-service/internal/daemon"
	"chat-service/internal/store"
	"chat-service/internal/test/testkit"
)

// start runs the process on a database and a prefix of its own.
func start(t *testing.T, change ...func(*Config)) (testkit.API, *store.Store) {
	t.Helper()
	fresh := testkit.FreshDatabase(t)
	host, port, err := net.SplitHostPort(testkit.RedisAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	own, ownPort := testkit.FreeAddr(t)
	cfg := defaults()
	cfg.Server.Host, cfg.Server.Port, cfg.Debug.Port = own, portOf(t, ownPort), 0
	cfg.Database.Host, cfg.Database.Port, cfg.Database.User = fresh.Host, portOf(t, fresh.Port), fresh.User
	cfg.Database.Password, cfg.Database.DBName = config.NewSecret(fresh.Password), fresh.Name
	cfg.Redis.Host, cfg.Redis.Port = host, portOf(t, port)
	cfg.RabbitMQ.Exchange = testkit.FreshPrefix(t) + ".x"
	cfg.Auth.Argon2.MemoryKiB, cfg.Auth.Argon2.Time = 64, 1
	for _, c := range change {
		c(&cfg)
	}
	log := slog.New(slog.DiscardHandler)
	o, err := cfg.store(log)
	if err != nil {
		t.Fatal(err)
	}
	d, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Operator.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	parts, err := wire(&cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := (&daemon.Runner{Log: log, StopTimeout: 10 * time.Second}).Run(ctx, parts...); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(func() { http.DefaultClient.CloseIdleConnections(); cancel(); running.Wait() })
	a := testkit.API{Base: "http://" + net.JoinHostPort(own, ownPort) + "/api/v1"}
	testkit.Eventually(t, 20*time.Second, func() (bool, string) {
		r, err := a.Call(t.Context(), "GET", "/openapi.json", "", nil)
		return err == nil && r.Status == 200, fmt.Sprint(err)
	})
	return a, d
}

func portOf(t *testing.T, s string) config.Port {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return config.Port(n)
}

func path(format string, args ...any) string { return fmt.Sprintf(format, args...) }

func TestAccounts(t *testing.T) {
	a, _ := start(t)
	f := a.Must(t, 201, "POST", "/auth/register", "", `{"username":"TestUser","nickname":"测试用户","email":"test@example.com","password":"123456"}`)
	if u := f.Obj("user"); u.Str("username") != "testuser" || u.Str("nickname") != "测试用户" || u.Str("email") != "test@example.com" {
		t.Errorf("registered %v", f)
	}
	if f = a.Must(t, 409, "POST", "/auth/register", "", `{"username":"testuser","password":"123456"}`); f.Str("code") != "username_taken" {
		t.Errorf("again: %v", f)
	}
	if f = a.Must(t, 409, "POST", "/auth/register", "", `{"username":"other","email":"TEST@example.com","password":"123456"}`); f.Str("code") != "email_taken" {
		t.Errorf("same address: %v", f)
	}
	u := a.Login(t, "test@EXAMPLE.com", "123456", "phone")
	if f = a.Must(t, 200, "PATCH", "/me", u.Token, `{"nickname":"新","avatar_url":"https://x.example/a.png"}`); f.Str("nickname") != "新" || f.Str("avatar_url") == "" {
		t.Errorf("patched %v", f)
	}
	other := a.User(t)
	if f = a.Must(t, 200, "GET", path("/users/%d", u.ID), other.Token, nil); f.Str("username") != "testuser" || f["email"] != nil {
		t.Errorf("shown to others: %v", f)
	}
	if f = a.Must(t, 200, "GET", "/users?q=TESTU", other.Token, nil); len(f.List("users")) != 1 || f["next_cursor"] != nil {
		t.Errorf("found %v", f)
	}
	a.Must(t, 404, "GET", "/users/999999", u.Token, nil)
	if f = a.Must(t, 401, "POST", "/auth/login", "", `{"username":"testuser","password":"wrong!"}`); f.Str("code") != "unauthenticated" {
		t.Errorf("wrong password: %v", f)
	}
}

// TestHashIsRenewed: a hash made with weaker parameters is replaced at the next login, and nobody is logged out by it.
func TestHashIsRenewed(t *testing.T) {
	a, d := start(t, func(c *Config) { c.Auth.Argon2.Time = 2 })
	u := a.User(t)
	weak := auth.DefaultHashOptions()
	weak.MemoryKiB, weak.Time = 64, 1
	h, err := auth.NewHasher(weak, auth.NewPolicy(false))
	if err != nil {
		t.Fatal(err)
	}
	old, err := h.Hash(t.Context(), u.Password)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Accounts.SetPassword(t.Context(), chat.UserID(u.ID), "", old, ""); err != nil {
		t.Fatal(err)
	}
	hash := func() string {
		t.Helper()
		have, err := d.Accounts.User(t.Context(), chat.UserID(u.ID))
		if err != nil {
			t.Fatal(err)
		}
		return have.PasswordHash
	}
	first := a.Login(t, u.Username, u.Password, "")
	renewed := hash()
	if renewed == old {
		t.Fatal("the hash was not renewed")
	}
	a.Login(t, u.Username, u.Password, "")
	if hash() != renewed {
		t.Error("a hash of today's parameters was renewed")
	}
	a.Must(t, 200, "GET", "/me", first.Token, nil)
}

// TestBumpedEpochHidesCachedPages: after a restore, the same seqs name other messages.
func TestBumpedEpochHidesCachedPages(t *testing.T) {
	a, d := start(t)
	u := a.User(t)
	room := a.CreateRoom(t, u)
	page := func() testkit.Frame {
		t.Helper()
		return a.Must(t, 200, "GET", path("/rooms/%d/messages", room), u.Token, nil)
	}
	page() // now it is cached
	if err := d.Operator.BumpEpoch(t.Context(), chat.RoomID(room)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if f := page(); f.Num("epoch") != 2 || len(f.List("messages")) != 1 {
			t.Errorf("page %v", f)
		}
	}
}

func TestSessions(t *testing.T) {
	a, d := start(t)
	u := a.User(t)
	phone, laptop := a.Login(t, u.Username, u.Password, "phone"), a.Login(t, u.Username, u.Password, "laptop")
	f := a.Must(t, 200, "GET", "/auth/sessions", phone.Token, nil)
	id := ""
	for _, s := range f.List("sessions") {
		if s.Bool("current") != (s.Str("device") == "phone") {
			t.Errorf("session %v", s)
		}
		if s.Str("device") == "laptop" {
			id = s.Str("id")
		}
	}
	a.Must(t, 200, "GET", "/me", laptop.Token, nil)
	a.Must(t, 204, "DELETE", "/auth/sessions/"+id, phone.Token, nil)
	a.Must(t, 401, "GET", "/me", laptop.Token, nil)
	a.Must(t, 404, "DELETE", "/auth/sessions/"+id+"x", phone.Token, nil)

	// Parallel refreshes of one token agree on its successor.
	var wg sync.WaitGroup
	next := make([]string, 8)
	for i := range next {
		wg.Go(func() {
			r, err := a.Call(t.Context(), "POST", "/auth/refresh", "", map[string]string{"refresh_token": phone.Refresh})
			if err != nil || r.Status != 200 {
				t.Errorf("refresh = %d %s, %v", r.Status, r.Raw, err)
				return
			}
			next[i] = r.Body.Str("refresh_token")
		})
	}
	wg.Wait()
	for _, n := range next {
		if n != next[0] || n == phone.Refresh {
			t.Errorf("successors %v", next)
			break
		}
	}
	a.Must(t, 401, "POST", "/auth/refresh", "", `{"refresh_token":"made-up"}`)
	f = a.Must(t, 200, "POST", "/auth/refresh", "", map[string]string{"refresh_token": next[0]})
	a.Must(t, 200, "GET", "/me", f.Str("access_token"), nil)

	laptop = a.Login(t, u.Username, u.Password, "laptop")
	a.Must(t, 403, "POST", "/auth/password", phone.Token, `{"old_password":"nope nope","new_password":"another one 1"}`)
	a.Must(t, 200, "POST", "/auth/password", phone.Token, map[string]string{"old_password": u.Password, "new_password": "another one 1"})
	a.Must(t, 200, "GET", "/me", phone.Token, nil)
	a.Must(t, 401, "GET", "/me", laptop.Token, nil)
	a.Must(t, 401, "POST", "/auth/refresh", "", map[string]string{"refresh_token": laptop.Refresh})
	a.Must(t, 200, "POST", "/auth/logout", phone.Token, nil)
	a.Must(t, 401, "GET", "/me", phone.Token, nil)
	one, two := a.Login(t, u.Username, "another one 1", ""), a.Login(t, u.Username, "another one 1", "")
	a.Must(t, 200, "POST", "/auth/logout-all", one.Token, `{}`)
	a.Must(t, 401, "GET", "/me", two.Token, nil)

	// A disabled account ends within seconds, and can't come back.
	three := a.Login(t, u.Username, "another one 1", "")
	a.Must(t, 200, "GET", "/me", three.Token, nil)
	if err := d.Accounts.DisableUser(t.Context(), chatUser(u)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 6*time.Second, func() (bool, string) {
		status, _ := a.Do(t, "GET", "/me", three.Token, nil)
		return status == 401, strconv.Itoa(status)
	})
	if f = a.Must(t, 403, "POST", "/auth/login", "", map[string]string{"username": u.Username, "password": "another one 1"}); f.Str("code") != "blocked" {
		t.Errorf("disabled: %v", f)
	}
}

// TestStolenRefreshToken: one used again after the grace ends its session.
func TestStolenRefreshToken(t *testing.T) {
	a, _ := start(t, func(c *Config) { c.Auth.RefreshGrace = 0 })
	u := a.User(t)
	f := a.Must(t, 200, "POST", "/auth/refresh", "", map[string]string{"refresh_token": u.Refresh})
	a.Must(t, 401, "POST", "/auth/refresh", "", map[string]string{"refresh_token": u.Refresh})
	a.Must(t, 401, "POST", "/auth/refresh", "", map[string]string{"refresh_token": f.Str("refresh_token")})
	testkit.Eventually(t, 6*time.Second, func() (bool, string) {
		status, _ := a.Do(t, "GET", "/me", f.Str("access_token"), nil)
		return status == 401, strconv.Itoa(status)
	})
}

func TestRooms(t *testing.T) {
	a, _ := start(t)
	ann, bob, eve := a.User(t), a.User(t), a.User(t)
	room := a.Must(t, 201, "POST", "/rooms", ann.Token, map[string]any{"name": "群聊名称", "description": "群聊描述", "type": "group", "member_ids": testkit.IDs(bob)})
	id := room.Num("id")
	if room.Str("name") != "群聊名称" || room.Num("owner_id") != ann.ID || room.Num("member_count") != 2 || room.Str("role") != "owner" || room.Str("visibility") != "private" {
		t.Errorf("room %v", room)
	}
	a.Must(t, 422, "POST", "/rooms", ann.Token, `{"name":"x","member_ids":[999999]}`)
	for _, call := range []struct{ method, path, body string }{
		{"GET", "", ""},
		{"PATCH", "", `{"name":"x"}`},
		{"DELETE", "", ""},
		{"GET", "/members", ""},
		{"POST", "/members", path(`{"member_ids":[%d]}`, eve.ID)},
		{"DELETE", "/members/me", ""},
		{"DELETE", path("/members/%d", bob.ID), ""},
		{"PATCH", path("/members/%d", bob.ID), `{"role":"admin"}`},
		{"POST", "/owner", path(`{"user_id":%d}`, eve.ID)},
		{"GET", "/messages", ""},
		{"POST", "/messages", `{"content":"x"}`},
		{"PUT", "/read", `{"seq":1}`},
	} {
		var body any
		if call.body != "" {
			body = call.body
		}
		_, hidden := a.Do(t, call.method, path("/rooms/%d%s", id, call.path), eve.Token, body)
		status, none := a.Do(t, call.method, path("/rooms/987654%s", call.path), eve.Token, body)
		delete(hidden, "request_id")
		delete(none, "request_id")
		if d := cmp.Diff(hidden, none); d != "" || status != 404 {
			t.Errorf("%s %s shows a stranger that the room is there (%d):\n%s", call.method, call.path, status, d)
		}
	}
	if f := a.Must(t, 200, "PATCH", path("/rooms/%d", id), ann.Token, `{"name":"New"}`); f.Str("name") != "New" {
		t.Errorf("patched %v", f)
	}
	a.Must(t, 403, "PATCH", path("/rooms/%d", id), bob.Token, `{"name":"Mine"}`)

	first := a.Must(t, 201, "POST", "/rooms", ann.Token, map[string]any{"type": "direct", "member_ids": testkit.IDs(bob)})
	again := a.Must(t, 200, "POST", "/rooms", bob.Token, map[string]any{"type": "direct", "member_ids": testkit.IDs(ann)})
	if first.Num("id") != again.Num("id") || again.Obj("peer").Num("id") != ann.ID {
		t.Errorf("direct rooms %v and %v", first, again)
	}
	a.Must(t, 403, "DELETE", path("/rooms/%d/members/me", first.Num("id")), ann.Token, nil)

	lobby := a.Must(t, 201, "POST", "/rooms", eve.Token, `{"name":"Lobby","visibility":"public"}`).Num("id")
	if f := a.Must(t, 200, "GET", "/rooms?visibility=public&q=lob", bob.Token, nil); len(f.List("rooms")) != 1 || f.List("rooms")[0].Num("id") != lobby {
		t.Errorf("public rooms %v", f)
	}
	a.Must(t, 200, "GET", path("/rooms/%d", lobby), bob.Token, nil)
	if f := a.Must(t, 200, "POST", path("/rooms/%d/members", lobby), bob.Token, path(`{"member_ids":[%d]}`, bob.ID)); len(f["added"].([]any)) != 1 {
		t.Errorf("joined %v", f)
	}
	var rooms []uint64
	for cursor, n := "", 0; n < 5; n++ {
		f := a.Must(t, 200, "GET", "/rooms?limit=1"+cursor, bob.Token, nil)
		for _, r := range f.List("rooms") {
			rooms = append(rooms, r.Num("id"))
			if r.Obj("last_message").Num("seq") != r.Num("last_seq") || r.Str("role") == "" {
				t.Errorf("listed %v", r)
			}
		}
		if f["next_cursor"] == nil {
			break
		}
		cursor = "&cursor=" + f.Str("next_cursor")
	}
	if d := cmp.Diff([]uint64{lobby, first.Num("id"), id}, rooms); d != "" {
		t.Errorf("rooms, newest activity first:\n%s", d)
	}
	a.Must(t, 400, "GET", "/rooms?cursor=nonsense", bob.Token, nil)
	if f := a.Must(t, 200, "POST", path("/rooms/%d/owner", id), ann.Token, path(`{"user_id":%d}`, bob.ID)); f.Num("owner_id") != bob.ID {
		t.Errorf("owner %v", f)
	}
	a.Must(t, 403, "DELETE", path("/rooms/%d", id), ann.Token, nil)
	a.Must(t, 204, "DELETE", path("/rooms/%d", id), bob.Token, nil)
	a.Must(t, 404, "GET", path("/rooms/%d", id), bob.Token, nil)
}

func TestMembers(t *testing.T) {
	a, _ := start(t)
	ann, bob, eve := a.User(t), a.User(t), a.User(t)
	id := a.CreateRoom(t, ann, bob)
	members := path("/rooms/%d/members", id)
	if f := a.Must(t, 200, "POST", members, ann.Token, map[string]any{"member_ids": testkit.IDs(bob, eve)}); len(f["added"].([]any)) != 1 {
		t.Errorf("added %v", f)
	}
	f := a.Must(t, 200, "GET", members+"?limit=2", bob.Token, nil)
	rest := a.Must(t, 200, "GET", members+"?limit=2&cursor="+f.Str("next_cursor"), bob.Token, nil)
	if len(f.List("members")) != 2 || len(rest.List("members")) != 1 || rest["next_cursor"] != nil || f.List("members")[0].Obj("user").Str("username") != ann.Username {
		t.Errorf("members %v, then %v", f, rest)
	}
	if f = a.Must(t, 200, "PATCH", path("%s/%d", members, bob.ID), ann.Token, `{"role":"admin"}`); f.Str("role") != "admin" || f.Num("user_id") != bob.ID {
		t.Errorf("admin %v", f)
	}
	if f = a.Must(t, 200, "PATCH", path("%s/%d", members, eve.ID), bob.Token, `{"mute_seconds":60}`); f.Str("muted_until") == "" {
		t.Errorf("muted %v", f)
	}
	if f = a.Must(t, 403, "POST", path("/rooms/%d/messages", id), eve.Token, `{"content":"x"}`); f.Str("code") != "muted" {
		t.Errorf("muted sender %v", f)
	}
	if f = a.Must(t, 200, "PATCH", path("%s/%d", members, eve.ID), bob.Token, `{"muted_until":null}`); f["muted_until"] != nil {
		t.Errorf("unmuted %v", f)
	}
	a.Must(t, 201, "POST", path("/rooms/%d/messages", id), eve.Token, `{"content":"x"}`)
	a.Must(t, 403, "DELETE", path("%s/%d", members, ann.ID), bob.Token, nil)
	a.Must(t, 409, "DELETE", members+"/me", ann.Token, nil)
	a.Must(t, 204, "DELETE", path("%s/%d", members, eve.ID), bob.Token, nil)
	last := a.Must(t, 200, "GET", path("/rooms/%d/messages", id), eve.Token, nil).Num("last_seq")
	a.Must(t, 201, "POST", path("/rooms/%d/messages", id), ann.Token, `{"content":"after"}`)
	if f = a.Must(t, 200, "GET", path("/rooms/%d/messages", id), eve.Token, nil); f.Num("last_seq") != last || strings.Contains(fmt.Sprint(f), "after") {
		t.Errorf("the removed one reads on: %v", f)
	}
	a.Must(t, 404, "GET", path("/rooms/%d", id), eve.Token, nil)
	a.Must(t, 204, "DELETE", members+"/me", bob.Token, nil)
}

func TestMessages(t *testing.T) {
	a, _ := start(t)
	ann, bob := a.User(t), a.User(t)
	id := a.CreateRoom(t, ann, bob)
	messages := path("/rooms/%d/messages", id)
	body := `{"content":"<b>你好</b> & 👋","client_msg_id":"c-1"}`
	f := a.Must(t, 201, "POST", messages, ann.Token, body)
	if f.Str("content") != "<b>你好</b> & 👋" || f.Str("id") != path("%d:%d", id, f.Num("seq")) || f.Num("sender_id") != ann.ID || f.Str("client_msg_id") != "c-1" {
		t.Errorf("message %v", f)
	}
	if d := cmp.Diff(f, a.Must(t, 200, "POST", messages, ann.Token, body)); d != "" {
		t.Errorf("retried:\n%s", d)
	}
	if f = a.Must(t, 409, "POST", messages, ann.Token, `{"content":"other","client_msg_id":"c-1"}`); f.Str("code") != "idempotency_conflict" {
		t.Errorf("conflict %v", f)
	}
	for i := range 44 {
		a.Must(t, 201, "POST", messages, ann.Token, path(`{"content":"m%d"}`, i))
	}
	last := a.Must(t, 200, "GET", path("/rooms/%d", id), bob.Token, nil)
	head := last.Num("last_seq")
	if last.Num("unread") != 45 || last.Obj("last_message").Str("content") != "m43" {
		t.Errorf("room %v", last)
	}
	for _, round := range []string{"cold", "warm"} { // the second time from the cache
		f = a.Must(t, 200, "GET", messages, bob.Token, nil)
		page := f.List("messages")
		if len(page) != 20 || page[19].Num("seq") != head || page[0].Num("seq") != head-19 || !f.Bool("has_more") || f.Num("last_seq") != head {
			t.Errorf("%s: newest page %v", round, f)
		}
	}
	f = a.Must(t, 200, "GET", messages+"?page=3&page_size=20", bob.Token, nil)
	if page := f.List("messages"); uint64(len(page)) != head-40 || f.Bool("has_more") || page[0].Num("seq") != 1 {
		t.Errorf("last page %v", f)
	}
	if f = a.Must(t, 200, "GET", messages+"?page=99", bob.Token, nil); len(f.List("messages")) != 0 {
		t.Errorf("beyond the end %v", f)
	}
	f = a.Must(t, 200, "GET", path("%s?before_seq=%d&limit=5", messages, head), bob.Token, nil)
	if page := f.List("messages"); len(page) != 5 || page[4].Num("seq") != head-1 || !f.Bool("has_more") {
		t.Errorf("before %v", f)
	}
	f = a.Must(t, 200, "GET", path("%s?around_seq=10&limit=5", messages), bob.Token, nil)
	if page := f.List("messages"); len(page) != 5 || page[0].Num("seq") > 10 || page[4].Num("seq") < 10 {
		t.Errorf("around %v", f)
	}
	if all := a.History(t, bob, id); uint64(len(all)) != head {
		t.Errorf("%d messages, want %d", len(all), head)
	}
	if f = a.Must(t, 200, "GET", "/unread", bob.Token, nil); f.Num("total") != 45 || f.Obj("rooms").Num(path("%d", id)) != 45 {
		t.Errorf("unread %v", f)
	}
	if f = a.Must(t, 200, "PUT", path("/rooms/%d/read", id), bob.Token, path(`{"seq":%d}`, head-5)); f.Num("read_seq") != head-5 || f.Num("unread") != 5 {
		t.Errorf("read %v", f)
	}
	if f = a.Must(t, 200, "PUT", path("/rooms/%d/read", id), bob.Token, `{"seq":9007199254740991}`); f.Num("read_seq") != head || f.Num("unread") != 0 {
		t.Errorf("read all %v", f)
	}
	if f = a.Must(t, 200, "GET", "/unread", ann.Token, nil); f.Num("total") != 0 {
		t.Errorf("own messages are unread: %v", f)
	}
}

func TestPresenceIsForPeopleWhoShareARoom(t *testing.T) {
	a, _ := start(t)
	ann, bob, stranger := a.User(t), a.User(t), a.User(t)
	a.CreateRoom(t, ann, bob)
	f := a.Must(t, 200, "POST", "/presence", ann.Token, map[string]any{"user_ids": testkit.IDs(bob, stranger)})
	if users := f.List("users"); len(users) != 1 || users[0].Num("user_id") != bob.ID {
		t.Errorf("presence %v", f)
	}
	a.Must(t, 200, "GET", path("/users/%d/presence", bob.ID), ann.Token, nil)
	a.Must(t, 404, "GET", path("/users/%d/presence", stranger.ID), ann.Token, nil)
}

// TestWithoutRedis: everything goes on; presence is unknown, guessing is slow all the same.
func TestWithoutRedis(t *testing.T) {
	host, port := testkit.FreeAddr(t) // nobody listens there
	a, _ := start(t, func(c *Config) { c.Redis.Host, c.Redis.Port = host, portOf(t, port) })
	ann, bob := a.User(t), a.User(t)
	id := a.CreateRoom(t, ann, bob)
	a.Must(t, 201, "POST", path("/rooms/%d/messages", id), ann.Token, `{"content":"x"}`)
	if f := a.Must(t, 200, "GET", path("/rooms/%d/messages", id), bob.Token, nil); len(f.List("messages")) != 2 {
		t.Errorf("history %v", f)
	}
	f := a.Must(t, 200, "GET", path("/users/%d/presence", bob.ID), ann.Token, nil)
	if online, there := f["online"]; !there || online != nil {
		t.Errorf("presence %v", f)
	}
	limited := false
	for range 20 {
		status, _ := a.Do(t, "POST", "/auth/login", "", map[string]string{"username": ann.Username, "password": "wrong wrong"})
		limited = limited || status == 429
	}
	if !limited {
		t.Error("guessing is not slowed down")
	}
}

func TestThrottlingIsShared(t *testing.T) {
	a, _ := start(t)
	u := a.User(t)
	for range 20 {
		r, err := a.Call(t.Context(), "POST", "/auth/login", "", map[string]string{"username": u.Username, "password": "wrong wrong"})
		if err != nil {
			t.Fatal(err)
		}
		if r.Status == 429 {
			if r.Header.Get("Retry-After") == "" || r.Body.Str("code") != "rate_limited" {
				t.Errorf("refused by %v %s", r.Header, r.Raw)
			}
			return
		}
	}
	t.Error("guessing is not slowed down")
}

func chatUser(u testkit.User) chat.UserID { return chat.UserID(u.ID) }
