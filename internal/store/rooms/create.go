package rooms

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/table"
)

// CreateRoom makes a group room with its first members, all of whom see it from seq 1. Ids named twice and the
// owner's own count once. Invalid (member_ids) if one of them is nobody's: then nothing is made. If the
// outcome of the commit stays unknown the error is Unavailable, and the room may be there.
func (s *Store) CreateRoom(ctx context.Context, n chat.NewRoom) (chat.Membership, error) {
	all, room, err := s.newRoom(n)
	if err != nil {
		return chat.Membership{}, err
	}
	var m chat.Membership
	err = s.d.Tx(ctx, "create room", db.Once, func(tx db.Tx) (err error) {
		m, err = s.makeRoom(tx, room, "", n.Owner, all)
		return err
	})
	return m, err
}

// newRoom checks what a group is to be made of, and returns its members and its row.
func (s *Store) newRoom(n chat.NewRoom) (all []chat.UserID, r chat.Room, err error) {
	if err := s.checkCall(n.Members); err != nil {
		return nil, r, err
	}
	all = db.SortedIDs(append([]chat.UserID{n.Owner}, n.Members...))
	if limit := s.d.Limits().RoomMembers; limit > 0 && len(all) > limit {
		return nil, r, roomFull(limit)
	}
	return all, chat.Room{
		Type: chat.Group, Name: n.Name, Description: n.Description, Visibility: cmp.Or(n.Visibility, chat.Private), Owner: n.Owner,
		HistoryAll: n.HistoryAll,
	}, nil
}

func roomFull(limit int) error {
	return chat.E(chat.RoomFull, "a room holds at most %d members", limit)
}

// checkCall bounds the ids in one call, and refuses zero among them.
func (s *Store) checkCall(ids []chat.UserID) error {
	if limit := s.d.Limits().MembersCall; limit > 0 && len(ids) > limit {
		return chat.BadField("member_ids", "at most %d in one call", limit)
	}
	if slices.Contains(ids, 0) {
		return chat.BadField("member_ids", "user 0 does not exist")
	}
	return nil
}

// makeRoom inserts the room (whose row is locked by that), its members and its first message, and announces it. pair is
// a direct room's key, "" for a group.
func (s *Store) makeRoom(tx db.Tx, room chat.Room, pair string, by chat.UserID, all []chat.UserID) (chat.Membership, error) {
	if err := requireUsers(tx, "member_ids", all); err != nil {
		return chat.Membership{}, err
	}
	now := s.d.Now()
	room.MemberCount, room.Epoch, room.CreatedAt = len(all), 1, now
	id, err := table.Rooms.Create(tx.DB, &table.Room{Room: room, DirectKey: pair, ActiveAt: now})
	if err != nil {
		return chat.Membership{}, err
	}
	room.ID = chat.RoomID(id)
	// The partition follows from the id, which only the insert knows.
	partition := room.ID.Partition(s.d.Partitions())
	if err := tx.Table("rooms").Where("id = ?", id).UpdateColumn("partition_no", partition).Error; err != nil {
		return chat.Membership{}, err
	}
	w := &roomWrite{s: s, tx: tx, now: now, room: room}
	members := make([]chat.Member, len(all))
	for i, u := range all {
		members[i] = chat.Member{Room: room.ID, User: u, Role: chat.Plain, VisibleFrom: 1, ReadSeq: 1, JoinedAt: now}
		if u == room.Owner {
			members[i].Role = chat.Owner
		}
	}
	if err := insertMembers(tx, members); err != nil {
		return chat.Membership{}, err
	}
	msg, err := w.say(chat.SystemEvent{Event: chat.EventCreated, By: by, UserIDs: all})
	if err != nil {
		return chat.Membership{}, err
	}
	if err := w.finish(msg, envelope.Announcement{Added: all, Change: chat.MemberJoined}); err != nil {
		return chat.Membership{}, err
	}
	if room.Visibility == chat.Public {
		if err := index(tx, &w.room); err != nil {
			return chat.Membership{}, err
		}
	}
	i := slices.Index(all, by)
	return chat.Membership{Room: w.room, Member: members[i], Last: msg}, nil
}

// memberChunk rows go into one INSERT.
const memberChunk = 500

func insertMembers(tx db.Tx, members []chat.Member) error {
	for chunk := range slices.Chunk(members, memberChunk) {
		var q db.Statement
		q.Add(table.Members.Insert())
		for i := range chunk {
			q.Add(db.Comma(i)+table.Members.Marks(), table.Members.Values(&chunk[i])...)
		}
		if _, err := q.Exec(tx); err != nil {
			return err
		}
	}
	return nil
}

// FindDirect returns the one direct room of a and b as a sees it; NotFound if there is none.
func (s *Store) FindDirect(ctx context.Context, a, b chat.UserID) (m chat.Membership, err error) {
	err = s.d.Retry(ctx, "find direct room", func(tx db.Tx) (err error) {
		m, err = directRoom(tx, pairKey(a, b), a)
		return err
	})
	switch {
	case err != nil:
		return chat.Membership{}, err
	case m.Room.ID == 0:
		return chat.Membership{}, messages.NoRoom()
	}
	return s.addLast(ctx, a, m)
}

// pairKey is what a direct room of two is found by.
func pairKey(a, b chat.UserID) string { return fmt.Sprintf("%d:%d", min(a, b), max(a, b)) }

// DirectRoom returns the one direct room of a and b as a sees it, which is made if it wasn't there (created). With oneself it holds
// one's notes, and has one member. Invalid with nobody.
func (s *Store) DirectRoom(ctx context.Context, a, b chat.UserID) (m chat.Membership, created bool, err error) {
	if a == 0 || b == 0 {
		return chat.Membership{}, false, chat.BadField("member_ids", "user 0 does not exist")
	}
	pair := pairKey(a, b)
	room := chat.Room{Type: chat.Direct, Visibility: chat.Private}
	err = s.d.Tx(ctx, "open direct room", db.Repeatable, func(tx db.Tx) (err error) {
		created = false
		m, err = directRoom(tx, pair, a)
		if err != nil || m.Room.ID != 0 {
			return err
		}
		created = true
		m, err = s.makeRoom(tx, room, pair, a, db.SortedIDs([]chat.UserID{a, b}))
		return err
	})
	if err != nil && db.Duplicate(err, "rooms_direct") { // the other one was quicker
		created = false
		err = s.d.Tx(ctx, "open direct room", db.Repeatable, func(tx db.Tx) (err error) {
			m, err = directRoom(tx, pair, a)
			return err
		})
	}
	if err != nil {
		return chat.Membership{}, false, err
	}
	m, err = s.addLast(ctx, a, m)
	return m, created, err
}

// directRoom finds a pair's room; the zero Membership if there is none.
func directRoom(tx db.Tx, pair string, user chat.UserID) (chat.Membership, error) {
	return messages.MembershipWhere(tx, "m.user_id = ? AND r.direct_key = ?", user, pair)
}
