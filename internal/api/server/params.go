package server

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"chat-service/internal/chat"
)

// How many items a page of a list has.
const (
	defaultListLimit = 50
	maxListLimit     = 200
)

// maxCursor is how many bytes a cursor has at most.
const maxCursor = 512

// Param is one query parameter of a route: what the document says of it and what Query takes are the same row.
type Param struct {
	Name, Doc string
	Min, Max  uint64   // of a number; Max 0: it is text
	Default   uint64   // of a number that is left out
	Bytes     int      // of a text, at most; of an Enum, not needed
	Enum      []string // the only values of a text; an empty one is as good as absent
	Required  bool     // for the document: the verb checks it, since blank may be as good as absent
	Cursor    bool     // it continues a list: one that no list returned can't be read (400)
	Rule      string   // what the verb also asks for, in words
	Example   any
}

// PageParams are the rows of what Query.Page reads.
func PageParams() []Param {
	return []Param{
		{Name: "cursor", Doc: "next_cursor of the page before", Bytes: maxCursor, Cursor: true, Rule: "as this list returned it, unchanged"},
		{
			Name: "limit", Doc: fmt.Sprintf("items per page, %d if left out", defaultListLimit),
			Min: 1, Max: maxListLimit, Default: defaultListLimit, Example: defaultListLimit,
		},
	}
}

// Query reads query parameters strictly, as the route's rows describe them. Unknown ones are let through, because
// links get decorated on their way; a repeated known one is refused, since two readers could differ on which counts.
type Query struct {
	// Check collects what is wrong with them.
	Check Checks

	http   *fiber.Ctx
	params []Param
}

// param returns a parameter's row. Reading one without a row is a mistake in the table, and no client's fault.
func (q *Query) param(name string) Param {
	for _, p := range q.params {
		if p.Name == name {
			return p
		}
	}
	panic("the route has no row for the query parameter " + name)
}

// Has reports whether the parameter was sent.
func (q *Query) Has(name string) bool { return q.http.Context().QueryArgs().Has(name) }

// value returns the parameter's text, and refuses it if it is there twice.
func (q *Query) value(name string) (s string, ok bool) {
	n := len(q.http.Context().QueryArgs().PeekMulti(name))
	q.Check.Require(n < 2, name, "is there twice")
	return q.http.Query(name), n == 1
}

// Text reads a text, "" if it is left out.
func (q *Query) Text(name string) string {
	p := q.param(name)
	s, ok := q.value(name)
	switch {
	case !ok:
		return ""
	case p.Enum != nil:
		q.Check.Require(s == "" || slices.Contains(p.Enum, s), name, fmt.Sprintf("must be one of %q", p.Enum))
	default:
		q.Check.Require(len(s) <= p.Bytes, name, "is too long")
	}
	return s
}

// Number reads a number, its default if it is left out or wrong.
func (q *Query) Number(name string) uint64 {
	p := q.param(name)
	s, ok := q.value(name)
	if !ok {
		return p.Default
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n < p.Min || n > p.Max {
		q.Check.Add(chat.BadField(name, "must be a number from %d to %d", p.Min, p.Max))
		return p.Default
	}
	return n
}

// Page reads cursor and limit of a list.
func (q *Query) Page() (cursor string, limit int) { return q.Text("cursor"), int(q.Number("limit")) }

// pathID reads an id from the path. What is no number can't be read (400); a number that no id can be names nothing
// (404).
func pathID(name, text string) (uint64, error) {
	if strings.Trim(text, "0123456789") != "" || len(text) > 1 && text[0] == '0' { // one path, one spelling
		return 0, malformed(name, "must be a number")
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 || n > chat.MaxID {
		return 0, chat.E(chat.NotFound, "")
	}
	return n, nil
}

// MaxQuery is how many bytes a search has at most.
const MaxQuery = 256
