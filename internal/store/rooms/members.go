package rooms

import (
	"context"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/table"
)

// AddMembers makes the users members: added are those who weren't, ascending. Naming only oneself joins a public room.
// Invalid (member_ids) if one of them is nobody's, RoomFull beyond the limit; either way nobody is added. One system
// message names all of them; their read pointers start at its seq.
func (s *Store) AddMembers(ctx context.Context, room chat.RoomID, by chat.UserID, ids []chat.UserID) (added []chat.UserID, err error) {
	if err := s.checkCall(ids); err != nil {
		return nil, err
	}
	ids = db.SortedIDs(ids)
	err = s.inRoom(ctx, "add members", db.Repeatable, room, by, func(w *roomWrite) error {
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

// add makes those of ids members who are none.
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
	if limit := w.s.d.Limits().RoomMembers; limit > 0 && w.room.MemberCount+len(all) > limit {
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
	m := chat.Member{
		Room: w.room.ID, Role: chat.Plain, VisibleFrom: from, ReadSeq: join, ReadCount: w.room.MsgCount, JoinedAt: w.now,
	}
	rows := make([]chat.Member, len(fresh))
	for i, u := range fresh {
		rows[i] = m
		rows[i].User = u
	}
	if err := insertMembers(w.tx, rows); err != nil || len(back) == 0 {
		return err
	}
	return w.tx.Table("members").Where("room_id = ? AND user_id IN ?", w.room.ID, back).Updates(table.Rejoined.Map(&m)).Error
}

// RemoveMember ends a membership: the target leaves if by is the target, else they are kicked. They see up to the
// system message that says so and nothing after.
func (s *Store) RemoveMember(ctx context.Context, room chat.RoomID, by, target chat.UserID) error {
	return s.inRoom(ctx, "remove member", db.Once, room, by, func(w *roomWrite) error {
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
// Only members may look: a stranger gets Forbidden for a public room and NotFound for any other.
func (s *Store) Members(ctx context.Context, room chat.RoomID, viewer, after chat.UserID, limit int) ([]chat.MemberUser, error) {
	v, err := s.View(ctx, room, viewer)
	if err != nil {
		return nil, err
	}
	if !v.Member.In() {
		return nil, chat.E(chat.Forbidden, "only members may see who is in the room")
	}
	return s.WholeMembers(ctx, room, after, limit)
}

// WholeMembers is Members for the application's backend: it looks into every room.
func (s *Store) WholeMembers(ctx context.Context, room chat.RoomID, after chat.UserID, limit int) ([]chat.MemberUser, error) {
	var q db.Statement
	q.Add("SELECT "+table.Members.Select()+", "+table.People.Select()+" FROM members m JOIN users u ON u.id = m.user_id"+
		" WHERE m.room_id = ? AND m.left_seq = 0 AND m.user_id > ? ORDER BY m.user_id LIMIT ?", room, after, limit)
	var ms []chat.MemberUser
	err := s.d.Retry(ctx, "read members", func(tx db.Tx) (err error) {
		ms, err = db.Collect(tx, &q, func(m *chat.MemberUser) []any {
			return append(table.Members.Cells(&m.Member), table.People.Cells(&m.User)...)
		})
		return err
	})
	return ms, err
}

// MembersAmong returns, as of one moment, which of the users are in the room and may see upTo, ascending, and the room.
func (s *Store) MembersAmong(ctx context.Context, room chat.RoomID, upTo chat.Seq, users []chat.UserID) (in []chat.UserID, r chat.Room, err error) {
	type line struct {
		room   table.Room
		member chat.Member // zero: none of the users
	}
	var q db.Statement
	q.Add("SELECT "+table.RoomLines.Select()+", "+table.MemberStands.Select()+" FROM rooms r LEFT JOIN members m"+
		" ON m.room_id = r.id AND m.left_seq = 0 AND m.visible_from <= ? AND m.user_id IN (0", upTo)
	for _, u := range db.SortedIDs(users) {
		q.Add(",?", u)
	}
	q.Add(") WHERE r.id = ?", room)
	var lines []line
	err = s.d.Retry(ctx, "read members among", func(tx db.Tx) (err error) {
		lines, err = db.Collect(tx, &q, func(l *line) []any {
			return append(table.RoomLines.Cells(&l.room), table.MemberStands.Cells(&l.member)...)
		})
		return err
	})
	if err == nil && len(lines) == 0 {
		err = messages.NoRoom()
	}
	if err != nil {
		return nil, chat.Room{}, err
	}
	for _, l := range lines {
		if l.member.User != 0 {
			in = append(in, l.member.User)
		}
	}
	slices.Sort(in)
	return in, lines[0].room.Room, nil
}

// SharesRoom returns which of others are in a room with the user, ascending; the user always is.
func (s *Store) SharesRoom(ctx context.Context, user chat.UserID, others []chat.UserID) ([]chat.UserID, error) {
	others = db.SortedIDs(others)
	if len(others) == 0 {
		return nil, nil
	}
	var ids []chat.UserID
	err := s.d.Retry(ctx, "read shared rooms", func(tx db.Tx) error {
		return tx.Raw("SELECT DISTINCT b.user_id FROM members a JOIN members b ON b.room_id = a.room_id AND b.left_seq = 0"+
			" WHERE a.user_id = ? AND a.left_seq = 0 AND b.user_id IN ?", user, others).Scan(&ids).Error
	})
	if err != nil {
		return nil, err
	}
	if slices.Contains(others, user) {
		ids = append(ids, user)
	}
	return db.SortedIDs(ids), nil
}
