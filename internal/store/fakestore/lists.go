package fakestore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"chat-service/internal/chat"
)

// Membership implements the stations' ports; see messages.Store.
func (s *Store) Membership(ctx context.Context, room chat.RoomID, user chat.UserID) (chat.Membership, error) {
	end, err := s.begin(ctx, "Membership")
	defer end()
	if err != nil {
		return chat.Membership{}, err
	}
	r := s.rooms[room]
	if r == nil || r.members[user] == nil {
		return chat.Membership{}, noRoom()
	}
	return r.membership(*r.members[user]), nil
}

// Places implements the stations' ports; see messages.Store.
func (s *Store) Places(ctx context.Context, at []chat.Place) (map[chat.Place]chat.Membership, error) {
	end, err := s.begin(ctx, "Places")
	defer end()
	out := map[chat.Place]chat.Membership{}
	if err != nil {
		return out, err
	}
	for _, p := range at {
		if s.poisonRoom != 0 && p.Room == s.poisonRoom {
			panic("poisoned room")
		}
		if r := s.rooms[p.Room]; r != nil && r.members[p.User] != nil {
			out[p] = r.membership(*r.members[p.User])
		}
	}
	return out, nil
}

// Rooms implements the stations' ports; see messages.Store.
func (s *Store) Rooms(ctx context.Context, ids []chat.RoomID) (rs []chat.Room, err error) {
	end, err := s.begin(ctx, "Rooms")
	defer end()
	if err != nil {
		return nil, err
	}
	for _, id := range sortedIDs(ids) {
		if r := s.rooms[id]; r != nil {
			rs = append(rs, r.Room)
		}
	}
	return rs, nil
}

// byActivity returns the rooms that ok picks, those that were active last first.
func (s *Store) byActivity(ok func(*room) bool) []*room {
	var rs []*room
	for _, r := range s.rooms {
		if ok(r) {
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, func(a, b *room) int { return cmp.Or(b.activeAt.Compare(a.activeAt), cmp.Compare(b.ID, a.ID)) })
	return rs
}

// ActiveRooms implements the stations' ports; see messages.Store.
func (s *Store) ActiveRooms(ctx context.Context, partition int, since time.Time, limit int) (hs []chat.Head, err error) {
	end, err := s.begin(ctx, "ActiveRooms")
	defer end()
	if err != nil {
		return nil, err
	}
	rs := s.byActivity(func(r *room) bool {
		return r.ID.Partition(s.o.Partitions) == partition && r.LastSeq > 0 && later(r.activeAt, r.changedAt).Unix()/60 >= since.Unix()/60
	})
	for _, r := range rs[:min(len(rs), limit)] {
		hs = append(hs, r.head())
	}
	return hs, nil
}

// View implements the stations' ports; see rooms.Store.
func (s *Store) View(ctx context.Context, room chat.RoomID, viewer chat.UserID) (chat.Membership, error) {
	end, err := s.begin(ctx, "View")
	defer end()
	if err != nil {
		return chat.Membership{}, err
	}
	return s.view(room, viewer)
}

func (s *Store) view(room chat.RoomID, viewer chat.UserID) (chat.Membership, error) {
	r := s.rooms[room]
	if m := r.in(viewer); m != nil {
		return s.shown(r, m), nil
	}
	if r == nil || r.Visibility != chat.Public || !r.DissolvedAt.IsZero() {
		return chat.Membership{}, noRoom()
	}
	return chat.Membership{Room: r.Room}, nil
}

// RoomList implements the stations' ports; see rooms.Store.
func (s *Store) RoomList(ctx context.Context, user chat.UserID, cursor string, limit int) (ms []chat.Membership, next string, err error) {
	end, err := s.begin(ctx, "RoomList")
	defer end()
	if err != nil {
		return nil, "", err
	}
	at, id, paged, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	rs := s.byActivity(func(r *room) bool {
		return r.in(user) != nil && (!paged || r.activeAt.Before(at) || r.activeAt.Equal(at) && r.ID < id)
	})
	if len(rs) > limit {
		if rs = rs[:limit]; limit > 0 {
			next = cursorOf(rs[limit-1].activeAt, rs[limit-1].ID)
		}
	}
	for _, r := range rs {
		ms = append(ms, s.shown(r, r.in(user)))
	}
	return ms, next, nil
}

// PublicRooms implements the stations' ports; see rooms.Store.
func (s *Store) PublicRooms(ctx context.Context, q, cursor string, limit int) (rs []chat.Room, next string, err error) {
	end, err := s.begin(ctx, "PublicRooms")
	defer end()
	if err != nil {
		return nil, "", err
	}
	_, before, paged, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	for _, r := range s.rooms {
		if r.Visibility == chat.Public && r.DissolvedAt.IsZero() && strings.Contains(folded(r.Name), folded(q)) && (!paged || r.ID < before) {
			rs = append(rs, r.Room)
		}
	}
	slices.SortFunc(rs, func(a, b chat.Room) int { return cmp.Compare(b.ID, a.ID) })
	if len(rs) > limit {
		if rs = rs[:limit]; limit > 0 {
			next = cursorOf(rs[limit-1].CreatedAt, rs[limit-1].ID)
		}
	}
	return rs, next, nil
}

// WholeMembers implements the stations' ports; see rooms.Store.
func (s *Store) WholeMembers(ctx context.Context, room chat.RoomID, after chat.UserID, limit int) ([]chat.MemberUser, error) {
	end, err := s.begin(ctx, "WholeMembers")
	defer end()
	if err != nil || s.rooms[room] == nil {
		return nil, err
	}
	return s.membersOf(s.rooms[room], after, limit), nil
}

// Members implements the stations' ports; see rooms.Store.
func (s *Store) Members(ctx context.Context, room chat.RoomID, viewer, after chat.UserID, limit int) (ms []chat.MemberUser, err error) {
	end, err := s.begin(ctx, "Members")
	defer end()
	if err != nil {
		return nil, err
	}
	v, err := s.view(room, viewer)
	if err != nil {
		return nil, err
	}
	if !v.Member.In() {
		return nil, chat.E(chat.Forbidden, "only members may see who is in the room")
	}
	return s.membersOf(s.rooms[room], after, limit), nil
}

func (s *Store) membersOf(r *room, after chat.UserID, limit int) (ms []chat.MemberUser) {
	for u, m := range r.members {
		if u > after && m.In() {
			ms = append(ms, chat.MemberUser{Member: *m, User: s.user(u)})
		}
	}
	slices.SortFunc(ms, func(a, b chat.MemberUser) int { return cmp.Compare(a.User.ID, b.User.ID) })
	return ms[:min(len(ms), limit)]
}

// MembersAmong implements the stations' ports; see rooms.Store.
func (s *Store) MembersAmong(ctx context.Context, id chat.RoomID, upTo chat.Seq, users []chat.UserID) (in []chat.UserID, _ chat.Room, err error) {
	end, err := s.begin(ctx, "MembersAmong")
	defer end()
	r := s.rooms[id]
	if err == nil && r == nil {
		err = noRoom()
	}
	if err != nil {
		return nil, chat.Room{}, err
	}
	for _, u := range sortedIDs(users) {
		if m := r.in(u); m != nil && m.VisibleFrom <= upTo {
			in = append(in, u)
		}
	}
	return in, r.Room, nil
}

// MembershipsOf implements the stations' ports; see rooms.Store.
func (s *Store) MembershipsOf(ctx context.Context, users []chat.UserID, limit int) (map[chat.UserID][]chat.Membership, error) {
	end, err := s.begin(ctx, "MembershipsOf")
	defer end()
	if err != nil {
		return nil, err
	}
	out := map[chat.UserID][]chat.Membership{}
	for _, u := range users {
		rs := s.byActivity(func(r *room) bool { return r.in(u) != nil })
		for _, r := range rs[:min(len(rs), limit)] {
			m := r.in(u)
			out[u] = append(out[u], chat.Membership{
				Room: chat.Room{
					ID: r.ID, Type: r.Type, LastSeq: r.LastSeq, MsgCount: r.MsgCount, Changes: r.Changes, Epoch: r.Epoch,
				},
				Member:   chat.Member{Room: r.ID, User: u, ReadSeq: m.ReadSeq, ReadCount: m.ReadCount},
				Recalled: r.recalledAfter(m.ReadCount),
			})
		}
	}
	return out, nil
}

// SharesRoom implements the stations' ports; see rooms.Store.
func (s *Store) SharesRoom(ctx context.Context, user chat.UserID, others []chat.UserID) (in []chat.UserID, err error) {
	end, err := s.begin(ctx, "SharesRoom")
	defer end()
	if err != nil {
		return nil, err
	}
	for _, o := range sortedIDs(others) {
		if s.share(user, o) {
			in = append(in, o)
		}
	}
	return in, nil
}

// Unread implements the stations' ports; see rooms.Store.
func (s *Store) Unread(ctx context.Context, user chat.UserID) (total uint64, per map[chat.RoomID]uint64, err error) {
	end, err := s.begin(ctx, "Unread")
	defer end()
	per = map[chat.RoomID]uint64{}
	if err != nil {
		return 0, per, err
	}
	for id, r := range s.rooms {
		if m := r.in(user); m != nil && r.MsgCount > m.ReadCount {
			if n := r.membership(*m).Unread(); n > 0 {
				per[id] = n
				total += n
			}
		}
	}
	return total, per, nil
}

// share reports whether two users are one, or in a room together. The lock is held.
func (s *Store) share(a, b chat.UserID) bool {
	for _, r := range s.rooms {
		if r.in(a) != nil && r.in(b) != nil {
			return true
		}
	}
	return a == b
}
