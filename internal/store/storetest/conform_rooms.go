package storetest

import (
	"slices"
	"strings"
	"time"

	"chat-service/internal/chat"
)

func roomRules() []rule {
	return []rule{
		{"rooms/create", createRooms},
		{"rooms/direct", directRooms},
		{"rooms/update and dissolve", updateRooms},
		{"members/add", addMembers},
		{"members/public rooms", publicMembers},
		{"members/remove", removeMembers},
		{"members/roles", roles},
		{"members/mute", mutes},
		{"members/transfer", transfers},
	}
}

func createRooms(t *trial) {
	u := t.users(3)
	m, err := t.Rooms.CreateRoom(t.ctx, chat.NewRoom{Owner: u[0], Name: "Name", Description: "Text", Members: []chat.UserID{u[1], u[0], u[1]}, HistoryAll: true})
	t.ok(err)
	r := m.Room
	if r.Type != chat.Group || r.Visibility != chat.Private || r.Owner != u[0] || r.MemberCount != 2 || r.LastSeq != 1 || r.MsgCount != 0 || r.Epoch != 1 || !r.HistoryAll || r.Name != "Name" || r.Description != "Text" {
		t.Errorf("room: %+v", r)
	}
	if m.Member.Role != chat.Owner || m.Last == nil || m.Last.Seq != 1 || m.Last.Kind != chat.System || !strings.Contains(m.Last.Content, `"created"`) {
		t.Errorf("membership: %+v, last %+v", m.Member, m.Last)
	}
	if x := t.member(r.ID, u[1]); x.Member.Role != chat.Plain || x.Member.VisibleFrom != 1 || x.Member.ReadSeq != 1 || x.Unread() != 0 || x.Room != r {
		t.Errorf("member: %+v in %+v", x.Member, x.Room)
	}
	ans := t.announced(r.ID)
	if len(ans) != 1 || ans[0].Change != chat.MemberJoined || !slices.Equal(ans[0].Added, u[:2]) || *ans[0].Room != r || *ans[0].Message != *m.Last {
		t.Errorf("announced: %+v", ans)
	}
	_, err = t.Rooms.CreateRoom(t.ctx, chat.NewRoom{Owner: u[0], Members: []chat.UserID{1 << 40}})
	t.fails(err, chat.Invalid)
	_, err = t.Rooms.CreateRoom(t.ctx, chat.NewRoom{Owner: u[0], Members: []chat.UserID{0}})
	t.fails(err, chat.Invalid)
	_, err = t.Rooms.CreateRoom(t.ctx, chat.NewRoom{Owner: u[0], Members: slices.Repeat(u[1:2], 21)})
	t.fails(err, chat.Invalid)
	_, err = t.Rooms.CreateRoom(t.ctx, chat.NewRoom{Owner: u[0], Members: t.users(10)})
	t.fails(err, chat.RoomFull)
}

func directRooms(t *trial) {
	u := t.users(2)
	_, err := t.Rooms.FindDirect(t.ctx, u[0], u[1])
	t.fails(err, chat.NotFound)
	m, created, err := t.Rooms.DirectRoom(t.ctx, u[0], u[1])
	if t.ok(err); !created || m.Room.Type != chat.Direct || m.Room.Owner != 0 || m.Member.User != u[0] || m.Member.Role != chat.Plain || m.Peer == nil || m.Peer.ID != u[1] {
		t.Errorf("created %v: %+v, peer %+v", created, m, m.Peer)
	}
	t.say(m.Room.ID, u[0], "a")
	again, created, err := t.Rooms.DirectRoom(t.ctx, u[1], u[0])
	if t.ok(err); created || again.Room.ID != m.Room.ID || again.Member.User != u[1] || again.Peer.ID != u[0] || again.Last == nil || again.Last.Seq != 2 {
		t.Errorf("created %v: %+v", created, again)
	}
	found, err := t.Rooms.FindDirect(t.ctx, u[1], u[0])
	if t.ok(err); found.Room != again.Room || found.Member != again.Member || *found.Peer != *again.Peer || found.Last == nil || found.Last.Seq != 2 {
		t.Errorf("found %+v, want %+v", found, again)
	}
	for _, other := range []chat.UserID{u[0], 0, 1 << 40} {
		_, err := t.Rooms.FindDirect(t.ctx, u[0], other)
		t.fails(err, chat.NotFound)
	}
	for range 2 {
		notes, created, err := t.Rooms.DirectRoom(t.ctx, u[0], u[0])
		if t.ok(err); notes.Room.ID == m.Room.ID || notes.Room.MemberCount != 1 || notes.Peer != nil || notes.Member.Role != chat.Plain || created != (notes.Last == nil || notes.Last.Seq == 1) {
			t.Errorf("notes, created %v: %+v", created, notes)
		}
		t.say(notes.Room.ID, u[0], "buy milk")
	}
	for _, other := range []chat.UserID{0, 1 << 40} {
		_, _, err := t.Rooms.DirectRoom(t.ctx, u[0], other)
		t.fails(err, chat.Invalid)
	}
	t.fails(t.Members.RemoveMember(t.ctx, m.Room.ID, u[0], u[0]), chat.Forbidden)
	name := "x"
	_, err = t.Rooms.UpdateRoom(t.ctx, m.Room.ID, u[0], chat.RoomPatch{Name: &name})
	t.fails(err, chat.Forbidden)
	t.fails(t.Rooms.Dissolve(t.ctx, m.Room.ID, u[0]), chat.Forbidden)
}

func updateRooms(t *trial) {
	u := t.users(3)
	room := t.room(chat.Private, u[:2]...)
	t.announced(room)
	name, public := "New", chat.Public
	m, err := t.Rooms.UpdateRoom(t.ctx, room, u[0], chat.RoomPatch{Name: &name, Visibility: &public}) // 2
	if t.ok(err); m.Room.Name != name || m.Room.Visibility != public || m.Room.LastSeq != 2 || m.Member.User != u[0] {
		t.Errorf("updated: %+v", m)
	}
	again, err := t.Rooms.UpdateRoom(t.ctx, room, u[0], chat.RoomPatch{Name: &name})
	if t.ok(err); again.Room.LastSeq != 2 {
		t.Error("a patch that changes nothing takes a seq")
	}
	ans := t.announced(room)
	if len(ans) != 1 || ans[0].Change != chat.RoomUpdated || ans[0].Room.Name != name || !strings.Contains(ans[0].Message.Content, `"name":"New"`) {
		t.Errorf("announced: %+v", ans)
	}
	_, err = t.Rooms.UpdateRoom(t.ctx, room, u[1], chat.RoomPatch{Name: &name})
	t.fails(err, chat.Forbidden)
	v, err := t.Rooms.View(t.ctx, room, u[2])
	if t.ok(err); v.Member.User != 0 || v.Room.ID != room {
		t.Errorf("a stranger's view of a public room: %+v", v)
	}
	v, err = t.Rooms.View(t.ctx, room, u[1])
	if t.ok(err); !v.Member.In() || v.Last == nil || v.Last.Seq != 2 {
		t.Errorf("a member's view: %+v", v)
	}

	t.fails(t.Rooms.Dissolve(t.ctx, room, u[1]), chat.Forbidden)
	t.ok(t.Rooms.Dissolve(t.ctx, room, u[0])) // 3
	ans = t.announced(room)
	if len(ans) != 1 || !ans[0].All || ans[0].Reason != chat.LeftDissolved || ans[0].Change != chat.RoomDissolved || ans[0].Room.DissolvedAt.IsZero() || ans[0].Room.MemberCount != 0 {
		t.Errorf("announced: %+v", ans)
	}
	if m := t.member(room, u[1]); m.Member.LeftSeq != 3 || m.Room.DissolvedAt.IsZero() {
		t.Errorf("after the end: %+v", m)
	}
	t.fails(t.Rooms.Dissolve(t.ctx, room, u[0]), chat.NotFound)
	for _, user := range u {
		_, err := t.Rooms.View(t.ctx, room, user)
		t.fails(err, chat.NotFound)
	}
}

func addMembers(t *trial) {
	u := t.users(5)
	room := t.room(chat.Private, u[0], u[1])
	t.say(room, u[0], "a") // 2
	t.announced(room)
	added, err := t.Members.AddMembers(t.ctx, room, u[0], []chat.UserID{u[3], u[1], u[2], u[3]}) // 3
	t.ok(err)
	t.same("added", added, []chat.UserID{u[2], u[3]})
	if m := t.member(room, u[2]); m.Member.VisibleFrom != 3 || m.Member.ReadSeq != 3 || m.Member.ReadCount != 1 || m.Unread() != 0 || m.Room.MemberCount != 4 {
		t.Errorf("new member: %+v", m)
	}
	ans := t.announced(room)
	if len(ans) != 1 || !slices.Equal(ans[0].Added, added) || ans[0].About != 0 || ans[0].Change != chat.MemberJoined || ans[0].Message.Seq != 3 || ans[0].Message.Ord != 1 {
		t.Errorf("announced: %+v", ans)
	}
	added, err = t.Members.AddMembers(t.ctx, room, u[0], u[:3])
	if t.ok(err); len(added) != 0 || len(t.announced(room)) != 0 {
		t.Error("who is in was added again:", added)
	}
	_, err = t.Members.AddMembers(t.ctx, room, u[1], u[4:])
	t.fails(err, chat.Forbidden) // a plain member of a private room
	_, err = t.Members.AddMembers(t.ctx, room, u[4], u[4:])
	t.fails(err, chat.NotFound)
	_, err = t.Members.AddMembers(t.ctx, room, u[0], []chat.UserID{u[4], 1 << 40})
	t.fails(err, chat.Invalid)
	_, err = t.Members.AddMembers(t.ctx, room, u[0], t.users(7))
	t.fails(err, chat.RoomFull)
	_, err = t.Members.AddMembers(t.ctx, room, u[0], slices.Repeat(u[4:], 21))
	t.fails(err, chat.Invalid)
	if m := t.member(room, u[0]); m.Room.MemberCount != 4 || m.Room.LastSeq != 3 {
		t.Errorf("refused calls left traces: %+v", m.Room)
	}
}

func publicMembers(t *trial) {
	u := t.users(4)
	room := t.room(chat.Public, u[0])
	t.announced(room)
	added, err := t.Members.AddMembers(t.ctx, room, u[1], u[1:2]) // 2: joins
	t.ok(err)
	t.same("joined", added, u[1:2])
	ans := t.announced(room)
	if len(ans) != 1 || ans[0].About != u[1] || !strings.Contains(ans[0].Message.Content, `"joined"`) {
		t.Errorf("announced: %+v", ans)
	}
	if m := t.member(room, u[1]); m.Member.VisibleFrom != 1 || m.Member.ReadSeq != 2 {
		t.Errorf("joined: %+v", m.Member)
	}
	if _, err = t.Members.AddMembers(t.ctx, room, u[1], u[2:3]); err != nil {
		t.Error("a member of a public room may invite:", err)
	}
	_, err = t.Members.AddMembers(t.ctx, room, u[3], u[1:2])
	t.fails(err, chat.Forbidden)
}

func removeMembers(t *trial) {
	u := t.users(3)
	room := t.room(chat.Private, u...)
	t.announced(room)
	t.fails(t.Members.RemoveMember(t.ctx, room, u[1], u[2]), chat.Forbidden)
	t.fails(t.Members.RemoveMember(t.ctx, room, u[0], u[0]), chat.Conflict)
	t.fails(t.Members.RemoveMember(t.ctx, room, u[0], 1<<40), chat.NotFound)
	t.ok(t.Members.RemoveMember(t.ctx, room, u[0], u[1])) // 2
	t.ok(t.Members.RemoveMember(t.ctx, room, u[2], u[2])) // 3
	t.fails(t.Members.RemoveMember(t.ctx, room, u[2], u[2]), chat.NotFound)
	ans := t.announced(room)
	if len(ans) != 2 {
		t.Fatalf("announced: %+v", ans)
	}
	for i, want := range []struct {
		user   chat.UserID
		reason chat.LeaveReason
		event  string
	}{{u[1], chat.LeftKicked, `"removed"`}, {u[2], chat.LeftSelf, `"left"`}} {
		an := ans[i]
		if !slices.Equal(an.Removed, []chat.UserID{want.user}) || an.Reason != want.reason || an.About != want.user || an.Change != chat.MemberLeft || !strings.Contains(an.Message.Content, want.event) {
			t.Errorf("announced: %+v, want %+v", an, want)
		}
		if m := t.member(room, want.user); m.Member.In() || m.Member.LeftSeq != chat.Seq(i+2) || m.Room.MemberCount != 1 {
			t.Errorf("who left: %+v", m)
		}
		_, err := t.Rooms.View(t.ctx, room, want.user)
		t.fails(err, chat.NotFound)
	}
}

func roles(t *trial) {
	u := t.users(3)
	room := t.room(chat.Private, u...)
	t.announced(room)
	for range 2 {
		m, err := t.Members.SetRole(t.ctx, room, u[0], u[1], chat.Admin)
		if t.ok(err); m.Role != chat.Admin || m.User != u[1] {
			t.Errorf("%+v", m)
		}
	}
	ans := t.announced(room)
	if len(ans) != 1 || ans[0].Change != chat.RoleChanged || ans[0].About != u[1] {
		t.Errorf("announced: %+v", ans)
	}
	_, err := t.Members.SetRole(t.ctx, room, u[1], u[2], chat.Admin)
	t.fails(err, chat.Forbidden)
	_, err = t.Members.SetRole(t.ctx, room, u[0], u[1], chat.Owner)
	t.fails(err, chat.Invalid)
	_, err = t.Members.SetRole(t.ctx, room, u[0], u[0], chat.Plain)
	t.fails(err, chat.Conflict)
	t.ok(t.Members.RemoveMember(t.ctx, room, u[1], u[2]))
	if m := t.member(room, u[1]); m.Member.Role != chat.Admin {
		t.Errorf("%+v", m.Member)
	}
}

func mutes(t *trial) {
	u := t.users(2)
	room := t.room(chat.Private, u...)
	t.announced(room)
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	for range 2 {
		m, err := t.Members.Mute(t.ctx, room, u[0], u[1], until)
		if t.ok(err); !m.MutedUntil.Equal(until) {
			t.Errorf("%+v", m)
		}
	}
	t.ok(t.Members.RemoveMember(t.ctx, room, u[1], u[1]))
	_, err := t.Members.AddMembers(t.ctx, room, u[0], u[1:])
	t.ok(err)
	if m := t.member(room, u[1]); !m.Member.MutedUntil.Equal(until) {
		t.Errorf("leaving lifts a mute: %+v", m.Member)
	}
	for range 2 {
		m, err := t.Members.Mute(t.ctx, room, u[0], u[1], time.Time{})
		if t.ok(err); !m.MutedUntil.IsZero() {
			t.Errorf("%+v", m)
		}
	}
	if ans := t.announced(room); len(ans) != 4 || !strings.Contains(ans[0].Message.Content, `"muted"`) || !strings.Contains(ans[3].Message.Content, `"unmuted"`) {
		t.Errorf("announced: %+v", ans)
	}
	_, err = t.Members.Mute(t.ctx, room, u[1], u[0], until)
	t.fails(err, chat.Forbidden)
}

func transfers(t *trial) {
	u := t.users(3)
	room := t.room(chat.Private, u[:2]...)
	_, err := t.Members.Mute(t.ctx, room, u[0], u[1], time.Now().Add(time.Hour))
	t.ok(err)
	t.announced(room)
	_, err = t.Members.Transfer(t.ctx, room, u[1], u[1])
	t.fails(err, chat.Forbidden)
	_, err = t.Members.Transfer(t.ctx, room, u[0], u[2])
	t.fails(err, chat.NotFound)
	if _, err = t.Members.Transfer(t.ctx, room, u[0], u[0]); err != nil || len(t.announced(room)) != 0 {
		t.Error("to oneself:", err)
	}
	r, err := t.Members.Transfer(t.ctx, room, u[0], u[1])
	if t.ok(err); r.Owner != u[1] {
		t.Errorf("%+v", r)
	}
	was, is := t.member(room, u[0]).Member, t.member(room, u[1]).Member
	if was.Role != chat.Admin || is.Role != chat.Owner || !is.MutedUntil.IsZero() {
		t.Errorf("%+v, %+v", was, is)
	}
	if ans := t.announced(room); len(ans) != 1 || ans[0].Change != chat.OwnerChanged || ans[0].About != u[1] || ans[0].Room.Owner != u[1] {
		t.Errorf("announced: %+v", ans)
	}
}
