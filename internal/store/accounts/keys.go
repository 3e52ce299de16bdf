package accounts

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

func noKey() error { return chat.E(chat.NotFound, "no such key") }

// CreateKey stores a key of the application's backend. Its id is random, and so new.
func (s *Store) CreateKey(ctx context.Context, k chat.Key) error {
	if k.CreatedAt.IsZero() {
		k.CreatedAt = s.d.Now()
	}
	return s.d.Tx(ctx, "create key", db.Once, func(tx db.Tx) error {
		if _, err := table.Keys.Create(tx.DB, &k); err != nil {
			return err
		}
		return s.audit.Add(tx, chat.Act{Kind: chat.ActKeyCreated, Detail: k.ID + " " + k.Name})
	})
}

// Keys lists all keys, the newest first.
func (s *Store) Keys(ctx context.Context) (ks []chat.Key, err error) {
	err = s.d.Retry(ctx, "read keys", func(tx db.Tx) (err error) {
		ks, err = table.Keys.Find(tx.Order("created_at DESC, id"))
		return err
	})
	return ks, err
}

// Key returns a key, a revoked or expired one too. NotFound.
func (s *Store) Key(ctx context.Context, id string) (k chat.Key, err error) {
	var ks []chat.Key
	err = s.d.Retry(ctx, "read key", func(tx db.Tx) (err error) {
		ks, err = table.Keys.Find(tx.Where("id = ?", id))
		return err
	})
	switch {
	case err != nil:
		return k, err
	case len(ks) == 0:
		return k, noKey()
	}
	return ks[0], nil
}

// KeyUsed remembers when a key was used last, unless that is remembered to the minute already.
func (s *Store) KeyUsed(ctx context.Context, id string, at time.Time) error {
	at = db.Micros(at)
	return s.d.Tx(ctx, "mark key used", db.Repeatable, func(tx db.Tx) error {
		return tx.Exec("UPDATE api_keys SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at <= ?)",
			at, id, at.Add(-chat.KeyUsedEvery)).Error
	})
}

// RevokeKey ends a key for good; ending it twice is once. NotFound.
func (s *Store) RevokeKey(ctx context.Context, id string) error {
	return s.d.Tx(ctx, "revoke key", db.Repeatable, func(tx db.Tx) error {
		var q db.Statement
		q.Add("SELECT "+table.Keys.Select()+" FROM "+table.Keys.From()+" WHERE k.id = ? FOR UPDATE", id)
		ks, err := db.Collect(tx, &q, table.Keys.Cells)
		switch {
		case err != nil:
			return err
		case len(ks) == 0:
			return noKey()
		case !ks[0].RevokedAt.IsZero():
			return nil
		}
		if err := s.audit.Add(tx, chat.Act{Kind: chat.ActKeyRevoked, Detail: id + " " + ks[0].Name}); err != nil {
			return err
		}
		return tx.Exec("UPDATE api_keys SET revoked_at = ? WHERE id = ?", s.d.Now(), id).Error
	})
}
