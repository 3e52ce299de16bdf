package api

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
)

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
	a = b.do(200, "PATCH", "me", token, `{"nickname":" New ","avatar_url":"https://x.example/a.png","email":"","password":"123456"}`)
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

// TestDirectory: where it isn't open, strangers can't be found, nor looked up by their ids; those in a room with one can.
func TestDirectory(t *testing.T) {
	for directory, searches := range map[chat.Directory]bool{chat.DirectoryAll: true, chat.DirectoryShared: true, chat.DirectoryOff: false} {
		t.Run(string(directory), func(t *testing.T) {
			b := newBench(t, func(o *Options, _ *Ports) { o.Directory = directory })
			ann, bob := b.join("name1"), b.join("name2")
			b.join("name3")
			b.do(201, "POST", "rooms", ann, `{"name":"one","member_ids":[2]}`)
			stranger := directory == chat.DirectoryAll
			if searches {
				want := []any{1.0, 2.0}
				if stranger {
					want = append(want, 3.0)
				}
				if d := cmp.Diff(want, b.do(200, "GET", "users?q=name", ann, "").list("users", "id")); d != "" {
					t.Errorf("found:\n%s", d)
				}
			} else {
				b.problem(b.raw("GET", "users?q=name", ann, "", ""), 403, "forbidden")
			}
			b.do(200, "GET", "users/1", ann, "")
			b.do(200, "GET", "users/1", bob, "")
			if stranger {
				b.do(200, "GET", "users/3", ann, "")
			} else {
				b.problem(b.raw("GET", "users/3", ann, "", ""), 404, "not_found")
			}
			b.problem(b.raw("GET", "users/99", ann, "", ""), 404, "not_found")
		})
	}
}
