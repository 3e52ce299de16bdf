package state

import (
	"context"

	"github.com/redis/go-redis/v9"

	"chat-service/internal/chat"
	"chat-service/internal/faults"
)

// beforeUnregister may plant a bug: the end of a socket takes all of its user's others with it.
func (s *State) beforeUnregister(ctx context.Context, p redis.Pipeliner, u chat.UserID) {
	if faults.Planted("unregister_no_cas") {
		p.Del(ctx, s.socketsKey(u))
	}
}

// servesOutdated is a planted bug: the recent lists serve what was changed since.
func servesOutdated() bool { return faults.Planted("stale_recent") }
