package fakestore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// change is one change of a living room.
type change struct {
	s   *Store
	r   *room
	by  chat.Member // zero: looks at a public room without being in it
	now time.Time
}

// inRoom begins a change by a user who may see the room.
func (s *Store) inRoom(id chat.RoomID, by chat.UserID) (*change, error) {
	r := s.rooms[id]
	if r == nil || !r.DissolvedAt.IsZero() {
		return nil, noRoom()
	}
	c := &change{s: s, r: r, now: s.now()}
	if m := r.in(by); m != nil {
		c.by = *m
	} else if r.Visibility != chat.Public {
		return nil, noRoom()
	}
	return c, nil
}

func (c *change) target(user chat.UserID) (*chat.Member, error) {
	if m := c.r.in(user); m != nil {
		return m, nil
	}
	return nil, chat.E(chat.NotFound, "no such member")
}

// report writes the system message of a change and announces it.
func (c *change) report(ev chat.SystemEvent, an envelope.Announcement) *chat.Message {
	m := c.r.say(ev, c.now)
	an.Message, an.Room = m, &c.r.Room
	c.s.add(an)
	return m
}

func (s *Store) checkMembers(ids []chat.UserID) error {
	if limit := s.o.Limits.MembersCall; limit > 0 && len(ids) > limit {
		return chat.BadField("member_ids", "at most %d in one call", limit)
	}
	if slices.Contains(ids, 0) {
		return chat.BadField("member_ids", "user 0 does not exist")
	}
	for _, id := range ids {
		if s.users[id] == nil && !s.o.AnyUser {
			return chat.BadField("member_ids", "user %d does not exist", id)
		}
	}
	return nil
}

func (s *Store) full(n int) error {
	if limit := s.o.Limits.RoomMembers; limit > 0 && n > limit {
		return chat.E(chat.RoomFull, "a room holds at most %d members", limit)
	}
	return nil
}

// CreateRoom implements the stations' ports; see rooms.Store.
func (s *Store) CreateRoom(ctx context.Context, n chat.NewRoom) (chat.Membership, error) {
	end, err := s.begin(ctx, "CreateRoom")
	defer end()
	all := sortedIDs(append([]chat.UserID{n.Owner}, n.Members...))
	if err == nil {
		err = s.checkMembers(n.Members)
	}
	if err == nil {
		err = s.full(len(all))
	}
	if err == nil {
		err = s.checkMembers([]chat.UserID{n.Owner})
	}
	if err != nil {
		return chat.Membership{}, err
	}
	return s.make(chat.Room{
		Type: chat.Group, Name: n.Name, Description: n.Description, Visibility: cmp.Or(n.Visibility, chat.Private), Owner: n.Owner,
		HistoryAll: n.HistoryAll,
	}, n.Owner, all), nil
}

func (s *Store) make(r chat.Room, by chat.UserID, all []chat.UserID) chat.Membership {
	for id := range s.rooms {
		r.ID = max(r.ID, id)
	}
	r.ID++
	r.Epoch, r.CreatedAt = 1, s.now()
	n := s.newRoom(r)
	for _, u := range all {
		m := chat.Member{User: u, Role: chat.Plain, VisibleFrom: 1, ReadSeq: 1, JoinedAt: r.CreatedAt}
		if u == r.Owner {
			m.Role = chat.Owner
		}
		n.enter(m)
	}
	c := &change{s: s, r: n, now: r.CreatedAt}
	msg := c.report(chat.SystemEvent{Event: chat.EventCreated, By: by, UserIDs: all}, envelope.Announcement{Added: all, Change: chat.MemberJoined})
	return chat.Membership{Room: n.Room, Member: *n.members[by], Last: msg}
}

// FindDirect implements the stations' ports; see rooms.Store.
func (s *Store) FindDirect(ctx context.Context, a, b chat.UserID) (chat.Membership, error) {
	end, err := s.begin(ctx, "FindDirect")
	defer end()
	if err != nil {
		return chat.Membership{}, err
	}
	if r := s.direct(a, b); r != nil {
		return s.shown(r, r.members[a]), nil
	}
	return chat.Membership{}, chat.E(chat.NotFound, "")
}

// direct is the direct room of two; nil if there is none.
func (s *Store) direct(a, b chat.UserID) *room {
	for _, r := range s.rooms {
		if r.Type == chat.Direct && len(r.members) == len(sortedIDs([]chat.UserID{a, b})) && r.members[a] != nil && r.members[b] != nil {
			return r
		}
	}
	return nil
}

// DirectRoom implements the stations' ports; see rooms.Store.
func (s *Store) DirectRoom(ctx context.Context, a, b chat.UserID) (m chat.Membership, created bool, err error) {
	end, err := s.begin(ctx, "DirectRoom")
	defer end()
	if err == nil {
		err = s.checkMembers([]chat.UserID{a, b})
	}
	if err != nil {
		return chat.Membership{}, false, err
	}
	if r := s.direct(a, b); r != nil {
		return s.shown(r, r.members[a]), false, nil
	}
	m = s.make(chat.Room{Type: chat.Direct, Visibility: chat.Private}, a, sortedIDs([]chat.UserID{a, b}))
	return s.shown(s.rooms[m.Room.ID], &m.Member), true, nil
}

// shown is a membership with its last message and a direct room's other person.
func (s *Store) shown(r *room, m *chat.Member) chat.Membership {
	out := r.membership(*m)
	if last := r.span(r.LastSeq, r.LastSeq); len(last) > 0 && r.LastSeq > 0 {
		out.Last = &last[0]
	}
	if r.Type == chat.Direct {
		for u := range r.members {
			if u != m.User {
				peer := s.user(u)
				out.Peer = &peer
			}
		}
	}
	return out
}

// UpdateRoom implements the stations' ports; see rooms.Store.
func (s *Store) UpdateRoom(ctx context.Context, id chat.RoomID, by chat.UserID, p chat.RoomPatch) (chat.Membership, error) {
	end, err := s.begin(ctx, "UpdateRoom")
	defer end()
	if err != nil {
		return chat.Membership{}, err
	}
	c, err := s.inRoom(id, by)
	if err == nil {
		err = chat.MayEdit(c.r.Room, c.by)
	}
	if err == nil {
		err = chat.MayOpen(c.r.Room, c.by, p)
	}
	if err != nil {
		return chat.Membership{}, err
	}
	before := c.r.Room
	ev := chat.SystemEvent{Event: chat.EventUpdated, By: by}
	if p.Name != nil && *p.Name != c.r.Name {
		c.r.Name, ev.Name = *p.Name, p.Name
	}
	if p.Description != nil && *p.Description != c.r.Description {
		c.r.Description, ev.Description = *p.Description, p.Description
	}
	if p.Visibility != nil && *p.Visibility != c.r.Visibility {
		c.r.Visibility, ev.Visibility = *p.Visibility, *p.Visibility
	}
	if p.HistoryAll != nil {
		c.r.HistoryAll = *p.HistoryAll
	}
	if c.r.Room != before {
		c.report(ev, envelope.Announcement{Change: chat.RoomUpdated})
	}
	return c.r.membership(c.by), nil
}

// Dissolve implements the stations' ports; see rooms.Store.
func (s *Store) Dissolve(ctx context.Context, id chat.RoomID, by chat.UserID) error {
	end, err := s.begin(ctx, "Dissolve")
	defer end()
	if err != nil {
		return err
	}
	c, err := s.inRoom(id, by)
	if err == nil {
		err = chat.MayOwn(c.r.Room, c.by)
	}
	if err == nil {
		c.dissolve(by)
	}
	return err
}

func (c *change) dissolve(by chat.UserID) {
	c.r.MemberCount, c.r.DissolvedAt = 0, c.now
	msg := c.report(chat.SystemEvent{Event: chat.EventDissolved, By: by},
		envelope.Announcement{All: true, Reason: chat.LeftDissolved, Change: chat.RoomDissolved})
	for _, m := range c.r.members {
		if m.In() {
			m.LeftSeq = msg.Seq
		}
	}
}

// AddMembers implements the stations' ports; see rooms.Store.
func (s *Store) AddMembers(ctx context.Context, id chat.RoomID, by chat.UserID, ids []chat.UserID) (added []chat.UserID, err error) {
	end, err := s.begin(ctx, "AddMembers")
	defer end()
	if err != nil {
		return nil, err
	}
	if limit := s.o.Limits.MembersCall; limit > 0 && len(ids) > limit || slices.Contains(ids, 0) {
		return nil, s.checkMembers(ids)
	}
	c, err := s.inRoom(id, by)
	if err != nil {
		return nil, err
	}
	joins := slices.Equal(ids, []chat.UserID{by})
	if !joins || c.r.Visibility != chat.Public {
		if err := chat.MayInvite(c.r.Room, c.by); err != nil {
			return nil, err
		}
	}
	if err := s.checkMembers(ids); err != nil {
		return nil, err
	}
	for _, u := range sortedIDs(ids) {
		if c.r.in(u) == nil {
			added = append(added, u)
		}
	}
	if len(added) == 0 {
		return nil, nil
	}
	if err := s.full(c.r.MemberCount + len(added)); err != nil {
		return nil, err
	}
	c.admit(by, added, joins)
	return added, nil
}

// admit makes the users members.
func (c *change) admit(by chat.UserID, users []chat.UserID, joins bool) {
	m := chat.Member{Role: chat.Plain, VisibleFrom: c.r.LastSeq + 1, ReadSeq: c.r.LastSeq + 1, ReadCount: c.r.MsgCount, JoinedAt: c.now}
	if c.r.Visibility == chat.Public || c.r.HistoryAll {
		m.VisibleFrom = 1
	}
	for _, u := range users {
		m.User, m.MutedUntil = u, time.Time{}
		if old := c.r.members[u]; old != nil {
			m.MutedUntil = old.MutedUntil // or leaving would lift it
		}
		c.r.enter(m)
	}
	ev, an := chat.SystemEvent{Event: chat.EventAdded, By: by, UserIDs: users}, envelope.Announcement{Added: users, Change: chat.MemberJoined}
	if joins {
		ev.Event = chat.EventJoined
	}
	if len(users) == 1 {
		an.About = users[0]
	}
	c.report(ev, an)
}

// RemoveMember implements the stations' ports; see rooms.Store.
func (s *Store) RemoveMember(ctx context.Context, id chat.RoomID, by, target chat.UserID) error {
	end, err := s.begin(ctx, "RemoveMember")
	defer end()
	if err != nil {
		return err
	}
	c, err := s.inRoom(id, by)
	if err != nil {
		return err
	}
	m, err := c.target(target)
	if err != nil {
		return err
	}
	ev, why := chat.SystemEvent{Event: chat.EventRemoved, By: by, UserIDs: []chat.UserID{target}}, chat.LeftKicked
	if by == target {
		ev.Event, why = chat.EventLeft, chat.LeftSelf
		err = chat.MayLeave(c.r.Room, *m)
	} else {
		err = chat.MayRemove(c.r.Room, c.by, *m)
	}
	if err != nil {
		return err
	}
	c.r.MemberCount--
	msg := c.report(ev, envelope.Announcement{Removed: []chat.UserID{target}, Reason: why, Change: chat.MemberLeft, About: target})
	m.LeftSeq = msg.Seq
	return nil
}

// SetRole implements the stations' ports; see rooms.Store.
func (s *Store) SetRole(ctx context.Context, id chat.RoomID, by, target chat.UserID, to chat.Role) (chat.Member, error) {
	end, err := s.begin(ctx, "SetRole")
	defer end()
	if err != nil {
		return chat.Member{}, err
	}
	return s.ofMember(id, by, target, func(c *change, m *chat.Member) error {
		if err := chat.MayRank(c.r.Room, c.by, *m, to); err != nil || m.Role == to {
			return err
		}
		m.Role = to
		c.report(chat.SystemEvent{Event: chat.EventRole, By: by, UserIDs: []chat.UserID{target}, Role: to},
			envelope.Announcement{Change: chat.RoleChanged, About: target})
		return nil
	})
}

// Mute implements the stations' ports; see rooms.Store.
func (s *Store) Mute(ctx context.Context, id chat.RoomID, by, target chat.UserID, until time.Time) (chat.Member, error) {
	end, err := s.begin(ctx, "Mute")
	defer end()
	if err != nil {
		return chat.Member{}, err
	}
	return s.ofMember(id, by, target, func(c *change, m *chat.Member) error {
		if err := chat.MayMute(c.r.Room, c.by, *m); err != nil {
			return err
		}
		ev := chat.SystemEvent{Event: chat.EventUnmuted, By: by, UserIDs: []chat.UserID{target}}
		next := time.Time{}
		if until.After(c.now) {
			next = until.UTC().Truncate(time.Millisecond)
			ev.Event, ev.Until = chat.EventMuted, next.Format(chat.TimeLayout)
		}
		if m.MutedUntil.Equal(next) || next.IsZero() && !m.MutedUntil.After(c.now) {
			return nil
		}
		m.MutedUntil = next
		c.report(ev, envelope.Announcement{Change: chat.RoleChanged, About: target})
		return nil
	})
}

// ofMember changes one member and returns them.
func (s *Store) ofMember(id chat.RoomID, by, target chat.UserID, fn func(*change, *chat.Member) error) (chat.Member, error) {
	c, err := s.inRoom(id, by)
	if err != nil {
		return chat.Member{}, err
	}
	m, err := c.target(target)
	if err == nil {
		err = fn(c, m)
	}
	if err != nil {
		return chat.Member{}, err
	}
	return *m, nil
}

// Transfer implements the stations' ports; see rooms.Store.
func (s *Store) Transfer(ctx context.Context, id chat.RoomID, by, to chat.UserID) (chat.Room, error) {
	end, err := s.begin(ctx, "Transfer")
	defer end()
	if err != nil {
		return chat.Room{}, err
	}
	c, err := s.inRoom(id, by)
	if err == nil {
		err = chat.MayOwn(c.r.Room, c.by)
	}
	if err != nil {
		return chat.Room{}, err
	}
	m, err := c.target(to)
	if err != nil {
		return chat.Room{}, err
	}
	if to != by {
		c.r.Owner, c.r.members[by].Role = to, chat.Admin
		m.Role, m.MutedUntil = chat.Owner, time.Time{}
		c.report(chat.SystemEvent{Event: chat.EventOwner, By: by, UserIDs: []chat.UserID{to}}, envelope.Announcement{Change: chat.OwnerChanged, About: to})
	}
	return c.r.Room, nil
}

// folded is the form in which names are compared.
func folded(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
