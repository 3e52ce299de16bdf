//go:build integration

package store_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
)

func TestCreateRoom(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 3)
		m, err := d.Rooms.CreateRoom(ctx, chat.NewRoom{Owner: u[0], Name: "Lunch", Description: "soup", Members: []chat.UserID{u[1], u[1], u[0], u[2]}})
		ok(t, err)
		want := chat.Room{
			ID: m.Room.ID, Type: chat.Group, Name: "Lunch", Description: "soup", Visibility: chat.Private, Owner: u[0],
			MemberCount: 3, LastSeq: 1, Epoch: 1, CreatedAt: m.Room.CreatedAt,
		}
		if diff := cmp.Diff(want, m.Room); diff != "" {
			t.Fatal(diff)
		}
		have, err := d.Messages.Membership(ctx, m.Room.ID, u[0])
		ok(t, err)
		if diff := cmp.Diff(m.Room, have.Room); diff != "" {
			t.Fatal(diff)
		}
		if m.Member.Role != chat.Owner || have.Member.Role != chat.Owner || have.Member.VisibleFrom != 1 || have.Unread() != 0 {
			t.Fatalf("%+v", have.Member)
		}
		ans := drain(t, d)
		if len(ans) != 1 || !slices.Equal(ans[0].Added, u) || ans[0].Message.Content != fmt.Sprintf(`{"event":"created","by":%d,"user_ids":[%d,%d,%d]}`, u[0], u[0], u[1], u[2]) {
			t.Fatalf("%+v %+v", ans[0], ans[0].Message)
		}
		_, err = d.Rooms.CreateRoom(ctx, chat.NewRoom{Owner: u[0], Name: "x", Members: []chat.UserID{u[1], 999999}})
		wantKind(t, err, chat.Invalid)
		if chat.As(err).Fields[0].Field != "member_ids" {
			t.Fatal(err)
		}
		tot, err := d.Operator.Totals(ctx)
		ok(t, err)
		if tot.Rooms != 1 || tot.Members != 3 || tot.Users != 3 || tot.Outbox != 0 {
			t.Fatalf("half-made: %+v", tot)
		}
		info, err := d.Operator.RoomInfo(ctx, m.Room.ID)
		ok(t, err)
		if info.TopSeq != 1 || info.Partition != m.Room.ID.Partition(16) {
			t.Fatalf("%+v", info)
		}
		_, err = d.Operator.RoomInfo(ctx, 999999)
		wantKind(t, err, chat.NotFound)
	})
}

func TestDirectRoomRace(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 2)
		var all sync.WaitGroup
		ids := make([]chat.RoomID, 16)
		made := make([]bool, 16)
		for i := range ids {
			all.Go(func() {
				a, b := u[i%2], u[(i+1)%2]
				m, created, err := d.Rooms.DirectRoom(ctx, a, b)
				if err != nil {
					t.Error(err)
					return
				}
				if m.Member.User != a || m.Peer == nil || m.Peer.ID != b {
					t.Errorf("membership: %+v, peer %+v", m.Member, m.Peer)
				}
				ids[i], made[i] = m.Room.ID, created
			})
		}
		all.Wait()
		n := 0
		for i := range ids {
			if ids[i] != ids[0] {
				t.Errorf("rooms %d and %d", ids[i], ids[0])
			}
			if made[i] {
				n++
			}
		}
		if n != 1 {
			t.Errorf("made %d times", n)
		}
		_, _, err := d.Rooms.DirectRoom(ctx, u[0], 999999)
		wantKind(t, err, chat.Invalid)
		wantKind(t, d.Rooms.RemoveMember(ctx, ids[0], u[0], u[0]), chat.Forbidden)
		_, err = d.Rooms.AddMembers(ctx, ids[0], u[0], []chat.UserID{makeUser(t, d)})
		wantKind(t, err, chat.Forbidden)
	})
}

func TestMembersComeAndGo(t *testing.T) {
	limits := func(o *db.Options) { o.Limits.RoomMembers, o.Limits.MembersCall = 4, 3 }
	onBoth(t, limits, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 6)
		room := makeRoom(t, d, u[0], u[1]).Room.ID
		appendOne(t, d, send(room, u[0], "1", "before")) // seq 2
		_, err := d.Rooms.AddMembers(ctx, room, u[1], []chat.UserID{u[2]})
		wantKind(t, err, chat.Forbidden)
		_, err = d.Rooms.AddMembers(ctx, room, u[2], []chat.UserID{u[2]})
		wantKind(t, err, chat.NotFound)
		_, err = d.Rooms.AddMembers(ctx, room, u[0], []chat.UserID{u[2], 999999})
		wantKind(t, err, chat.Invalid)
		_, err = d.Rooms.AddMembers(ctx, room, u[0], u[:4])
		wantKind(t, err, chat.Invalid)
		_, err = d.Rooms.AddMembers(ctx, room, u[0], u[2:5])
		wantKind(t, err, chat.RoomFull)
		drain(t, d)
		added, err := d.Rooms.AddMembers(ctx, room, u[0], []chat.UserID{u[2], u[1], u[2]}) // seq 3
		ok(t, err)
		if !slices.Equal(added, []chat.UserID{u[2]}) {
			t.Fatalf("added %v", added)
		}
		ans := drain(t, d)
		if len(ans) != 1 || ans[0].About != u[2] || ans[0].Change != chat.MemberJoined || ans[0].Room.MemberCount != 3 {
			t.Fatalf("%+v", ans)
		}
		m, err := d.Messages.Membership(ctx, room, u[2])
		ok(t, err)
		if m.Member.VisibleFrom != 3 || m.Member.ReadSeq != 3 || m.Unread() != 0 {
			t.Fatalf("%+v", m.Member)
		}
		appendOne(t, d, send(room, u[0], "2", "while")) // seq 4
		wantKind(t, d.Rooms.RemoveMember(ctx, room, u[2], u[1]), chat.Forbidden)
		wantKind(t, d.Rooms.RemoveMember(ctx, room, u[0], u[5]), chat.NotFound)
		wantKind(t, d.Rooms.RemoveMember(ctx, room, u[0], u[0]), chat.Conflict)
		ok(t, d.Rooms.RemoveMember(ctx, room, u[2], u[2])) // seq 5
		wantKind(t, d.Rooms.RemoveMember(ctx, room, u[2], u[2]), chat.NotFound)
		ans = drain(t, d)
		if len(ans) != 1 || ans[0].Reason != chat.LeftSelf || !slices.Equal(ans[0].Removed, []chat.UserID{u[2]}) {
			t.Fatalf("%+v", ans)
		}
		appendOne(t, d, send(room, u[0], "3", "after")) // seq 6
		m, err = d.Messages.Membership(ctx, room, u[2])
		ok(t, err)
		if m.Member.In() || m.Member.LeftSeq != 5 {
			t.Fatalf("%+v", m.Member)
		}
		page, err := d.Messages.History(ctx, chat.HistoryQuery{Room: room, User: u[2]})
		ok(t, err)
		if got := seqsOf(page.Messages); !slices.Equal(got, []chat.Seq{3, 4, 5}) || page.LastSeq != 5 || page.HasMore {
			t.Fatalf("ex-member sees %v of %d", got, page.LastSeq)
		}
		_, err = d.Rooms.AddMembers(ctx, room, u[0], []chat.UserID{u[2]}) // seq 7: rejoining starts anew
		ok(t, err)
		page, err = d.Messages.History(ctx, chat.HistoryQuery{Room: room, User: u[2]})
		ok(t, err)
		if got := seqsOf(page.Messages); !slices.Equal(got, []chat.Seq{7}) {
			t.Fatalf("after rejoining: %v", got)
		}
		in, r, err := d.Rooms.MembersAmong(ctx, room, 7, u)
		ok(t, err)
		if !slices.Equal(in, u[:3]) || r.LastSeq != 7 || r.MemberCount != 3 {
			t.Fatalf("among: %v, %+v", in, r)
		}
		if in, _, err = d.Rooms.MembersAmong(ctx, room, 6, u); err != nil || !slices.Equal(in, u[:2]) {
			t.Fatalf("among before u[2] was back: %v %v", in, err)
		}
		if in, r, err = d.Rooms.MembersAmong(ctx, room, 7, nil); err != nil || len(in) != 0 || r.ID != room {
			t.Fatal(in, r, err)
		}
		_, _, err = d.Rooms.MembersAmong(ctx, 999999, 7, u)
		wantKind(t, err, chat.NotFound)
		_, err = d.Rooms.Members(ctx, room, u[4], 0, 10)
		wantKind(t, err, chat.NotFound)
		ms, err := d.Rooms.Members(ctx, room, u[0], u[0], 1)
		ok(t, err)
		if len(ms) != 1 || ms[0].User.ID != u[1] || ms[0].Member.Role != chat.Plain {
			t.Fatalf("members: %+v", ms)
		}
	})
}

func TestPublicRoom(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 3)
		m, err := d.Rooms.CreateRoom(ctx, chat.NewRoom{Owner: u[0], Name: "100% Ｃats_天气", Visibility: chat.Public})
		ok(t, err)
		other, err := d.Rooms.CreateRoom(ctx, chat.NewRoom{Owner: u[0], Name: "dogs", Visibility: chat.Public})
		ok(t, err)
		makeRoom(t, d, u[0]) // private
		for q, n := range map[string]int{"": 2, "cats": 1, "0%": 1, "%": 1, "s_": 1, "天": 1, "bird": 0} {
			rs, _, err := d.Rooms.PublicRooms(ctx, q, "", 10)
			ok(t, err)
			if len(rs) != n {
				t.Errorf("%q finds %d rooms, want %d", q, len(rs), n)
			}
		}
		rs, next, err := d.Rooms.PublicRooms(ctx, "", "", 1)
		ok(t, err)
		if rs[0].ID != other.Room.ID || next == "" {
			t.Fatal(rs, next)
		}
		rs, next, err = d.Rooms.PublicRooms(ctx, "", next, 1)
		ok(t, err)
		if rs[0].ID != m.Room.ID || next != "" {
			t.Fatal(rs, next)
		}
		_, _, err = d.Rooms.PublicRooms(ctx, "", "no cursor!", 1)
		wantKind(t, err, chat.Invalid)

		appendOne(t, d, send(m.Room.ID, u[0], "1", "hello"))
		_, err = d.Rooms.AddMembers(ctx, m.Room.ID, u[1], []chat.UserID{u[2]})
		wantKind(t, err, chat.Forbidden)
		_, err = d.Rooms.Members(ctx, m.Room.ID, u[1], 0, 10)
		wantKind(t, err, chat.Forbidden)
		v, err := d.Rooms.View(ctx, m.Room.ID, u[1])
		ok(t, err)
		if v.Member.In() || v.Room.ID != m.Room.ID {
			t.Fatalf("%+v", v)
		}
		_, err = d.Rooms.AddMembers(ctx, m.Room.ID, u[1], []chat.UserID{u[1]})
		ok(t, err)
		v, err = d.Rooms.View(ctx, m.Room.ID, u[1])
		ok(t, err)
		if v.Member.VisibleFrom != 1 || v.Last == nil || v.Last.Seq != 3 {
			t.Fatalf("%+v %+v", v.Member, v.Last)
		}
		_, err = d.Rooms.UpdateRoom(ctx, m.Room.ID, u[2], chat.RoomPatch{})
		wantKind(t, err, chat.Forbidden)
	})
}

func TestSettings(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 4)
		room := makeRoom(t, d, u[:3]...).Room.ID
		drain(t, d)
		name := "renamed"
		m, err := d.Rooms.UpdateRoom(ctx, room, u[0], chat.RoomPatch{Name: &name})
		ok(t, err)
		if m.Room.Name != name || m.Room.LastSeq != 2 {
			t.Fatalf("%+v", m.Room)
		}
		m, err = d.Rooms.UpdateRoom(ctx, room, u[0], chat.RoomPatch{Name: &name})
		ok(t, err)
		if m.Room.LastSeq != 2 {
			t.Fatal("a patch that changes nothing took a seq")
		}
		_, err = d.Rooms.UpdateRoom(ctx, room, u[1], chat.RoomPatch{Name: &name})
		wantKind(t, err, chat.Forbidden)
		_, err = d.Rooms.UpdateRoom(ctx, room, u[3], chat.RoomPatch{Name: &name})
		wantKind(t, err, chat.NotFound)

		_, err = d.Rooms.SetRole(ctx, room, u[1], u[2], chat.Admin)
		wantKind(t, err, chat.Forbidden)
		_, err = d.Rooms.SetRole(ctx, room, u[0], u[1], chat.Owner)
		wantKind(t, err, chat.Invalid)
		_, err = d.Rooms.SetRole(ctx, room, u[0], u[3], chat.Admin)
		wantKind(t, err, chat.NotFound)
		mem, err := d.Rooms.SetRole(ctx, room, u[0], u[1], chat.Admin)
		ok(t, err)
		if mem.Role != chat.Admin {
			t.Fatal(mem)
		}
		_, err = d.Rooms.Mute(ctx, room, u[1], u[0], time.Now().Add(time.Hour))
		wantKind(t, err, chat.Forbidden)
		mem, err = d.Rooms.Mute(ctx, room, u[1], u[2], time.Now().Add(time.Hour))
		ok(t, err)
		if !mem.MutedUntil.After(time.Now()) {
			t.Fatal(mem)
		}
		said, err := d.Messages.Messages(ctx, room, 1, 100, 100)
		ok(t, err)
		until := `"until":"` + mem.MutedUntil.Format("2006-01-02T15:04:05.000Z") + `"`
		if last := said[len(said)-1]; !strings.Contains(last.Content, until) {
			t.Fatalf("announced %s, not %s", last.Content, until)
		}
		sent, _, err := d.Messages.Append(ctx, []chat.Send{send(room, u[2], "m", "x")}, time.Now())
		ok(t, err)
		wantKind(t, sent[0].Err, chat.Muted)
		if appendOne(t, d, send(room, u[1], "m", "x")).Seq != 5 {
			t.Fatal("a refused message took a seq")
		}

		_, err = d.Rooms.Transfer(ctx, room, u[1], u[2])
		wantKind(t, err, chat.Forbidden)
		_, err = d.Rooms.Transfer(ctx, room, u[0], u[3])
		wantKind(t, err, chat.NotFound)
		r, err := d.Rooms.Transfer(ctx, room, u[0], u[1])
		ok(t, err)
		old, err := d.Messages.Membership(ctx, room, u[0])
		ok(t, err)
		if r.Owner != u[1] || old.Member.Role != chat.Admin {
			t.Fatal(r, old)
		}
		wantKind(t, d.Rooms.Dissolve(ctx, room, u[0]), chat.Forbidden)
		ok(t, d.Rooms.Dissolve(ctx, room, u[1]))
		wantKind(t, d.Rooms.Dissolve(ctx, room, u[1]), chat.NotFound)
		_, err = d.Rooms.View(ctx, room, u[1])
		wantKind(t, err, chat.NotFound)
		old, err = d.Messages.Membership(ctx, room, u[2])
		ok(t, err)
		if old.Member.In() || old.Room.DissolvedAt.IsZero() || old.Member.LeftSeq != old.Room.LastSeq {
			t.Fatalf("%+v", old)
		}
		var changes []chat.RoomChange
		ans := drain(t, d)
		for i, a := range ans {
			changes = append(changes, a.Change)
			if i > 0 && a.Message.Seq <= ans[i-1].Message.Seq {
				t.Fatal("outbox ids are not in seq order")
			}
		}
		want := []chat.RoomChange{chat.RoomUpdated, chat.RoleChanged, chat.RoleChanged, chat.OwnerChanged, chat.RoomDissolved}
		if diff := cmp.Diff(want, changes); diff != "" {
			t.Fatal(diff)
		}
		if last := ans[len(ans)-1]; !last.All || last.Reason != chat.LeftDissolved {
			t.Fatalf("%+v", last)
		}
	})
}

func TestReadPointer(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 3)
		room, other := makeRoom(t, d, u[:2]...).Room.ID, makeRoom(t, d, u[:2]...).Room.ID
		for i := range 5 {
			appendOne(t, d, send(room, u[0], fmt.Sprint(i), "x")) // seqs 2 … 6
		}
		appendOne(t, d, send(other, u[0], "1", "x"))
		total, per, err := d.Rooms.Unread(ctx, u[1])
		ok(t, err)
		if total != 6 || per[room] != 5 || per[other] != 1 {
			t.Fatal(total, per)
		}
		mark := func(seq chat.Seq, want chat.ReadState) {
			t.Helper()
			want.Room, want.User = room, u[1]
			got, err := d.Messages.MarkRead(ctx, []chat.ReadMark{{Room: room, User: u[1], Seq: seq}})
			ok(t, err)
			if diff := cmp.Diff([]chat.ReadState{want}, got); diff != "" {
				t.Fatalf("mark %d: %s", seq, diff)
			}
		}
		mark(0, chat.ReadState{ReadSeq: 1, Unread: 5})
		mark(3, chat.ReadState{ReadSeq: 3, Unread: 3, Moved: true})
		mark(2, chat.ReadState{ReadSeq: 3, Unread: 3})
		mark(1<<60, chat.ReadState{ReadSeq: 6, Unread: 0, Moved: true})
		states, err := d.Messages.MarkRead(ctx, []chat.ReadMark{
			{Room: other, User: u[1], Seq: 1}, {Room: other, User: u[2], Seq: 1}, {Room: other, User: u[1], Seq: 2}, {Room: 999999, User: u[1], Seq: 2},
		})
		ok(t, err)
		if states[0].ReadSeq != 2 || !states[2].Moved || states[1].Err == nil || states[3].Err == nil {
			t.Fatalf("%+v", states)
		}
		drain(t, d)
		appendOne(t, d, send(room, u[0], "more", "x"))
		s, err := d.Messages.ReadAndTell(ctx, chat.ReadMark{Room: room, User: u[1], Seq: 7})
		ok(t, err)
		if !s.Moved || s.Unread != 0 {
			t.Fatal(s)
		}
		_, err = d.Messages.ReadAndTell(ctx, chat.ReadMark{Room: room, User: u[1], Seq: 7})
		ok(t, err)
		_, err = d.Messages.ReadAndTell(ctx, chat.ReadMark{Room: room, User: u[2], Seq: 7})
		wantKind(t, err, chat.NotFound)
		ans := drain(t, d)
		if len(ans) != 1 || ans[0].Read == nil || *ans[0].Read != s {
			t.Fatalf("%+v", ans)
		}
		ok(t, d.Rooms.RemoveMember(ctx, room, u[0], u[1]))
		_, err = d.Messages.ReadAndTell(ctx, chat.ReadMark{Room: room, User: u[1], Seq: 7})
		wantKind(t, err, chat.NotFound)
	})
}

func TestRoomList(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 3)
		var ids []chat.RoomID
		for range 5 {
			ids = append(ids, makeRoom(t, d, u[0], u[1]).Room.ID)
		}
		direct, _, err := d.Rooms.DirectRoom(ctx, u[0], u[1])
		ok(t, err)
		appendOne(t, d, send(ids[2], u[1], "1", "newest"))
		want := []chat.RoomID{ids[2], direct.Room.ID, ids[4], ids[3], ids[1], ids[0]}
		var got []chat.RoomID
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			ms, next, err := d.Rooms.RoomList(ctx, u[0], cursor, 2)
			ok(t, err)
			for _, m := range ms {
				got = append(got, m.Room.ID)
				if m.Last == nil || m.Last.Seq != m.Room.LastSeq {
					t.Errorf("room %d: last %+v", m.Room.ID, m.Last)
				}
				if (m.Peer != nil) != (m.Room.Type == chat.Direct) || m.Peer != nil && m.Peer.ID != u[1] {
					t.Errorf("room %d: peer %+v", m.Room.ID, m.Peer)
				}
			}
			cursor = next
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		whole, next, err := d.Rooms.RoomList(ctx, u[0], "", len(want)) // fits: another statement, ordered here
		ok(t, err)
		got = nil
		for _, m := range whole {
			got = append(got, m.Room.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" || next != "" {
			t.Fatal(diff, next)
		}
		if last, peer := whole[0].Last, whole[1].Peer; last == nil || last.Content != "newest" || peer == nil || peer.ID != u[1] {
			t.Fatalf("last %+v, peer %+v", last, peer)
		}
		of, err := d.Rooms.MembershipsOf(ctx, []chat.UserID{u[0], u[1], u[2]}, 4)
		ok(t, err)
		if ms := of[u[0]]; len(ms) != 4 || ms[0].Room.ID != ids[2] || ms[0].Unread() != 1 || ms[0].Room.LastSeq != 2 || ms[0].Room.Epoch != 1 {
			t.Fatalf("%+v", ms)
		}
		if len(of[u[1]]) == 0 || of[u[1]][0].Member.User != u[1] || len(of[u[2]]) != 0 {
			t.Fatalf("%+v, %+v", of[u[1]], of[u[2]])
		}
		if of, err = d.Rooms.MembershipsOf(ctx, u[:1], 10); err != nil || len(of[u[0]]) != 6 {
			t.Fatal(len(of[u[0]]), err)
		}
		if ms, next, err := d.Rooms.RoomList(ctx, u[2], "", 10); err != nil || len(ms) != 0 || next != "" {
			t.Fatal(ms, next, err)
		}
		hs, err := d.Messages.ActiveRooms(ctx, ids[2].Partition(16), time.Now().Add(-time.Hour), 100)
		ok(t, err)
		if !slices.ContainsFunc(hs, func(h chat.Head) bool { return h.Room == ids[2] && h.Seq == 2 && h.MsgCount == 1 && h.Epoch == 1 }) {
			t.Fatalf("%+v", hs)
		}
		if hs, err = d.Messages.ActiveRooms(ctx, ids[2].Partition(16), time.Now().Add(time.Hour), 100); err != nil || len(hs) != 0 {
			t.Fatal(hs, err)
		}
		ok(t, d.Operator.BumpEpoch(ctx, ids[0]))
		ok(t, d.Operator.BumpEpoch(ctx, 0))
		wantKind(t, d.Operator.BumpEpoch(ctx, 999999), chat.NotFound)
		rs, err := d.Messages.Rooms(ctx, []chat.RoomID{ids[1], ids[0], 999999})
		ok(t, err)
		if len(rs) != 2 || rs[0].Epoch != 3 || rs[1].Epoch != 2 {
			t.Fatalf("%+v", rs)
		}
	})
}

func seqsOf(ms []chat.Message) []chat.Seq {
	seqs := make([]chat.Seq, len(ms))
	for i, m := range ms {
		seqs[i] = m.Seq
	}
	return seqs
}

// TestLookups asks for many places and stretches at once and compares with what the verbs for one say.
func TestLookups(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 3)
		a, b := makeRoom(t, d, u...).Room.ID, makeRoom(t, d, u[0]).Room.ID
		for i := range 6 {
			appendOne(t, d, send(a, u[0], fmt.Sprint("a", i), "x"))
			appendOne(t, d, send(b, u[0], fmt.Sprint("b", i), "y"))
		}
		ok(t, d.Rooms.RemoveMember(ctx, a, u[2], u[2]))
		var at []chat.Place
		want := map[chat.Place]chat.Membership{}
		for _, room := range []chat.RoomID{a, b, b + 99} {
			for _, user := range u {
				p := chat.Place{Room: room, User: user}
				at = append(at, p)
				if m, err := d.Messages.Membership(ctx, room, user); err == nil {
					want[p] = m
				}
			}
		}
		got, err := d.Messages.Places(ctx, at)
		ok(t, err)
		if diff := cmp.Diff(want, got); diff != "" || len(want) != 4 {
			t.Errorf("%d places: %s", len(want), diff)
		}
		one, err := d.Messages.Messages(ctx, a, 2, 3, 10)
		ok(t, err)
		two, err := d.Messages.Messages(ctx, b, 4, 6, 10)
		ok(t, err)
		last, err := d.Messages.Messages(ctx, a, 6, 6, 1)
		ok(t, err)
		spans := []chat.Span{{Room: b, From: 4, To: 6}, {Room: a, From: 2, To: 3}, {Room: a, From: 6, To: 6}, {Room: b, From: 90, To: 91}}
		all := slices.Concat(one, last, two)
		for _, c := range []struct {
			bytes, want int
		}{{1 << 20, 6}, {6, 6}, {5, 5}, {3, 3}, {1, 1}} { // each has a byte
			ms, whole, err := d.Messages.Spans(ctx, spans, c.bytes)
			ok(t, err)
			if diff := cmp.Diff(all[:c.want], ms); diff != "" || whole != (c.want == 6) {
				t.Errorf("%d bytes: %d messages, whole %v: %s", c.bytes, len(ms), whole, diff)
			}
		}
		places, err := d.Messages.Places(ctx, nil)
		ok(t, err)
		ms, whole, err := d.Messages.Spans(ctx, nil, 1)
		ok(t, err)
		if len(places) != 0 || len(ms) != 0 || !whole {
			t.Errorf("nothing asked, %d places and %d messages answered", len(places), len(ms))
		}
	})
}

// TestPublicRoomsAreFoundByTheirParts: the index of names answers as the names do, whoever wrote them: this release, or one that knows
// of no index.
func TestPublicRoomsAreFoundByTheirParts(t *testing.T) {
	onBothRaw(t, func(t *testing.T, d *store.Store, raw *sql.DB) {
		u := makeUsers(t, d, 1)
		made := map[string]chat.RoomID{}
		for _, name := range []string{"100% Ｃats_天气", "a very long name of a room about the weather", "aaaa", "Gone", "Hidden", "Old name"} {
			m, err := d.Rooms.CreateRoom(ctx, chat.NewRoom{Owner: u[0], Name: name, Visibility: chat.Public})
			ok(t, err)
			made[name] = m.Room.ID
		}
		ok(t, d.Rooms.Dissolve(ctx, made["Gone"], u[0]))
		hidden, name := chat.Private, "New name"
		_, err := d.Rooms.UpdateRoom(ctx, made["Hidden"], u[0], chat.RoomPatch{Visibility: &hidden})
		ok(t, err)
		_, err = d.Rooms.UpdateRoom(ctx, made["Old name"], u[0], chat.RoomPatch{Name: &name})
		ok(t, err)
		found := func(when string) {
			t.Helper()
			for q, n := range map[string]int{
				"": 4, "cats": 1, "0%": 1, "%": 1, "s_": 1, "天": 1, "bird": 0, "a": 4, "aa": 1, "aaaaa": 0, "about the weather": 1, "weather about": 0,
				"very long name of a room about the weathe": 1, "gone": 0, "hidden": 0, "old": 0, "new NAME": 1, "WEATHER": 1, `\`: 0,
			} {
				rs, _, err := d.Rooms.PublicRooms(ctx, q, "", 10)
				ok(t, err)
				if len(rs) != n {
					t.Errorf("%s, %q finds %d rooms, want %d", when, q, len(rs), n)
				}
			}
		}
		found("before the first walk")
		walk := func() (indexed int) {
			t.Helper()
			for after := chat.RoomID(0); ; {
				next, n, err := d.Rooms.IndexNames(ctx, after, 3)
				ok(t, err)
				if indexed += n; next == 0 {
					return indexed
				}
				after = next
			}
		}
		if n := walk(); n != 0 {
			t.Errorf("the walk has indexed %d rooms that were indexed", n)
		}
		found("after it")
		_, err = raw.ExecContext(ctx, "UPDATE rooms SET name = 'Birds', name_key = 'birds', active_min = UNIX_TIMESTAMP() DIV 60 WHERE id = ?",
			made["aaaa"]) // as an earlier release would
		ok(t, err)
		if rs, _, err := d.Rooms.PublicRooms(ctx, "bird", "", 10); err != nil || len(rs) != 1 {
			t.Errorf("before the walk: %v, %v", rs, err)
		}
		if rs, _, err := d.Rooms.PublicRooms(ctx, "aaaa", "", 10); err != nil || len(rs) != 0 {
			t.Errorf("found by a name that it hasn't got any more: %v, %v", rs, err)
		}
		if n := walk(); n != 1 {
			t.Errorf("the walk has indexed %d rooms, want 1", n)
		}
		if rs, _, err := d.Rooms.PublicRooms(ctx, "bird", "", 10); err != nil || len(rs) != 1 {
			t.Errorf("after the walk: %v, %v", rs, err)
		}
	})
}
