package server

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// Call is one request on its way through a verb. User and Session are zero on open routes, Room and Target if the
// path names none. Texts that it returns are copies: they stay valid after the request.
type Call struct {
	// Ctx ends when the request's time is over, or when draining has taken too long.
	Ctx     context.Context
	User    chat.UserID
	Session chat.SessionID
	Room    chat.RoomID
	Target  chat.UserID    // the user that the path names; "me" is the caller
	Seq     chat.Seq       // the message that the path names
	Webhook chat.WebhookID // the endpoint that the path names
	Job     chat.JobID     // the job that the path names
	// UserRef and RoomRef are whom and what the path of a route with a scope names. Its verb finds them, and sets Target and Room.
	UserRef, RoomRef chat.Ref

	srv    *Server
	http   *fiber.Ctx
	params []Param // of the route
}

// names reads what the path names.
func (c *Call) names() error {
	if text := c.http.Params("room_id"); text != "" {
		n, err := pathID("room_id", text)
		if err != nil {
			return err
		}
		c.Room = chat.RoomID(n)
	}
	if text := c.http.Params("seq"); text != "" {
		n, err := pathID("seq", text)
		if err != nil {
			return err
		}
		c.Seq = chat.Seq(n)
	}
	if text := c.http.Params("job"); text != "" {
		n, err := pathID("job", text)
		if err != nil {
			return err
		}
		c.Job = chat.JobID(n)
	}
	if text := c.http.Params("webhook_id"); text != "" {
		n, err := pathID("webhook_id", text)
		if err != nil {
			return err
		}
		c.Webhook = chat.WebhookID(n)
	}
	for name, ref := range map[string]*chat.Ref{"user": &c.UserRef, "room": &c.RoomRef} {
		text := c.http.Params(name)
		if text == "" {
			continue
		}
		var err error
		if *ref, err = chat.ParseRef(name, text); err != nil {
			return unreadable(err)
		}
	}
	switch text := c.http.Params("user_id"); text {
	case "":
	case "me":
		c.Target = c.User
	default:
		n, err := pathID("user_id", text)
		if err != nil {
			return err
		}
		c.Target = chat.UserID(n)
	}
	return nil
}

// Param returns a parameter of the path, undecoded.
func (c *Call) Param(name string) string { return c.http.Params(name) }

// Text returns a parameter of the path with its percent-escapes read. One that doesn't come out as UTF-8 can't be read.
func (c *Call) Text(name string) (string, error) {
	text, err := url.PathUnescape(c.http.Params(name))
	if err != nil || !utf8.ValidString(text) {
		return "", malformed(name, "must be UTF-8, percent-encoded")
	}
	return text, nil
}

// Key returns the header Idempotency-Key, under which a repeat of the request is known. Its form is the verb's to check.
func (c *Call) Key() (key string, there bool, err error) {
	keys := peekAll(c.http, HeaderKey)
	switch len(keys) {
	case 0:
		return "", false, nil
	case 1:
		return keys[0], true, nil
	}
	return "", true, chat.BadField(HeaderKey, "is there twice")
}

// Query reads the request's query parameters.
func (c *Call) Query() *Query { return &Query{http: c.http, params: c.params} }

// Address is what limits per address count by: the client's IPv4 address, or its IPv6 network.
func (c *Call) Address() string { return chat.AddressKey(c.srv.clientIP(c.http)).String() }

// IP is the client's whole address.
func (c *Call) IP() string { return chat.OriginOf(c.Ctx).IP }

// Reply answers with v as JSON.
func (c *Call) Reply(status int, v any) error {
	body, err := protocol.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	c.http.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSONCharsetUTF8)
	return c.http.Status(status).Send(body)
}

// OK answers 200 with v.
func (c *Call) OK(v any) error { return c.Reply(http.StatusOK, v) }

// Created answers 201 with v, which can be read at location.
func (c *Call) Created(location string, v any) error {
	c.http.Location(Base + location)
	return c.Reply(http.StatusCreated, v)
}

// Buffer returns an empty buffer for an answer that is appended by hand. It is the HTTP server's own, which reuses
// it: hand it to Write and keep nothing of it.
func (c *Call) Buffer() []byte { return c.http.Response().SwapBody(nil)[:0] }

// Write answers 200 with JSON that was appended to Buffer.
func (c *Call) Write(body []byte) error {
	c.http.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSONCharsetUTF8)
	c.http.Status(http.StatusOK).Response().SwapBody(body)
	return nil
}

// HeaderNext is the header that leads from a page of lines to the next one.
const HeaderNext = "Next-Cursor"

// linesType is the media type of JSON lines.
const linesType = "application/x-ndjson"

// Lines answers 200 with JSON lines, and the cursor of the next page unless that is empty.
func (c *Call) Lines(lines []byte, next string) error {
	c.http.Set(fiber.HeaderContentType, linesType)
	if next != "" {
		c.http.Set(HeaderNext, next)
	}
	return c.http.Status(http.StatusOK).Send(lines)
}

// DoneReply is the answer to a change that has nothing to show.
type DoneReply struct {
	OK bool `json:"ok"`
}

// Done answers 200 and {"ok":true}, or returns err.
func (c *Call) Done(err error) error {
	if err != nil {
		return err
	}
	return c.OK(DoneReply{true})
}

// Gone answers 204, or returns err.
func (c *Call) Gone(err error) error {
	if err != nil {
		return err
	}
	return c.http.SendStatus(http.StatusNoContent)
}

// Views shows each of a list; an empty list is [], never null.
func Views[T, V any](list []T, view func(T) V) []V {
	out := make([]V, len(list))
	for i, x := range list {
		out[i] = view(x)
	}
	return out
}
