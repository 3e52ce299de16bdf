package storetest

import (
	"maps"

	"chat-service/internal/chat"
)

func listRules() []rule {
	return []rule{
		{"lists/rooms of a user", roomLists},
		{"lists/public rooms", publicLists},
		{"lists/members", memberLists},
		{"lists/unread", unreadLists},
		{"lists/memberships of many", membershipsOfMany},
	}
}

// ids lists the rooms of memberships.
func ids(ms []chat.Membership) []chat.RoomID {
	out := make([]chat.RoomID, len(ms))
	for i, m := range ms {
		out[i] = m.Room.ID
	}
	return out
}

func roomLists(t *trial) {
	u := t.users(2)
	a, b, c := t.room(chat.Private, u...), t.room(chat.Private, u[0]), t.room(chat.Private, u[0])
	direct, _, err := t.Rooms.DirectRoom(t.ctx, u[1], u[0])
	t.ok(err)
	t.say(b, u[0], "x")
	t.say(a, u[1], "x", "y")
	ms, next, err := t.Lists.RoomList(t.ctx, u[0], "", 10)
	t.ok(err)
	t.same("rooms, latest activity first", ids(ms), []chat.RoomID{a, b, direct.Room.ID, c})
	if next != "" || ms[0].Last == nil || ms[0].Last.ClientMsgID != "y" || ms[0].Last.Room != a || ms[0].Last.Seq != 3 || ms[0].Unread() != 2 || ms[0].Member.User != u[0] || ms[0].Member.Room != a {
		t.Errorf("next %q, first line: %+v, last %+v", next, ms[0], ms[0].Last)
	}
	if ms[2].Peer == nil || ms[2].Peer.ID != u[1] || ms[0].Peer != nil {
		t.Errorf("peers: %+v, %+v", ms[2].Peer, ms[0].Peer)
	}
	var all []chat.RoomID
	for cursor, pages := "", 0; ; pages++ {
		page, next, err := t.Lists.RoomList(t.ctx, u[0], cursor, 2)
		if t.ok(err); len(page) > 2 || pages > 3 {
			t.Fatalf("page %d has %d lines", pages, len(page))
		}
		all = append(all, ids(page)...)
		if cursor = next; next == "" {
			break
		}
	}
	t.same("by pages", all, ids(ms))
	t.ok(t.Members.RemoveMember(t.ctx, a, u[1], u[1]))
	ms, _, err = t.Lists.RoomList(t.ctx, u[1], "", 10)
	t.ok(err)
	t.same("after leaving", ids(ms), []chat.RoomID{direct.Room.ID})
	_, _, err = t.Lists.RoomList(t.ctx, u[0], "!", 10)
	t.fails(err, chat.Invalid)
}

func publicLists(t *trial) {
	u := t.user()
	word := unique("w")
	var made []chat.RoomID
	for _, v := range []chat.Visibility{chat.Public, chat.Private, chat.Public, chat.Public} {
		m, err := t.Rooms.CreateRoom(t.ctx, chat.NewRoom{Owner: u, Name: "The " + word + " Room", Visibility: v})
		t.ok(err)
		if v == chat.Public {
			made = append(made, m.Room.ID)
		}
	}
	t.ok(t.Rooms.Dissolve(t.ctx, made[1], u))
	rs, next, err := t.Lists.PublicRooms(t.ctx, " THE "+word, "", 1)
	if t.ok(err); len(rs) != 1 || rs[0].ID != made[2] || next == "" {
		t.Fatalf("first page: %+v, %q", rs, next)
	}
	rs, next, err = t.Lists.PublicRooms(t.ctx, word, next, 1)
	if t.ok(err); len(rs) != 1 || rs[0].ID != made[0] || next != "" {
		t.Errorf("second page: %+v, %q", rs, next)
	}
	_, _, err = t.Lists.PublicRooms(t.ctx, "", "!", 1)
	t.fails(err, chat.Invalid)
}

func memberLists(t *trial) {
	u := t.users(4)
	room := t.room(chat.Public, u[:3]...)
	t.ok(t.Members.RemoveMember(t.ctx, room, u[1], u[1]))
	ms, err := t.Lists.Members(t.ctx, room, u[2], 0, 10)
	if t.ok(err); len(ms) != 2 || ms[0].User.ID != u[0] || ms[0].Member.Role != chat.Owner || ms[1].Member.User != u[2] || ms[1].User.Username == "" {
		t.Errorf("%+v", ms)
	}
	ms, err = t.Lists.Members(t.ctx, room, u[2], u[0], 1)
	if t.ok(err); len(ms) != 1 || ms[0].User.ID != u[2] {
		t.Errorf("after the first: %+v", ms)
	}
	_, err = t.Lists.Members(t.ctx, room, u[3], 0, 10)
	t.fails(err, chat.Forbidden)
	_, err = t.Lists.Members(t.ctx, t.room(chat.Private, u[0]), u[3], 0, 10)
	t.fails(err, chat.NotFound)
}

func unreadLists(t *trial) {
	u := t.users(2)
	a, b := t.room(chat.Private, u...), t.room(chat.Private, u...)
	t.say(a, u[0], "x", "y")
	t.say(b, u[0], "x")
	_, err := t.Messages.MarkRead(t.ctx, []chat.ReadMark{{Room: b, User: u[1], Seq: 2}})
	t.ok(err)
	name := "other" // takes a seq, and is unread by nobody
	_, err = t.Rooms.UpdateRoom(t.ctx, b, u[0], chat.RoomPatch{Name: &name})
	t.ok(err)
	total, per, err := t.Lists.Unread(t.ctx, u[1])
	if t.ok(err); total != 2 || !maps.Equal(per, map[chat.RoomID]uint64{a: 2}) {
		t.Errorf("%d, %v", total, per)
	}
	t.ok(t.Members.RemoveMember(t.ctx, a, u[1], u[1]))
	if total, per, err = t.Lists.Unread(t.ctx, u[1]); err != nil || total != 0 || len(per) != 0 {
		t.Errorf("after leaving: %d, %v, %v", total, per, err)
	}
}

func membershipsOfMany(t *trial) {
	u := t.users(3)
	a, b := t.room(chat.Private, u[:2]...), t.room(chat.Private, u[0])
	t.say(b, u[0], "x")
	t.say(a, u[0], "x", "y")
	of, err := t.Standing.MembershipsOf(t.ctx, u, 10)
	t.ok(err)
	t.same("of the first", ids(of[u[0]]), []chat.RoomID{a, b})
	t.same("of the second", ids(of[u[1]]), []chat.RoomID{a})
	if m := of[u[1]][0]; m.Unread() != 2 || m.Room.LastSeq != 3 || m.Room.Epoch != 1 || m.Room.Type != chat.Group || m.Member.ReadSeq != 1 || m.Member.User != u[1] || m.Member.Room != a {
		t.Errorf("%+v", m)
	}
	if len(of[u[2]]) != 0 {
		t.Errorf("of who is nowhere: %+v", of[u[2]])
	}
	of, err = t.Standing.MembershipsOf(t.ctx, u[:1], 1)
	t.ok(err)
	t.same("at most one", ids(of[u[0]]), []chat.RoomID{a})
}
