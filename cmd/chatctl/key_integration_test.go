//go:build integration

package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
)

// TestKeys: a key is made and printed once, is listed without its secret, and is revoked; what can't be is refused, and all is in
// the trail.
func TestKeys(t *testing.T) {
	db := settle(t).populate(t)
	text := strings.TrimSpace(must(t, "key", "create", "--name", " Backend ", "--scope", "users,rooms,users", "--expires", "720h"))
	id, secret, ok := chat.ParseKey(text)
	if !ok {
		t.Fatalf("printed %q", text)
	}
	k, err := db.Accounts.Key(t.Context(), id)
	if err != nil || !k.Fits(secret) || k.Name != "Backend" || !slices.Equal(k.Scopes, []chat.Scope{chat.ScopeUsers, chat.ScopeRooms}) {
		t.Errorf("kept %+v, %v", k, err)
	}
	if left := time.Until(k.ExpiresAt); left < 719*time.Hour || left > 720*time.Hour {
		t.Errorf("it expires in %v", left)
	}
	must(t, "key", "create", "--name", "for ever", "--scope", "read")
	type list struct{ Keys []keyView }
	out := must(t, "key", "list", "--json")
	if v := fromJSON[list](t, out); len(v.Keys) != 2 || !v.Keys[0].ExpiresAt.IsZero() || v.Keys[1].ID != id || !v.Keys[1].RevokedAt.IsZero() {
		t.Errorf("listed %s", out)
	}
	must(t, "key", "revoke", id)
	must(t, "key", "revoke", id)
	out += must(t, "key", "list")
	if !strings.Contains(out, "users,rooms") || strings.Contains(out, text[len("sk_")+len(id)+1:]) {
		t.Errorf("listed %s", out)
	}
	if k, err = db.Accounts.Key(t.Context(), id); err != nil || k.Usable(time.Now()) == nil {
		t.Errorf("revoked: %+v, %v", k, err)
	}
	for _, args := range [][]string{
		{"key", "create", "--name", "n"},
		{"key", "create", "--scope", "users"},
		{"key", "create", "--name", "n", "--scope", "everything"},
		{"key", "create", "--name", " ", "--scope", "users"},
		{"key", "create", "--name", strings.Repeat("n", 65), "--scope", "users"},
		{"key", "create", "--name", "n", "--scope", "users", "--expires=-1h"},
		{"key", "revoke", "none"},
		{"key", "revoke", text},
	} {
		if _, _, err := chatctl(t, args...); err == nil {
			t.Errorf("%v succeeds", args)
		}
	}
	type trail struct{ Acts []actView }
	v := fromJSON[trail](t, must(t, "audit", "--json"))
	var kinds []string
	for _, a := range v.Acts {
		kinds = append(kinds, string(a.Kind))
		if !strings.HasPrefix(a.By, "operator:") || strings.Contains(a.Detail, text) {
			t.Errorf("%+v", a)
		}
	}
	if got := strings.Join(kinds, " "); got != "key_revoked key_created key_created" {
		t.Errorf("trail %s", got)
	}
}
