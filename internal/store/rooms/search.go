package rooms

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

const (
	partLength   = 12        // characters of a part, as in the schema
	fewHits      = 500       // parts; a search with more finds a page of rooms soon by looking at the newest ones
	mixedFor     = time.Hour // after a name without its parts was seen last, another one may come: an upgrade takes a while
	clockMinutes = 2         // by which clocks may differ
	walked       = "room_names_walked"
)

// parts are what a room of this name is found by: the beginnings of all ends of its key, each once.
func parts(key string) (ps []string) {
	for i := range key {
		ps = append(ps, table.Clip(key[i:], partLength))
	}
	slices.Sort(ps)
	return slices.Compact(ps)
}

// PublicRooms returns living public rooms whose name holds q (any case; "": all), newest first. What few rooms hold is found by an
// index of the parts of names; what many hold, by looking at the newest rooms.
func (s *Store) PublicRooms(ctx context.Context, q, cursor string, limit int) (rs []chat.Room, next string, err error) {
	_, before, paged, err := parseCursor(publicRooms, cursor)
	if err != nil {
		return nil, "", err
	}
	key := table.SearchKey(q)
	var rows []table.Room
	err = s.d.Retry(ctx, "find rooms", func(tx db.Tx) error {
		rows = nil
		found := tx.Where("visibility = ? AND dissolved_at IS NULL", chat.Public)
		if key != "" {
			ids, few, err := s.holding(tx, key)
			if err != nil || few && len(ids) == 0 {
				return err
			}
			if few {
				found = found.Where("id IN ?", ids)
			}
			found = found.Where("name_key LIKE ?", db.LikeAny(key))
		}
		if paged {
			found = found.Where("id < ?", before)
		}
		rows, err = table.RoomLines.Find(found.Order("id DESC").Limit(limit + 1))
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		if limit > 0 {
			next = cursorOf(publicRooms, rows[limit-1].CreatedAt, uint64(rows[limit-1].ID))
		}
	}
	rs = make([]chat.Room, len(rows))
	for i, r := range rows {
		rs[i] = r.Room
	}
	return rs, next, nil
}

// holding returns the rooms that may hold key in their name, and some that may not; few is false if they are too many to name, or
// not all rooms have their parts yet.
func (s *Store) holding(tx db.Tx, key string) (ids []chat.RoomID, few bool, err error) {
	w, err := lastWalk(tx)
	if err != nil || w.began == 0 {
		return nil, false, err
	}
	err = tx.Raw("SELECT room_id FROM room_parts WHERE part LIKE ? LIMIT ?", db.LikePrefix(table.Clip(key, partLength)), fewHits+1).
		Scan(&ids).Error
	if err == nil && s.d.Now().Unix() < w.mixedUntil {
		var lately []chat.RoomID
		lately, err = s.changed(tx, w.began, key)
		ids = append(ids, lately...)
	}
	if err != nil || len(ids) > fewHits {
		return nil, false, err
	}
	slices.Sort(ids)
	return slices.Compact(ids), true, nil
}

// changed returns the rooms that hold key and had an entry since a time: every change of a room has one, whichever release makes it.
func (s *Store) changed(tx db.Tx, since int64, key string) (ids []chat.RoomID, err error) {
	var q db.Statement
	q.Add("SELECT id FROM rooms WHERE partition_no IN (0")
	for p := range s.d.Partitions() {
		q.Add(",?", p)
	}
	q.Add(") AND active_min >= ? AND visibility = ? AND dissolved_at IS NULL AND name_key LIKE ? LIMIT ?",
		since/60-clockMinutes, chat.Public, db.LikeAny(key), fewHits+1)
	err = q.Scan(tx, &ids)
	return ids, err
}

// walk is what the last whole walk over the names of public rooms found.
type walk struct {
	began      int64 // Unix seconds; 0: there was none
	mixedUntil int64 // until then processes of an earlier release may write names beside this one
}

// lastWalk reads it from the installation's settings.
func lastWalk(tx db.Tx) (w walk, err error) {
	var texts []string
	if err := tx.Table("meta").Where("k = ?", walked).Pluck("v", &texts).Error; err != nil || len(texts) == 0 {
		return walk{}, err
	}
	if _, err := fmt.Sscan(texts[0], &w.began, &w.mixedUntil); err != nil {
		return walk{}, fmt.Errorf("read %s: %w", walked, err)
	}
	return w, nil
}

// index makes a room found by its name, if it is a living public one, and else by nothing.
func index(tx db.Tx, r *chat.Room) error {
	if err := tx.Exec("DELETE FROM room_parts WHERE room_id = ?", r.ID).Error; err != nil {
		return err
	}
	if r.Visibility != chat.Public || !r.DissolvedAt.IsZero() {
		return tx.Exec("DELETE FROM room_names WHERE room_id = ?", r.ID).Error
	}
	key := table.SearchKey(r.Name)
	if err := tx.Exec("REPLACE INTO room_names (room_id, name_key) VALUES (?, ?)", r.ID, key).Error; err != nil {
		return err
	}
	ps := parts(key)
	if len(ps) == 0 {
		return nil
	}
	var q db.Statement
	q.Add("INSERT IGNORE INTO room_parts (part, room_id) VALUES ")
	for i, p := range ps {
		q.Add(db.Comma(i)+"(?, ?)", p, r.ID)
	}
	_, err := q.Exec(tx)
	return err
}

// IndexNames looks at up to limit public rooms above after, and indexes those whose names were written by a process of an earlier
// release. next is where to go on, 0 when the walk is through: from the first whole walk on, searches trust the index. It must be called
// from one goroutine.
func (s *Store) IndexNames(ctx context.Context, after chat.RoomID, limit int) (next chat.RoomID, indexed int, err error) {
	var rows []struct {
		ID    chat.RoomID
		Stale bool
	}
	if after == 0 {
		s.walking = walk{began: s.d.Now().Unix()}
	}
	err = s.d.Retry(ctx, "look for names", func(tx db.Tx) error {
		return tx.Raw("SELECT r.id, n.room_id IS NULL OR n.name_key <> r.name_key AS stale FROM rooms r LEFT JOIN room_names n ON n.room_id = r.id"+
			" WHERE r.visibility = ? AND r.dissolved_at IS NULL AND r.id > ? ORDER BY r.id LIMIT ?", chat.Public, after, limit).Scan(&rows).Error
	})
	next = after
	for _, row := range rows {
		if row.Stale && err == nil {
			indexed++
			s.walking.mixedUntil = s.d.Now().Add(mixedFor).Unix()
			err = s.indexOne(ctx, row.ID)
		}
		if err != nil {
			return next, indexed, err
		}
		next = row.ID
	}
	if err != nil || len(rows) == limit {
		return next, indexed, err
	}
	return 0, indexed, s.d.Tx(ctx, "note a walk", db.Repeatable, func(tx db.Tx) error {
		last, err := lastWalk(tx)
		w := s.walking
		switch w.mixedUntil = max(w.mixedUntil, last.mixedUntil); {
		case err != nil:
			return err
		case last.began == 0:
			w.mixedUntil = s.d.Now().Add(mixedFor).Unix()
		case w.began/60 == last.began/60 && w.mixedUntil/60 == last.mixedUntil/60:
			return nil
		}
		return tx.Exec("REPLACE INTO meta (k, v) VALUES (?, ?)", walked, fmt.Sprint(w.began, " ", w.mixedUntil)).Error
	})
}

// indexOne indexes a room as it is under its lock.
func (s *Store) indexOne(ctx context.Context, room chat.RoomID) error {
	err := s.d.Tx(ctx, "index a name", db.Repeatable, func(tx db.Tx) error {
		w, err := s.lock(tx, room)
		if err != nil {
			return err
		}
		return index(tx, &w.room)
	})
	if chat.KindOf(err) == chat.NotFound { // dissolved meanwhile
		return nil
	}
	return err
}
