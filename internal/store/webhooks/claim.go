package webhooks

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// claimTries is how often a claim looks at a cursor that others move.
const claimTries = 3

// ClaimWebhook claims a cursor, which it makes if there is none: behind what is older than the endpoint. A cursor that somebody else has
// claimed, or that waits for its next try, is returned as it is, not Claimed. NotFound if there is no such endpoint.
func (s *Store) ClaimWebhook(ctx context.Context, c chat.WebhookClaim) (cur chat.WebhookCursor, err error) {
	c.Now, c.Until = db.Micros(c.Now), db.Micros(c.Until)
	err = s.d.Retry(ctx, "claim webhook", func(tx db.Tx) error {
		for range claimTries {
			there := false
			if cur, there, err = cursor(tx, c.WebhookPlace, ""); err != nil {
				return err
			}
			switch {
			case !there:
				cur, err = s.begin(tx, c)
			case cur.Token == c.Token: // the answer to an earlier try was lost
				cur.Claimed = true
			case cur.Next.After(c.Now):
				return nil
			default:
				cur, err = take(tx, cur, c)
			}
			if err != nil || cur.Claimed {
				return err
			}
		}
		return nil
	})
	return cur, err
}

func cursor(tx db.Tx, at chat.WebhookPlace, lock string) (cur chat.WebhookCursor, there bool, err error) {
	var q db.Statement
	q.Add("SELECT "+table.WebhookCursors.Select()+" FROM "+table.WebhookCursors.From()+" WHERE c.webhook_id = ? AND c.room_id = ?"+lock, at.Webhook, at.Room)
	found, err := db.Collect(tx, &q, table.WebhookCursors.Cells)
	if err != nil || len(found) == 0 {
		return cur, false, err
	}
	return found[0], true, nil
}

// take claims a cursor as it was read.
func take(tx db.Tx, cur chat.WebhookCursor, c chat.WebhookClaim) (chat.WebhookCursor, error) {
	res := tx.Exec("UPDATE webhook_rooms SET claim = ?, next_at = ? WHERE webhook_id = ? AND room_id = ? AND (next_at IS NULL OR next_at <= ?)"+
		" AND seq = ? AND change_seq = ? AND tries = ?", c.Token, c.Until, c.Webhook, c.Room, c.Now, cur.Seq, cur.Changes, cur.Tries)
	if res.Error == nil && res.RowsAffected > 0 {
		cur.Token, cur.Next, cur.Claimed = c.Token, c.Until, true
	}
	return cur, res.Error
}

// begin makes a claimed cursor; somebody else may be faster.
func (s *Store) begin(tx db.Tx, c chat.WebhookClaim) (cur chat.WebhookCursor, err error) {
	w, err := webhook(tx, c.Webhook, "")
	if err != nil {
		return cur, err
	}
	cur = chat.WebhookCursor{WebhookPlace: c.WebhookPlace, Next: c.Until, Token: c.Token}
	if c.Room != 0 {
		if cur.Seq, cur.Changes, err = before(tx, c.Room, w.CreatedAt); err != nil {
			return cur, err
		}
	}
	var q db.Statement
	q.Add("INSERT IGNORE"+table.WebhookCursors.Insert()[len("INSERT"):]+table.WebhookCursors.Marks(), table.WebhookCursors.Values(&cur)...)
	n, err := q.Exec(tx)
	cur.Claimed = err == nil && n > 0
	return cur, err
}

// before is the last entry and the last change of a room that are older than a time, as exactly as their times are kept. They are looked
// for from the end: nearly all that is passed over is to be told.
func before(tx db.Tx, room chat.RoomID, at time.Time) (seq chat.Seq, changes chat.ChangeSeq, err error) {
	at = at.UTC().Truncate(time.Millisecond)
	var q db.Statement
	q.Add("SELECT COALESCE((SELECT x.seq FROM messages x FORCE INDEX (PRIMARY) WHERE x.room_id = ? AND x.created_at < ? ORDER BY x.seq DESC LIMIT 1), 0),"+
		" COALESCE((SELECT h.change_seq FROM room_changes h FORCE INDEX (PRIMARY) WHERE h.room_id = ? AND h.noop = '' AND h.created_at < ?"+
		" ORDER BY h.change_seq DESC LIMIT 1), 0)", room, at, room, at)
	type ends struct{ seq, changes uint64 }
	found, err := db.Collect(tx, &q, func(e *ends) []any { return []any{table.Number(&e.seq), table.Number(&e.changes)} })
	if err != nil || len(found) == 0 {
		return 0, 0, err
	}
	return chat.Seq(found[0].seq), chat.ChangeSeq(found[0].changes), nil
}

// DueWebhooks returns cursors of the endpoints whose time has come, at most limit of each: those to be tried again, those whose claim was
// given up, and what happened to accounts.
func (s *Store) DueWebhooks(ctx context.Context, ids []chat.WebhookID, now time.Time, limit int) (due []chat.WebhookPlace, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	now = db.Micros(now)
	var q db.Statement
	for i, id := range ids {
		if i > 0 {
			q.Add(" UNION ALL ")
		}
		q.Add("(SELECT c.webhook_id, c.room_id FROM webhook_rooms c FORCE INDEX (webhook_rooms_due) WHERE c.webhook_id = ? AND c.next_at <= ?"+
			" ORDER BY c.next_at LIMIT ?)", id, now, limit)
		q.Add(" UNION ALL (SELECT v.webhook_id, 0 FROM webhook_events v WHERE v.webhook_id = ? AND NOT EXISTS"+
			" (SELECT 1 FROM webhook_rooms c WHERE c.webhook_id = v.webhook_id AND c.room_id = 0 AND c.next_at IS NOT NULL) LIMIT 1)", id)
	}
	err = s.d.Retry(ctx, "read due webhooks", func(tx db.Tx) (err error) {
		due, err = db.Collect(tx, &q, func(p *chat.WebhookPlace) []any {
			return []any{table.Number((*uint64)(&p.Webhook)), table.Number((*uint64)(&p.Room))}
		})
		return err
	})
	return due, err
}
