package webhooks

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

const (
	sweepLease = 30 * time.Second // for how long a process that walks may be silent
	sweepSlack = 5 * time.Minute  // how far the clocks of processes may differ, and how long a transaction may take
	keepFor    = 7 * 24 * time.Hour
	keepUsers  = 30 * 24 * time.Hour // what happened to accounts, for an endpoint that is disabled
	keepRows   = 10_000              // attempts of an endpoint
	trimRows   = 5_000               // deleted at once
	countRows  = 10_000
)

// SweepWebhook takes a step of a walk over the rooms that were active since the walk before, and returns those in which something happened
// that the endpoint wasn't told and that nobody is about to tell. Next is the walk as it stands; it is Done at its end, and where another
// process walks, or walked a short time ago.
func (s *Store) SweepWebhook(ctx context.Context, w chat.WebhookSweep) (rooms []chat.RoomID, next chat.WebhookSweep, err error) {
	w.Now = db.Micros(w.Now)
	if w.Began.IsZero() {
		w, err = s.beginSweep(ctx, w)
	} else {
		w.Done, err = s.hold(ctx, w, "swept_by = ?", w.By)
	}
	if err != nil || w.Done {
		return nil, w, err
	}
	for looked := 0; looked < w.Limit; {
		if w.Partition >= s.d.Partitions() {
			return rooms, w, s.endSweep(ctx, &w)
		}
		rows, err := s.lagging(ctx, w, w.Limit-looked)
		if err != nil {
			return nil, w, err
		}
		for _, r := range rows {
			if w.Minute, w.Room = int64(r.minute), r.room; r.lags != 0 {
				rooms = append(rooms, r.room)
			}
		}
		if looked += len(rows); looked < w.Limit {
			w.Partition, w.Minute, w.Room = w.Partition+1, table.UnixMinute(w.Since), 0
		}
	}
	return rooms, w, nil
}

// beginSweep begins a walk, unless another process walks.
func (s *Store) beginSweep(ctx context.Context, w chat.WebhookSweep) (chat.WebhookSweep, error) {
	others, err := s.hold(ctx, w, "disabled_at IS NULL AND (swept_until IS NULL OR swept_until <= ?)", w.Now)
	if err != nil || others {
		w.Done = true
		return w, err
	}
	var since []time.Time
	err = s.d.Retry(ctx, "begin webhook sweep", func(tx db.Tx) error {
		return tx.Raw("SELECT COALESCE(swept_at, created_at) FROM webhooks WHERE id = ?", w.Webhook).Scan(&since).Error
	})
	if err != nil || len(since) == 0 {
		w.Done = true
		return w, err
	}
	w.Began, w.Since = w.Now, since[0].Add(-sweepSlack)
	w.Partition, w.Minute, w.Room = 0, table.UnixMinute(w.Since), 0
	return w, nil
}

// hold keeps the walk for this process if the endpoint is as said; lost: it isn't.
func (s *Store) hold(ctx context.Context, w chat.WebhookSweep, where string, arg any) (lost bool, err error) {
	err = s.d.Retry(ctx, "hold webhook sweep", func(tx db.Tx) error {
		res := tx.Exec("UPDATE webhooks SET swept_by = ?, swept_until = ? WHERE id = ? AND "+where, w.By, w.Now.Add(sweepLease), w.Webhook, arg)
		lost = res.RowsAffected == 0
		return res.Error
	})
	return lost, err
}

type lag struct {
	room   chat.RoomID
	minute uint64
	lags   uint64
}

// lagging reads rooms of a partition in the order of their activity, and whether the endpoint lacks something of each.
func (s *Store) lagging(ctx context.Context, w chat.WebhookSweep, limit int) (rows []lag, err error) {
	var q db.Statement
	q.Add("SELECT r.id, r.active_min, c.room_id IS NULL OR c.next_at IS NULL AND (c.seq < r.last_seq OR c.change_seq < r.change_seq)"+
		" FROM rooms r FORCE INDEX (rooms_active) LEFT JOIN webhook_rooms c ON c.webhook_id = ? AND c.room_id = r.id"+
		" WHERE r.partition_no = ? AND r.active_min >= ? AND (r.active_min > ? OR r.id > ?) ORDER BY r.active_min, r.id LIMIT ?",
		w.Webhook, w.Partition, w.Minute, w.Minute, w.Room, limit)
	err = s.d.Retry(ctx, "sweep webhook", func(tx db.Tx) (err error) {
		rows, err = db.Collect(tx, &q, func(l *lag) []any {
			return []any{table.Number((*uint64)(&l.room)), table.Number(&l.minute), table.Number(&l.lags)}
		})
		return err
	})
	return rows, err
}

// endSweep ends a walk, and deletes what is old.
func (s *Store) endSweep(ctx context.Context, w *chat.WebhookSweep) error {
	w.Done = true
	return s.d.Retry(ctx, "end webhook sweep", func(tx db.Tx) error {
		err := tx.Exec("UPDATE webhooks SET swept_at = ?, swept_until = ?, swept_by = '' WHERE id = ? AND swept_by = ?",
			w.Began, w.Now.Add(w.Pause), w.Webhook, w.By).Error
		if err != nil {
			return err
		}
		var oldest []uint64
		err = tx.Raw("SELECT id FROM webhook_attempts WHERE webhook_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?", w.Webhook, keepRows).Scan(&oldest).Error
		if err != nil {
			return err
		}
		if len(oldest) > 0 {
			err = tx.Exec("DELETE FROM webhook_attempts WHERE webhook_id = ? AND id <= ? ORDER BY id LIMIT ?", w.Webhook, oldest[0], trimRows).Error
			if err != nil {
				return err
			}
		}
		if err := tx.Exec("DELETE FROM webhook_attempts WHERE at < ? ORDER BY at LIMIT ?", w.Now.Add(-keepFor), trimRows).Error; err != nil {
			return err
		}
		return tx.Exec("DELETE FROM webhook_events WHERE at < ? ORDER BY id LIMIT ?", w.Now.Add(-keepUsers), trimRows).Error
	})
}

// WebhookBurdens says what waits for endpoints to get well, of those for which something does.
func (s *Store) WebhookBurdens(ctx context.Context, ids []chat.WebhookID) (bs []chat.WebhookBurden, err error) {
	for _, id := range ids {
		var q db.Statement
		q.Add("SELECT COUNT(*) FROM (SELECT 1 FROM webhook_rooms c FORCE INDEX (webhook_rooms_due) WHERE c.webhook_id = ? AND c.next_at IS NOT NULL AND c.tries > 0"+
			" LIMIT ?) k", id, countRows)
		err = s.d.Retry(ctx, "count webhook rooms", func(tx db.Tx) error {
			found, err := db.Collect(tx, &q, func(n *uint64) []any { return []any{table.Number(n)} })
			if err == nil && len(found) > 0 && found[0] > 0 {
				bs = append(bs, chat.WebhookBurden{Webhook: id, Rooms: int(found[0])})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return bs, nil
}
