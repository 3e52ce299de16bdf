package accounts

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// login is a session's row beside its user's.
type login struct {
	Session table.Session
	User    chat.User
}

// usable returns why the session may not be used, nil if it may.
func (l *login) usable(now time.Time) error {
	switch {
	case l.User.Status != chat.Active:
		return disabled()
	case !l.Session.Live(now):
		return noSession()
	}
	return nil
}

// logins reads the sessions that exist, with their users. They are scanned by hand: a thousand sockets that come back
// ask at once.
func logins(tx db.Tx, ids []chat.SessionID) ([]login, error) {
	var q db.Statement
	q.Add("SELECT " + table.Sessions.Select() + ", " + table.People.Select() +
		" FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id IN (")
	db.List(&q, ids)
	q.Add(")")
	return db.Collect(tx, &q, func(l *login) []any {
		return append(table.Sessions.Cells(&l.Session), table.People.Cells(&l.User)...)
	})
}

// Logins looks up many sessions at once. Every id is in the result; Err has an Unauthenticated kind for a session that
// is unknown or has ended, and a Blocked one for a disabled account.
func (s *Store) Logins(ctx context.Context, ids []chat.SessionID) (map[chat.SessionID]chat.Login, error) {
	out := make(map[chat.SessionID]chat.Login, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	var found []login
	err := s.d.Retry(ctx, "read sessions", func(tx db.Tx) (err error) {
		found, err = logins(tx, ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		out[id] = chat.Login{Err: noSession()}
	}
	now := s.d.Now()
	for _, l := range found {
		out[l.Session.ID] = chat.Login{Session: l.Session.Session, User: l.User, Err: l.usable(now)}
	}
	return out, nil
}
