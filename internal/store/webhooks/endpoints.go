package webhooks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"chat-service/internal/chat"
	"chat-service/internal/store/audit"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// deletedAtOnce bounds one DELETE.
const deletedAtOnce = 5000

// Store reads and writes the tables webhooks, webhook_rooms, webhook_events and webhook_attempts.
type Store struct {
	d     *db.DB
	audit *audit.Store
}

// New opens the store over d.
func New(d *db.DB) *Store { return &Store{d, audit.New(d)} }

func noWebhook() *chat.Error { return chat.E(chat.NotFound, "no such webhook") }

// CreateWebhook makes an endpoint and returns it with its id. It is told of what is committed from now on. LimitReached, Invalid.
func (s *Store) CreateWebhook(ctx context.Context, w chat.Webhook) (chat.Webhook, error) {
	if err := w.Check(); err != nil {
		return w, err
	}
	w.CreatedBy = chat.OriginOf(ctx).By
	err := s.d.Tx(ctx, "create webhook", db.Once, func(tx db.Tx) error {
		w.CreatedAt = s.d.Now()
		id, err := table.Webhooks.Create(tx.DB, &w)
		if err != nil {
			return err
		}
		var n int // it waits for those that are being made with lower ids, and they for none: of many at once some are made
		if err := tx.Raw("SELECT COUNT(*) FROM webhooks WHERE id < ? FOR UPDATE", id).Scan(&n).Error; err != nil {
			return err
		}
		if n >= chat.MaxWebhooks {
			return chat.E(chat.LimitReached, "there are %d webhooks, which is the limit", n)
		}
		w.ID = chat.WebhookID(id)
		return s.audit.Add(tx, chat.Act{Kind: chat.ActHookCreated, Detail: detail(w.ID, w.Name)})
	})
	return w, err
}

func detail(id chat.WebhookID, more string) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", id, more))
}

// Webhooks lists all endpoints, by ascending id.
func (s *Store) Webhooks(ctx context.Context) (ws []chat.Webhook, err error) {
	err = s.d.Retry(ctx, "read webhooks", func(tx db.Tx) (err error) {
		ws, err = table.Webhooks.Find(tx.Order("id"))
		return err
	})
	return ws, err
}

// Webhook returns an endpoint. NotFound.
func (s *Store) Webhook(ctx context.Context, id chat.WebhookID) (w chat.Webhook, err error) {
	err = s.d.Retry(ctx, "read webhook", func(tx db.Tx) error {
		w, err = webhook(tx, id, "")
		return err
	})
	return w, err
}

// webhook reads an endpoint; lock is what stands behind the SELECT.
func webhook(tx db.Tx, id chat.WebhookID, lock string) (w chat.Webhook, err error) {
	var q db.Statement
	q.Add("SELECT "+table.Webhooks.Select()+" FROM "+table.Webhooks.From()+" WHERE w.id = ?"+lock, id)
	ws, err := db.Collect(tx, &q, table.Webhooks.Cells)
	if err == nil && len(ws) == 0 {
		err = noWebhook()
	}
	if err != nil {
		return w, err
	}
	return ws[0], nil
}

// UpdateWebhook changes an endpoint and returns it. One that is enabled again goes on where it was: it is told of what happened
// meanwhile. NotFound, Invalid.
func (s *Store) UpdateWebhook(ctx context.Context, id chat.WebhookID, p chat.WebhookPatch) (w chat.Webhook, err error) {
	err = s.d.Tx(ctx, "update webhook", db.Repeatable, func(tx db.Tx) error {
		had, err := webhook(tx, id, " FOR UPDATE")
		if err != nil {
			return err
		}
		w = p.Of(had, s.d.Now())
		if err := w.Check(); err != nil {
			return err
		}
		if err := tx.Table("webhooks").Where("id = ?", id).UpdateColumns(table.Webhooks.Map(&w)).Error; err != nil {
			return err
		}
		for _, act := range acts(had, w) {
			if err := s.audit.Add(tx, act); err != nil {
				return err
			}
		}
		if !had.DisabledAt.IsZero() && w.DisabledAt.IsZero() {
			return s.hasten(tx, id)
		}
		return nil
	})
	return w, err
}

// hasten has everything that waits for its next try tried now.
func (s *Store) hasten(tx db.Tx, id chat.WebhookID) error {
	return tx.Exec("UPDATE webhook_rooms SET next_at = ?, tries = 0 WHERE webhook_id = ? AND claim = '' AND next_at IS NOT NULL", s.d.Now(), id).Error
}

// acts says what was done to an endpoint.
func acts(had, has chat.Webhook) (as []chat.Act) {
	var changed []string
	note := func(is bool, what string) {
		if is {
			changed = append(changed, what)
		}
	}
	note(had.Name != has.Name, "name")
	note(had.URL != has.URL, "url")
	note(!slices.Equal(had.Kinds, has.Kinds), "events")
	note(had.AllowPrivate != has.AllowPrivate, "allow_private")
	note(string(had.Secret) != string(has.Secret), "secret")
	if len(changed) > 0 {
		as = append(as, chat.Act{Kind: chat.ActHookChanged, Detail: detail(has.ID, strings.Join(changed, " "))})
	}
	switch {
	case had.DisabledAt.IsZero() && !has.DisabledAt.IsZero():
		as = append(as, chat.Act{Kind: chat.ActHookDisabled, Detail: detail(has.ID, has.DisabledWhy)})
	case !had.DisabledAt.IsZero() && has.DisabledAt.IsZero():
		as = append(as, chat.Act{Kind: chat.ActHookEnabled, Detail: detail(has.ID, "")})
	}
	return as
}

// DeleteWebhook deletes an endpoint and all that is kept of it. If it fails on the way the endpoint is disabled, and can be deleted again.
// NotFound.
func (s *Store) DeleteWebhook(ctx context.Context, id chat.WebhookID) error {
	off := true
	if _, err := s.UpdateWebhook(ctx, id, chat.WebhookPatch{Disabled: &off, Why: "it is being deleted"}); err != nil {
		return err
	}
	for _, name := range []string{"webhook_rooms", "webhook_events", "webhook_attempts"} {
		for more := true; more; {
			err := s.d.Retry(ctx, "delete webhook", func(tx db.Tx) error {
				res := tx.Exec("DELETE FROM "+name+" WHERE webhook_id = ? LIMIT ?", id, deletedAtOnce)
				more = res.RowsAffected == deletedAtOnce
				return res.Error
			})
			if err != nil {
				return err
			}
		}
	}
	return s.d.Tx(ctx, "delete webhook", db.Repeatable, func(tx db.Tx) error {
		res := tx.Exec("DELETE FROM webhooks WHERE id = ?", id)
		if res.Error != nil || res.RowsAffected == 0 {
			return res.Error
		}
		for _, name := range []string{"webhook_rooms", "webhook_events", "webhook_attempts"} { // what was left meanwhile
			if err := tx.Exec("DELETE FROM "+name+" WHERE webhook_id = ?", id).Error; err != nil {
				return err
			}
		}
		return s.audit.Add(tx, chat.Act{Kind: chat.ActHookDeleted, Detail: detail(id, "")})
	})
}

// WebhookAttempts returns what was posted to an endpoint, the newest first.
func (s *Store) WebhookAttempts(ctx context.Context, a chat.AttemptQuery) (as []chat.WebhookAttempt, err error) {
	if _, err := s.Webhook(ctx, a.Webhook); err != nil {
		return nil, err
	}
	if strings.ContainsFunc(a.Event, func(r rune) bool { return r > unicode.MaxASCII }) {
		return nil, nil // no event has such a name, and the column can't be compared with it
	}
	err = s.d.Retry(ctx, "read webhook attempts", func(tx db.Tx) (err error) {
		q := tx.Where("webhook_id = ?", a.Webhook)
		if a.Before > 0 {
			q = q.Where("id < ?", a.Before)
		}
		if a.Event != "" {
			q = q.Where("event = ?", []byte(a.Event)) // bytes: the column is ASCII, and a text that isn't would be an error
		}
		if a.Failed {
			q = q.Where("refusal <> ''")
		}
		as, err = table.WebhookAttempts.Find(q.Order("id DESC").Limit(a.Limit))
		return err
	})
	return as, err
}
