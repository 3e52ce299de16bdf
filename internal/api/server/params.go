package server

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"chat-service/internal/chat"
)

// How long a page of a list is.
const (
	defaultListLimit = 50
	maxListLimit     = 200
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

// Query reads query parameters strictly: unknown ones are let through (links get decorated on their way), a repeated
// known one is refused, since two readers could differ on which counts.
type Query struct {
	// Check collects what is wrong with them.
	Check Checks

	http *fiber.Ctx
}

// Has tells whether the parameter is there.
func (q *Query) Has(name string) bool { return q.http.Context().QueryArgs().Has(name) }

// value returns the parameter's text, and refuses it where it is there twice.
func (q *Query) value(name string) (s string, ok bool) {
	n := len(q.http.Context().QueryArgs().PeekMulti(name))
	q.Check.Require(n < 2, name, "is there twice")
	return q.http.Query(name), n == 1
}

// Text reads a parameter of at most high bytes.
func (q *Query) Text(name string, high int) string {
	s, ok := q.value(name)
	if !ok {
		return ""
	}
	q.Check.Require(len(s) <= high, name, "is too long")
	return s
}

// Number reads a parameter between low and high; def where it is left out.
func (q *Query) Number(name string, def, low, high uint64) uint64 {
	s, ok := q.value(name)
	if !ok {
		return def
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n < low || n > high {
		q.Check.Add(chat.BadField(name, "must be a number from %d to %d", low, high))
		return def
	}
	return n
}

// OneOf reads a parameter that knows few values; "" where it is left out.
func (q *Query) OneOf(name string, values ...string) string {
	s := q.Text(name, 64)
	if s != "" && !slices.Contains(values, s) {
		q.Check.Add(chat.BadField(name, "must be one of %q", values))
	}
	return s
}

// Page reads cursor and limit of a list.
func (q *Query) Page() (cursor string, limit int) {
	return q.Text("cursor", 512), int(q.Number("limit", defaultListLimit, 1, maxListLimit))
}

// PageParams are the rows of the parameters that Page reads.
func PageParams() []Param {
	return []Param{
		{Name: "cursor", Doc: "next_cursor of the page before"},
		{Name: "limit", Doc: fmt.Sprintf("items per page, %d where left out", defaultListLimit), Min: 1, Max: maxListLimit},
	}
}
