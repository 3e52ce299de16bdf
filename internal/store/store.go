package store

import (
	"chat-service/internal/store/accounts"
	"chat-service/internal/store/audit"
	"chat-service/internal/store/changes"
	"chat-service/internal/store/db"
	"chat-service/internal/store/jobs"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/operator"
	"chat-service/internal/store/outbox"
	"chat-service/internal/store/rooms"
	"chat-service/internal/store/webhooks"
)

// Store is every store over one database. Safe for use by many goroutines.
type Store struct {
	DB       *db.DB
	Outbox   *outbox.Store
	Messages *messages.Store
	Changes  *changes.Store
	Rooms    *rooms.Store
	Accounts *accounts.Store
	Jobs     *jobs.Store
	Operator *operator.Store
	Audit    *audit.Store
	Webhooks *webhooks.Store
}

// Open opens the database and the stores over it. It doesn't dial: an unreachable server shows at the first verb.
func Open(o db.Options) (*Store, error) {
	d, err := db.Open(o)
	if err != nil {
		return nil, err
	}
	return &Store{d, outbox.New(d), messages.New(d), changes.New(d), rooms.New(d), accounts.New(d), jobs.New(d), operator.New(d), audit.New(d), webhooks.New(d)}, nil
}

// Close closes the database, after the verbs in flight.
func (s *Store) Close() error { return s.DB.Close() }
