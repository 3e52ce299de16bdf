package server

import (
	"context"
	"strings"

	"github.com/gofiber/fiber/v2"

	"chat-service/internal/chat"
)

// Guard admits callers to routes that aren't open: they need a valid access token of a session that hasn't ended, and
// a user may call only so often.
type Guard struct {
	Tokens   Verifier
	Live     *LiveCache
	Attempts *Attempts
	// RequestsPerSecond bounds one user's requests to this process, after a burst of twice as many; 0 is no bound.
	RequestsPerSecond int
	// ServerRequests bounds those with one key in the same way.
	ServerRequests int
	// Strangers bounds one address's requests to this process without a valid token or key.
	Strangers chat.Rate
	// Keys knows those of the application's backend, who may call routes with a scope; nil: no key is known.
	Keys *KeyCache
	// Calls records calls with a key.
	Calls Recorder
}

// admit returns the caller, or why the call is refused.
func (s *Server) admit(c *fiber.Ctx) (user chat.UserID, session chat.SessionID, err error) {
	g := s.opts.Guard
	token, err := bearer(c)
	if err == nil {
		user, session, err = g.Tokens.Verify(token)
	}
	if err != nil {
		return 0, "", s.stranger(c, err)
	}
	if err := g.Live.check(c.UserContext(), user, session); err != nil {
		return 0, "", err
	}
	return user, session, g.Attempts.pace(user.String(), g.RequestsPerSecond)
}

// stranger counts a request without a valid token at its address, unless the token was valid once: a network full of phones may wake up
// with one. why is the answer while the address has some left.
func (s *Server) stranger(c *fiber.Ctx, why error) error {
	if chat.KindOf(why) == chat.TokenExpired {
		return why
	}
	if err := s.opts.Guard.Attempts.Stranger(chat.AddressKey(s.clientIP(c)).String(), s.opts.Guard.Strangers); err != nil {
		return err
	}
	return why
}

// open serves a route that needs no login.
func (s *Server) open(r Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		return r.Do.handler(&Call{Ctx: s.origin(c, 0, ""), srv: s, http: c, params: r.Params})
	}
}

// guarded serves a route to callers that the guard admits.
func (s *Server) guarded(r Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		user, session, err := s.admit(c)
		if err != nil {
			return err
		}
		k := &Call{Ctx: s.origin(c, user, session), User: user, Session: session, srv: s, http: c, params: r.Params}
		if err := k.names(); err != nil {
			return err
		}
		return r.Do.handler(k)
	}
}

// origin puts into the request's context who calls and from where, for what records it.
func (s *Server) origin(c *fiber.Ctx, user chat.UserID, session chat.SessionID) context.Context {
	o := chat.Origin{IP: s.clientIP(c).String(), Request: requestID(c), Session: session}
	if user != 0 {
		o.By = "user:" + user.String()
	}
	return chat.WithOrigin(c.UserContext(), o)
}

// bearer returns the access token of the header Authorization, which must be there exactly once.
func bearer(c *fiber.Ctx) (string, error) {
	heads := peekAll(c, fiber.HeaderAuthorization)
	if len(heads) != 1 {
		return "", chat.E(chat.Unauthenticated, "send the access token as Authorization: Bearer …")
	}
	scheme, token, _ := strings.Cut(heads[0], " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", chat.E(chat.Unauthenticated, "send the access token as Authorization: Bearer …")
	}
	return token, nil
}
