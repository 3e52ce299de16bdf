package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/batch"
	"chat-service/internal/store/db"
)

// roomWrite is one change of a room under its row lock.
type roomWrite struct {
	d    *DB
	tx   db.Tx
	now  time.Time
	room chat.Room // its state as this write leaves it
	by   chat.Member
}

// inRoom runs fn under the lock of a living room. Who may not see the room hears NotFound. A write whose second run would
// refuse what the first one did (who has left can't leave) is no repeatable one.
func (d *DB) inRoom(ctx context.Context, verb string, rerun db.Again, room chat.RoomID, by chat.UserID, fn func(w *roomWrite) error) error {
	return d.Tx(ctx, verb, rerun, func(tx db.Tx) error {
		var rows []roomRow
		if err := tx.Raw("SELECT * FROM rooms FORCE INDEX (PRIMARY) WHERE id = ? FOR UPDATE", room).Scan(&rows).Error; err != nil {
			return err
		}
		if len(rows) == 0 || rows[0].DissolvedAt != nil {
			return noRoom()
		}
		w := &roomWrite{d: d, tx: tx, now: d.Now(), room: rows[0].room()}
		by, err := w.member(by)
		if err != nil {
			return err
		}
		if !by.In() && w.room.Visibility != chat.Public {
			return noRoom()
		}
		if by.In() {
			w.by = by
		}
		return fn(w)
	})
}

// member reads one membership, open or ended; the zero Member where there never was one.
func (w *roomWrite) member(user chat.UserID) (chat.Member, error) {
	ms, err := w.members([]chat.UserID{user})
	return ms[user], err
}

// members reads the users' memberships, open or ended.
func (w *roomWrite) members(users []chat.UserID) (map[chat.UserID]chat.Member, error) {
	var rows []memberRow
	if err := w.tx.Where("room_id = ? AND user_id IN ?", w.room.ID, users).Find(&rows).Error; err != nil {
		return nil, err
	}
	ms := make(map[chat.UserID]chat.Member, len(rows))
	for _, r := range rows {
		ms[r.UserID] = r.member()
	}
	return ms, nil
}

// target reads the open membership that the write is about. NotFound where there is none.
func (w *roomWrite) target(user chat.UserID) (chat.Member, error) {
	m, err := w.member(user)
	if err == nil && !m.In() {
		err = chat.E(chat.NotFound, "no such member")
	}
	return m, err
}

// say takes the next seq for a system message. ord repeats the last one, so it is unread by nobody.
func (w *roomWrite) say(ev chat.SystemEvent) (*chat.Message, error) {
	content, err := json.Marshal(ev)
	if err != nil {
		return nil, fmt.Errorf("write system message: %w", err)
	}
	w.room.LastSeq++
	m := &chat.Message{
		Room: w.room.ID, Seq: w.room.LastSeq, Ord: w.room.MsgCount, Kind: chat.System, Content: string(content),
		CreatedAt: w.now.Truncate(time.Millisecond),
	}
	hash := batch.BodyHash(m.Content)
	err = w.tx.Exec("INSERT INTO messages (room_id, seq, ord, kind, sender_id, body_hash, content, created_at) VALUES (?,?,?,?,0,?,?,?)",
		m.Room, m.Seq, m.Ord, m.Kind, hash[:], m.Content, m.CreatedAt).Error
	return m, err
}

// finish stores the room as it stands now and leaves the announcement, which says the rest.
func (w *roomWrite) finish(m *chat.Message, an envelope.Announcement) error {
	r := w.room
	err := w.tx.Model(&roomRow{}).Where("id = ?", r.ID).Updates(map[string]any{
		"name": r.Name, "name_key": searchKey(r.Name), "description": r.Description, "visibility": r.Visibility, "owner_id": r.Owner,
		"member_count": r.MemberCount, "last_seq": r.LastSeq, "history_all": r.HistoryAll, "dissolved_at": orNull(r.DissolvedAt),
		"active_min": batch.UnixMinute(w.now), "active_at": w.now,
	}).Error
	if err != nil {
		return err
	}
	an.Message, an.Room = m, &r
	return w.d.announce(w.tx, an)
}

// setMember stores columns of one member.
func (w *roomWrite) setMember(user chat.UserID, cols map[string]any) error {
	return w.tx.Model(&memberRow{}).Where("room_id = ? AND user_id = ?", w.room.ID, user).Updates(cols).Error
}

// requireUsers makes an Invalid error about field where one of the ids (sorted) is nobody's.
func requireUsers(tx db.Tx, field string, ids []chat.UserID) error {
	var have []chat.UserID
	if err := tx.Model(&userRow{}).Where("id IN ?", ids).Order("id").Pluck("id", &have).Error; err != nil {
		return err
	}
	for i, id := range ids {
		if i >= len(have) || have[i] != id {
			return chat.BadField(field, "user %d does not exist", id)
		}
	}
	return nil
}
