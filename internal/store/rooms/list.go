package rooms

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/table"
)

// stand is a room's row beside a member's.
type stand struct {
	room     table.Room // ActiveAt orders lists
	member   chat.Member
	recalled uint64 // after the read pointer
}

// byActivity puts the room first that was active last.
func byActivity(a, b *stand) int {
	return cmp.Or(b.room.ActiveAt.Compare(a.room.ActiveAt), cmp.Compare(b.room.ID, a.room.ID))
}

// line is a line of a room list.
type line struct {
	stand
	last *chat.Message // nil: none
}

// membership is the line as the user sees it.
func (l *line) membership(user chat.UserID) chat.Membership {
	m := chat.Membership{Room: l.room.Room, Member: l.member, Recalled: l.recalled, Last: l.last}
	m.Member.Room, m.Member.User = m.Room.ID, user
	return m
}

var lineCols = table.ListedRooms.Select() + ", " + table.OwnPlaces.Select() + ", " + table.LastEntries

const joinLast = "LEFT JOIN messages x ON x.room_id = r.id AND x.seq = r.last_seq" + table.JoinState

// RoomList returns the user's open memberships with their last messages and the other people of direct rooms,
// latest activity first, at most limit from cursor on ("": the start). next is empty at the end. What a list doesn't show is left out: of the
// room HistoryAll, of the member all but Role, ReadSeq and ReadCount, of the message Ord.
func (s *Store) RoomList(ctx context.Context, user chat.UserID, cursor string, limit int) (ms []chat.Membership, next string, err error) {
	since, id, paged, err := parseCursor(ownRooms, cursor)
	if err != nil {
		return nil, "", err
	}
	// One more than limit is read, to see whether there are more. Most people's rooms fit into one page; then the order
	// is made here, because the server's costs it half as much again as all the rest.
	var rows []*line
	if !paged {
		var q db.Statement
		q.Add("SELECT "+lineCols+" FROM members m JOIN rooms r ON r.id = m.room_id "+joinLast+
			" WHERE m.user_id = ? AND m.left_seq = 0 LIMIT ?", user, limit+1)
		rows, err = s.list(ctx, &q)
	}
	if err == nil && (paged || len(rows) > limit) {
		var q db.Statement
		// The order is found over a few bytes per room: sorted together with their texts the rows would go through a
		// table on disk.
		q.Add("SELECT "+lineCols+" FROM (SELECT m.room_id FROM members m JOIN rooms r ON r.id = m.room_id"+
			" WHERE m.user_id = ? AND m.left_seq = 0", user)
		if paged {
			q.Add(" AND (r.active_at < ? OR r.active_at = ? AND r.id < ?)", since, since, id)
		}
		q.Add(" ORDER BY r.active_at DESC, r.id DESC LIMIT ?) p JOIN members m ON m.room_id = p.room_id AND m.user_id = ?"+
			" JOIN rooms r ON r.id = p.room_id "+joinLast, limit+1, user)
		rows, err = s.list(ctx, &q)
	}
	if err != nil {
		return nil, "", err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		if limit > 0 {
			next = cursorOf(ownRooms, rows[limit-1].room.ActiveAt, uint64(rows[limit-1].room.ID))
		}
	}
	ms = make([]chat.Membership, len(rows))
	for i := range rows {
		ms[i] = rows[i].membership(user)
	}
	return ms, next, s.addPeers(ctx, user, ms)
}

// list reads lineCols of a user's rooms and sorts them. Lines are wide, and no app can do without this list: db.Collect,
// which moves them each time that its slice grows, would cost a fifth more here.
func (s *Store) list(ctx context.Context, q *db.Statement) (sorted []*line, err error) {
	err = s.d.Retry(ctx, "read room list", func(tx db.Tx) error {
		sorted = nil
		var l line
		var last table.Entry
		into := slices.Concat(table.ListedRooms.Cells(&l.room), table.OwnPlaces.Cells(&l.member), last.LastCells())
		err := q.Each(tx, func(rows *sql.Rows) error {
			if err := rows.Scan(into...); err != nil {
				return err
			}
			read := l
			if last.Kind != "" {
				m := last.Whole()
				m.Room, m.Seq = l.room.ID, l.room.LastSeq
				read.last = &m
			}
			sorted = append(sorted, &read)
			return nil
		})
		if err != nil {
			return err
		}
		var above messages.Recalled
		for _, l := range sorted {
			above.Add(&l.room, l.member.ReadCount, &l.recalled)
		}
		return above.Count(tx)
	})
	slices.SortFunc(sorted, func(a, b *line) int { return byActivity(&a.stand, &b.stand) })
	return sorted, err
}

// addLast fills in a membership's last message and, in a direct room, the other person.
func (s *Store) addLast(ctx context.Context, user chat.UserID, m chat.Membership) (chat.Membership, error) {
	last, err := s.messages.Messages(ctx, m.Room.ID, m.Room.LastSeq, m.Room.LastSeq, 1)
	if err != nil {
		return m, err
	}
	if len(last) > 0 {
		m.Last = &last[0]
	}
	ms := []chat.Membership{m}
	err = s.addPeers(ctx, user, ms)
	return ms[0], err
}

// addPeers fills in the other person of direct rooms: one query for all of them.
func (s *Store) addPeers(ctx context.Context, user chat.UserID, ms []chat.Membership) error {
	index := map[chat.RoomID]int{}
	var q db.Statement
	q.Add("SELECT " + table.MemberStands.Select() + ", " + table.People.Select() +
		" FROM members m JOIN users u ON u.id = m.user_id WHERE m.room_id IN (")
	for i, m := range ms {
		if m.Room.Type == chat.Direct {
			q.Add(db.Comma(len(index))+"?", m.Room.ID)
			index[m.Room.ID] = i
		}
	}
	if len(index) == 0 {
		return nil
	}
	q.Add(") AND m.user_id <> ?", user)
	var peers []chat.MemberUser
	err := s.d.Retry(ctx, "read peers", func(tx db.Tx) (err error) {
		peers, err = db.Collect(tx, &q, func(p *chat.MemberUser) []any {
			return append(table.MemberStands.Cells(&p.Member), table.People.Cells(&p.User)...)
		})
		return err
	})
	for i := range peers {
		ms[index[peers[i].Member.Room]].Peer = &peers[i].User
	}
	return err
}
