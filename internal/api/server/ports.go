package server

import (
	"context"
	"time"

	"chat-service/internal/chat"
)

// Verifier checks access tokens.
type Verifier interface {
	// Verify checks an access token's signature, expiry and form: chat.Unauthenticated or chat.TokenExpired.
	Verify(token string) (chat.UserID, chat.SessionID, error)
}

// Liveness reads login sessions from where they are kept.
type Liveness interface {
	// Session returns a session with its user: chat.Unauthenticated if it is revoked or expired, chat.Blocked or
	// chat.Forbidden if its user is disabled.
	Session(ctx context.Context, id chat.SessionID, user chat.UserID) (chat.Session, chat.User, error)
}

// Throttle counts attempts, across processes if its adapter does.
type Throttle interface {
	// Allow takes one from the key's allowance: limit per per, of which burst may be taken at once. If none is left,
	// retryAfter is the time until there is one.
	Allow(ctx context.Context, key string, limit, burst int, per time.Duration) (ok bool, retryAfter time.Duration, err error)
	// Fail notes a failed attempt, and returns how long the key must wait before the next.
	Fail(ctx context.Context, key string) (time.Duration, error)
	// Delay is how long the key must wait before its next attempt.
	Delay(ctx context.Context, key string) (time.Duration, error)
	// Clear forgets the failures.
	Clear(ctx context.Context, key string) error
}
