package api

import (
	"fmt"
	"sync"
	"testing"

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
