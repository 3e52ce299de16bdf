package line

import (
	"context"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

// announcer is a row of announcers.
type announcer struct {
	kind envelope.AnnouncementKind
	// announce adds the row's deliveries to out. The routes of its room, if it has one, are known.
	announce func(c *Committer, ctx context.Context, a *envelope.Announcement, out *deliver.Parcels)
}

// announcers is the table of outbox rows: how each kind is announced. A row of a kind that isn't in it is left alone: it waits for a
// worker of a later release.
var announcers = append([]announcer{
	{envelope.MessageAnnouncement, (*Committer).announceEntry},
	{envelope.ReadAnnouncement, func(c *Committer, ctx context.Context, a *envelope.Announcement, out *deliver.Parcels) {
		c.announceRead(ctx, *a.Read, "", 0, out)
	}},
	{envelope.RevokedAnnouncement, (*Committer).announceRevoked},
	{envelope.Message2Announcement, (*Committer).announceEntry},
	{envelope.ChangeAnnouncement, (*Committer).announceChange},
	{envelope.UserAnnouncement, (*Committer).announceProfile},
}, probeAnnouncers...)

// Announced lists the kinds of outbox rows that are announced, for a test that compares tables (internal/test/tables).
func Announced() (kinds []envelope.AnnouncementKind) {
	for _, a := range announcers {
		kinds = append(kinds, a.kind)
	}
	return kinds
}

// announcerOf returns how a kind is announced; nil for one that isn't known here.
func announcerOf(k envelope.AnnouncementKind) func(*Committer, context.Context, *envelope.Announcement, *deliver.Parcels) {
	for _, a := range announcers {
		if a.kind == k {
			return a.announce
		}
	}
	return nil
}

// announceable keeps the rows that can be announced here.
func announceable(rows []envelope.Announcement) []envelope.Announcement {
	return slices.DeleteFunc(rows, func(a envelope.Announcement) bool { return announcerOf(a.Kind()) == nil })
}

// announceRevoked has the sockets of ended login sessions closed, at every gateway.
func (c *Committer) announceRevoked(_ context.Context, a *envelope.Announcement, out *deliver.Parcels) {
	code := protocol.CloseRevoked
	if a.Revoked.Disabled {
		code = protocol.CloseDisabled
	}
	out.ToAll(&envelope.Delivery{
		Kind: envelope.Close, User: a.Revoked.User, Sessions: a.Revoked.Sessions,
		Session: a.Revoked.Except, Code: int(code),
	})
}

// announceEntry announces a log entry that REST wrote, and what changed with it.
func (c *Committer) announceEntry(ctx context.Context, a *envelope.Announcement, out *deliver.Parcels) {
	m := *a.Message
	d := envelope.Delivery{
		Kind: envelope.InRoom, Room: m.Room, Seq: m.Seq, Frame: protocol.AppendMessage(nil, m),
		Added: a.Added, Removed: a.Removed, All: a.All, Reason: a.Reason,
	}
	r := c.room(m.Room)
	if a.Room != nil {
		d.Epoch = a.Room.Epoch
		if a.Change != chat.NoChange && a.Change != chat.RoomDissolved {
			d.Event = protocol.AppendRoom(nil, protocol.RoomView(*a.Room), a.Change, a.About)
		}
	} else {
		d.Epoch = r.epoch
	}
	if len(a.Added) > 0 && a.Room != nil {
		d.Changes, d.From = r.told(), seenFrom(a)
		c.announceAdded(ctx, a, d, out)
	} else {
		c.route(&d, out)
	}
	c.noteAdded(envelope.Point{Room: m.Room, Seq: m.Seq, Epoch: d.Epoch}, a.Added)
	for _, u := range a.Removed {
		c.l.o.Left(m.Room, u)
	}
	r.reached(m.Seq, d.Epoch, c.l.o.Now())
	c.l.behind.count([]chat.Head{{Room: m.Room, Seq: m.Seq, Before: m.Seq - 1, Epoch: d.Epoch, MsgCount: m.Ord}}, []chat.Message{m})
}

// seenFrom is the first seq that those see whom an entry made members.
func seenFrom(a *envelope.Announcement) chat.Seq {
	if a.Room.Type == chat.Direct || a.Room.Visibility == chat.Public || a.Room.HistoryAll {
		return 1
	}
	return a.Message.Seq // 1, where they were named at the creation
}

// announceAdded announces an entry that made members. Each of them gets the room as their own list shows it, so a direct room's two
// people and a group's owner get an entry of their own (the hub takes a repeated seq for its memberships only).
func (c *Committer) announceAdded(ctx context.Context, a *envelope.Announcement, d envelope.Delivery, out *deliver.Parcels) {
	var plain, special []chat.UserID
	for _, u := range a.Added {
		if a.Room.Type == chat.Direct || u == a.Room.Owner {
			special = append(special, u)
		} else {
			plain = append(plain, u)
		}
	}
	view := func(u chat.UserID, role chat.Role, peer *chat.User) []byte {
		return protocol.AppendJoined(nil, protocol.ListedRoomView(chat.Membership{
			Room: *a.Room, Peer: peer, Last: a.Message,
			Member: chat.Member{Room: a.Room.ID, User: u, Role: role, ReadSeq: a.Message.Seq, ReadCount: a.Room.MsgCount},
		}))
	}
	var people map[chat.UserID]*chat.User
	if a.Room.Type == chat.Direct {
		people = c.people(ctx, a.Added)
	}
	if len(plain) > 0 || len(special) == 0 {
		d.Added, d.JoinedTo = plain, view(0, chat.Plain, nil)
		c.route(&d, out)
	}
	for _, u := range special {
		role, peer := chat.Owner, (*chat.User)(nil)
		if a.Room.Type == chat.Direct {
			role = chat.Plain
			for _, v := range a.Added {
				if v != u {
					peer = people[v]
				}
			}
		}
		d.Added, d.JoinedTo = []chat.UserID{u}, view(u, role, peer)
		c.route(&d, out)
	}
}

// people looks users up for a view; those that can't be found are left out.
func (c *Committer) people(ctx context.Context, ids []chat.UserID) map[chat.UserID]*chat.User {
	ctx, cancel := context.WithTimeout(ctx, c.l.o.Patience)
	defer cancel()
	us, err := c.l.o.Log.Users(ctx, ids)
	if err != nil {
		c.l.o.Logger.WarnContext(ctx, "look users up", "err", err)
	}
	m := make(map[chat.UserID]*chat.User, len(us))
	for i := range us {
		m[us[i].ID] = &us[i]
	}
	return m
}
