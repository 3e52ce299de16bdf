package lanes

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

// Watch sets a socket's watch list: people who share a room with the watcher; others are left out of the answer. With Repair it is a
// gateway that asks, whom of the list its socket may still watch.
func (l *Lanes) Watch(ctx context.Context, cmd *envelope.Command, out *deliver.Parcels) error {
	err := l.watch(ctx, cmd, out)
	if err != nil && cmd.Repair { // there is no answer: the gateway asks again
		l.o.Logger.WarnContext(ctx, "review of a watch list", "user", cmd.User, "err", err)
		err = nil
	}
	return err
}

func (l *Lanes) watch(ctx context.Context, cmd *envelope.Command, out *deliver.Parcels) error {
	var seen []chat.UserID
	var ps []chat.Presence
	if len(cmd.Users) > 0 {
		var err error
		if seen, err = l.o.Log.SharesRoom(ctx, cmd.User, cmd.Users); err != nil {
			return err
		}
		if ps, err = l.presences(ctx, seen); err != nil {
			return err
		}
	}
	out.ToGateway(cmd.Gateway, &envelope.Delivery{
		Kind: envelope.Watched, Gateway: cmd.Gateway, Socket: cmd.Socket,
		User: cmd.User, Users: seen, Repair: cmd.Repair, Number: cmd.Number, Frame: protocol.AppendPresence(nil, ps),
	})
	return nil
}

// presences reads presence and last seen; what can't be known now is unknown.
func (l *Lanes) presences(ctx context.Context, users []chat.UserID) ([]chat.Presence, error) {
	ps, err := l.o.Presence.Online(ctx, users)
	if err != nil {
		l.o.Metrics.StateErrors.Inc()
		ps = make([]chat.Presence, len(users))
		for i, u := range users {
			ps[i].User = u
		}
	}
	seen, err := l.o.Log.LastSeen(ctx, users)
	if err != nil {
		return nil, err
	}
	for i := range ps {
		ps[i].LastSeen = seen[ps[i].User]
	}
	return ps, nil
}
