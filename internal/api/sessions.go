package api

import (
	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

// SessionView is one login session of the caller.
type SessionView struct {
	ID         chat.SessionID `json:"id"`
	Device     string         `json:"device"`
	CreatedAt  string         `json:"created_at"`
	LastSeenAt string         `json:"last_seen_at"`
	IP         string         `json:"ip,omitempty" doc:"the address that opened or last refreshed it; left out if unknown"`
	Current    bool           `json:"current" doc:"the session of this request"`
}

// SessionsReply lists the caller's login sessions.
type SessionsReply struct {
	Sessions []SessionView `json:"sessions"`
}

// LogoutBody may be left out: the access token names the session.
type LogoutBody struct {
	RefreshToken string `json:"refresh_token,omitempty" maxBytes:"1024" doc:"accepted for clients that send it; the access token decides"`
}

// PasswordBody changes the caller's password.
type PasswordBody struct {
	OldPassword string `json:"old_password" required:"true" minLength:"1" maxBytes:"1024" example:"correct horse battery staple"`
	NewPassword string `json:"new_password" required:"true" minLength:"1" maxBytes:"1024" rule:"at least 6 bytes in debug mode, 8 and uncommon in release mode" example:"another horse battery staple"`
}

// logout ends this session: its sockets close, its refresh token is void.
func (s *station) logout(c *server.Call, _ LogoutBody) error {
	return c.Done(s.revoke(c, c.Session))
}

// revoke ends one of the caller's sessions. This process stops believing in it at once, even if the store's answer
// got lost.
func (s *station) revoke(c *server.Call, id chat.SessionID) error {
	err := s.ports.Sessions.RevokeSession(c.Ctx, c.User, id)
	s.live.Forget(id)
	return err
}

// logoutAll ends all of the caller's sessions, this one included.
func (s *station) logoutAll(c *server.Call, _ LogoutBody) error {
	err := s.ports.Sessions.RevokeSessions(c.Ctx, c.User, "")
	s.live.ForgetUser(c.User)
	return c.Done(err)
}

// sessions lists the caller's live sessions, so that a strange device can be found and ended.
func (s *station) sessions(c *server.Call) error {
	list, err := s.ports.Sessions.Sessions(c.Ctx, c.User)
	if err != nil {
		return err
	}
	return c.OK(SessionsReply{server.Views(list, func(x chat.Session) SessionView {
		return SessionView{
			ID: x.ID, Device: x.Device, CreatedAt: chat.FormatTime(x.CreatedAt),
			LastSeenAt: chat.FormatTime(x.LastSeenAt), IP: x.IP, Current: x.ID == c.Session,
		}
	})})
}

// endOther ends a session by its id, which the list of sessions shows.
func (s *station) endOther(c *server.Call) error {
	id := chat.SessionID(c.Param("session_id"))
	if len(id) > 64 {
		return chat.E(chat.NotFound, "")
	}
	return c.Gone(s.revoke(c, id))
}

// changePassword asks for the old password although the caller is logged in: a stolen access token must not be
// enough. It ends the other sessions.
func (s *station) changePassword(c *server.Call, b PasswordBody) error {
	if s.opts.NoPasswords {
		return errNoPasswords
	}
	u, err := s.ports.Accounts.User(c.Ctx, c.User)
	if err != nil {
		return err
	}
	if err := s.checkPassword("new_password", b.NewPassword, u.Username); err != nil {
		return err
	}
	switch ok, err := s.confirm(c, &u, b.OldPassword); {
	case err != nil:
		return err
	case !ok:
		return chat.E(chat.Forbidden, "the old password is wrong")
	}
	hash, err := s.ports.Passwords.Hash(c.Ctx, b.NewPassword)
	if err != nil {
		return err
	}
	err = s.ports.Accounts.SetPassword(c.Ctx, c.User, u.PasswordHash, hash, c.Session)
	s.live.ForgetUser(c.User)
	return c.Done(err)
}
