package store

import (
	"context"
	"database/sql"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// AddMembers makes the users members: added are those who weren't, ascending. Naming only oneself joins a public room. Invalid
// (member_ids) where one of them is nobody's, RoomFull beyond the limit; either way nobody is added. One system
// message tells of all of them, at whose seq their read pointers start.
func (d *DB) AddMembers(ctx context.Context, room chat.RoomID, by chat.UserID, ids []chat.UserID) (added []chat.UserID, err error) {
	if err := d.checkCall(ids); err != nil {
		return nil, err
	}
	ids = db.SortedIDs(ids)
	err = d.inRoom(ctx, "add members", db.Repeatable, room, by, func(w *roomWrite) error {
		joins := slices.Equal(ids, []chat.UserID{by})
		if !joins || w.room.Visibility != chat.Public {
			if err := chat.MayInvite(w.room, w.by); err != nil {
				return err
			}
		}
		if len(ids) == 0 {
			return nil
		}
		if err := requireUsers(w.tx, "member_ids", ids); err != nil {
			return err
		}
		return w.add(by, ids, joins, &added)
	})
	if err != nil {
		return nil, err
	}
	return added, nil
}

// add takes in those of ids who are not in.
func (w *roomWrite) add(by chat.UserID, ids []chat.UserID, joins bool, added *[]chat.UserID) error {
	known, err := w.members(ids)
	if err != nil {
		return err
	}
	var fresh, back []chat.UserID
	for _, id := range ids {
		switch m, ok := known[id]; {
		case !ok:
			fresh = append(fresh, id)
		case !m.In():
			back = append(back, id)
		}
	}
	all := db.SortedIDs(append(slices.Clone(fresh), back...))
	if len(all) == 0 {
		return nil
	}
	if limit := w.d.Limits().RoomMembers; limit > 0 && w.room.MemberCount+len(all) > limit {
		return roomFull(limit)
	}
	w.room.MemberCount += len(all)
	if err := w.place(w.room.LastSeq+1, fresh, back); err != nil {
		return err
	}
	ev := chat.SystemEvent{Event: chat.EventAdded, By: by, UserIDs: all}
	if joins {
		ev.Event = chat.EventJoined
	}
	msg, err := w.say(ev)
	if err != nil {
		return err
	}
	an := envelope.Announcement{Added: all, Change: chat.MemberJoined}
	if len(all) == 1 {
		an.About = all[0]
	}
	*added = all
	return w.finish(msg, an)
}

// place writes the rows of new members and of those who come back. Both start at the seq of the join; only a mute
// outlives leaving, or leaving would lift it.
func (w *roomWrite) place(join chat.Seq, fresh, back []chat.UserID) error {
	from := join
	if w.room.Visibility == chat.Public || w.room.HistoryAll {
		from = 1
	}
	rows := make([]memberRow, len(fresh))
	for i, u := range fresh {
		rows[i] = memberRow{
			RoomID: w.room.ID, UserID: u, Role: chat.Plain, VisibleFrom: from, ReadSeq: join, ReadCount: w.room.MsgCount, JoinedAt: w.now,
		}
	}
	if len(rows) > 0 {
		if err := w.tx.CreateInBatches(&rows, memberChunk).Error; err != nil {
			return err
		}
	}
	if len(back) == 0 {
		return nil
	}
	return w.tx.Model(&memberRow{}).Where("room_id = ? AND user_id IN ?", w.room.ID, back).Updates(map[string]any{
		"role": chat.Plain, "visible_from": from, "left_seq": 0, "read_seq": join, "read_count": w.room.MsgCount, "joined_at": w.now,
	}).Error
}

// RemoveMember ends a membership: the target's own wish where by is the target, else a kick. He sees up to the system
// message of it and nothing after.
func (d *DB) RemoveMember(ctx context.Context, room chat.RoomID, by, target chat.UserID) error {
	return d.inRoom(ctx, "remove member", db.Once, room, by, func(w *roomWrite) error {
		m, err := w.target(target)
		if err != nil {
			return err
		}
		ev, why := chat.SystemEvent{Event: chat.EventRemoved, By: by, UserIDs: []chat.UserID{target}}, chat.LeftKicked
		if by == target {
			ev.Event, why = chat.EventLeft, chat.LeftSelf
			err = chat.MayLeave(w.room, m)
		} else {
			err = chat.MayRemove(w.room, w.by, m)
		}
		if err != nil {
			return err
		}
		w.room.MemberCount--
		msg, err := w.say(ev)
		if err != nil {
			return err
		}
		if err := w.setMember(target, map[string]any{"left_seq": msg.Seq}); err != nil {
			return err
		}
		return w.finish(msg, envelope.Announcement{
			Removed: []chat.UserID{target}, Reason: why, Change: chat.MemberLeft, About: target,
		})
	})
}

// Members returns the room's members with their accounts, by ascending user id after the given one, at most limit.
// Only members may look: a stranger hears Forbidden of a public room and NotFound of any other.
func (d *DB) Members(ctx context.Context, room chat.RoomID, viewer, after chat.UserID, limit int) ([]chat.MemberUser, error) {
	v, err := d.View(ctx, room, viewer)
	if err != nil {
		return nil, err
	}
	if !v.Member.In() {
		return nil, chat.E(chat.Forbidden, "only members may see who is in the room")
	}
	var q db.Statement
	q.Add("SELECT "+table.MemberCols+", "+table.UserCols+" FROM members m JOIN users u ON u.id = m.user_id"+
		" WHERE m.room_id = ? AND m.left_seq = 0 AND m.user_id > ? ORDER BY m.user_id LIMIT ?", room, after, limit)
	var ms []chat.MemberUser
	err = d.Retry(ctx, "read members", func(tx db.Tx) error {
		var m chat.MemberUser
		into := append(table.Member(&m.Member), table.User(&m.User)...)
		ms = nil
		return q.Each(tx, func(rows *sql.Rows) error {
			err := rows.Scan(into...)
			ms = append(ms, m)
			return err
		})
	})
	return ms, err
}
