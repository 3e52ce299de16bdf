package catchup

import (
	"context"

	"chat-service/internal/chat"
)

// Log is where the entries and the rights to them are: MySQL.
type Log interface {
	// Places returns users' memberships in rooms, past ones included; where there never was one, the place is left out.
	Places(ctx context.Context, at []chat.Place) (map[chat.Place]chat.Membership, error)
	// Spans returns the messages of stretches that don't overlap, by room and seq. Where they have more than bytes of content, it
	// returns the first of them, at least one, and whole is false.
	Spans(ctx context.Context, spans []chat.Span, bytes int) (ms []chat.Message, whole bool, err error)
	// ChangedSince returns the messages of a stretch that were changed, as they are now, by their last changes.
	ChangedSince(ctx context.Context, q chat.ChangesQuery) (chat.ChangesPage, error)
}
