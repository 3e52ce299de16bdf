package hooks

import (
	"context"
	"io"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"chat-service/internal/store"
)

// Desk is where the commands work.
type Desk struct {
	// Act runs fn as the operator's act, and Look to see something; both have a deadline.
	Act, Look func(ctx context.Context, fn func(ctx context.Context, db *store.Store) error) error
	// Networks are those that are not public and that endpoints may be in.
	Networks func() ([]netip.Prefix, error)
	// Out gets results, as text, by JSON or by Rows; Err gets what is said beside them.
	Out, Err io.Writer
	JSON     func(v any) error
	Rows     func(rows [][]string) error
}

// line is a text in one line of a table, at most n characters long.
func line(text string, n int) string {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) > n {
		text = string([]rune(text)[:n-1]) + "…"
	}
	return text
}

// moment is a time in a table; the zero time is "".
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
