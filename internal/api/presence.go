package api

import (
	"context"
	"slices"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// PresenceBody names the users whose presence is wanted.
type PresenceBody struct {
	UserIDs []chat.UserID `json:"user_ids" required:"true" minItems:"1" maxItems:"200" example:"[1]"`
}

// PresenceReply shows those of them who share a room with the caller.
type PresenceReply struct {
	Users []protocol.Presence `json:"users"`
}

// OnePresenceReply shows one user, flat and as a list of one.
type OnePresenceReply struct {
	protocol.Presence
	Users []protocol.Presence `json:"users"`
}

// presence shows many users at once; those who share no room with the caller are left out.
func (s *station) presence(c *server.Call, b PresenceBody) error {
	users, err := s.presences(c, server.Once(b.UserIDs))
	if err != nil {
		return err
	}
	return c.OK(PresenceReply{users})
}

// onePresence shows one user: NotFound for a stranger as for nobody.
func (s *station) onePresence(c *server.Call) error {
	users, err := s.presences(c, []chat.UserID{c.Target})
	if err != nil {
		return err
	}
	if len(users) == 0 {
		return chat.E(chat.NotFound, "there is no user with this id who shares a room with you")
	}
	return c.OK(OnePresenceReply{users[0], users})
}

// presences shows the caller and those of ids who share a room with the caller. Strangers are left out, whether they
// exist or not.
func (s *station) presences(c *server.Call, ids []chat.UserID) ([]protocol.Presence, error) {
	others := slices.DeleteFunc(slices.Clone(ids), func(id chat.UserID) bool { return id == c.User })
	var known []chat.UserID
	if len(others) > 0 {
		var err error
		if known, err = s.ports.Lists.SharesRoom(c.Ctx, c.User, others); err != nil {
			return nil, err
		}
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id chat.UserID) bool {
		return id != c.User && !slices.Contains(known, id)
	})
	views := make([]protocol.Presence, 0, len(ids))
	if len(ids) == 0 {
		return views, nil
	}
	online := s.online(c.Ctx, ids)
	seen, err := s.ports.People.LastSeen(c.Ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		p := online[id]
		p.User = id
		if at, ok := seen[id]; ok && at.After(p.LastSeen) {
			p.LastSeen = at
		}
		views = append(views, protocol.PresenceView(p))
	}
	return views, nil
}

// online asks the state; while that is unavailable, nobody's presence is known.
func (s *station) online(ctx context.Context, ids []chat.UserID) map[chat.UserID]chat.Presence {
	out := make(map[chat.UserID]chat.Presence, len(ids))
	if s.ports.Presences == nil {
		return out
	}
	list, err := s.ports.Presences.Online(ctx, ids)
	if err != nil {
		s.opts.Metrics.Degraded.WithLabelValues("presences").Inc()
		return out
	}
	for _, p := range list {
		out[p.User] = p
	}
	return out
}
