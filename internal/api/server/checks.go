package server

import "chat-service/internal/chat"

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
	if e.Kind == chat.Invalid && len(e.Fields) > 0 {
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

// Distinct checks a list of user ids from a body and returns each once: so many of them, each a legal id.
func Distinct(field string, ids []chat.UserID, low, high int) (once []chat.UserID, err error) {
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
	case len(once) < low:
		err = chat.BadField(field, "must name at least %d", low)
	case high > 0 && len(once) > high:
		err = chat.BadField(field, "must name at most %d", high)
	}
	return once, err
}
