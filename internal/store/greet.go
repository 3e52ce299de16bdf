package store

import (
	"context"

	"gorm.io/gorm"

	"chat-service/internal/chat"
	"chat-service/internal/store/lookup"
)

// Logins looks up many sessions at once. Every id is in the result; Err has an Unauthenticated kind for a session that is
// unknown or has ended, and a Forbidden one for a disabled account.
func (d *DB) Logins(ctx context.Context, ids []chat.SessionID) (map[chat.SessionID]chat.Login, error) {
	out := make(map[chat.SessionID]chat.Login, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	var rows []accountRow
	err := d.p.Retry(ctx, "read sessions", func(g *gorm.DB) error {
		rows = nil
		return g.Raw("SELECT "+sessionCols+", "+userCols+" FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id IN ?", ids).Scan(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		out[id] = chat.Login{Err: noSession()}
	}
	now := d.now()
	for _, r := range rows {
		l := chat.Login{Session: r.Session.session(), User: r.User.user()}
		switch {
		case r.User.Status != chat.Active:
			l.Err = chat.E(chat.Forbidden, "the account is disabled")
		case !r.Session.live(now):
			l.Err = noSession()
		}
		out[r.Session.ID] = l
	}
	return out, nil
}

// MembershipsOf returns the open memberships of many users at once, of each the limit that were active last, with what an
// unread count and a position need: of the room ID, Type, LastSeq, MsgCount and Epoch, of the member Room, User, ReadSeq and
// ReadCount.
func (d *DB) MembershipsOf(ctx context.Context, users []chat.UserID, limit int) (map[chat.UserID][]chat.Membership, error) {
	return lookup.Memberships(ctx, d.p, users, limit)
}

// Places returns where users stand in rooms, open memberships and ended ones; a place where nobody ever was is left out.
func (d *DB) Places(ctx context.Context, at []chat.Place) (map[chat.Place]chat.Membership, error) {
	return lookup.Places(ctx, d.p, at)
}

// Spans returns the messages of some stretches of logs, by room and seq; where they have more content than that many bytes, the
// first of them, at least one, and whole is false. The stretches must not overlap.
func (d *DB) Spans(ctx context.Context, spans []chat.Span, bytes int) (ms []chat.Message, whole bool, err error) {
	return lookup.Spans(ctx, d.p, spans, bytes)
}
