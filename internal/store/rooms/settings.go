package rooms

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// UpdateRoom changes a group's settings and returns it as by sees it. A patch that changes nothing announces nothing.
func (s *Store) UpdateRoom(ctx context.Context, room chat.RoomID, by chat.UserID, p chat.RoomPatch) (chat.Membership, error) {
	var m chat.Membership
	err := s.inRoom(ctx, "update room", db.Repeatable, room, by, func(w *roomWrite) error {
		if err := chat.MayEdit(w.room, w.by); err != nil {
			return err
		}
		if err := chat.MayOpen(w.room, w.by, p); err != nil {
			return err
		}
		before := w.room
		ev := chat.SystemEvent{Event: chat.EventUpdated, By: by}
		if p.Name != nil && *p.Name != w.room.Name {
			w.room.Name, ev.Name = *p.Name, p.Name
		}
		if p.Description != nil && *p.Description != w.room.Description {
			w.room.Description, ev.Description = *p.Description, p.Description
		}
		if p.Visibility != nil && *p.Visibility != w.room.Visibility {
			w.room.Visibility, ev.Visibility = *p.Visibility, *p.Visibility
		}
		if p.HistoryAll != nil {
			w.room.HistoryAll = *p.HistoryAll
		}
		if w.room != before {
			if err := w.updated(ev); err != nil {
				return err
			}
		}
		m = chat.Membership{Room: w.room, Member: w.by}
		return nil
	})
	return m, err
}

// updated says what was changed, stores it, and makes the room found as it is called now.
func (w *roomWrite) updated(ev chat.SystemEvent) error {
	msg, err := w.say(ev)
	if err == nil {
		err = w.finish(msg, envelope.Announcement{Change: chat.RoomUpdated})
	}
	if err == nil && (ev.Name != nil || ev.Visibility != "") {
		err = index(w.tx, &w.room)
	}
	return err
}

// Dissolve ends a group for good: every membership ends at the system message that says so.
func (s *Store) Dissolve(ctx context.Context, room chat.RoomID, by chat.UserID) error {
	return s.inRoom(ctx, "dissolve room", db.Once, room, by, func(w *roomWrite) error {
		if err := chat.MayOwn(w.room, w.by); err != nil {
			return err
		}
		return w.dissolve(by)
	})
}

func (w *roomWrite) dissolve(by chat.UserID) error {
	msg, err := w.say(chat.SystemEvent{Event: chat.EventDissolved, By: by})
	if err != nil {
		return err
	}
	err = w.tx.Exec("UPDATE members SET left_seq = ? WHERE room_id = ? AND left_seq = 0", msg.Seq, w.room.ID).Error
	if err != nil {
		return err
	}
	w.room.MemberCount, w.room.DissolvedAt = 0, w.now
	if err := index(w.tx, &w.room); err != nil {
		return err
	}
	return w.finish(msg, envelope.Announcement{All: true, Reason: chat.LeftDissolved, Change: chat.RoomDissolved})
}

// SetRole makes a member an admin, or an admin a plain member, and returns them.
func (s *Store) SetRole(ctx context.Context, room chat.RoomID, by, target chat.UserID, to chat.Role) (chat.Member, error) {
	var m chat.Member
	err := s.inRoom(ctx, "set role", db.Repeatable, room, by, func(w *roomWrite) (err error) {
		if m, err = w.target(target); err != nil {
			return err
		}
		if err := chat.MayRank(w.room, w.by, m, to); err != nil || m.Role == to {
			return err
		}
		m.Role = to
		if err := w.setMember(target, map[string]any{"role": to}); err != nil {
			return err
		}
		msg, err := w.say(chat.SystemEvent{Event: chat.EventRole, By: by, UserIDs: []chat.UserID{target}, Role: to})
		if err != nil {
			return err
		}
		return w.finish(msg, envelope.Announcement{Change: chat.RoleChanged, About: target})
	})
	return m, err
}

// Mute keeps a member from sending until then, or lets them send again (a time that has passed, or zero), and returns
// them.
func (s *Store) Mute(ctx context.Context, room chat.RoomID, by, target chat.UserID, until time.Time) (chat.Member, error) {
	var m chat.Member
	err := s.inRoom(ctx, "mute member", db.Repeatable, room, by, func(w *roomWrite) (err error) {
		if m, err = w.target(target); err != nil {
			return err
		}
		if err := chat.MayMute(w.room, w.by, m); err != nil {
			return err
		}
		ev := chat.SystemEvent{Event: chat.EventUnmuted, By: by, UserIDs: []chat.UserID{target}}
		next := time.Time{}
		if until.After(w.now) {
			next = until.UTC().Truncate(time.Millisecond)
			ev.Event, ev.Until = chat.EventMuted, next.Format(chat.TimeLayout)
		}
		if m.MutedUntil.Equal(next) || next.IsZero() && !m.MutedUntil.After(w.now) {
			return nil
		}
		m.MutedUntil = next
		if err := w.setMember(target, table.Members.Only("muted_until").Map(&m)); err != nil {
			return err
		}
		msg, err := w.say(ev)
		if err != nil {
			return err
		}
		return w.finish(msg, envelope.Announcement{Change: chat.RoleChanged, About: target})
	})
	return m, err
}

// Transfer gives a group to another member; the old owner stays as an admin.
func (s *Store) Transfer(ctx context.Context, room chat.RoomID, by, to chat.UserID) (chat.Room, error) {
	var r chat.Room
	err := s.inRoom(ctx, "transfer room", db.Once, room, by, func(w *roomWrite) error {
		if err := chat.MayOwn(w.room, w.by); err != nil {
			return err
		}
		if _, err := w.target(to); err != nil {
			return err
		}
		if to != by {
			if err := w.giveTo(by, to); err != nil {
				return err
			}
		}
		r = w.room
		return nil
	})
	return r, err
}

func (w *roomWrite) giveTo(by, to chat.UserID) error {
	w.room.Owner = to
	if err := w.setMember(by, map[string]any{"role": chat.Admin}); err != nil {
		return err
	}
	if err := w.setMember(to, map[string]any{"role": chat.Owner, "muted_until": nil}); err != nil {
		return err
	}
	msg, err := w.say(chat.SystemEvent{Event: chat.EventOwner, By: by, UserIDs: []chat.UserID{to}})
	if err != nil {
		return err
	}
	return w.finish(msg, envelope.Announcement{Change: chat.OwnerChanged, About: to})
}
