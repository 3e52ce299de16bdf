package fakestore

import (
	"cmp"
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// Room implements the stations' ports; see rooms.Store.
func (s *Store) Room(ctx context.Context, id chat.RoomID) (chat.Room, error) {
	end, err := s.begin(ctx, "Room")
	defer end()
	if err != nil {
		return chat.Room{}, err
	}
	r := s.rooms[id]
	if r == nil {
		return chat.Room{}, noRoom()
	}
	return r.Room, nil
}

// ExternalRoom implements the stations' ports; see rooms.Store.
func (s *Store) ExternalRoom(ctx context.Context, ext string) (chat.Room, error) {
	end, err := s.begin(ctx, "ExternalRoom")
	defer end()
	if err != nil {
		return chat.Room{}, err
	}
	r := s.rooms[s.external[ext]]
	if r == nil {
		return chat.Room{}, noRoom()
	}
	return r.Room, nil
}

// ProvideRoom implements the stations' ports; see rooms.Store.
func (s *Store) ProvideRoom(ctx context.Context, ext string, n chat.NewRoom) (chat.Room, bool, error) {
	end, err := s.begin(ctx, "ProvideRoom")
	defer end()
	if err != nil {
		return chat.Room{}, false, err
	}
	if r := s.rooms[s.external[ext]]; r != nil {
		return r.Room, false, nil
	}
	all := sortedIDs(append([]chat.UserID{n.Owner}, n.Members...))
	err = cmp.Or(s.checkMembers(n.Members), s.full(len(all)), s.checkMembers([]chat.UserID{n.Owner}))
	if err != nil {
		return chat.Room{}, false, err
	}
	m := s.make(chat.Room{
		Type: chat.Group, Name: n.Name, Description: n.Description, Visibility: cmp.Or(n.Visibility, chat.Private), Owner: n.Owner,
		HistoryAll: n.HistoryAll,
	}, n.Owner, all)
	s.external[ext] = m.Room.ID
	return m.Room, true, nil
}

// Close implements the stations' ports; see rooms.Store.
func (s *Store) Close(ctx context.Context, room chat.RoomID) error {
	end, err := s.begin(ctx, "Close")
	defer end()
	if err != nil {
		return err
	}
	r := s.rooms[room]
	switch {
	case r == nil || !r.DissolvedAt.IsZero():
		return noRoom()
	case r.Type == chat.Direct:
		return chat.E(chat.Forbidden, "a direct room has no owner")
	}
	(&change{s: s, r: r, now: s.now()}).dissolve(r.Owner)
	return nil
}

// Appoint implements the stations' ports; see rooms.Store.
func (s *Store) Appoint(ctx context.Context, room chat.RoomID, to chat.UserID) (chat.Room, error) {
	end, err := s.begin(ctx, "Appoint")
	defer end()
	if err != nil {
		return chat.Room{}, err
	}
	r := s.rooms[room]
	switch {
	case r == nil || !r.DissolvedAt.IsZero():
		return chat.Room{}, noRoom()
	case r.Type == chat.Direct:
		return chat.Room{}, chat.E(chat.Forbidden, "a direct room has no owner")
	}
	c := &change{s: s, r: r, now: s.now()}
	m, err := c.target(to)
	if err != nil || r.Owner == to {
		return r.Room, err
	}
	by := r.Owner
	r.members[by].Role, r.Owner = chat.Admin, to
	m.Role, m.MutedUntil = chat.Owner, time.Time{}
	c.report(chat.SystemEvent{Event: chat.EventOwner, By: by, UserIDs: []chat.UserID{to}}, envelope.Announcement{Change: chat.OwnerChanged, About: to})
	return r.Room, nil
}
