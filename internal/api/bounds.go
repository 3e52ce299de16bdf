package api

import (
	"slices"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

// searches takes a search from the caller's allowance: a search without a hit costs the database most.
func (s *station) searches(c *server.Call) error {
	return s.attempts.Allow(c.Ctx, "searches", c.User.String(), s.opts.Limits.SearchRate(), 1)
}

// making takes a room, and the invitations of those who will be in it, from the caller's allowances. The caller reports then whether
// the room was made: else all is given back.
func (s *station) making(c *server.Call, invited int) (made func(bool), err error) {
	who, rooms, invitations := c.User.String(), chat.PerHour(s.opts.Limits.RoomsPerHour), chat.PerHour(s.opts.Limits.InvitationsPerHour)
	if err := s.attempts.Allow(c.Ctx, "rooms", who, rooms, 1); err != nil {
		return nil, err
	}
	if err := s.attempts.Await(c.Ctx, "making", who, s.opts.Limits.RoomPace(), s.opts.Patience); err != nil {
		s.attempts.Refund(c.Ctx, "rooms", who, rooms, 1)
		return nil, err
	}
	if invited > 0 {
		if err := s.attempts.Allow(c.Ctx, "invitations", who, invitations, invited); err != nil {
			s.attempts.Refund(c.Ctx, "rooms", who, rooms, 1)
			return nil, err
		}
	}
	return func(made bool) {
		if !made {
			s.attempts.Refund(c.Ctx, "rooms", who, rooms, 1)
			s.attempts.Refund(c.Ctx, "invitations", who, invitations, invited)
		}
	}, nil
}

// invite adds members within the caller's allowance. Those who were in the room before, and the caller, who joins, cost nothing.
func (s *station) invite(c *server.Call, ids []chat.UserID) (added []chat.UserID, err error) {
	who, rate := c.User.String(), chat.PerHour(s.opts.Limits.InvitationsPerHour)
	others := len(ids)
	if slices.Contains(ids, c.User) {
		others--
	}
	if others == 0 {
		return s.ports.Members.AddMembers(c.Ctx, c.Room, c.User, ids)
	}
	if err := s.attempts.Allow(c.Ctx, "invitations", who, rate, others); err != nil {
		return nil, err
	}
	added, err = s.ports.Members.AddMembers(c.Ctx, c.Room, c.User, ids)
	if spare := others - len(added); err != nil || spare > 0 {
		s.attempts.Refund(c.Ctx, "invitations", who, rate, max(spare, 0))
	}
	return added, err
}
