package api

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"chat-service/internal/chat"
)

// pathID reads an id from the path. What is no number can't be read (400); a number that no id can be names nothing (404).
func pathID(name, text string) (uint64, error) {
	if strings.Trim(text, "0123456789") != "" {
		return 0, malformed(name, "must be a number")
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 || n > chat.MaxID {
		return 0, chat.E(chat.NotFound, "")
	}
	return n, nil
}

// query reads query parameters strictly: unknown ones are let through (links get decorated on their way), a repeated
// known one is refused, since two readers could differ on which counts.
type query struct {
	c     *fiber.Ctx
	check checks
}

// has tells whether the parameter is there.
func (q *query) has(name string) bool { return q.c.Context().QueryArgs().Has(name) }

// value returns the parameter's text, and refuses it where it is there twice.
func (q *query) value(name string) (s string, ok bool) {
	n := len(q.c.Context().QueryArgs().PeekMulti(name))
	q.check.bad(n < 2, name, "is there twice")
	return q.c.Query(name), n == 1
}

// text reads a parameter of at most most bytes.
func (q *query) text(name string, most int) string {
	s, ok := q.value(name)
	if !ok {
		return ""
	}
	q.check.bad(len(s) <= most, name, "is too long")
	return s
}

// number reads a parameter between least and most; def where it is left out.
func (q *query) number(name string, def, least, most uint64) uint64 {
	s, ok := q.value(name)
	if !ok {
		return def
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n < least || n > most {
		q.check.add(chat.BadField(name, "must be a number from %d to %d", least, most))
		return def
	}
	return n
}

// oneOf reads a parameter that knows few values; "" where it is left out.
func (q *query) oneOf(name string, values ...string) string {
	s := q.text(name, 64)
	if s != "" && !slices.Contains(values, s) {
		q.check.add(chat.BadField(name, "must be one of %q", values))
	}
	return s
}

// page reads cursor and limit of a list.
func (q *query) page() (cursor string, limit int) {
	return q.text("cursor", 512), int(q.number("limit", defaultListLimit, 1, maxListLimit))
}
