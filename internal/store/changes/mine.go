package changes

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// OwnKeys returns, for each of some changes, the keys that its user has set under its message by now, in order of bytes: one query for
// all. Permissions aren't checked.
func (s *Store) OwnKeys(ctx context.Context, of []chat.Change) ([][]string, error) {
	if len(of) == 0 {
		return nil, nil
	}
	type own struct {
		spot
		user chat.UserID
	}
	keys := make(map[own][]string, len(of))
	var q db.Statement
	q.Add("SELECT " + table.Reactions.Select() + " FROM reactions e FORCE INDEX (PRIMARY) STRAIGHT_JOIN message_state t FORCE INDEX (PRIMARY)" +
		" ON t.room_id = e.room_id AND t.seq = e.seq AND t.recalled_at IS NULL WHERE (e.room_id, e.user_id, e.seq) IN (")
	for i, c := range of {
		q.Add(db.Comma(i)+"(?,?,?)", c.Room, c.User, c.Seq)
	}
	q.Add(") ORDER BY e.rkey")
	err := s.d.Retry(ctx, "read own reactions", func(tx db.Tx) error {
		clear(keys)
		rows, err := db.Collect(tx, &q, table.Reactions.Cells)
		for _, r := range rows {
			at := own{spot{r.Room, r.Seq}, r.User}
			keys[at] = append(keys[at], r.Key)
		}
		return err
	})
	out := make([][]string, len(of))
	for i, c := range of {
		out[i] = keys[own{spot{c.Room, c.Seq}, c.User}]
	}
	return out, err
}
