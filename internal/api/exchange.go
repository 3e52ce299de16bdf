package api

import (
	"cmp"

	"chat-service/internal/api/names"
	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

// ExchangeBody trades a token of the application's own issuer for a session.
type ExchangeBody struct {
	Token  string `json:"token" required:"true" minLength:"1" maxBytes:"8192" doc:"a JWT of a configured issuer" example:"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2FwcC5leGFtcGxlLmNvbSJ9.c2lnbmF0dXJl"`
	Device string `json:"device,omitempty" maxLength:"128" text:"line" doc:"name of this device; the same user on the same device gets the same session again" example:"phone"`
}

// exchange opens a session for whom a token vouches, or goes on with the one that they have on the device.
//
// A signature can't be guessed and costs no more than reading a request, so that a token is judged before it is counted: only what was
// refused uses up the address's allowance, which it shares with wrong passwords. An application that exchanges the tokens of
// all its users from one address is none the worse for it.
func (s *station) exchange(c *server.Call, b ExchangeBody) error {
	if s.ports.Foreigns == nil {
		return chat.E(chat.Forbidden, "no other issuer's tokens are taken here")
	}
	v, err := s.vouched(c, b.Token)
	if err != nil {
		return err
	}
	if err := s.attempts.Await(c.Ctx, "exchanges", v.Username(), s.opts.Limits.AccountRate(), s.opts.Patience); err != nil {
		return err
	}
	u, err := s.ports.Identities.Identity(c.Ctx, v.Identity)
	if chat.KindOf(err) == chat.NotFound {
		u, err = s.provide(c, v)
	}
	if err != nil {
		return err
	}
	u.PasswordHash = "" // the session doesn't depend on it
	n, refresh := s.newSession(c, u, b.Device)
	n.Origin = v.Origin(n.Session.Device)
	id, err := s.ports.Identities.ResumeSession(c.Ctx, n)
	if err != nil {
		if chat.KindOf(err) == chat.Blocked {
			s.ports.Audit.Record(c.Ctx, chat.Act{Kind: chat.ActLoginRefused, User: u.ID})
		}
		return err
	}
	s.ports.Audit.Record(c.Ctx, chat.Act{Kind: chat.ActExchanged, User: u.ID, Session: id, Detail: n.Session.Device})
	return s.tokens(c, u, id, refresh)
}

// vouched judges the token. One that is refused costs its address an allowance, and that there was one is recorded within that.
func (s *station) vouched(c *server.Call, token string) (chat.Vouched, error) {
	address, rate := c.Address(), s.opts.Limits.TokenRate()
	if err := s.attempts.Stranger(address, rate); err != nil {
		return chat.Vouched{}, err
	}
	v, err := s.ports.Foreigns.Judge(token)
	kind := chat.KindOf(err)
	if err == nil || kind == chat.Unavailable {
		s.attempts.NoStranger(address, rate)
	}
	if err == nil {
		return v, nil
	}
	if kind != chat.Unavailable {
		if s.opts.Limits.LoginPerMinute > 0 { // else nothing is counted at logins either
			if over := s.attempts.Allow(c.Ctx, "failures", address, s.opts.Limits.FailureRate(), 1); over != nil {
				return chat.Vouched{}, over
			}
		}
		s.notExchanged(c, kind.String())
	}
	return chat.Vouched{}, err
}

// notExchanged records a refusal and its reason.
func (s *station) notExchanged(c *server.Call, why string) {
	s.ports.Audit.Record(c.Ctx, chat.Act{Kind: chat.ActNotExchanged, Detail: why})
}

// provide makes the account of an identity that is seen first, if its issuer may. It has no password. Its name and picture are taken where
// they keep the rules, and are the user's to change from then on.
func (s *station) provide(c *server.Call, v chat.Vouched) (chat.User, error) {
	if !v.Provide {
		s.notExchanged(c, "no account")
		return chat.User{}, chat.E(chat.Forbidden, "the token's user has no account here, and auth.issuers says to make none (auto_provision)")
	}
	u := chat.User{Nickname: cmp.Or(names.Nickname(v.Name), v.Username()), Status: chat.Active, CreatedAt: s.now()}
	if len(v.Picture) <= names.MaxPicture && names.WebURL(v.Picture) {
		u.AvatarURL = v.Picture
	}
	u, made, err := s.ports.Identities.Provide(c.Ctx, v.Identity, u)
	if err == nil && made {
		s.ports.Audit.Record(c.Ctx, chat.Act{Kind: chat.ActRegistered, User: u.ID, Detail: "by an issuer's token"})
	}
	return u, err
}
