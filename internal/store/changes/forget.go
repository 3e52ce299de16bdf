package changes

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// storeLeft lists the recalled messages of which more reactions are there than the recall deletes.
func storeLeft(moved []*entry) *db.Statement {
	var rows []table.LeftReactions
	for _, e := range moved {
		if e.recalled && e.reactions > chat.RecalledAtOnce {
			rows = append(rows, table.LeftReactions{Room: e.Room, Seq: e.Seq})
		}
	}
	return insert(table.LeftOver, rows)
}

// ForgetReactions deletes at most so many reactions that the recall of a message left behind, and returns how many; more: there may be others.
// Two callers at once wait for each other.
func (s *Store) ForgetReactions(ctx context.Context, atOnce int) (n int, more bool, err error) {
	err = s.d.Tx(ctx, "forget reactions", db.Repeatable, func(tx db.Tx) error {
		n, more = 0, false
		var q db.Statement
		q.Add("SELECT " + table.LeftOver.Select() + " FROM " + table.LeftOver.From() + " ORDER BY w.room_id, w.seq LIMIT 1 FOR UPDATE")
		left, err := db.Collect(tx, &q, table.LeftOver.Cells)
		if err != nil || len(left) == 0 {
			return err
		}
		more = true
		if n, err = forget(tx, left[0], atOnce); err != nil || n == atOnce {
			return err
		}
		var done db.Statement
		done.Add("DELETE FROM recalled_reactions WHERE room_id = ? AND seq = ?", left[0].Room, left[0].Seq)
		_, err = done.Exec(tx)
		return err
	})
	return n, more, err
}

// forget deletes reactions under a message, if it is recalled: a restored dump may have it as it was before.
func forget(tx db.Tx, at table.LeftReactions, atOnce int) (int, error) {
	var q db.Statement
	q.Add("SELECT "+table.Reactions.Select()+" FROM message_state t FORCE INDEX (PRIMARY) STRAIGHT_JOIN reactions e FORCE INDEX (reactions_message)"+
		" ON e.room_id = t.room_id AND e.seq = t.seq WHERE t.room_id = ? AND t.seq = ? AND t.recalled_at IS NOT NULL LIMIT ?", at.Room, at.Seq, atOnce)
	rows, err := db.Collect(tx, &q, table.Reactions.Cells)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	keys := make([][]any, len(rows))
	for i, r := range rows {
		keys[i] = []any{r.Room, r.User, r.Seq, r.Key}
	}
	var gone db.Statement
	gone.Add("DELETE FROM reactions WHERE ")
	gone.Among([]string{"room_id", "user_id", "seq", "rkey"}, keys)
	_, err = gone.Exec(tx)
	return len(rows), err
}
