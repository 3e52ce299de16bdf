package rooms

import (
	"cmp"
	"context"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/table"
)

// Externals returns the rooms of the application's own ids, of those that have one.
func (s *Store) Externals(ctx context.Context, exts []string) (found map[string]chat.RoomID, err error) {
	if len(exts) == 0 {
		return map[string]chat.RoomID{}, nil
	}
	err = s.d.Retry(ctx, "read external rooms", func(tx db.Tx) error {
		found, err = externals(tx, exts)
		return err
	})
	return found, err
}

func externals(tx db.Tx, exts []string) (map[string]chat.RoomID, error) {
	found := make(map[string]chat.RoomID, len(exts))
	if len(exts) == 0 {
		return found, nil
	}
	var q db.Statement
	q.Add("SELECT " + table.ExternalRooms.Select() + " FROM external_rooms e WHERE e.ext IN (")
	for i, x := range exts {
		q.Add(db.Comma(i)+"?", []byte(x))
	}
	q.Add(")")
	rows, err := db.Collect(tx, &q, table.ExternalRooms.Cells)
	for _, r := range rows {
		found[r.Ext] = r.Room
	}
	return found, err
}

// importTries is how often rooms are judged anew because somebody else opened the direct room of two meanwhile.
const importTries = 5

// ImportRooms makes those rooms that aren't there, in one transaction and without announcing them; out[i] answers rs[i]. A direct room
// that its two have already gets the id beside: Known is then false, and nothing else is written. Conflict if it has another id. The
// caller has checked names, sizes and members.
func (s *Store) ImportRooms(ctx context.Context, rs []chat.ImportedRoom) (out []chat.Imported, err error) {
	if len(rs) == 0 {
		return nil, nil
	}
	exts := make([]string, len(rs))
	for i, r := range rs {
		exts[i] = r.Ext
	}
	for range importTries {
		err = s.d.Tx(ctx, "import rooms", db.Repeatable, func(tx db.Tx) error {
			out = make([]chat.Imported, len(rs))
			known, err := externals(tx, exts)
			if err != nil {
				return err
			}
			for i, r := range rs {
				if id, there := known[r.Ext]; there {
					out[i] = chat.Imported{ID: uint64(id), Known: true}
					continue
				}
				if out[i], err = s.importRoom(tx, r); err != nil {
					return err
				}
				known[r.Ext] = chat.RoomID(out[i].ID)
			}
			return nil
		})
		if !db.Duplicate(err, "rooms_direct") && !db.Duplicate(err, "PRIMARY") && !db.Duplicate(err, "external_rooms_room") {
			break
		}
	}
	return out, err
}

func (s *Store) importRoom(tx db.Tx, r chat.ImportedRoom) (out chat.Imported, err error) {
	now := s.d.Now()
	if !r.CreatedAt.IsZero() {
		now = db.Micros(r.CreatedAt)
	}
	id, err := directOf(tx, r)
	if err != nil {
		return out, err
	}
	if id != 0 {
		var has []string
		if err := tx.Raw("SELECT ext FROM external_rooms WHERE room_id = ?", id).Scan(&has).Error; err != nil {
			return out, err
		}
		if len(has) > 0 {
			return chat.Imported{Err: chat.E(chat.Conflict, "the two have a direct room already, under the id %q", has[0])}, nil
		}
	} else if id, err = s.makeImported(tx, r, now); err != nil {
		return out, err
	}
	_, err = table.ExternalRooms.Create(tx.DB, &table.ExternalRoom{Ext: r.Ext, Room: id, CreatedAt: s.d.Now()})
	return chat.Imported{ID: uint64(id)}, err
}

// directOf finds the room that the members of a direct one have; 0: none.
func directOf(tx db.Tx, r chat.ImportedRoom) (chat.RoomID, error) {
	pair := pairOf(r)
	if pair == "" {
		return 0, nil
	}
	var ids []chat.RoomID
	err := tx.Raw("SELECT id FROM rooms WHERE direct_key = ?", pair).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	return ids[0], nil
}

func pairOf(r chat.ImportedRoom) string {
	if r.Type != chat.Direct {
		return ""
	}
	return pairKey(r.Members[0].User, r.Members[len(r.Members)-1].User)
}

// makeImported writes what makeRoom would have written then, but no announcement.
func (s *Store) makeImported(tx db.Tx, r chat.ImportedRoom, now time.Time) (chat.RoomID, error) {
	members := slices.SortedFunc(slices.Values(r.Members), func(a, b chat.ImportedMember) int { return cmp.Compare(a.User, b.User) })
	by := r.Owner
	if r.Type == chat.Direct {
		by = r.Members[0].User
	}
	room := chat.Room{
		Type: r.Type, Name: r.Name, Visibility: r.Visibility, Owner: r.Owner, MemberCount: len(members), LastSeq: 1, Epoch: 1, CreatedAt: now,
	}
	id, err := table.Rooms.Create(tx.DB, &table.Room{Room: room, DirectKey: pairOf(r), ActiveAt: now})
	if err != nil {
		return 0, err
	}
	room.ID, room.LastSeq = chat.RoomID(id), 0 // Say takes seq 1
	if err := tx.Table("rooms").Where("id = ?", id).UpdateColumn("partition_no", room.ID.Partition(s.d.Partitions())).Error; err != nil {
		return 0, err
	}
	rows, all := make([]chat.Member, len(members)), make([]chat.UserID, len(members))
	for i, m := range members {
		joined := later(m.JoinedAt, now)
		if r.CreatedAt.IsZero() && !m.JoinedAt.IsZero() {
			joined = m.JoinedAt
		}
		rows[i] = chat.Member{Room: room.ID, User: m.User, Role: m.Role, VisibleFrom: 1, ReadSeq: 1, JoinedAt: db.Micros(joined)}
		if all[i] = m.User; m.User == r.Owner {
			rows[i].Role = chat.Owner
		}
	}
	if err := insertMembers(tx, rows); err != nil {
		return 0, err
	}
	event := chat.SystemEvent{Event: chat.EventCreated, By: by, UserIDs: all}
	if _, err := s.messages.Say(tx, &room, event, messages.EntryTime(now, now)); err != nil {
		return 0, err
	}
	if room.Visibility == chat.Public {
		return room.ID, index(tx, &room)
	}
	return room.ID, nil
}

// ImportMembers makes those members of a group who never were, without announcing it: one system message, by the owner, names them all,
// and they see what AddMembers would show them. Whoever is or was a member stays as they are. In a direct room nobody is added: Forbidden
// if somebody would be. RoomFull: there would be more than most (0: any number), and nobody is added. It returns who was. NotFound.
func (s *Store) ImportMembers(ctx context.Context, room chat.RoomID, ms []chat.ImportedMember, most int) (added []chat.UserID, err error) {
	if len(ms) == 0 {
		return nil, nil
	}
	ids := make([]chat.UserID, len(ms))
	for i, m := range ms {
		ids[i] = m.User
	}
	err = s.d.Tx(ctx, "import members", db.Repeatable, func(tx db.Tx) error {
		w, err := s.lock(tx, room)
		if err != nil {
			return err
		}
		known, err := w.members(db.SortedIDs(ids))
		if err != nil {
			return err
		}
		added, err = w.importMembers(ms, known, most)
		return err
	})
	if err != nil {
		return nil, err
	}
	return added, nil
}

func (w *roomWrite) importMembers(ms []chat.ImportedMember, known map[chat.UserID]chat.Member, most int) ([]chat.UserID, error) {
	at := w.last // of the system message
	join, from := w.room.LastSeq+1, w.room.LastSeq+1
	if w.room.Visibility == chat.Public || w.room.HistoryAll {
		from = 1
	}
	var rows []chat.Member
	var all []chat.UserID
	for _, m := range ms {
		if _, there := known[m.User]; there {
			continue
		}
		known[m.User] = chat.Member{}
		at = later(at, m.JoinedAt)
		rows = append(rows, chat.Member{
			Room: w.room.ID, User: m.User, Role: m.Role, VisibleFrom: from, ReadSeq: join, ReadCount: w.room.MsgCount, JoinedAt: db.Micros(later(m.JoinedAt, w.last)),
		})
		all = append(all, m.User)
	}
	switch {
	case len(rows) == 0:
		return nil, nil
	case w.room.Type == chat.Direct:
		return nil, chat.E(chat.Forbidden, "a direct room has two members, and no more can be added")
	case most > 0 && w.room.MemberCount+len(rows) > most:
		return nil, roomFull(most)
	}
	all = db.SortedIDs(all)
	slices.SortFunc(rows, func(a, b chat.Member) int { return cmp.Compare(a.User, b.User) })
	if err := insertMembers(w.tx, rows); err != nil {
		return nil, err
	}
	w.room.MemberCount += len(rows)
	event := chat.SystemEvent{Event: chat.EventAdded, By: w.room.Owner, UserIDs: all}
	if _, err := w.s.messages.Say(w.tx, &w.room, event, messages.EntryTime(at, w.last)); err != nil {
		return nil, err
	}
	row := table.Room{Room: w.room, ActiveAt: later(w.last, at)}
	return all, w.tx.Table("rooms").Where("id = ?", w.room.ID).Updates(table.RoomState.Map(&row)).Error
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
