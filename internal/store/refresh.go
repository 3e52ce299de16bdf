package store

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

type tokenRow struct {
	SessionID chat.SessionID
	UsedAt    *time.Time
}

// RotateRefresh exchanges a refresh token for its successor and prolongs the session. Unauthenticated where the token
// is unknown, or its session has ended; Forbidden where the account is disabled.
//
// A token used again within the grace is a lost answer or a second tab: Next works for it too, so callers derive
// Next from the old token and all of them end up with one. Used again after the grace it is a stolen copy: the
// session is revoked, its sockets are told, and the answer is Unauthenticated.
func (d *DB) RotateRefresh(ctx context.Context, r chat.Rotation) (chat.Session, chat.User, error) {
	r.Now = micros(r.Now)
	var acc accountRow
	var verdict error
	err := d.Tx(ctx, "rotate refresh token", db.Repeatable, func(tx db.Tx) (err error) {
		acc, verdict, err = d.rotate(tx, r)
		return err
	})
	if err == nil {
		err = verdict // it stands committed: a revocation must not roll back
	}
	if err != nil {
		return chat.Session{}, chat.User{}, err
	}
	return acc.Session.session(), acc.User.user(), nil
}

func (d *DB) rotate(tx db.Tx, r chat.Rotation) (acc accountRow, verdict, err error) {
	var owner []tokenRow
	if err := tx.Raw("SELECT session_id, used_at FROM refresh_tokens WHERE hash = ?", r.Old[:]).Scan(&owner).Error; err != nil {
		return acc, nil, err
	}
	if len(owner) == 0 {
		return acc, noSession(), nil
	}
	id := owner[0].SessionID
	// The session's row is the lock of its tokens: what was read before it must be read again.
	if err := tx.Raw("SELECT id FROM sessions WHERE id = ? FOR UPDATE", id).Scan(new([]string)).Error; err != nil {
		return acc, nil, err
	}
	var tokens []tokenRow
	if err := tx.Raw("SELECT session_id, used_at FROM refresh_tokens WHERE hash = ?", r.Old[:]).Scan(&tokens).Error; err != nil {
		return acc, nil, err
	}
	var accs []accountRow
	err = tx.Raw("SELECT "+sessionCols+", "+userCols+" FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?", id).Scan(&accs).Error
	if err != nil || len(accs) == 0 || len(tokens) == 0 {
		return acc, noSession(), err
	}
	acc = accs[0]
	switch used := tokens[0].UsedAt; {
	case acc.User.Status != chat.Active:
		return acc, chat.E(chat.Forbidden, "the account is disabled"), nil
	case !acc.Session.live(r.Now):
		return acc, noSession(), nil
	case used != nil && r.Now.Sub(*used) > r.Grace:
		d.Log().WarnContext(tx.Statement.Context, "refresh token used again, session revoked", "user", acc.User.ID, "session", id)
		return acc, noSession(), d.revokeOne(tx, acc.User.ID, id)
	case used == nil:
		if err := tx.Exec("UPDATE refresh_tokens SET used_at = ? WHERE hash = ?", r.Now, r.Old[:]).Error; err != nil {
			return acc, nil, err
		}
	}
	return acc, nil, prolong(tx, &acc.Session, r)
}

// prolong stores the successor, unless a parallel call did, and moves the session's idle end.
func prolong(tx db.Tx, s *sessionRow, r chat.Rotation) error {
	var have []tokenRow
	if err := tx.Raw("SELECT session_id FROM refresh_tokens WHERE hash = ?", r.Next[:]).Scan(&have).Error; err != nil {
		return err
	}
	if len(have) == 0 {
		if err := addToken(tx, r.Next, s.ID, r.Now); err != nil {
			return err
		}
	}
	s.LastSeenAt, s.ExpiresAt = r.Now, micros(r.Now.Add(r.Idle))
	if s.ExpiresAt.After(s.AbsoluteAt) {
		s.ExpiresAt = s.AbsoluteAt
	}
	return tx.Exec("UPDATE sessions SET last_seen_at = ?, expires_at = ? WHERE id = ?", s.LastSeenAt, s.ExpiresAt, s.ID).Error
}

func addToken(tx db.Tx, hash [32]byte, id chat.SessionID, now time.Time) error {
	var q db.Statement
	q.Add("INSERT INTO refresh_tokens (hash, session_id, created_at) VALUES (?, ?, ?)", hash[:], id, micros(now))
	_, err := q.Exec(tx)
	return err
}
