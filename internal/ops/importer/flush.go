package importer

import (
	"context"
	"maps"
	"slices"

	"chat-service/internal/chat"
)

// What goes into one transaction.
const (
	usersAtOnce    = 1000
	roomsAtOnce    = 100
	membersAtOnce  = 5000 // of the rooms in one transaction, and of one room
	messagesAtOnce = 2000
	bytesAtOnce    = 4 << 20 // of messages
	talkingAtOnce  = 400     // rooms that the messages are for
	namesAtOnce    = 2000    // looked up at once
	answersAtOnce  = 500     // messages looked up at once
)

// flush stores the batch: users, rooms, members, then messages.
func (im *Importer) flush(ctx context.Context) error {
	defer im.b.reset()
	b := &im.b
	// What the database has, before the lines of this batch make more: a line doesn't see those below it.
	if err := im.lookUp(ctx); err != nil {
		return err
	}
	for chunk := range slices.Chunk(b.users, usersAtOnce) {
		if err := im.storeUsers(ctx, chunk); err != nil {
			return err
		}
	}
	if err := im.storeRooms(ctx); err != nil {
		return err
	}
	if err := im.storeMembers(ctx); err != nil {
		return err
	}
	return im.storeMessages(ctx, b.messages)
}

func (im *Importer) lookUp(ctx context.Context) error {
	for some := range slices.Chunk(slices.Sorted(maps.Keys(im.b.askUsers)), namesAtOnce) {
		users, _, err := im.o.Store.Known(ctx, some, nil)
		if err != nil {
			return err
		}
		for id, u := range users {
			had(im.users, id, uint64(u))
		}
	}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(im.b.askRooms)), namesAtOnce) {
		_, rooms, err := im.o.Store.Known(ctx, nil, some)
		if err != nil {
			return err
		}
		for ext, r := range rooms {
			had(im.rooms, ext, uint64(r))
		}
	}
	return im.lookUpAnswered(ctx)
}

// had notes that the database had a user or room before the lines that name it.
func had(names map[string]known, id string, is uint64) {
	have := names[id]
	have.id, have.n = is, 0
	names[id] = have
}

// lookUpAnswered finds the messages that are answered and don't stand above: an earlier file may have brought them.
func (im *Importer) lookUpAnswered(ctx context.Context) error {
	above := map[uint64]bool{}
	ask := map[string]map[string]string{} // ids by name, by room
	for _, m := range im.b.messages {
		if key := keyOf(m.room, m.replyTo); m.replyTo != "" && !above[key] && im.rooms[m.room].id != 0 {
			if _, there := im.ids[key]; !there {
				if ask[m.room] == nil {
					ask[m.room] = map[string]string{}
				}
				ask[m.room][nameBy(idOf(m.room, m.replyTo))] = m.replyTo
			}
		}
		if m.id != "" {
			above[keyOf(m.room, m.id)] = true
		}
	}
	for _, ext := range slices.Sorted(maps.Keys(ask)) {
		for some := range slices.Chunk(slices.Sorted(maps.Keys(ask[ext])), answersAtOnce) {
			found, err := im.o.Store.Named(ctx, chat.RoomID(im.rooms[ext].id), some)
			if err != nil {
				return err
			}
			for name, seq := range found {
				im.ids[keyOf(ext, ask[ext][name])] = stored{seq: uint32(seq)}
			}
		}
	}
	return nil
}

// settle notes what became of a user or room, and counts it.
func settle(names map[string]known, id string, is chat.Imported, tally *Tally) {
	have := names[id]
	if is.Err != nil {
		delete(names, id)
		return
	}
	if have.id = is.ID; is.Known {
		tally.Known++
	} else {
		tally.Made++
	}
	names[id] = have
}

func (im *Importer) storeUsers(ctx context.Context, us []user) error {
	all := make([]chat.ImportedUser, len(us))
	for i, u := range us {
		all[i] = u.ImportedUser
	}
	out, err := im.o.Store.ImportUsers(ctx, all, im.o.Dry)
	if err != nil {
		return err
	}
	for i, u := range us {
		if out[i].Err != nil {
			im.refuse(u.line, userType, "", u.Who.Subject, out[i].Err)
		}
		settle(im.users, u.Who.Subject, out[i], &im.counts.Users)
	}
	return nil
}

// userAt returns the user whom a line names; 0 if no line before it and not the database knows them.
func (im *Importer) userAt(id string, n int64) chat.UserID {
	if u := im.users[id]; u.n < n {
		return chat.UserID(u.id)
	}
	return 0
}

func noUser(field, id string) *chat.Error {
	return chat.BadField(field, "there is no user with the id %q", id)
}

func noRoom(ext string) *chat.Error {
	return chat.BadField("room", "there is no room with the id %q", ext)
}

// storeRooms makes the batch's rooms, with the members whom their lines list and those whose own lines are in the batch.
func (im *Importer) storeRooms(ctx context.Context) error {
	place := map[string]int{}
	var ready []room
	for _, r := range im.b.rooms {
		if r.owner != "" {
			if r.Owner = im.userAt(r.owner, r.n); r.Owner == 0 {
				im.refuse(r.line, roomType, r.Ext, "", noUser("owner", r.owner))
				delete(im.rooms, r.Ext)
				continue
			}
		}
		r.members = im.people(r.members)
		if len(r.members) == 0 {
			im.refuse(r.line, roomType, r.Ext, "", chat.BadField("members", "none of them is known"))
			delete(im.rooms, r.Ext)
			continue
		}
		place[r.Ext] = len(ready)
		ready = append(ready, r)
	}
	var later []member
	most := membersAtOnce
	if limit := im.o.Limits.RoomMembers; limit > 0 {
		most = min(most, limit)
	}
	for _, m := range im.b.members {
		i, here := place[m.room]
		if !here || ready[i].n > m.n || ready[i].Type != chat.Group || len(ready[i].members) >= most {
			later = append(later, m)
			continue
		}
		ready[i].members = append(ready[i].members, im.people([]member{m})...)
	}
	im.b.members = later
	for len(ready) > 0 {
		n, people := 0, 0
		for n < len(ready) && n < roomsAtOnce && (n == 0 || people+len(ready[n].members) <= membersAtOnce) {
			people += len(ready[n].members)
			n++
		}
		if err := im.makeRooms(ctx, ready[:n]); err != nil {
			return err
		}
		ready = ready[n:]
	}
	return nil
}

// people finds the members' accounts, each once, and refuses those who have none.
func (im *Importer) people(ms []member) []member {
	known := ms[:0]
	for _, m := range ms {
		if m.User = im.userAt(m.user, m.n); m.User == 0 {
			im.refuse(m.line, memberType, m.room, m.user, noUser("user", m.user))
			continue
		}
		known = append(known, m)
	}
	return known
}

func (im *Importer) makeRooms(ctx context.Context, rs []room) error {
	all := make([]chat.ImportedRoom, len(rs))
	for i := range rs {
		seen := map[chat.UserID]bool{}
		rs[i].members = slices.DeleteFunc(rs[i].members, func(m member) bool {
			twice := seen[m.User]
			if seen[m.User] = true; twice {
				im.counts.Members.Known++
			}
			return twice
		})
		for _, m := range rs[i].members {
			rs[i].Members = append(rs[i].Members, m.ImportedMember)
		}
		all[i] = rs[i].ImportedRoom
	}
	out, err := im.o.Store.ImportRooms(ctx, all)
	if err != nil {
		return err
	}
	for i, r := range rs {
		if out[i].Err != nil {
			im.refuse(r.line, roomType, r.Ext, "", out[i].Err)
		}
		settle(im.rooms, r.Ext, out[i], &im.counts.Rooms)
		switch {
		case out[i].Err != nil:
		case out[i].Known:
			if err := im.join(ctx, chat.RoomID(out[i].ID), r.members); err != nil {
				return err
			}
		default:
			im.counts.Members.Made += int64(len(r.members))
		}
	}
	return nil
}

// storeMembers adds members to rooms that are there.
func (im *Importer) storeMembers(ctx context.Context) error {
	var order []string
	rooms := map[string][]member{}
	for _, m := range im.b.members {
		if r := im.rooms[m.room]; r.id == 0 || r.n >= m.n {
			im.refuse(m.line, memberType, m.room, m.user, noRoom(m.room))
			continue
		}
		if rooms[m.room] == nil {
			order = append(order, m.room)
		}
		rooms[m.room] = append(rooms[m.room], m)
	}
	for _, ext := range order {
		if err := im.join(ctx, chat.RoomID(im.rooms[ext].id), im.people(rooms[ext])); err != nil {
			return err
		}
	}
	return nil
}

// join adds those of the members who never were in the room.
func (im *Importer) join(ctx context.Context, id chat.RoomID, ms []member) error {
	for chunk := range slices.Chunk(ms, membersAtOnce) {
		all := make([]chat.ImportedMember, len(chunk))
		for i, m := range chunk {
			all[i] = m.ImportedMember
		}
		added, err := im.o.Store.ImportMembers(ctx, id, all)
		switch chat.KindOf(err) {
		case chat.Forbidden, chat.RoomFull, chat.NotFound:
			for _, m := range chunk {
				im.refuse(m.line, memberType, m.room, m.user, err)
			}
			continue
		}
		if err != nil {
			return err
		}
		im.counts.Members.Made += int64(len(added))
		im.counts.Members.Known += int64(len(chunk) - len(added))
	}
	return nil
}
