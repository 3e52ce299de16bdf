package lanes

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

// Join resumes a member's live delivery, and makes a user who asks a member of a public room.
func (l *Lanes) Join(ctx context.Context, cmd *envelope.Command, out *deliver.Parcels) error {
	m, err := l.o.Log.Membership(ctx, cmd.Room, cmd.User)
	if err != nil && chat.KindOf(err) != chat.NotFound {
		return err
	}
	if err != nil || !m.Member.In() {
		if cmd.Repair {
			return nil // the gateway asks by itself: the user was added, and has left again
		}
		// Only a public room takes new members; whether another one exists must not be visible.
		if _, err := l.o.Log.AddMembers(ctx, cmd.Room, cmd.User, []chat.UserID{cmd.User}); err != nil {
			if chat.KindOf(err) == chat.Forbidden {
				err = chat.E(chat.NotFound, "no such room")
			}
			return err
		}
		if m, err = l.o.Log.Membership(ctx, cmd.Room, cmd.User); err != nil {
			return err
		}
	}
	if at := m.Room.LastSeq; at > 0 { // as the list shows it
		last, err := l.o.Log.Messages(ctx, cmd.Room, at, at, 1)
		if err != nil {
			return err
		}
		if len(last) > 0 {
			m.Last = &last[0]
		}
	}
	out.ToGateway(cmd.Gateway, &envelope.Delivery{
		Kind: envelope.Joined, Gateway: cmd.Gateway, Socket: cmd.Socket,
		User: cmd.User, Room: cmd.Room, Seq: m.Room.LastSeq, Epoch: m.Room.Epoch,
		Frame: protocol.AppendJoined(nil, protocol.ListedRoomView(m)),
	})
	return nil
}
