package store

import (
	"context"
	"fmt"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/batch"
	"chat-service/internal/store/db"
)

// CreateRoom makes a group room with its first members, all of whom see it from seq 1. Ids named twice and the
// owner's own count once. Invalid (member_ids) where one of them is nobody's: then nothing is made. Where the
// outcome of the commit stays unknown the error is Unavailable, and the room may be there.
func (d *DB) CreateRoom(ctx context.Context, n chat.NewRoom) (chat.Membership, error) {
	if err := d.checkCall(n.Members); err != nil {
		return chat.Membership{}, err
	}
	all := db.SortedIDs(append([]chat.UserID{n.Owner}, n.Members...))
	if limit := d.Limits().RoomMembers; limit > 0 && len(all) > limit {
		return chat.Membership{}, roomFull(limit)
	}
	if n.Visibility == "" {
		n.Visibility = chat.Private
	}
	room := chat.Room{
		Type: chat.Group, Name: n.Name, Description: n.Description, Visibility: n.Visibility, Owner: n.Owner,
		HistoryAll: n.HistoryAll,
	}
	var m chat.Membership
	err := d.Tx(ctx, "create room", db.Once, func(tx db.Tx) (err error) {
		m, err = d.makeRoom(tx, room, nil, n.Owner, all)
		return err
	})
	return m, err
}

func roomFull(limit int) error {
	return chat.E(chat.RoomFull, "a room holds at most %d members", limit)
}

// checkCall bounds the ids in one call, and refuses zero among them.
func (d *DB) checkCall(ids []chat.UserID) error {
	if limit := d.Limits().MembersCall; limit > 0 && len(ids) > limit {
		return chat.BadField("member_ids", "at most %d in one call", limit)
	}
	if slices.Contains(ids, 0) {
		return chat.BadField("member_ids", "user 0 does not exist")
	}
	return nil
}

// makeRoom inserts the room (whose row is locked by that), its members and its first message, and tells of it.
func (d *DB) makeRoom(tx db.Tx, room chat.Room, pair *string, by chat.UserID, all []chat.UserID) (chat.Membership, error) {
	if err := requireUsers(tx, "member_ids", all); err != nil {
		return chat.Membership{}, err
	}
	now := d.Now()
	row := roomRow{
		Type: room.Type, Name: room.Name, NameKey: searchKey(room.Name), Description: room.Description, Visibility: room.Visibility,
		OwnerID: room.Owner, DirectKey: pair, MemberCount: len(all), Epoch: 1, HistoryAll: room.HistoryAll,
		ActiveMin: batch.UnixMinute(now), ActiveAt: now, CreatedAt: now,
	}
	if err := tx.Create(&row).Error; err != nil {
		return chat.Membership{}, err
	}
	// The partition follows from the id, which only the insert knows.
	if err := tx.Model(&row).UpdateColumn("partition_no", d.partition(row.ID)).Error; err != nil {
		return chat.Membership{}, err
	}
	w := &roomWrite{d: d, tx: tx, now: now, room: row.room()}
	members := make([]memberRow, len(all))
	for i, u := range all {
		members[i] = memberRow{RoomID: row.ID, UserID: u, Role: chat.Plain, VisibleFrom: 1, ReadSeq: 1, JoinedAt: now}
		if u == room.Owner {
			members[i].Role = chat.Owner
		}
	}
	if err := tx.CreateInBatches(&members, memberChunk).Error; err != nil {
		return chat.Membership{}, err
	}
	msg, err := w.say(chat.SystemEvent{Event: chat.EventCreated, By: by, UserIDs: all})
	if err != nil {
		return chat.Membership{}, err
	}
	if err := w.finish(msg, envelope.Announcement{Added: all, Change: chat.MemberJoined}); err != nil {
		return chat.Membership{}, err
	}
	i := slices.Index(all, by)
	return chat.Membership{Room: w.room, Member: members[i].member(), Last: msg}, nil
}

// memberChunk rows go into one INSERT.
const memberChunk = 500

// DirectRoom returns the one direct room of a and b as a sees it, made where it wasn't there (created). Invalid with oneself
// or with nobody.
func (d *DB) DirectRoom(ctx context.Context, a, b chat.UserID) (m chat.Membership, created bool, err error) {
	if a == b {
		return chat.Membership{}, false, chat.BadField("member_ids", "a direct room needs another user")
	}
	if a == 0 || b == 0 {
		return chat.Membership{}, false, chat.BadField("member_ids", "user 0 does not exist")
	}
	pair := fmt.Sprintf("%d:%d", min(a, b), max(a, b))
	room := chat.Room{Type: chat.Direct, Visibility: chat.Private}
	err = d.Tx(ctx, "open direct room", db.Repeatable, func(tx db.Tx) (err error) {
		created = false
		m, err = directRoom(tx, pair, a)
		if err != nil || m.Room.ID != 0 {
			return err
		}
		created = true
		m, err = d.makeRoom(tx, room, &pair, a, []chat.UserID{min(a, b), max(a, b)})
		return err
	})
	if err != nil && db.Duplicate(err, "rooms_direct") { // the other one was quicker
		created = false
		err = d.Tx(ctx, "open direct room", db.Repeatable, func(tx db.Tx) (err error) {
			m, err = directRoom(tx, pair, a)
			return err
		})
	}
	if err != nil {
		return chat.Membership{}, false, err
	}
	m, err = d.addLast(ctx, a, m)
	return m, created, err
}

// directRoom finds a pair's room; the zero Membership where there is none.
func directRoom(tx db.Tx, pair string, user chat.UserID) (chat.Membership, error) {
	var q db.Statement
	q.Add(placeOf+" WHERE m.user_id = ? AND r.direct_key = ?", user, pair)
	return readPlace(tx, &q)
}
