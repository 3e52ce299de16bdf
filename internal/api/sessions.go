package api

import (
	"chat-service/internal/chat"
)

// SessionView is one login session of the caller.
type SessionView struct {
	ID         chat.SessionID `json:"id"`
	Device     string         `json:"device"`
	CreatedAt  string         `json:"created_at"`
	LastSeenAt string         `json:"last_seen_at"`
	Current    bool           `json:"current" doc:"the one that asks"`
}

// SessionsReply lists them.
type SessionsReply struct {
	Sessions []SessionView `json:"sessions"`
}

// LogoutBody may be left out: the access token names the session.
type LogoutBody struct {
	RefreshToken string `json:"refresh_token,omitempty" doc:"accepted for clients that send it; the access token decides"`
}

// PasswordBody changes the caller's password.
type PasswordBody struct {
	OldPassword string `json:"old_password" required:"true"`
	NewPassword string `json:"new_password" required:"true"`
}

// DoneReply says that it is done.
type DoneReply struct {
	OK bool `json:"ok"`
}

func (s *Server) logout(c *call, _ LogoutBody) error {
	return c.done(s.revoke(c, c.session))
}

// revoke ends one of the caller's sessions, here at once.
func (s *Server) revoke(c *call, id chat.SessionID) error {
	err := s.ports.Sessions.RevokeSession(c.ctx, c.user, id)
	s.live.forget(id)
	return err
}

func (s *Server) logoutAll(c *call, _ LogoutBody) error {
	err := s.ports.Sessions.RevokeSessions(c.ctx, c.user, "")
	s.live.forgetUser(c.user)
	return c.done(err)
}

func (s *Server) sessions(c *call) error {
	list, err := s.ports.Sessions.Sessions(c.ctx, c.user)
	if err != nil {
		return err
	}
	return c.ok(SessionsReply{views(list, func(x chat.Session) SessionView {
		return SessionView{
			ID: x.ID, Device: x.Device, CreatedAt: chat.FormatTime(x.CreatedAt),
			LastSeenAt: chat.FormatTime(x.LastSeenAt), Current: x.ID == c.session,
		}
	})})
}

func (s *Server) endOther(c *call) error {
	id := chat.SessionID(c.Params("session_id"))
	if len(id) > 64 {
		return chat.E(chat.NotFound, "")
	}
	return c.gone(s.revoke(c, id))
}

func (s *Server) changePassword(c *call, b PasswordBody) error {
	u, err := s.ports.Accounts.User(c.ctx, c.user)
	if err != nil {
		return err
	}
	var k checks
	k.bad(b.OldPassword != "", "old_password", "is required")
	k.bad(len(b.OldPassword) <= maxPassword, "old_password", "is too long")
	k.add(s.checkPassword("new_password", b.NewPassword, u.Username))
	if err := k.err(); err != nil {
		return err
	}
	if _, err := s.prove(c.ctx, u.Username, b.OldPassword); err != nil {
		if chat.KindOf(err) == chat.Unauthenticated {
			return chat.E(chat.Forbidden, "the old password is wrong")
		}
		return err
	}
	hash, err := s.ports.Passwords.Hash(c.ctx, b.NewPassword)
	if err != nil {
		return err
	}
	err = s.ports.Accounts.SetPassword(c.ctx, c.user, hash, c.session)
	s.live.forgetUser(c.user)
	return c.done(err)
}
