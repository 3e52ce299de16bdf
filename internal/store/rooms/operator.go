package rooms

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// Appoint makes a member the owner of a group on behalf of an operator, who need not be in it; the old owner stays as an
// admin. NotFound if the user isn't a member.
func (s *Store) Appoint(ctx context.Context, room chat.RoomID, to chat.UserID) (chat.Room, error) {
	var r chat.Room
	err := s.byOperator(ctx, "appoint owner", db.Repeatable, room, func(w *roomWrite) error {
		if _, err := w.target(to); err != nil {
			return err
		}
		if w.room.Owner != to {
			if err := w.giveTo(w.room.Owner, to); err != nil {
				return err
			}
			if err := s.audit.Add(w.tx, chat.Act{Kind: chat.ActOwner, Room: room, User: to}); err != nil {
				return err
			}
		}
		r = w.room
		return nil
	})
	return r, err
}

// Close dissolves a group on behalf of an operator.
func (s *Store) Close(ctx context.Context, room chat.RoomID) error {
	return s.byOperator(ctx, "close room", db.Once, room, func(w *roomWrite) error {
		if err := s.audit.Add(w.tx, chat.Act{Kind: chat.ActDissolved, Room: room, Detail: w.room.Name}); err != nil {
			return err
		}
		return w.dissolve(w.room.Owner)
	})
}

// byOperator runs fn under the lock of a living group. Its system messages are by the owner, because clients know only users;
// the audit trail says who it was.
func (s *Store) byOperator(ctx context.Context, verb string, rerun db.Again, room chat.RoomID, fn func(w *roomWrite) error) error {
	return s.d.Tx(ctx, verb, rerun, func(tx db.Tx) error {
		w, err := s.lock(tx, room)
		if err != nil {
			return err
		}
		if w.room.Type == chat.Direct {
			return chat.E(chat.Forbidden, "a direct room has no owner")
		}
		return fn(w)
	})
}
