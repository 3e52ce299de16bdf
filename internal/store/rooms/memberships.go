package rooms

import (
	"context"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// plainRows is how many memberships are read without asking MySQL for an order. A SELECT of its own for each user costs
// MySQL seven times as much if users have few rooms.
const plainRows = 20_000

var standCols = table.RoomStands.Select() + ", " + table.MemberStands.Select() + ", " + table.RecalledUnread

// MembershipsOf returns the open memberships of many users at once, of each the limit that were active last, with what
// an unread count and a position need: of the room ID, Type, LastSeq, MsgCount, Changes and Epoch, of the
// member Room, User, ReadSeq and ReadCount, and Recalled. No user may be named twice.
func (s *Store) MembershipsOf(ctx context.Context, users []chat.UserID, limit int) (map[chat.UserID][]chat.Membership, error) {
	if len(users) == 0 {
		return map[chat.UserID][]chat.Membership{}, nil
	}
	var q db.Statement
	q.Add("SELECT " + standCols + " FROM members m STRAIGHT_JOIN rooms r ON r.id = m.room_id" +
		" WHERE m.left_seq = 0 AND m.user_id IN (")
	db.List(&q, users)
	q.Add(") LIMIT ?", plainRows)
	all, err := s.stands(ctx, &q)
	if err != nil || len(all) < plainRows {
		return latest(all, len(users), limit), err
	}
	var each db.Statement
	for i, u := range users {
		if i > 0 {
			each.Add(" UNION ALL ")
		}
		each.Add("(SELECT "+standCols+" FROM members m STRAIGHT_JOIN rooms r ON r.id = m.room_id"+
			" WHERE m.user_id = ? AND m.left_seq = 0 ORDER BY r.active_at DESC, r.id DESC LIMIT ?)", u, limit)
	}
	all, err = s.stands(ctx, &each)
	return latest(all, len(users), limit), err
}

// stands reads standCols.
func (s *Store) stands(ctx context.Context, q *db.Statement) (all []stand, err error) {
	err = s.d.Retry(ctx, "read memberships", func(tx db.Tx) (err error) {
		all, err = db.Collect(tx, q, func(l *stand) []any {
			return append(append(table.RoomStands.Cells(&l.room), table.MemberStands.Cells(&l.member)...), table.Number(&l.recalled))
		})
		return err
	})
	return all, err
}

// latest keeps of each user the limit that were active last, the last one first.
func latest(all []stand, users, limit int) map[chat.UserID][]chat.Membership {
	sorted := make([]*stand, len(all))
	for i := range all {
		sorted[i] = &all[i]
	}
	slices.SortFunc(sorted, byActivity)
	out := make(map[chat.UserID][]chat.Membership, users)
	for _, l := range sorted {
		if of := out[l.member.User]; len(of) < limit {
			out[l.member.User] = append(of, chat.Membership{Room: l.room.Room, Member: l.member, Recalled: l.recalled})
		}
	}
	return out
}
