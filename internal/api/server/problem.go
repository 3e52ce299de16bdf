package server

import (
	"errors"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// refusal is an error with another status than its kind's.
type refusal struct {
	err    *chat.Error
	status int
}

// Error implements error.
func (r *refusal) Error() string { return r.err.Error() }

// Unwrap returns the error to show.
func (r *refusal) Unwrap() error { return r.err }

// malformed refuses, with 400, a request that can't be read.
func malformed(field, message string) error {
	return &refusal{chat.BadField(field, "%s", message), http.StatusBadRequest}
}

// unreadable refuses, with 400, what a path can't hold; other errors stay as they are.
func unreadable(err error) error {
	if e := chat.As(err); e.Kind == chat.Invalid {
		return &refusal{e, http.StatusBadRequest}
	}
	return err
}

// translate turns any error into a status and the error to show.
func translate(err error) (int, *chat.Error) {
	var r *refusal
	var f *fiber.Error
	switch {
	case errors.As(err, &r):
		return r.status, r.err
	case errors.As(err, &f):
		return translateFiber(f)
	case errors.Is(err, chat.ErrCursor):
		return http.StatusBadRequest, chat.As(err)
	}
	e := chat.As(err)
	return protocol.Status(e.Kind), e
}

// translateFiber covers what the HTTP server itself refuses: unknown paths, wrong methods, unreadable and oversized
// requests.
func translateFiber(f *fiber.Error) (int, *chat.Error) {
	if e, ok := protocol.Refuse(f.Code); ok {
		return f.Code, e
	}
	if f.Code >= 400 && f.Code < 500 || f.Code == http.StatusBadGateway { // Fiber's word for a client whose connection broke
		return http.StatusBadRequest, chat.E(chat.Invalid, "the request can't be read")
	}
	return http.StatusInternalServerError, chat.Wrap(chat.Internal, f, "")
}

// writeProblem answers with err.
func writeProblem(c *fiber.Ctx, err error) error {
	status, e := translate(err)
	switch status {
	case http.StatusUnauthorized:
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer error="invalid_token"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		c.Set(fiber.HeaderRetryAfter, protocol.RetrySeconds(protocol.RetryAfter(e)))
	}
	c.Set(fiber.HeaderContentType, protocol.ProblemType)
	return c.Status(status).Send(protocol.AppendProblem(nil, protocol.NewProblem(e, status, requestID(c))))
}
