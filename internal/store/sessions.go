package store

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
)

func noSession() error {
	return chat.E(chat.Unauthenticated, "the session has ended, log in again")
}

// OpenSession stores a login session and its first refresh token. The session's id must be new.
func (d *DB) OpenSession(ctx context.Context, n chat.NewSession) error {
	s := n.Session
	row := sessionRow{
		ID: s.ID, UserID: s.User, Device: clip(s.Device, 190), CreatedAt: micros(s.CreatedAt), LastSeenAt: micros(s.LastSeenAt),
		ExpiresAt: micros(s.ExpiresAt), AbsoluteAt: micros(n.Until),
	}
	if s.CreatedAt.IsZero() {
		row.CreatedAt = d.Now()
	}
	if s.LastSeenAt.IsZero() {
		row.LastSeenAt = row.CreatedAt
	}
	if row.ExpiresAt.After(row.AbsoluteAt) {
		row.ExpiresAt = row.AbsoluteAt
	}
	return d.Tx(ctx, "open session", db.Once, func(tx db.Tx) error {
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		return addToken(tx, n.RefreshHash, s.ID, d.Now())
	})
}

// Session returns a live session and its user: Unauthenticated where it was revoked, has expired or isn't that
// user's, Forbidden where the account is disabled.
func (d *DB) Session(ctx context.Context, id chat.SessionID, user chat.UserID) (chat.Session, chat.User, error) {
	var rows []accountRow
	err := d.Retry(ctx, "read session", func(tx db.Tx) error {
		return tx.Raw("SELECT "+sessionCols+", "+userCols+" FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ? AND s.user_id = ?",
			id, user).Scan(&rows).Error
	})
	if err != nil {
		return chat.Session{}, chat.User{}, err
	}
	if len(rows) == 1 && rows[0].User.Status != chat.Active {
		return chat.Session{}, chat.User{}, chat.E(chat.Forbidden, "the account is disabled")
	}
	if len(rows) == 0 || !rows[0].Session.live(d.Now()) {
		return chat.Session{}, chat.User{}, noSession()
	}
	return rows[0].Session.session(), rows[0].User.user(), nil
}

// RevokedAmong returns those of the sessions that may no longer be used: revoked, expired, gone, or of a disabled account.
func (d *DB) RevokedAmong(ctx context.Context, ids []chat.SessionID) ([]chat.SessionID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var live []chat.SessionID
	err := d.Retry(ctx, "check sessions", func(tx db.Tx) error {
		return tx.Raw("SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id"+
			" WHERE s.id IN ? AND s.revoked_at IS NULL AND s.expires_at > ? AND u.status = ?", ids, d.Now(), chat.Active).Scan(&live).Error
	})
	if err != nil {
		return nil, err
	}
	lives := make(map[chat.SessionID]bool, len(live))
	for _, id := range live {
		lives[id] = true
	}
	var revoked []chat.SessionID
	for _, id := range ids {
		if !lives[id] {
			revoked = append(revoked, id)
		}
	}
	return revoked, nil
}

// Sessions returns the user's live sessions, the most recently used first.
func (d *DB) Sessions(ctx context.Context, user chat.UserID) ([]chat.Session, error) {
	var rows []sessionRow
	err := d.Retry(ctx, "read sessions", func(tx db.Tx) error {
		return tx.Where("user_id = ? AND revoked_at IS NULL AND expires_at > ?", user, d.Now()).
			Order("last_seen_at DESC, id").Find(&rows).Error
	})
	ss := make([]chat.Session, len(rows))
	for i, r := range rows {
		ss[i] = r.session()
	}
	return ss, err
}

// RevokeSession ends one of the user's sessions and tells its sockets; ending it twice is once. NotFound where it
// isn't his.
func (d *DB) RevokeSession(ctx context.Context, user chat.UserID, id chat.SessionID) error {
	return d.Tx(ctx, "revoke session", db.Repeatable, func(tx db.Tx) error {
		var rows []sessionRow
		if err := tx.Raw("SELECT * FROM sessions WHERE id = ? AND user_id = ? FOR UPDATE", id, user).Scan(&rows).Error; err != nil {
			return err
		}
		if len(rows) == 0 {
			return chat.E(chat.NotFound, "no such session")
		}
		if rows[0].RevokedAt != nil {
			return nil
		}
		return d.revokeOne(tx, user, id)
	})
}

func (d *DB) revokeOne(tx db.Tx, user chat.UserID, id chat.SessionID) error {
	if err := tx.Exec("UPDATE sessions SET revoked_at = ? WHERE id = ?", d.Now(), id).Error; err != nil {
		return err
	}
	return d.announce(tx, envelope.Announcement{Revoked: &chat.Revoked{User: user, Sessions: []chat.SessionID{id}}})
}

// RevokeSessions ends all of the user's sessions but one ("": all) and tells their sockets.
func (d *DB) RevokeSessions(ctx context.Context, user chat.UserID, except chat.SessionID) error {
	return d.Tx(ctx, "revoke sessions", db.Repeatable, func(tx db.Tx) error { return d.revokeAll(tx, user, except, false) })
}

func (d *DB) revokeAll(tx db.Tx, user chat.UserID, except chat.SessionID, disabled bool) error {
	err := tx.Exec("UPDATE sessions SET revoked_at = ? WHERE user_id = ? AND revoked_at IS NULL AND id <> ?", d.Now(), user, except).Error
	if err != nil {
		return err
	}
	return d.announce(tx, envelope.Announcement{Revoked: &chat.Revoked{User: user, Except: except, Disabled: disabled}})
}
