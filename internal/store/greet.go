package store

import (
	"context"
	"database/sql"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/lookup"
	"chat-service/internal/store/table"
)

// Logins looks up many sessions at once. Every id is in the result; Err has an Unauthenticated kind for a session that is
// unknown or has ended, and a Forbidden one for a disabled account.
func (d *DB) Logins(ctx context.Context, ids []chat.SessionID) (map[chat.SessionID]chat.Login, error) {
	out := make(map[chat.SessionID]chat.Login, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	var q db.Statement
	q.Add("SELECT " + sessionCols + ", " + userCols + " FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id IN (")
	for i, id := range ids {
		q.Add(db.Comma(i)+"?", id)
	}
	q.Add(")")
	err := d.Retry(ctx, "read sessions", func(tx db.Tx) error {
		for _, id := range ids {
			out[id] = chat.Login{Err: noSession()}
		}
		var l chat.Login
		var absoluteAt time.Time
		into := append(table.Session(&l.Session, &absoluteAt), table.User(&l.User)...)
		now := d.Now()
		return q.Each(tx, func(rows *sql.Rows) error {
			if err := rows.Scan(into...); err != nil {
				return err
			}
			l.Err = nil
			switch {
			case l.User.Status != chat.Active:
				l.Err = chat.E(chat.Forbidden, "the account is disabled")
			case !l.Session.RevokedAt.IsZero() || !now.Before(l.Session.ExpiresAt):
				l.Err = noSession()
			}
			out[l.Session.ID] = l
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// MembershipsOf returns the open memberships of many users at once, of each the limit that were active last, with what an
// unread count and a position need: of the room ID, Type, LastSeq, MsgCount and Epoch, of the member Room, User, ReadSeq and
// ReadCount.
func (d *DB) MembershipsOf(ctx context.Context, users []chat.UserID, limit int) (map[chat.UserID][]chat.Membership, error) {
	return lookup.Memberships(ctx, d.DB, users, limit)
}

// Places returns where users stand in rooms, open memberships and ended ones; a place where nobody ever was is left out.
func (d *DB) Places(ctx context.Context, at []chat.Place) (map[chat.Place]chat.Membership, error) {
	return lookup.Places(ctx, d.DB, at)
}

// Spans returns the messages of some stretches of logs, by room and seq; where they have more content than that many bytes, the
// first of them, at least one, and whole is false. The stretches must not overlap.
func (d *DB) Spans(ctx context.Context, spans []chat.Span, bytes int) (ms []chat.Message, whole bool, err error) {
	return lookup.Spans(ctx, d.DB, spans, bytes)
}
