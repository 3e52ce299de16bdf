package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"chat-service/internal/chat"

	"github.com/gofiber/fiber/v2"
)

// call is one request on its way through a handler. User and session are 0 and empty on open routes.
type call struct {
	*fiber.Ctx
	ctx     context.Context
	user    chat.UserID
	session chat.SessionID
}

// handler answers a call, or returns why not.
type handler func(s *Server, c *call) error

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
		ctx := c.UserContext()
		if err := s.live.check(ctx, user, session); err != nil {
			return err
		}
		if wait := s.rates.take(user); wait > 0 {
			return s.guesses.refuse("requests", wait)
		}
		return h(s, &call{Ctx: c, ctx: ctx, user: user, session: session})
	}
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
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSONCharsetUTF8)
	return c.Status(status).Send(body)
}

// ok answers 200 with v.
func (c *call) ok(v any) error { return c.reply(http.StatusOK, v) }

// gone answers 204.
func (c *call) gone() error { return c.SendStatus(http.StatusNoContent) }
