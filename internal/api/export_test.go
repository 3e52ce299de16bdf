package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/fakestore"
)

// fakeExports reads what is exported from the fake store; nobody has an id of their own.
type fakeExports struct{ *fakestore.Store }

func (f fakeExports) RoomPeople(ctx context.Context, room chat.RoomID, after chat.UserID, limit int) (ids []chat.UserID, err error) {
	ms, err := f.WholeMembers(ctx, room, after, limit)
	for _, m := range ms {
		ids = append(ids, m.User.ID)
	}
	return ids, err
}

func (f fakeExports) ExportUsers(ctx context.Context, room chat.RoomID, ids []chat.UserID) (us []chat.ExportedUser, err error) {
	ms, err := f.WholeMembers(ctx, room, 0, 1000)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		u, err := f.User(ctx, id)
		if err != nil {
			continue
		}
		e := chat.ExportedUser{User: u}
		for _, m := range ms {
			if m.User.ID == id {
				e.Member = m.Member
			}
		}
		us = append(us, e)
	}
	return us, err
}

func (f fakeExports) ExportRooms(ctx context.Context, user chat.UserID, after chat.RoomID, limit int) (rs []chat.ExportedRoom, err error) {
	ms, _, err := f.RoomList(ctx, user, "", 200)
	slices.SortFunc(ms, func(a, b chat.Membership) int { return int(a.Room.ID) - int(b.Room.ID) })
	for _, m := range ms {
		if m.Room.ID > after && len(rs) < limit {
			rs = append(rs, chat.ExportedRoom{Room: m.Room, Member: m.Member})
		}
	}
	return rs, err
}

func (f fakeExports) ExportRoom(ctx context.Context, room chat.RoomID) (chat.ExportedRoom, error) {
	r, err := f.Room(ctx, room)
	return chat.ExportedRoom{Room: r}, err
}

// fetched reads all pages of an export.
func (b *bench) fetched(key, id string) (lines []string) {
	b.Helper()
	for cursor, pages := "", 0; pages < 1000; pages++ {
		a := b.do(200, "GET", "server/export/"+id+cursor, key, "")
		if ct := a.head.Get("Content-Type"); ct != "application/x-ndjson" {
			b.Fatalf("content type %q", ct)
		}
		for line := range strings.Lines(string(a.raw)) {
			lines = append(lines, strings.TrimSpace(line))
		}
		next := a.head.Get("Next-Cursor")
		if next == "" {
			return lines
		}
		cursor = "?cursor=" + next
	}
	b.Fatal("the export doesn't end")
	return nil
}

// TestExports: a user's or a room's lines, without what was recalled, what the system said and what came later; by pages, each once.
func TestExports(t *testing.T) {
	b, key := furnished(t, func(o *Options, _ *Ports) { o.Limits.UserMessagesPerSecond = 0 })
	say := func(as, text, more string) {
		t.Helper()
		b.do(201, "POST", "server/rooms/1/messages", key, fmt.Sprintf(`{"as":%q,"content":%q%s}`, as, text, more))
	}
	say("1", "one", "")
	say("2", "two <3", `,"reply_to":2,"data":{"a":1}`)
	say("system", "notice", "")
	say("1", "rude", "")
	say("2", "what?", `,"reply_to":5`)
	b.do(200, "DELETE", "server/rooms/1/messages/5", key, "")
	start := func(body string) string {
		t.Helper()
		a := b.do(201, "POST", "server/export", key, body)
		if a.body["state"] != "done" {
			t.Errorf("started %s", a.raw)
		}
		return fmt.Sprint(a.body["id"])
	}
	room, user := start(`{"room":"ext:r"}`), start(`{"user":"ext:bob"}`)
	at := chat.FormatTime(b.now())
	b.pass(time.Minute)
	say("1", "later", "")
	got := b.fetched(key, room)
	for i, want := range []string{
		`{"type":"user","id":"user:1","nickname":"ann","created_at":"` + at + `"}`, `{"type":"user","id":"user:2","nickname":"bob","created_at":"` + at + `"}`,
		`{"type":"room","id":"room:1","name":"Room","kind":"group","visibility":"private","owner":"user:1","created_at":"` + at + `"}`,
		`{"type":"member","room":"room:1","user":"user:2","role":"member","joined_at":"` + at + `"}`,
		`{"type":"message","room":"room:1","id":"1:2","sender":"user:1","at":"` + at + `","content":"one"}`,
		`{"type":"message","room":"room:1","id":"1:3","sender":"user:2","at":"` + at + `","content":"two <3","data":{"a":1},"reply_to":"1:2"}`,
		`{"type":"message","room":"room:1","id":"1:6","sender":"user:2","at":"` + at + `","content":"what?"}`,
	} {
		if i >= len(got) || got[i] != want {
			t.Fatalf("line %d of\n%s\nwant %s", i+1, strings.Join(got, "\n"), want)
		}
	}
	if len(got) != 7 {
		t.Errorf("more lines:\n%s", strings.Join(got[7:], "\n"))
	}
	if own := strings.Join(b.fetched(key, user), "\n"); strings.Count(own, "\n") != 4 || !strings.Contains(own, `"members":[{"user":"user:2","role":"member"`) ||
		!strings.Contains(own, "two") || !strings.Contains(own, "what?") || strings.Contains(own, "one") || strings.Contains(own, "reply_to") {
		t.Errorf("bob's:\n%s", own)
	}
	if nothing := b.fetched(key, start(`{"user":"ext:cem"}`)); len(nothing) != 1 {
		t.Errorf("of nothing: %v", nothing)
	}
	for range 1200 {
		say("2", "x", "")
	}
	if many := b.fetched(key, start(`{"room":"1"}`)); len(many) != 7+1+1200 {
		t.Errorf("%d lines of many", len(many))
	}
	for body, field := range map[string]string{`{}`: "user", `{"user":"1","room":"1"}`: "user", `{"user":"ext:nobody"}`: "user", `{"room":"ext:none"}`: "room", `{"room":"x"}`: "room", `{"room":"99"}`: "room"} {
		a := b.raw("POST", "server/export", key, "application/json", body)
		if b.problem(a, 422, "invalid"); fmt.Sprint(a.fields()) != "["+field+"]" {
			t.Errorf("%s names %v", body, a.fields())
		}
	}
	b.do(202, "DELETE", "server/users/3?erase=true", key, "")
	b.problem(b.raw("GET", "server/export/5", key, "", ""), 404, "not_found") // it is no export
	b.problem(b.raw("GET", "server/export/99", key, "", ""), 404, "not_found")
	for _, cursor := range []string{"x", "0-0-0", "3-1-1.xxxx"} {
		b.problem(b.raw("GET", "server/export/1?cursor="+cursor, key, "", ""), 400, "invalid")
	}
}
