package accounts

import (
	"cmp"
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// Identity finds the account of an identity, a disabled one too. NotFound.
func (s *Store) Identity(ctx context.Context, who chat.Identity) (u chat.User, err error) {
	var there bool
	err = s.d.Retry(ctx, "read identity", func(tx db.Tx) error {
		u, there, err = identity(tx, who)
		return err
	})
	if err == nil && !there {
		err = noUser()
	}
	return u, err
}

func identity(tx db.Tx, who chat.Identity) (u chat.User, there bool, err error) {
	key := who.IssuerKey()
	var q db.Statement
	q.Add("SELECT "+table.People.Select()+" FROM identities i JOIN users u ON u.id = i.user_id WHERE i.issuer = ? AND i.subject = ?", key[:], []byte(who.Subject))
	us, err := db.Collect(tx, &q, table.People.Cells)
	if err != nil || len(us) == 0 {
		return u, false, err
	}
	return us[0], true, nil
}

// Provide finds the account of an identity, or makes u that account; made says which. The username is the identity's own, so that of
// several calls at the same moment all but one fail at its unique key, and find what that one made.
func (s *Store) Provide(ctx context.Context, who chat.Identity, u chat.User) (out chat.User, made bool, err error) {
	u.Username, u.Status = who.Username(), cmp.Or(u.Status, chat.Active)
	if u.CreatedAt.IsZero() {
		u.CreatedAt = s.d.Now()
	}
	u.CreatedAt = db.Micros(u.CreatedAt)
	err = s.d.Tx(ctx, "provide user", db.Repeatable, func(tx db.Tx) error {
		have, there, err := identity(tx, who)
		if out, made = have, false; err != nil || there {
			return err
		}
		out, made = u, true
		id, err := table.Users.Create(tx.DB, &out)
		if err != nil {
			return taken(err)
		}
		out.ID = chat.UserID(id)
		if _, err = table.Identities.Create(tx.DB, &table.Identity{Issuer: who.IssuerKey(), Subject: who.Subject, User: out.ID, CreatedAt: u.CreatedAt}); err != nil {
			return err
		}
		return s.hooks.AddUser(tx, out.ID, chat.WebhookUserCreated, u.CreatedAt)
	})
	if chat.KindOf(err) == chat.UsernameTaken {
		out, err = s.Identity(ctx, who)
		return out, false, err
	}
	if err != nil {
		return chat.User{}, false, err
	}
	return out, made, nil
}

// ResumeSession is OpenSession for who comes by n's Origin again: a live session of theirs that was opened by it goes on, with another
// refresh token beside those that it has, and as if it were opened now. It returns the session's id.
func (s *Store) ResumeSession(ctx context.Context, n chat.NewSession) (id chat.SessionID, err error) {
	row := s.newSession(n)
	err = s.d.Tx(ctx, "resume session", db.Repeatable, func(tx db.Tx) error {
		if err := open(tx, row.User, n.Judged); err != nil {
			return err
		}
		// The user is locked: calls at the same moment wait here, and find what the first one opened.
		var have []chat.SessionID
		err := tx.Raw("SELECT id FROM sessions WHERE user_id = ? AND revoked_at IS NULL AND expires_at > ? AND origin = ?"+
			" ORDER BY last_seen_at DESC, id LIMIT 1 FOR UPDATE", row.User, s.d.Now(), []byte(row.Origin)).Scan(&have).Error
		if err != nil {
			return err
		}
		if len(have) == 0 {
			id = row.ID
			return s.open(tx, row, n)
		}
		id = have[0]
		err = tx.Exec("UPDATE sessions SET last_seen_at = ?, expires_at = ?, absolute_at = ?, ip = ? WHERE id = ?",
			row.LastSeenAt, row.ExpiresAt, row.AbsoluteAt, row.IP, id).Error
		if err != nil {
			return err
		}
		_, known, err := token(tx, n.RefreshHash) // a run before this one may have been committed unnoticed
		if err != nil || known {
			return err
		}
		if err := forgetTokens(tx, id, s.d.Now()); err != nil {
			return err
		}
		return addToken(tx, table.Token{Hash: n.RefreshHash, Session: id, CreatedAt: s.d.Now()})
	})
	return id, err
}

const (
	// usedFor is how long a used one is remembered, by which a copy of it is found out.
	usedFor = 30 * 24 * time.Hour
	// forgottenAtOnce bounds what one call deletes.
	forgottenAtOnce = 100
)

// forgetTokens makes room for one more refresh token of a session that may go on for ever: it gets one at each exchange.
func forgetTokens(tx db.Tx, id chat.SessionID, now time.Time) error {
	var old [][]byte
	err := tx.Raw("(SELECT hash FROM refresh_tokens WHERE session_id = ? AND used_at IS NULL ORDER BY created_at DESC, hash LIMIT ? OFFSET ?)"+
		" UNION ALL (SELECT hash FROM refresh_tokens WHERE session_id = ? AND used_at < ? LIMIT ?)",
		id, forgottenAtOnce, chat.LiveTokens-1, id, now.Add(-usedFor), forgottenAtOnce).Scan(&old).Error
	if err != nil || len(old) == 0 {
		return err
	}
	return tx.Exec("DELETE FROM refresh_tokens WHERE hash IN ?", old).Error
}
