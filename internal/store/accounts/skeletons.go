package accounts

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/skeleton"
	"chat-service/internal/store/table"
)

// FillSkeletons stores the skeletons of up to limit accounts that have none yet, and returns how many they were. If an account's
// skeleton is another one's already, it keeps its name and holds none: what looks like both can't be registered any more.
func (s *Store) FillSkeletons(ctx context.Context, limit int) (n int, err error) {
	var lack db.Statement // by the key: nearly always none do, among however many
	lack.Add("SELECT "+table.Names.Select()+" FROM users u FORCE INDEX (users_skeleton) WHERE u.skeleton IS NULL ORDER BY u.id LIMIT ?", limit)
	err = s.d.Tx(ctx, "fill skeletons", db.Repeatable, func(tx db.Tx) error {
		us, err := db.Collect(tx, &lack, table.Names.Cells)
		if n = len(us); err != nil || n == 0 {
			return err
		}
		var fill, share db.Statement
		fill.Add("UPDATE IGNORE users SET skeleton = CASE id")
		share.Add("UPDATE users SET skeleton = CASE id")
		ids := make([]chat.UserID, n)
		for i, u := range us {
			ids[i] = u.ID
			fill.Add(" WHEN ? THEN ?", u.ID, []byte(skeleton.Of(u.Username)))
			share.Add(" WHEN ? THEN ?", u.ID, []byte(skeleton.Shared(uint64(u.ID))))
		}
		for _, q := range []*db.Statement{&fill, &share} { // what the first one leaves out is taken
			q.Add(" END WHERE skeleton IS NULL AND id IN (")
			db.List(q, ids)
			q.Add(") ORDER BY id")
			if _, err := q.Exec(tx); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}
