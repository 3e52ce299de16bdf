package accounts

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

func noSession() error {
	return chat.E(chat.Unauthenticated, "the session has ended, log in again")
}

func disabled() error { return chat.E(chat.Blocked, "") }

// maxDevice is the length of sessions.device in characters.
const maxDevice = 190

// OpenSession stores a login session and its first refresh token. The session's id must be new. If its user has more sessions then
// than they may, those that were used longest ago end. The account is judged under its lock, because it may have changed since the
// password was: Blocked if it is disabled, Unauthenticated if its password is another one now.
func (s *Store) OpenSession(ctx context.Context, n chat.NewSession) error {
	row := s.newSession(n)
	return s.d.Tx(ctx, "open session", db.Once, func(tx db.Tx) error {
		if err := open(tx, row.User, n.Judged); err != nil {
			return err
		}
		return s.open(tx, row, n)
	})
}

// newSession is the row of a session to open.
func (s *Store) newSession(n chat.NewSession) table.Session {
	row := table.Session{Session: n.Session, AbsoluteAt: n.Until, Origin: n.Origin}
	row.Device = table.Clip(row.Device, maxDevice)
	if row.CreatedAt.IsZero() {
		row.CreatedAt = s.d.Now()
	}
	if row.LastSeenAt.IsZero() {
		row.LastSeenAt = row.CreatedAt
	}
	if row.ExpiresAt.After(row.AbsoluteAt) {
		row.ExpiresAt = row.AbsoluteAt
	}
	return row
}

// open stores a session with its first token, and ends those that are too many then. The user is locked.
func (s *Store) open(tx db.Tx, row table.Session, n chat.NewSession) error {
	if _, err := table.Sessions.Create(tx.DB, &row); err != nil {
		return err
	}
	if err := addToken(tx, table.Token{Hash: n.RefreshHash, Session: row.ID, CreatedAt: s.d.Now()}); err != nil || n.Most <= 0 {
		return err
	}
	return s.endOldest(tx, row.User, row.ID, n.Most)
}

// open locks a user and judges whether a login that was judged by a password hash may open a session.
func open(tx db.Tx, user chat.UserID, judged string) error {
	hash, status, err := lockUser(tx, user)
	switch {
	case err != nil:
		return err
	case status == chat.Disabled:
		return disabled()
	case judged != "" && judged != hash:
		return chat.E(chat.Unauthenticated, "the password was changed meanwhile")
	}
	return nil
}

// lockUser locks a user until the transaction ends. NotFound.
func lockUser(tx db.Tx, id chat.UserID) (hash string, status chat.UserStatus, err error) {
	err = tx.Raw("SELECT password_hash, status FROM users WHERE id = ? FOR UPDATE", id).Row().Scan(&hash, &status)
	if errors.Is(err, sql.ErrNoRows) {
		err = noUser()
	}
	return hash, status, err
}

// endOldest ends the user's sessions beyond the most that they may have, of which keep is one. The user is locked: logins of one user
// at the same time wait for each other, so that each counts the others.
func (s *Store) endOldest(tx db.Tx, user chat.UserID, keep chat.SessionID, most int) error {
	var ids []chat.SessionID
	err := tx.Raw("SELECT id FROM sessions WHERE user_id = ? AND revoked_at IS NULL AND expires_at > ? AND id <> ?"+
		" ORDER BY last_seen_at DESC, id LIMIT 1000 OFFSET ? FOR UPDATE", user, s.d.Now(), keep, most-1).Scan(&ids).Error
	for _, id := range ids {
		if err == nil {
			err = s.audit.Add(tx, chat.Act{Kind: chat.ActSessionEnded, User: user, Session: id, Detail: "too many sessions"})
		}
		if err == nil {
			err = s.revokeOne(tx, user, id)
		}
	}
	return err
}

// Session returns a live session and its user: Unauthenticated if it was revoked, has expired or isn't that
// user's, Blocked if the account is disabled.
func (s *Store) Session(ctx context.Context, id chat.SessionID, user chat.UserID) (chat.Session, chat.User, error) {
	var ls []login
	err := s.d.Retry(ctx, "read session", func(tx db.Tx) (err error) {
		ls, err = logins(tx, []chat.SessionID{id})
		return err
	})
	if err == nil && (len(ls) == 0 || ls[0].Session.User != user) {
		err = noSession()
	}
	if err == nil {
		err = ls[0].usable(s.d.Now())
	}
	if err != nil {
		return chat.Session{}, chat.User{}, err
	}
	return ls[0].Session.Session, ls[0].User, nil
}

// RevokedAmong returns those of the sessions that may no longer be used: revoked, expired, gone, or of a disabled
// account.
func (s *Store) RevokedAmong(ctx context.Context, ids []chat.SessionID) ([]chat.SessionID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var live []chat.SessionID
	err := s.d.Retry(ctx, "check sessions", func(tx db.Tx) error {
		return tx.Raw("SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id"+
			" WHERE s.id IN ? AND s.revoked_at IS NULL AND s.expires_at > ? AND u.status = ?",
			ids, s.d.Now(), chat.Active).Scan(&live).Error
	})
	if err != nil {
		return nil, err
	}
	lives := make(map[chat.SessionID]bool, len(live))
	for _, id := range live {
		lives[id] = true
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id chat.SessionID) bool { return lives[id] }), nil
}

// Sessions returns the user's live sessions, the most recently used first.
func (s *Store) Sessions(ctx context.Context, user chat.UserID) ([]chat.Session, error) {
	var rows []table.Session
	err := s.d.Retry(ctx, "read sessions", func(tx db.Tx) (err error) {
		rows, err = table.Sessions.Find(tx.Where("user_id = ? AND revoked_at IS NULL AND expires_at > ?", user, s.d.Now()).
			Order("last_seen_at DESC, id"))
		return err
	})
	ss := make([]chat.Session, len(rows))
	for i, r := range rows {
		ss[i] = r.Session
	}
	return ss, err
}

// RevokeSession ends one of the user's sessions and closes its sockets; ending it twice is once. NotFound if it
// isn't theirs.
func (s *Store) RevokeSession(ctx context.Context, user chat.UserID, id chat.SessionID) error {
	return s.d.Tx(ctx, "revoke session", db.Repeatable, func(tx db.Tx) error {
		var q db.Statement
		q.Add("SELECT "+table.Sessions.Select()+" FROM "+table.Sessions.From()+" WHERE s.id = ? AND s.user_id = ? FOR UPDATE", id, user)
		rows, err := db.Collect(tx, &q, table.Sessions.Cells)
		switch {
		case err != nil:
			return err
		case len(rows) == 0:
			return chat.E(chat.NotFound, "no such session")
		case !rows[0].RevokedAt.IsZero():
			return nil
		}
		if err := s.audit.Add(tx, chat.Act{Kind: chat.ActSessionEnded, User: user, Session: id}); err != nil {
			return err
		}
		return s.revokeOne(tx, user, id)
	})
}

func (s *Store) revokeOne(tx db.Tx, user chat.UserID, id chat.SessionID) error {
	if err := tx.Exec("UPDATE sessions SET revoked_at = ? WHERE id = ?", s.d.Now(), id).Error; err != nil {
		return err
	}
	return s.outbox.Add(tx, envelope.Announcement{Revoked: &chat.Revoked{User: user, Sessions: []chat.SessionID{id}}})
}

// RevokeSessions ends all of the user's sessions but one ("": all) and closes their sockets.
func (s *Store) RevokeSessions(ctx context.Context, user chat.UserID, except chat.SessionID) error {
	return s.d.Tx(ctx, "revoke sessions", db.Repeatable, func(tx db.Tx) error {
		if err := s.audit.Add(tx, chat.Act{Kind: chat.ActSessionsEnded, User: user}); err != nil {
			return err
		}
		return s.revokeAll(tx, user, except, false)
	})
}

func (s *Store) revokeAll(tx db.Tx, user chat.UserID, except chat.SessionID, disabled bool) error {
	err := tx.Exec("UPDATE sessions SET revoked_at = ? WHERE user_id = ? AND revoked_at IS NULL AND id <> ?",
		s.d.Now(), user, except).Error
	if err != nil {
		return err
	}
	return s.outbox.Add(tx, envelope.Announcement{Revoked: &chat.Revoked{User: user, Except: except, Disabled: disabled}})
}
