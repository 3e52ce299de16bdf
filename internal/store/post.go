package store

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/batch"
	"chat-service/internal/store/db"
)

// Post appends one message that came by REST, by the rules of Append, and leaves its announcement in the outbox
// within the same transaction, unless it was a duplicate.
func (d *DB) Post(ctx context.Context, s chat.Send, now time.Time) (chat.Sent, error) {
	a := batch.New([]chat.Send{s}, now)
	run := func(tx db.Tx) error {
		if err := a.Run(tx); err != nil || !a.Wrote() {
			return err
		}
		room, err := roomByID(tx, s.Room)
		if err != nil {
			return err
		}
		return d.announce(tx, envelope.Announcement{Message: &a.Sent[0].Message, Room: &room})
	}
	err := d.Tx(ctx, "post", db.Repeatable, run)
	if err != nil && db.RowAtFault(err) {
		a.Refusal = chat.Wrap(chat.Invalid, err, "the message can't be stored")
		if err = d.Tx(ctx, "post", db.Repeatable, run); err != nil && db.RowAtFault(err) {
			return chat.Sent{Err: a.Refusal}, nil
		}
	}
	if err != nil {
		return chat.Sent{}, err
	}
	return a.Sent[0], nil
}
