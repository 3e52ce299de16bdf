package server

import (
	"testing"

	"chat-service/internal/chat"
)

func TestKinds(t *testing.T) {
	want := map[chat.Kind]int{
		chat.Internal: 500, chat.Invalid: 422, chat.UnknownType: 400, chat.UnknownField: 400, chat.Unauthenticated: 401,
		chat.TokenExpired: 401, chat.Forbidden: 403, chat.Muted: 403, chat.Blocked: 403, chat.NotFound: 404, chat.Conflict: 409,
		chat.UsernameTaken: 409, chat.EmailTaken: 409, chat.IdempotencyConflict: 409, chat.RoomFull: 409, chat.OutOfOrder: 409,
		chat.TooLarge: 413, chat.RateLimited: 429, chat.Unavailable: 503,
	}
	for _, k := range chat.Kinds() {
		got, ok := answers[k]
		if !ok || got.status != want[k] {
			t.Errorf("%v → %d, the contract says %d", k, got.status, want[k])
		}
		if publicText(&chat.Error{Kind: k}) == "" {
			t.Errorf("%v has nothing to say", k)
		}
	}
	if len(answers) != len(want) {
		t.Errorf("%d rows for %d kinds", len(answers), len(want))
	}
}
