package accounts

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// RotateRefresh exchanges a refresh token for its successor and prolongs the session. Unauthenticated if the token
// is unknown, or its session has ended; Blocked if the account is disabled.
//
// A token used again within the grace is a lost answer or a second tab: Next works for it too, so callers derive
// Next from the old token and all of them end up with one. Used again after the grace it is a stolen copy: the
// session is revoked, its sockets are closed, and the answer is Unauthenticated.
func (s *Store) RotateRefresh(ctx context.Context, r chat.Rotation) (chat.Session, chat.User, error) {
	r.Now = db.Micros(r.Now)
	var l login
	var refused error
	err := s.d.Tx(ctx, "rotate refresh token", db.Repeatable, func(tx db.Tx) (err error) {
		l, refused, err = s.rotate(tx, r)
		return err
	})
	if err == nil {
		err = refused // only now, after the commit: a revocation must not roll back
	}
	if err != nil {
		return chat.Session{}, chat.User{}, err
	}
	return l.Session.Session, l.User, nil
}

// rotate returns the session as the rotation leaves it, or why it is refused; err rolls the transaction back.
func (s *Store) rotate(tx db.Tx, r chat.Rotation) (l login, refused, err error) {
	t, known, err := token(tx, r.Old)
	if err != nil || !known {
		return l, noSession(), err
	}
	// The session's row is the lock of its tokens: what was read before it must be read again.
	if err := tx.Raw("SELECT id FROM sessions WHERE id = ? FOR UPDATE", t.Session).Scan(new([]string)).Error; err != nil {
		return l, nil, err
	}
	if t, known, err = token(tx, r.Old); err != nil || !known {
		return l, noSession(), err
	}
	ls, err := logins(tx, []chat.SessionID{t.Session})
	if err != nil || len(ls) == 0 {
		return l, noSession(), err
	}
	l = ls[0]
	if refused := l.usable(r.Now); refused != nil {
		return l, refused, nil
	}
	switch used := t.UsedAt; {
	case used.IsZero():
		if err := tx.Exec("UPDATE refresh_tokens SET used_at = ? WHERE hash = ?", r.Now, r.Old[:]).Error; err != nil {
			return l, nil, err
		}
	case r.Now.Sub(used) > r.Grace:
		s.d.Log().WarnContext(tx.Statement.Context, "refresh token used again, session revoked",
			"user", l.User.ID, "session", l.Session.ID)
		if err := s.audit.Add(tx, chat.Act{Kind: chat.ActTokenReused, User: l.User.ID, Session: l.Session.ID}); err != nil {
			return l, nil, err
		}
		return l, noSession(), s.revokeOne(tx, l.User.ID, l.Session.ID)
	}
	return l, nil, prolong(tx, &l.Session, r)
}

// prolong stores the successor, unless a parallel call did, and moves the session's idle end.
func prolong(tx db.Tx, s *table.Session, r chat.Rotation) error {
	_, known, err := token(tx, r.Next)
	if err == nil && !known {
		err = addToken(tx, table.Token{Hash: r.Next, Session: s.ID, CreatedAt: r.Now})
	}
	if err != nil {
		return err
	}
	s.LastSeenAt, s.ExpiresAt = r.Now, db.Micros(r.Now.Add(r.Idle))
	if s.ExpiresAt.After(s.AbsoluteAt) {
		s.ExpiresAt = s.AbsoluteAt
	}
	if r.IP != "" {
		s.IP = r.IP
	}
	return tx.Exec("UPDATE sessions SET last_seen_at = ?, expires_at = ?, ip = ? WHERE id = ?", s.LastSeenAt, s.ExpiresAt, s.IP, s.ID).Error
}

// token reads the row of a token.
func token(tx db.Tx, hash [32]byte) (t table.Token, known bool, err error) {
	var q db.Statement
	q.Add("SELECT "+table.Tokens.Select()+" FROM "+table.Tokens.From()+" WHERE t.hash = ?", hash[:])
	ts, err := db.Collect(tx, &q, table.Tokens.Cells)
	if err != nil || len(ts) == 0 {
		return t, false, err
	}
	return ts[0], true, nil
}

func addToken(tx db.Tx, t table.Token) error {
	var q db.Statement
	q.Add(table.Tokens.Insert()+table.Tokens.Marks(), table.Tokens.Values(&t)...)
	_, err := q.Exec(tx)
	return err
}
