package server

import (
	"errors"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// decode reads the JSON body into v, a pointer to a struct, as strictly as a socket's frames (protocol.Unmarshal).
// Strings of v are copies.
func decode(c *fiber.Ctx, v any) error {
	if err := checkContentType(c); err != nil {
		return err
	}
	err := protocol.Unmarshal(c.Request().Body(), v)
	if errors.Is(err, protocol.ErrMalformed) {
		return &refusal{chat.As(err), http.StatusBadRequest}
	}
	return err
}

// checkContentType refuses, with 415, what is declared as anything but plain JSON in UTF-8. No Content-Type is taken
// for that.
func checkContentType(c *fiber.Ctx) error {
	ct := c.Get(fiber.HeaderContentType)
	if ct == "" {
		return nil
	}
	media, params, err := mime.ParseMediaType(ct)
	charset := params["charset"]
	if err != nil || media != fiber.MIMEApplicationJSON || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return &refusal{chat.BadField("Content-Type", "must be application/json in UTF-8"), http.StatusUnsupportedMediaType}
	}
	if enc := c.Get(fiber.HeaderContentEncoding); enc != "" && !strings.EqualFold(enc, "identity") {
		return &refusal{chat.BadField("Content-Encoding", "is not supported: send plain JSON"), http.StatusUnsupportedMediaType}
	}
	return nil
}

// Maybe is protocol.Maybe with a schema for the document: a field that distinguishes "left out", null and a value.
type Maybe[T any] struct{ protocol.Maybe[T] }

// Schema describes the field to the document: a T or null.
func (Maybe[T]) Schema(reg huma.Registry) *huma.Schema {
	return reg.Schema(reflect.TypeFor[*T](), true, "")
}
