package chat

import "time"

// Presence is whether a user has a live socket.
type Presence struct {
	User     UserID
	Online   bool
	Known    bool      // false: Redis can't say, so Online means nothing
	LastSeen time.Time // zero: never
}
