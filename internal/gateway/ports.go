package gateway

import (
	"time"

	"chat-service/internal/chat"
)

// Claims is what a valid access token says.
type Claims struct {
	User      chat.UserID
	Session   chat.SessionID
	ExpiresAt time.Time
}

// Verifier judges access tokens.
type Verifier interface {
	// Verify returns the token's claims, or a *chat.Error of kind TokenExpired or Unauthenticated.
	Verify(token string) (Claims, error)
}

// Bus carries records to the workers. Its methods never block for long and may be called from any goroutine.
type Bus interface {
	// Publish sends one encoded Command to a partition (0 … P-1), in the order of the calls. The record is copied before it
	// returns. An error means that the record was refused; else done, where it isn't nil, is called once, later and from
	// another goroutine: nil when the bus holds the record, an error when it may be lost.
	Publish(partition int, record []byte, done func(error)) error
	// PublishBatched is Publish for what many do at once: a record may wait some milliseconds for more of the kind. Records keep the
	// order of the calls among themselves, not with those of Publish.
	PublishBatched(partition int, record []byte, done func(error)) error
	// Beat sends one encoded Beat; nobody waits for it.
	Beat(record []byte) error
	// Ready returns nil while the bus can be reached.
	Ready() error
}
