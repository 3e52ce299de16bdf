package server

import (
	"errors"
	"strings"

	"chat-service/internal/chat"
)

// Checks collects what is wrong with the fields of a request, so that the client gets all of it in one answer.
type Checks struct {
	fields []chat.FieldError
	other  error // something other than a bad field: it goes first
}

// Add takes the outcome of one check.
func (k *Checks) Add(err error) {
	if err == nil {
		return
	}
	e := chat.As(err)
	if e.Kind == chat.Invalid && len(e.Fields) > 0 && !errors.Is(err, chat.ErrCursor) {
		k.fields = append(k.fields, e.Fields...)
	} else if k.other == nil {
		k.other = err
	}
}

// Require notes a bad field unless ok.
func (k *Checks) Require(ok bool, field, message string) {
	if !ok {
		k.fields = append(k.fields, chat.FieldError{Field: field, Message: message})
	}
}

// Err returns what was wrong, nil if nothing was.
func (k *Checks) Err() error {
	switch {
	case k.other != nil:
		return k.other
	case len(k.fields) == 0:
		return nil
	}
	f := k.fields[0]
	return &chat.Error{Kind: chat.Invalid, Msg: f.Field + ": " + f.Message, Fields: k.fields}
}

// Once returns each of the ids once, in their order.
func Once(ids []chat.UserID) (once []chat.UserID) {
	seen := make(map[chat.UserID]bool, len(ids))
	for _, id := range ids {
		if !seen[id] {
			once = append(once, id)
		}
		seen[id] = true
	}
	return once
}

// OrElse is what a field holds, or otherwise if it was left out.
func OrElse[T any](field *T, otherwise T) T {
	if field == nil {
		return otherwise
	}
	return *field
}

// Trimmed is strings.TrimSpace of a field that may be left out.
func Trimmed(s *string) *string {
	if s == nil {
		return nil
	}
	t := strings.TrimSpace(*s)
	return &t
}
