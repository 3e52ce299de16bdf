package table

import (
	"database/sql/driver"
	"strings"
	"time"

	"chat-service/internal/chat"
)

// Webhooks are the endpoints of the application's backend.
var Webhooks = define("webhooks", "w",
	Column[chat.Webhook]{Name: "id", Cell: func(w *chat.Webhook) Cell { return (*number)(&w.ID) }, Auto: true},
	Column[chat.Webhook]{Name: "name", Cell: func(w *chat.Webhook) Cell { return (*text)(&w.Name) }},
	Column[chat.Webhook]{Name: "url", Cell: func(w *chat.Webhook) Cell { return (*text)(&w.URL) }},
	Column[chat.Webhook]{Name: "secret", Cell: func(w *chat.Webhook) Cell { return (*nullBlob)(&w.Secret) }},
	Column[chat.Webhook]{Name: "previous", Cell: func(w *chat.Webhook) Cell { return (*nullBlob)(&w.Previous) }},
	Column[chat.Webhook]{Name: "previous_until", Cell: func(w *chat.Webhook) Cell { return (*moment)(&w.PreviousUntil) }},
	Column[chat.Webhook]{Name: "kinds", Cell: func(w *chat.Webhook) Cell { return (*webhookKinds)(&w.Kinds) }},
	Column[chat.Webhook]{Name: "allow_private", Cell: func(w *chat.Webhook) Cell { return (*flag)(&w.AllowPrivate) }},
	Column[chat.Webhook]{Name: "created_by", Cell: func(w *chat.Webhook) Cell { return (*text)(&w.CreatedBy) }},
	Column[chat.Webhook]{Name: "created_at", Cell: func(w *chat.Webhook) Cell { return (*moment)(&w.CreatedAt) }},
	Column[chat.Webhook]{Name: "failing_since", Cell: func(w *chat.Webhook) Cell { return (*moment)(&w.FailingSince) }},
	Column[chat.Webhook]{Name: "disabled_at", Cell: func(w *chat.Webhook) Cell { return (*moment)(&w.DisabledAt) }},
	Column[chat.Webhook]{Name: "disabled_why", Cell: func(w *chat.Webhook) Cell { return (*text)(&w.DisabledWhy) }},
)

// WebhookCursors are how far endpoints were told of rooms.
var WebhookCursors = define("webhook_rooms", "c",
	Column[chat.WebhookCursor]{Name: "webhook_id", Cell: func(c *chat.WebhookCursor) Cell { return (*number)(&c.Webhook) }},
	Column[chat.WebhookCursor]{Name: "room_id", Cell: func(c *chat.WebhookCursor) Cell { return (*number)(&c.Room) }},
	Column[chat.WebhookCursor]{Name: "seq", Cell: func(c *chat.WebhookCursor) Cell { return (*number)(&c.Seq) }},
	Column[chat.WebhookCursor]{Name: "change_seq", Cell: func(c *chat.WebhookCursor) Cell { return (*number)(&c.Changes) }},
	Column[chat.WebhookCursor]{Name: "tries", Cell: func(c *chat.WebhookCursor) Cell { return (*count)(&c.Tries) }},
	Column[chat.WebhookCursor]{Name: "next_at", Cell: func(c *chat.WebhookCursor) Cell { return (*moment)(&c.Next) }},
	Column[chat.WebhookCursor]{Name: "claim", Cell: func(c *chat.WebhookCursor) Cell { return (*text)(&c.Token) }},
)

// UserEvent is a row of webhook_events.
type UserEvent struct {
	ID      uint64
	Webhook chat.WebhookID
	User    chat.UserID
	Kind    chat.WebhookKind
	At      time.Time
}

// UserEvents are what happened to accounts, and is to be told.
var UserEvents = define("webhook_events", "v",
	Column[UserEvent]{Name: "id", Cell: func(e *UserEvent) Cell { return (*number)(&e.ID) }, Auto: true},
	Column[UserEvent]{Name: "webhook_id", Cell: func(e *UserEvent) Cell { return (*number)(&e.Webhook) }},
	Column[UserEvent]{Name: "user_id", Cell: func(e *UserEvent) Cell { return (*number)(&e.User) }},
	Column[UserEvent]{Name: "kind", Cell: func(e *UserEvent) Cell { return (*text)(&e.Kind) }},
	Column[UserEvent]{Name: "at", Cell: func(e *UserEvent) Cell { return (*moment)(&e.At) }},
)

// WebhookAttempts are what was posted.
var WebhookAttempts = define("webhook_attempts", "a",
	Column[chat.WebhookAttempt]{Name: "id", Cell: func(a *chat.WebhookAttempt) Cell { return (*number)(&a.ID) }, Auto: true},
	Column[chat.WebhookAttempt]{Name: "webhook_id", Cell: func(a *chat.WebhookAttempt) Cell { return (*number)(&a.Webhook) }},
	Column[chat.WebhookAttempt]{Name: "event", Cell: func(a *chat.WebhookAttempt) Cell { return (*text)(&a.Event) }},
	Column[chat.WebhookAttempt]{Name: "kind", Cell: func(a *chat.WebhookAttempt) Cell { return (*text)(&a.Kind) }},
	Column[chat.WebhookAttempt]{Name: "room_id", Cell: func(a *chat.WebhookAttempt) Cell { return (*number)(&a.Room) }},
	Column[chat.WebhookAttempt]{Name: "seq", Cell: func(a *chat.WebhookAttempt) Cell { return (*number)(&a.Seq) }},
	Column[chat.WebhookAttempt]{Name: "change_seq", Cell: func(a *chat.WebhookAttempt) Cell { return (*number)(&a.Change) }},
	Column[chat.WebhookAttempt]{Name: "at", Cell: func(a *chat.WebhookAttempt) Cell { return (*moment)(&a.At) }},
	Column[chat.WebhookAttempt]{Name: "try", Cell: func(a *chat.WebhookAttempt) Cell { return (*count)(&a.Try) }},
	Column[chat.WebhookAttempt]{Name: "status", Cell: func(a *chat.WebhookAttempt) Cell { return (*count)(&a.Status) }},
	Column[chat.WebhookAttempt]{Name: "took_us", Cell: func(a *chat.WebhookAttempt) Cell { return (*micros)(&a.Took) }},
	Column[chat.WebhookAttempt]{Name: "refusal", Cell: func(a *chat.WebhookAttempt) Cell { return (*text)(&a.Refusal) }},
)

// webhookKinds are joined by commas.
type webhookKinds []chat.WebhookKind

// Scan implements sql.Scanner.
func (k *webhookKinds) Scan(src any) error {
	var joined string
	if err := scanText(&joined, src); err != nil {
		return err
	}
	*k = nil
	for part := range strings.SplitSeq(joined, ",") {
		if part != "" {
			*k = append(*k, chat.WebhookKind(part))
		}
	}
	return nil
}

// Value implements driver.Valuer.
func (k *webhookKinds) Value() (driver.Value, error) {
	names := make([]string, len(*k))
	for i, x := range *k {
		names[i] = string(x)
	}
	return strings.Join(names, ","), nil
}

// nullBlob is NULL if empty.
type nullBlob []byte

// Scan implements sql.Scanner.
func (b *nullBlob) Scan(src any) error {
	if src == nil {
		*b = nil
		return nil
	}
	return (*blob)(b).Scan(src)
}

// Value implements driver.Valuer.
func (b *nullBlob) Value() (driver.Value, error) {
	if len(*b) == 0 {
		return nil, nil
	}
	return (*blob)(b).Value()
}

// micros is a time that something took, in microseconds.
type micros time.Duration

// Scan implements sql.Scanner.
func (m *micros) Scan(src any) error {
	var n number
	err := n.Scan(src)
	*m = micros(time.Duration(n) * time.Microsecond)
	return err
}

// Value implements driver.Valuer.
func (m *micros) Value() (driver.Value, error) { return time.Duration(*m).Microseconds(), nil }
