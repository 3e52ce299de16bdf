package gateway

import (
	"time"

	"chat-service/internal/chat"
)

// Claims are what a valid access token says.
type Claims struct {
	User      chat.UserID
	Session   chat.SessionID
	ExpiresAt time.Time
}

// Verifier checks access tokens.
type Verifier interface {
	// Verify returns the token's claims, or a *chat.Error of kind TokenExpired or Unauthenticated.
	Verify(token string) (Claims, error)
}

// Bus carries encoded records to the workers. Its methods don't block for long and may be called from any goroutine.
type Bus interface {
	// Publish sends one encoded Command to a partition (0 … P-1). Records of a partition keep the order of the calls.
	// The record is copied before Publish returns. An error means that it was refused. Otherwise done, unless it is
	// nil, is called once, later and from another goroutine: with nil when the bus holds the record, with an error if
	// it may be lost.
	Publish(partition int, record []byte, done func(error)) error
	// PublishBatched is Publish for what many sockets do at once: a record may wait some milliseconds for others.
	// These records keep the order of the calls among themselves, but not with those of Publish.
	PublishBatched(partition int, record []byte, done func(error)) error
	// Beat sends one encoded Beat to the control queue. Whether it arrives isn't reported.
	Beat(record []byte) error
	// Ready returns nil while the bus can be reached, else why it can't.
	Ready() error
}
