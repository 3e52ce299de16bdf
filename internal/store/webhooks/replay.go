package webhooks

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// ReplayWebhook sets cursors back, so that the endpoint is told once more: of all that follows an event in its room, or, a few rooms at a
// time, of all that happened since a time. It returns how many cursors it set back, and the room to go on after, 0 at the end. What is
// older than the endpoint isn't told. NotFound, Conflict if the event wasn't told yet.
func (s *Store) ReplayWebhook(ctx context.Context, id chat.WebhookID, r chat.WebhookReplay) (rooms int, next chat.RoomID, err error) {
	err = s.d.Tx(ctx, "replay webhook", db.Repeatable, func(tx db.Tx) error {
		rooms, next = 0, 0
		w, err := webhook(tx, id, "")
		if err != nil {
			return err
		}
		from := r.Event
		if r.Event != "" {
			rooms, err = 1, s.replayEvent(tx, w, r.Event)
		} else {
			from = chat.FormatTime(r.Since)
			rooms, next, err = s.replaySince(tx, w, r)
		}
		if err != nil || r.After != 0 {
			return err
		}
		return s.audit.Add(tx, chat.Act{Kind: chat.ActHookReplayed, Detail: detail(id, from)})
	})
	return rooms, next, err
}

func noEvent() *chat.Error { return chat.E(chat.NotFound, "no such event") }

func (s *Store) replayEvent(tx db.Tx, w chat.Webhook, id string) error {
	room, seq, change, ok := chat.ParseWebhookEventID(id)
	if !ok {
		return noEvent()
	}
	cur, there, err := cursor(tx, chat.WebhookPlace{Webhook: w.ID, Room: room}, " FOR UPDATE")
	if err != nil {
		return err
	}
	at, known, err := stands(tx, room, seq, change)
	if err != nil {
		return err
	}
	oldest, changes, err := before(tx, room, w.CreatedAt)
	if err != nil {
		return err
	}
	switch {
	case !there || !known || at.Seq < oldest || at.Changes < changes:
		return noEvent()
	case at.Seq > cur.Seq || at.Changes > cur.Changes || at.Seq == cur.Seq && at.Changes == cur.Changes:
		return chat.E(chat.Conflict, "the event wasn't told yet")
	}
	return s.setBack(tx, chat.WebhookPlace{Webhook: w.ID, Room: room}, at.Seq, at.Changes)
}

// stands returns the cursor after which an event comes next.
func stands(tx db.Tx, room chat.RoomID, seq chat.Seq, change chat.ChangeSeq) (at chat.WebhookCursor, known bool, err error) {
	var q db.Statement
	if change == 0 {
		q.Add("SELECT x.seq - 1, COALESCE((SELECT MAX(h.change_seq) FROM room_changes h WHERE h.room_id = x.room_id AND h.noop = '' AND h.at_seq < x.seq), 0)"+
			" FROM messages x WHERE x.room_id = ? AND x.seq = ?", room, seq)
	} else {
		q.Add("SELECT h.at_seq, h.change_seq - 1 FROM room_changes h WHERE h.room_id = ? AND h.change_seq = ? AND h.noop = '' AND h.seq = ?", room, change, seq)
	}
	found, err := db.Collect(tx, &q, func(c *chat.WebhookCursor) []any {
		return []any{table.Number((*uint64)(&c.Seq)), table.Number((*uint64)(&c.Changes))}
	})
	if err != nil || len(found) == 0 {
		return at, false, err
	}
	return found[0], true, nil
}

func (s *Store) setBack(tx db.Tx, at chat.WebhookPlace, seq chat.Seq, changes chat.ChangeSeq) error {
	return tx.Exec("UPDATE webhook_rooms SET seq = ?, change_seq = ?, tries = 0, next_at = ?, claim = '' WHERE webhook_id = ? AND room_id = ?",
		seq, changes, s.d.Now(), at.Webhook, at.Room).Error
}

func (s *Store) replaySince(tx db.Tx, w chat.Webhook, r chat.WebhookReplay) (rooms int, next chat.RoomID, err error) {
	since := r.Since
	if since.Before(w.CreatedAt) {
		since = w.CreatedAt
	}
	var q db.Statement
	q.Add("SELECT "+table.WebhookCursors.Select()+" FROM webhook_rooms c STRAIGHT_JOIN rooms r ON r.id = c.room_id"+
		" WHERE c.webhook_id = ? AND c.room_id > ? AND r.active_min >= ? ORDER BY c.room_id LIMIT ?",
		w.ID, r.After, table.UnixMinute(since.Add(-time.Minute)), r.Limit)
	found, err := db.Collect(tx, &q, table.WebhookCursors.Cells)
	if err != nil {
		return 0, 0, err
	}
	for _, cur := range found {
		seq, changes, err := before(tx, cur.Room, since)
		if err != nil {
			return 0, 0, err
		}
		if seq >= cur.Seq && changes >= cur.Changes {
			continue
		}
		if err := s.setBack(tx, cur.WebhookPlace, min(seq, cur.Seq), min(changes, cur.Changes)); err != nil {
			return 0, 0, err
		}
		rooms++
	}
	if len(found) == r.Limit {
		next = found[len(found)-1].Room
	}
	return rooms, next, nil
}
