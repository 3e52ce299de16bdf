package webhooks

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// AddUser leaves what happened to an account for every endpoint but those that are disabled for long, inside the transaction in which it happens. at names it: a transaction
// that runs again gives the same one.
func (s *Store) AddUser(tx db.Tx, user chat.UserID, kind chat.WebhookKind, at time.Time) error {
	return tx.Exec("INSERT INTO webhook_events (webhook_id, user_id, kind, at) SELECT w.id, ?, ?, ? FROM webhooks w"+
		" WHERE w.disabled_at IS NULL OR w.disabled_at > ?", user, kind, at, at.Add(-keepUsers)).Error
}

// NoteWebhooks leaves what endpoints are to be told of users.
func (s *Store) NoteWebhooks(ctx context.Context, notes []chat.WebhookNote) error {
	if len(notes) == 0 {
		return nil
	}
	rows := make([]table.UserEvent, len(notes))
	for i, n := range notes {
		rows[i] = table.UserEvent{Webhook: n.Webhook, User: n.User, Kind: n.Kind, At: n.At}
	}
	return s.d.Tx(ctx, "note for webhooks", db.Once, func(tx db.Tx) error {
		var q db.Statement
		q.Add(table.UserEvents.Insert())
		for i := range rows {
			q.Add(db.Comma(i)+table.UserEvents.Marks(), table.UserEvents.Values(&rows[i])...)
		}
		_, err := q.Exec(tx)
		return err
	})
}
