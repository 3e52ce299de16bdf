package api

import (
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// decode reads the JSON body into v, a pointer to a struct, as strictly as a socket's frames (protocol.Unmarshal). Strings of v are
// copies.
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

// maybe is protocol.Maybe, with a schema for the document.
type maybe[T any] struct{ protocol.Maybe[T] }

// checks collects what is wrong with the fields of a request, so that a client hears all of it at once.
type checks struct {
	fields []chat.FieldError
	other  error // something other than a bad field: it goes first
}

// add takes the outcome of one check.
func (k *checks) add(err error) {
	if err == nil {
		return
	}
	e := chat.As(err)
	if e.Kind == chat.Invalid && len(e.Fields) > 0 {
		k.fields = append(k.fields, e.Fields...)
	} else if k.other == nil {
		k.other = err
	}
}

// bad notes a bad field unless ok.
func (k *checks) bad(ok bool, field, message string) {
	if !ok {
		k.fields = append(k.fields, chat.FieldError{Field: field, Message: message})
	}
}

// err is the verdict: nil where nothing was wrong.
func (k *checks) err() error {
	switch {
	case k.other != nil:
		return k.other
	case len(k.fields) == 0:
		return nil
	}
	f := k.fields[0]
	return &chat.Error{Kind: chat.Invalid, Msg: f.Field + ": " + f.Message, Fields: k.fields}
}

// distinct judges a list of user ids from a body and returns each once: so many of them, each a legal id.
func distinct(field string, ids []chat.UserID, least, most int) (once []chat.UserID, err error) {
	seen := make(map[chat.UserID]bool, len(ids))
	for _, id := range ids {
		if id == 0 || id > chat.MaxID {
			return nil, chat.BadField(field, "must hold ids from 1 to 2^53-1")
		}
		if !seen[id] {
			once = append(once, id)
		}
		seen[id] = true
	}
	switch {
	case len(once) < least:
		err = chat.BadField(field, "must name at least %d", least)
	case most > 0 && len(once) > most:
		err = chat.BadField(field, "must name at most %d", most)
	}
	return once, err
}
