package webhooks

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

const (
	// wasDown is for how long nothing was taken before the rooms that wait for their next try are tried at once when something is: an
	// event that is refused alone must not be tried all the time.
	wasDown = 10 * time.Second
	// hastened bounds how many of them that are.
	hastened = 10_000
)

// Settle is the verb of SettleWebhook's transaction: it leaves nothing for anybody to announce.
const Settle = "settle webhook"

// SettleWebhook moves a cursor, or sets its next try, and records what was posted. Conflict if the claim is no longer the cursor's: then
// the cursor stays, and what was posted is posted again.
func (s *Store) SettleWebhook(ctx context.Context, x chat.WebhookSettled) error {
	lost := false
	err := s.d.Tx(ctx, Settle, db.Repeatable, func(tx db.Tx) error {
		n, err := move(tx, x)
		if lost = n == 0; err != nil {
			return err
		}
		if err := record(tx, x.Attempts); err != nil {
			return err
		}
		if err := s.health(tx, x); err != nil {
			return err
		}
		if lost || len(x.Rows) == 0 {
			return nil
		}
		return tx.Exec("DELETE FROM webhook_events WHERE id IN ?", x.Rows).Error
	})
	if err == nil && lost {
		return chat.E(chat.Conflict, "the claim was lost")
	}
	return err
}

func move(tx db.Tx, x chat.WebhookSettled) (int64, error) {
	token := ""
	if x.Keep {
		token = x.Token
	}
	cur := chat.WebhookCursor{Seq: x.Seq, Changes: x.Changes, Tries: x.Tries, Next: x.Next, Token: token}
	var q db.Statement
	q.Add("UPDATE webhook_rooms SET seq = ?, change_seq = ?, tries = ?, next_at = ?, claim = ?", settled.Values(&cur)...)
	q.Add(" WHERE webhook_id = ? AND room_id = ? AND claim = ?", x.Webhook, x.Room, x.Token)
	return q.Exec(tx)
}

var settled = table.WebhookCursors.Only("seq", "change_seq", "tries", "next_at", "claim")

func record(tx db.Tx, as []chat.WebhookAttempt) error {
	if len(as) == 0 {
		return nil
	}
	var q db.Statement
	q.Add(table.WebhookAttempts.Insert())
	for i := range as {
		q.Add(db.Comma(i)+table.WebhookAttempts.Marks(), table.WebhookAttempts.Values(&as[i])...)
	}
	_, err := q.Exec(tx)
	return err
}

// health keeps what the answers say of the endpoint itself.
func (s *Store) health(tx db.Tx, x chat.WebhookSettled) error {
	now := db.Micros(x.Now)
	switch x.Health {
	case chat.WebhookFailing:
		if err := tx.Exec("UPDATE webhooks SET failing_since = ? WHERE id = ? AND failing_since IS NULL AND disabled_at IS NULL", now, x.Webhook).Error; err != nil {
			return err
		}
	case chat.WebhookWell:
		w, err := webhook(tx, x.Webhook, " FOR UPDATE")
		if err != nil || w.FailingSince.IsZero() {
			return err
		}
		if err := tx.Exec("UPDATE webhooks SET failing_since = NULL WHERE id = ?", x.Webhook).Error; err != nil {
			return err
		}
		if now.Sub(w.FailingSince) < wasDown {
			return nil
		}
		return tx.Exec("UPDATE webhook_rooms SET next_at = ? WHERE webhook_id = ? AND claim = '' AND next_at > ? ORDER BY next_at LIMIT ?",
			now, x.Webhook, now, hastened).Error
	}
	if x.Disable == "" {
		return nil
	}
	res := tx.Exec("UPDATE webhooks SET disabled_at = ?, disabled_why = ? WHERE id = ? AND disabled_at IS NULL", now, x.Disable, x.Webhook)
	if res.Error != nil || res.RowsAffected == 0 {
		return res.Error
	}
	return s.audit.Add(tx, chat.Act{Kind: chat.ActHookDisabled, Detail: detail(x.Webhook, x.Disable)})
}
