package webhooks

import (
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// AddUser leaves what happened to an account for every endpoint but those that are disabled for long, inside the transaction in which it happens. at names it: a transaction
// that runs again gives the same one.
func (s *Store) AddUser(tx db.Tx, user chat.UserID, kind chat.WebhookKind, at time.Time) error {
	return tx.Exec("INSERT INTO webhook_events (webhook_id, user_id, kind, at) SELECT w.id, ?, ?, ? FROM webhooks w"+
		" WHERE w.disabled_at IS NULL OR w.disabled_at > ?", user, kind, at, at.Add(-keepUsers)).Error
}
