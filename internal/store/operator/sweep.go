package operator

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// Sweep deletes what nobody can use any more: sessions that ended before the given time with their refresh tokens,
// client_seq cursors not moved since, finished jobs, and older acts of the audit trail, at most limit of each. n is how many rows were deleted, 0 when nothing is left.
// before must lie further back than a session can live, or a live one would lose its cursors.
//
// It also stores the skeletons of accounts that a process of the release before has made.
func (s *Store) Sweep(ctx context.Context, before time.Time, limit int) (n int64, err error) {
	if _, err := s.people.FillSkeletons(ctx, min(limit, fillAtOnce)); err != nil {
		return 0, err
	}
	err = s.d.Tx(ctx, "sweep", db.Repeatable, func(tx db.Tx) error {
		n = 0
		var ids []chat.SessionID
		over := tx.Table("sessions").Where("expires_at < ?", db.Micros(before)).Order("expires_at").Limit(limit)
		if err := over.Pluck("id", &ids).Error; err != nil {
			return err
		}
		if len(ids) > 0 {
			tokens := tx.Exec("DELETE FROM refresh_tokens WHERE session_id IN ?", ids)
			if tokens.Error != nil {
				return tokens.Error
			}
			sessions := tx.Exec("DELETE FROM sessions WHERE id IN ?", ids)
			if sessions.Error != nil {
				return sessions.Error
			}
			n = tokens.RowsAffected + sessions.RowsAffected
		}
		res := tx.Exec("DELETE FROM sender_cursors WHERE updated_at < ? ORDER BY updated_at LIMIT ?", db.Micros(before), limit)
		if res.Error != nil {
			return res.Error
		}
		jobs := tx.Exec("DELETE FROM jobs WHERE state = ? AND changed_at < ? ORDER BY changed_at LIMIT ?", chat.JobDone, db.Micros(before), limit)
		if jobs.Error != nil {
			return jobs.Error
		}
		acts := tx.Exec("DELETE FROM audit WHERE at < ? ORDER BY at LIMIT ?", db.Micros(before), limit)
		n += res.RowsAffected + jobs.RowsAffected + acts.RowsAffected
		return acts.Error
	})
	return n, err
}
