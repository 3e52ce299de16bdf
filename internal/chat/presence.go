package chat

import "time"

// Presence is whether a user has a live socket. Known false: it can't be told now.
type Presence struct {
	User     UserID
	Online   bool
	Known    bool
	LastSeen time.Time // zero: never seen
}
