package rooms

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/table"
)

// roomWrite is one change of a room under its row lock.
type roomWrite struct {
	s    *Store
	tx   db.Tx
	now  time.Time
	last time.Time // when the room was active before it
	room chat.Room // its state as this write leaves it
	by   chat.Member
}

// inRoom runs fn under the lock of a living room; NotFound for whoever may not see the room. A write whose second run
// would refuse what the first one did (a member who has left can't leave) is not repeatable.
func (s *Store) inRoom(ctx context.Context, verb string, rerun db.Again, room chat.RoomID, by chat.UserID, fn func(w *roomWrite) error) error {
	return s.d.Tx(ctx, verb, rerun, func(tx db.Tx) error {
		w, err := s.lock(tx, room)
		if err != nil {
			return err
		}
		by, err := w.member(by)
		if err != nil {
			return err
		}
		if !by.In() && w.room.Visibility != chat.Public {
			return messages.NoRoom()
		}
		if by.In() {
			w.by = by
		}
		return fn(w)
	})
}

// lock locks a living room.
func (s *Store) lock(tx db.Tx, room chat.RoomID) (*roomWrite, error) {
	var q db.Statement
	q.Add("SELECT "+table.RoomLines.Select()+" FROM rooms r FORCE INDEX (PRIMARY) WHERE r.id = ? FOR UPDATE", room)
	rows, err := db.Collect(tx, &q, table.RoomLines.Cells)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || !rows[0].DissolvedAt.IsZero() {
		return nil, messages.NoRoom()
	}
	return &roomWrite{s: s, tx: tx, now: s.d.Now(), last: rows[0].ActiveAt, room: rows[0].Room}, nil
}

// member reads one membership, open or ended; the zero Member if there never was one.
func (w *roomWrite) member(user chat.UserID) (chat.Member, error) {
	ms, err := w.members([]chat.UserID{user})
	return ms[user], err
}

// members reads the users' memberships, open or ended.
func (w *roomWrite) members(users []chat.UserID) (map[chat.UserID]chat.Member, error) {
	rows, err := table.Members.Find(w.tx.Where("room_id = ? AND user_id IN ?", w.room.ID, users))
	ms := make(map[chat.UserID]chat.Member, len(rows))
	for _, m := range rows {
		ms[m.User] = m
	}
	return ms, err
}

// target reads the open membership that the write is about. NotFound if there is none.
func (w *roomWrite) target(user chat.UserID) (chat.Member, error) {
	m, err := w.member(user)
	if err == nil && !m.In() {
		err = chat.E(chat.NotFound, "no such member")
	}
	return m, err
}

// say takes the next seq for a system message.
func (w *roomWrite) say(ev chat.SystemEvent) (*chat.Message, error) {
	return w.s.messages.Say(w.tx, &w.room, ev, messages.EntryTime(w.now, w.last))
}

// finish stores the room as it stands now and leaves the announcement, of which the caller has said what is special.
func (w *roomWrite) finish(m *chat.Message, an envelope.Announcement) error {
	row := table.Room{Room: w.room, ActiveAt: w.now}
	if w.last.After(w.now) {
		row.ActiveAt = w.last
	}
	err := w.tx.Table("rooms").Where("id = ?", row.ID).Updates(table.RoomState.Map(&row)).Error
	if err != nil {
		return err
	}
	an.Message, an.Room = m, &row.Room
	return w.s.outbox.Add(w.tx, an)
}

// setMember stores columns of one member.
func (w *roomWrite) setMember(user chat.UserID, cols map[string]any) error {
	return w.tx.Table("members").Where("room_id = ? AND user_id = ?", w.room.ID, user).Updates(cols).Error
}

// requireUsers makes an Invalid error about field if one of the ids (sorted) is nobody's.
func requireUsers(tx db.Tx, field string, ids []chat.UserID) error {
	var have []chat.UserID
	if err := tx.Table("users").Where("id IN ?", ids).Order("id").Pluck("id", &have).Error; err != nil {
		return err
	}
	for i, id := range ids {
		if i >= len(have) || have[i] != id {
			return chat.BadField(field, "user %d does not exist", id)
		}
	}
	return nil
}
