package lanes

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

// Typing relays that a member types, to the room's sessions; it is never stored.
func (l *Lanes) Typing(ctx context.Context, cmd *envelope.Command, _ *deliver.Parcels) error {
	in, err := l.members.in(ctx, cmd.Room, cmd.User)
	if err != nil {
		return err
	}
	if !in {
		return chat.E(chat.NotFound, "no such room")
	}
	l.o.Line.Aside(&envelope.Delivery{
		Kind: envelope.Aside, Room: cmd.Room, User: cmd.User, Frame: protocol.AppendTyping(nil, cmd.Room, cmd.User),
	})
	return nil
}
