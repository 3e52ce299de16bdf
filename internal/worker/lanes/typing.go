package worker

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// typing relays that a member types, to the room's sessions; it is never stored.
func (l *lane) typing(ctx context.Context, cmd *envelope.Command) error {
	in, err := l.w.facts.Member(ctx, l.w.o.Members, cmd.Room, cmd.User)
	if err != nil {
		return err
	}
	if !in {
		return chat.E(chat.NotFound, "no such room")
	}
	l.w.committer(cmd.Room.Partition(l.w.o.Partitions)).nudge(work{aside: &envelope.Delivery{
		Kind: envelope.Aside,
		Room: cmd.Room, User: cmd.User, Frame: protocol.AppendTyping(nil, cmd.Room, cmd.User),
	}})
	return nil
}
