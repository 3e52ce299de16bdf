package lanes

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

// enter makes a user a member of a public room; another one doesn't exist for them. What comes after the end of their session, before
// the notice of it has closed the socket, makes nobody a member.
func (l *Lanes) enter(ctx context.Context, cmd *envelope.Command) (chat.Membership, error) {
	ended, err := l.o.Log.RevokedAmong(ctx, []chat.SessionID{cmd.Session})
	if err != nil {
		return chat.Membership{}, err
	}
	if len(ended) > 0 {
		return chat.Membership{}, chat.E(chat.Unauthenticated, "the session has ended, log in again")
	}
	_, err = l.o.Log.AddMembers(ctx, cmd.Room, cmd.User, []chat.UserID{cmd.User})
	if err != nil && chat.KindOf(err) != chat.Forbidden { // that means: somebody has added them to a private room just now
		return chat.Membership{}, err
	}
	m, err := l.o.Log.Membership(ctx, cmd.Room, cmd.User)
	if err == nil && !m.Member.In() {
		err = chat.E(chat.NotFound, "no such room")
	}
	return m, err
}

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
		if m, err = l.enter(ctx, cmd); err != nil {
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
		Changes: m.Room.Changes, From: max(m.Member.VisibleFrom, 1),
		Frame: protocol.AppendJoined(nil, protocol.ListedRoomView(m)),
	})
	return nil
}
