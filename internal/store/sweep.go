package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// Sweep deletes what nobody can use any more: sessions that ended before the given time with their refresh tokens, and
// client_seq cursors not moved since. At most limit of each; n tells how many rows went, 0 that all is clean. before
// must lie further back than a session can live, or a living one would lose its cursors.
func (d *DB) Sweep(ctx context.Context, before time.Time, limit int) (n int64, err error) {
	err = d.p.Tx(ctx, "sweep", db.Repeatable, func(g *gorm.DB) error {
		n = 0
		var ids []chat.SessionID
		if err := g.Model(&sessionRow{}).Where("expires_at < ?", micros(before)).Order("expires_at").Limit(limit).Pluck("id", &ids).Error; err != nil {
			return err
		}
		if len(ids) > 0 {
			tokens := g.Exec("DELETE FROM refresh_tokens WHERE session_id IN ?", ids)
			if tokens.Error != nil {
				return tokens.Error
			}
			sessions := g.Exec("DELETE FROM sessions WHERE id IN ?", ids)
			if sessions.Error != nil {
				return sessions.Error
			}
			n = tokens.RowsAffected + sessions.RowsAffected
		}
		res := g.Exec("DELETE FROM sender_cursors WHERE updated_at < ? ORDER BY updated_at LIMIT ?", micros(before), limit)
		n += res.RowsAffected
		return res.Error
	})
	return n, err
}
