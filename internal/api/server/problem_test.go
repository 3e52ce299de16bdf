package server

import (
	"testing"

	"chat-service/internal/chat"
)

// TestKinds walks every kind of error out of a verb: the status is the contract's, and the client has something to
// read.
func TestKinds(t *testing.T) {
	want := map[chat.Kind]int{
		chat.Internal: 500, chat.Invalid: 422, chat.UnknownType: 400, chat.UnknownField: 400, chat.Unauthenticated: 401,
		chat.TokenExpired: 401, chat.Forbidden: 403, chat.Muted: 403, chat.Blocked: 403, chat.NotFound: 404, chat.Conflict: 409,
		chat.UsernameTaken: 409, chat.EmailTaken: 409, chat.IdempotencyConflict: 409,
		chat.VersionConflict: 409, chat.LimitReached: 409, chat.RoomFull: 409, chat.OutOfOrder: 409,
		chat.TooLarge: 413, chat.RateLimited: 429, chat.Unavailable: 503,
	}
	b := newBench(t)
	for _, k := range chat.Kinds() {
		b.err = &chat.Error{Kind: k}
		a := b.raw("GET", "me", token, "", "")
		b.problem(a, want[k], k.String())
		if detail, _ := a.body["detail"].(string); detail == "" {
			t.Errorf("%v has nothing to say: %s", k, a.raw)
		}
		if wait := a.head.Get("Retry-After"); (wait != "") != (a.status == 429 || a.status == 503) {
			t.Errorf("%v: Retry-After %q", k, wait)
		}
		if (a.head.Get("WWW-Authenticate") != "") != (a.status == 401) {
			t.Errorf("%v: WWW-Authenticate %q", k, a.head.Get("WWW-Authenticate"))
		}
	}
}
