package worker

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// join resumes a member's live delivery, and makes whoever asks a member of a public room.
func (l *lane) join(ctx context.Context, cmd *envelope.Command, out *parcels) error {
	m, err := l.w.o.Members.Membership(ctx, cmd.Room, cmd.User)
	if err != nil && chat.KindOf(err) != chat.NotFound {
		return err
	}
	if (err != nil || !m.Member.In()) && cmd.Repair {
		return nil // the gateway asks by itself: he was added, and is gone again
	}
	if err != nil || !m.Member.In() {
		// Only a public room takes him; of any other it must not be told that it is there.
		if _, err := l.w.o.Members.AddMembers(ctx, cmd.Room, cmd.User, []chat.UserID{cmd.User}); err != nil {
			if chat.KindOf(err) == chat.Forbidden {
				err = chat.E(chat.NotFound, "no such room")
			}
			return err
		}
		if m, err = l.w.o.Members.Membership(ctx, cmd.Room, cmd.User); err != nil {
			return err
		}
	}
	if at := m.Room.LastSeq; at > 0 { // as the list shows it
		last, err := l.w.o.Log.Messages(ctx, cmd.Room, at, at, 1)
		if err != nil {
			return err
		}
		if len(last) > 0 {
			m.Last = &last[0]
		}
	}
	out.gateway(cmd.Gateway, &envelope.Delivery{
		Kind: envelope.Joined, Gateway: cmd.Gateway, Socket: cmd.Socket,
		User: cmd.User, Room: cmd.Room, Seq: m.Room.LastSeq, Epoch: m.Room.Epoch,
		Frame: protocol.AppendJoined(nil, protocol.ListedRoomView(m)),
	})
	return nil
}
