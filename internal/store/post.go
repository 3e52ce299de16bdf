package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"chat-service/internal/chat"
)

// Post appends one message that came by REST, by the rules of Append, and leaves its announcement in the outbox
// within the same transaction, unless it was a duplicate.
func (d *DB) Post(ctx context.Context, s chat.Send, now time.Time) (chat.Sent, error) {
	a := newAppender([]chat.Send{s}, now)
	run := func(g *gorm.DB) error {
		if err := a.run(g); err != nil || len(a.fresh) == 0 {
			return err
		}
		room, err := roomByID(g, s.Room)
		if err != nil {
			return err
		}
		return d.announce(g, chat.Announcement{Message: &a.sent[0].Message, Room: &room})
	}
	err := d.tx(ctx, "post", repeatable, run)
	if err != nil && rowAtFault(err) {
		a.refusal = chat.Wrap(chat.Invalid, err, "the message can't be stored")
		if err = d.tx(ctx, "post", repeatable, run); err != nil && rowAtFault(err) {
			return chat.Sent{Err: a.refusal}, nil
		}
	}
	if err != nil {
		return chat.Sent{}, err
	}
	return a.sent[0], nil
}
