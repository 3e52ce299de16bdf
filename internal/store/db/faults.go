package db

import (
	"context"
	"time"

	"chat-service/internal/faults"
)

// ackDelay is how late a planted ack_before_commit commits.
const ackDelay = 30 * time.Millisecond

// commit sends the last packet of a script; committing: an error came with the COMMIT, whose outcome is then unknown.
// Planted ack_before_commit (build tag "faults"): it reports success first and commits later.
func commit(ctx context.Context, send func(context.Context) error) (committing bool, err error) {
	if faults.Planted("ack_before_commit") {
		time.AfterFunc(ackDelay, func() { _ = send(context.WithoutCancel(ctx)) })
		return false, nil
	}
	return true, send(ctx)
}
