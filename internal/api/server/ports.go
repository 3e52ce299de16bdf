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
	// Session returns a session with its user: chat.Unauthenticated if it is revoked or expired, chat.Blocked if its
	// user is disabled.
	Session(ctx context.Context, id chat.SessionID, user chat.UserID) (chat.Session, chat.User, error)
}

// Throttle counts attempts, across processes if its adapter does.
type Throttle interface {
	// Allow takes n from the key's allowance, after what was taken elsewhere without asking, which counts in any case. wait is 0 if n
	// were taken, else the time until they can be.
	Allow(ctx context.Context, key string, r chat.Rate, n, elsewhere int) (wait time.Duration, err error)
	// Refund gives back n that Allow took.
	Refund(ctx context.Context, key string, r chat.Rate, n int) error
	// Try counts a try at an account from a place before it is judged. wait is 0 if it may be judged, else the time until one may.
	Try(ctx context.Context, account, from string) (wait time.Duration, err error)
	// Settle takes back a counted try that didn't fail: one that passed, which makes its place known, or one that nobody judged.
	Settle(ctx context.Context, account, from string, passed bool) error
}

// Keys reads keys of the application's backend from where they are kept.
type Keys interface {
	// Key finds a key, a revoked or expired one too: chat.NotFound.
	Key(ctx context.Context, id string) (chat.Key, error)
	// KeyUsed remembers when a key was used, to the minute.
	KeyUsed(ctx context.Context, id string, at time.Time) error
}

// Recorder records acts. It never blocks and never fails.
type Recorder interface {
	Record(ctx context.Context, a chat.Act)
}
