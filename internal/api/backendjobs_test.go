package api

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"chat-service/internal/chat"
)

// TestErasedByKey: erasing shuts and empties an account at once and leaves one job, however often it is asked for; nothing goes into the
// account again.
func TestErasedByKey(t *testing.T) {
	b, key := furnished(t)
	ann := b.token(key, "ext:ann")
	b.do(200, "PATCH", "me", ann, `{"nickname":"Somebody"}`)
	b.do(204, "DELETE", "server/users/ext:cem?erase=false", key, "")
	b.do(204, "DELETE", "server/users/ext:cem", key, "")
	if a := b.do(200, "GET", "server/users/ext:cem", key, ""); a.body["disabled"] != true {
		t.Errorf("ended: %s", a.raw)
	}
	b.do(204, "DELETE", "server/users/ext:cem/disabled", key, "")

	var all sync.WaitGroup
	answers := make([]string, 20)
	for i := range answers {
		all.Go(func() {
			a := b.raw("DELETE", "server/users/ext:ann?erase=true", key, "", "")
			answers[i] = fmt.Sprint(a.status, a.body["id"], a.body["kind"], a.body["user_id"], a.body["state"], a.body["finished_at"])
		})
	}
	all.Wait()
	for _, a := range answers {
		if a != fmt.Sprint(202, 1.0, "erase", 1.0, "waiting", nil) {
			t.Errorf("answer %s", a)
		}
	}
	b.problem(b.raw("GET", "me", ann, "", ""), 401, "unauthenticated")
	if a := b.do(200, "GET", "server/users/1", key, ""); a.body["nickname"] != chat.ErasedName || a.body["disabled"] != true || a.body["username"] != "~erased-1" {
		t.Errorf("the shell is %s", a.raw)
	}
	b.problem(b.raw("PUT", "server/users/1", key, "application/json", `{"nickname":"Back"}`), 409, "conflict")
	b.problem(b.raw("PUT", "server/users/ext:ann", key, "application/json", `{"nickname":"Back"}`), 409, "conflict")
	b.problem(b.raw("POST", "server/users/1/tokens", key, "application/json", `{}`), 403, "blocked")
	b.problem(b.raw("DELETE", "server/users/1/disabled", key, "", ""), 409, "conflict")
	b.problem(b.raw("POST", "server/rooms/1/messages", key, "application/json", `{"as":"1","content":"x"}`), 403, "blocked")
	b.do(204, "DELETE", "server/users/1", key, "") // it is shut

	if _, _, err := b.store.StepJob(t.Context(), 1, 1); err != nil {
		t.Fatal(err)
	}
	if a := b.do(200, "GET", "server/jobs/1", key, ""); a.body["state"] != "done" || a.body["finished_at"] == nil || a.body["user_id"] != 1.0 {
		t.Errorf("the job is %s", a.raw)
	}
	if a := b.do(202, "DELETE", "server/users/1?erase=true", key, ""); a.body["state"] != "done" {
		t.Errorf("again: %s", a.raw)
	}
	b.problem(b.raw("DELETE", "server/users/ext:nobody?erase=true", key, "", ""), 404, "not_found")
	b.problem(b.raw("DELETE", "server/users/99?erase=true", key, "", ""), 404, "not_found")
	b.problem(b.raw("DELETE", "server/users/2?erase=yes", key, "", ""), 422, "invalid")
	b.problem(b.raw("DELETE", "server/users/2?erase=true&erase=true", key, "", ""), 422, "invalid")
	b.problem(b.raw("DELETE", "server/users/x?erase=true", key, "", ""), 400, "invalid")
	b.problem(b.raw("GET", "server/jobs/2", key, "", ""), 404, "not_found")
	b.problem(b.raw("GET", "server/jobs/0", key, "", ""), 404, "not_found")
	b.problem(b.raw("GET", "server/jobs/x", key, "", ""), 400, "invalid")
}

// TestTrailByKey: the application reads the audit trail by pages, newest first, and by what it is about.
func TestTrailByKey(t *testing.T) {
	record := new(trail)
	b, key := furnished(t, func(_ *Options, p *Ports) { p.Trail = record })
	at := b.now().UTC()
	for i := range 5 {
		record.Record(t.Context(), chat.Act{At: at.Add(time.Duration(i) * time.Hour), Kind: chat.ActLogin, By: "user:1", User: chat.UserID(i%2 + 1), Room: 1, IP: "192.0.2.1", Detail: fmt.Sprint(i)})
	}
	record.Record(t.Context(), chat.Act{At: at, Kind: chat.ActDisabled, By: "key:k", User: 3, IP: "::1"})
	for query, want := range map[string]string{
		"": "[6 5 4 3 2 1]", "?user=ext:ann": "[5 3 1]", "?user=2": "[4 2]", "?room=ext:r": "[5 4 3 2 1]", "?room=9": "[]", "?kind=user_disabled": "[6]", "?kind=": "[6 5 4 3 2 1]",
		"?ip=192.0.2.1&user=1": "[5 3 1]", "?ip=::1": "[6]", "?since=" + at.Add(3*time.Hour).Format(time.RFC3339): "[5 4]",
	} {
		if got := fmt.Sprint(b.do(200, "GET", "server/audit"+query, key, "").list("acts", "id")); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	var seen []any
	for cursor, next := "", true; next; {
		a := b.do(200, "GET", "server/audit?limit=4"+cursor, key, "")
		seen = append(seen, a.list("acts", "id")...)
		text, more := a.body["next_cursor"].(string)
		cursor, next = "&cursor="+text, more
	}
	if fmt.Sprint(seen) != "[6 5 4 3 2 1]" {
		t.Errorf("by pages: %v", seen)
	}
	for query, field := range map[string]string{
		"?kind=rumour": "kind", "?user=x": "user", "?user=ext:nobody": "user", "?room=ext:none": "room", "?ip=here": "ip", "?since=yesterday": "since",
		"?since=0001-01-01T00:00:00Z": "since", "?limit=0": "limit", "?user=1&user=2": "user",
	} {
		a := b.raw("GET", "server/audit"+query, key, "", "")
		if b.problem(a, 422, "invalid"); fmt.Sprint(a.fields()) != "["+field+"]" {
			t.Errorf("%s names %v", query, a.fields())
		}
	}
	b.problem(b.raw("GET", "server/audit?cursor=x", key, "", ""), 400, "invalid")
	b.problem(b.raw("GET", "server/audit?user=0", key, "", ""), 404, "not_found")
	b.problem(b.raw("GET", "server/audit", b.key(chat.ScopeRead), "", ""), 403, "forbidden")
}
