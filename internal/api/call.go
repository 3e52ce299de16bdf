package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// call is one request on its way through a handler. User and session are 0 and empty on open routes, room and target
// where the path names none.
type call struct {
	*fiber.Ctx
	ctx     context.Context
	user    chat.UserID
	session chat.SessionID
	room    chat.RoomID
	target  chat.UserID // the user that the path names; "me" is the caller
}

// handler answers a call, or returns why not.
type handler func(s *Server, c *call) error

// plain is an action that takes no body.
func plain(h handler) action { return action{handler: h} }

// takes is an action that wants a JSON body.
func takes[T any](h func(*Server, *call, T) error) action {
	var zero T
	return action{body: zero, handler: func(s *Server, c *call) error {
		var body T
		if err := decode(c.Ctx, &body); err != nil {
			return err
		}
		return h(s, c, body)
	}}
}

// mayTake is takes for a body that may be left out.
func mayTake[T any](h func(*Server, *call, T) error) action {
	a := takes(h)
	with := a.handler
	a.optional, a.handler = true, func(s *Server, c *call) error {
		if len(c.Request().Body()) > 0 {
			return with(s, c)
		}
		var none T
		return h(s, c, none)
	}
	return a
}

// open runs a handler that needs no login.
func (s *Server) open(h handler) fiber.Handler {
	return func(c *fiber.Ctx) error { return h(s, &call{Ctx: c, ctx: c.UserContext()}) }
}

// guarded runs a handler for who holds a valid access token of a session that hasn't ended.
func (s *Server) guarded(h handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		token, err := bearer(c)
		if err != nil {
			return err
		}
		user, session, err := s.ports.Tokens.Verify(token)
		if err != nil {
			return err
		}
		k := &call{Ctx: c, ctx: c.UserContext(), user: user, session: session}
		if err := s.live.check(k.ctx, user, session); err != nil {
			return err
		}
		if err := s.guesses.pace(user, s.opts.Limits.RequestsPerSecond); err != nil {
			return err
		}
		if err := k.names(); err != nil {
			return err
		}
		return h(s, k)
	}
}

// names reads whom and what the path names.
func (c *call) names() error {
	if text := c.Params("room_id"); text != "" {
		n, err := pathID("room_id", text)
		if err != nil {
			return err
		}
		c.room = chat.RoomID(n)
	}
	switch text := c.Params("user_id"); text {
	case "":
	case "me":
		c.target = c.user
	default:
		n, err := pathID("user_id", text)
		if err != nil {
			return err
		}
		c.target = chat.UserID(n)
	}
	return nil
}

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

// reply answers with v as JSON.
func (c *call) reply(status int, v any) error {
	body, err := protocol.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSONCharsetUTF8)
	return c.Status(status).Send(body)
}

// buffer is for an answer that is appended by hand: the server's own, which it keeps for the next one.
func (c *call) buffer() []byte { return c.Response().SwapBody(nil)[:0] }

// write answers 200 with JSON that was appended to buffer.
func (c *call) write(body []byte) error {
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSONCharsetUTF8)
	c.Status(http.StatusOK).Response().SwapBody(body)
	return nil
}

// ok answers 200 with v.
func (c *call) ok(v any) error { return c.reply(http.StatusOK, v) }

// done answers 200 and no more than that, or passes on why not.
func (c *call) done(err error) error {
	if err != nil {
		return err
	}
	return c.ok(DoneReply{true})
}

// gone answers 204, or passes on why not.
func (c *call) gone(err error) error {
	if err != nil {
		return err
	}
	return c.SendStatus(http.StatusNoContent)
}

// views shows each of a list; an empty list is [], never null.
func views[T, V any](list []T, view func(T) V) []V {
	out := make([]V, len(list))
	for i, x := range list {
		out[i] = view(x)
	}
	return out
}
