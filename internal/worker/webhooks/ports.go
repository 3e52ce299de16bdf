package webhooks

import (
	"context"
	"time"

	"chat-service/internal/chat"
)

// Book keeps endpoints, and how far each was told: MySQL.
type Book interface {
	Webhooks(ctx context.Context) ([]chat.Webhook, error)
	// ClaimWebhook claims a cursor until a time. One that somebody else has, or that waits for its next try, is returned as it is.
	ClaimWebhook(ctx context.Context, c chat.WebhookClaim) (chat.WebhookCursor, error)
	// WebhookPage returns what comes after a cursor, messages as they are now.
	WebhookPage(ctx context.Context, cur chat.WebhookCursor, limit int) ([]chat.WebhookEvent, error)
	// SettleWebhook ends a claim, or goes on with it: Conflict if it was lost.
	SettleWebhook(ctx context.Context, x chat.WebhookSettled) error
	// DueWebhooks returns cursors whose time has come.
	DueWebhooks(ctx context.Context, ids []chat.WebhookID, now time.Time, limit int) ([]chat.WebhookPlace, error)
	// SweepWebhook takes a step of a walk over rooms that nobody may have told.
	SweepWebhook(ctx context.Context, w chat.WebhookSweep) ([]chat.RoomID, chat.WebhookSweep, error)
	WebhookBurdens(ctx context.Context, ids []chat.WebhookID) ([]chat.WebhookBurden, error)
}

// Notes keeps what endpoints are to be told of users: MySQL.
type Notes interface {
	NoteWebhooks(ctx context.Context, notes []chat.WebhookNote) error
}

// Post is one request to an endpoint.
type Post struct {
	URL          string
	Secrets      [][]byte // each signs
	ID           string   // of the event; the same at every try
	At           time.Time
	Body         []byte
	AllowPrivate bool
}

// Answer is what came back.
type Answer struct {
	Status int // of HTTP
	Took   time.Duration
	Note   string // for people
}

// Poster signs and posts. An error means that no answer came; it waits no longer than it was made to.
type Poster interface {
	Post(ctx context.Context, p Post) (Answer, error)
}
