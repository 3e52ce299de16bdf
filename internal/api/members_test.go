package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
