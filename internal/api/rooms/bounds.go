package rooms

import (
	"slices"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

// making takes a room, and the invitations of those who will be in it, from the caller's allowances. The caller reports then whether
// the room was made: else all is given back.
func (v *Verbs) making(c *server.Call, invited int) (made func(bool), err error) {
	who, rooms, invitations := c.User.String(), chat.PerHour(v.opts.Limits.RoomsPerHour), chat.PerHour(v.opts.Limits.InvitationsPerHour)
	if err := v.attempts.Allow(c.Ctx, "rooms", who, rooms, 1); err != nil {
		return nil, err
	}
	if err := v.attempts.Await(c.Ctx, "making", who, v.opts.Limits.RoomPace(), v.opts.Patience); err != nil {
		v.attempts.Refund(c.Ctx, "rooms", who, rooms, 1)
		return nil, err
	}
	if invited > 0 {
		if err := v.attempts.Allow(c.Ctx, "invitations", who, invitations, invited); err != nil {
			v.attempts.Refund(c.Ctx, "rooms", who, rooms, 1)
			return nil, err
		}
	}
	return func(made bool) {
		if !made {
			v.attempts.Refund(c.Ctx, "rooms", who, rooms, 1)
			v.attempts.Refund(c.Ctx, "invitations", who, invitations, invited)
		}
	}, nil
}

// invite adds members within the caller's allowance. Those who were in the room before, and the caller, who joins, cost nothing.
func (v *Verbs) invite(c *server.Call, ids []chat.UserID) (added []chat.UserID, err error) {
	who, rate := c.User.String(), chat.PerHour(v.opts.Limits.InvitationsPerHour)
	others := len(ids)
	if slices.Contains(ids, c.User) {
		others--
	}
	if others == 0 {
		return v.ports.Members.AddMembers(c.Ctx, c.Room, c.User, ids)
	}
	if err := v.attempts.Allow(c.Ctx, "invitations", who, rate, others); err != nil {
		return nil, err
	}
	added, err = v.ports.Members.AddMembers(c.Ctx, c.Room, c.User, ids)
	if spare := others - len(added); err != nil || spare > 0 {
		v.attempts.Refund(c.Ctx, "invitations", who, rate, max(spare, 0))
	}
	return added, err
}
