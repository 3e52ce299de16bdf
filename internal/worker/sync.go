package worker

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/faults"
	"chat-service/internal/protocol"
)

const (
	syncEntries = 1000 // entries per room in one sync
	syncMax     = 5000 // a longer gap is answered by resync
)

// sync sends what the client lacks of each room, in order, then how far it got; or resync where its view can't be made
// whole. A room that it may not see is an error of that room alone.
func (l *lane) sync(ctx context.Context, cmd *envelope.Command, out *parcels) error {
	if l.w.o.MaxSyncRooms > 0 && len(cmd.Points) > l.w.o.MaxSyncRooms {
		return chat.BadField("rooms", "at most %d rooms at a time", l.w.o.MaxSyncRooms)
	}
	for _, p := range cmd.Points {
		if err := l.syncRoom(ctx, cmd, p, out); err != nil {
			e := chat.As(err)
			if e.Kind == chat.Unavailable || e.Kind == chat.Internal {
				return err
			}
			d := l.to(cmd, protocol.AppendError(nil, e, protocol.ErrorRef{Ref: refLabel(cmd), Room: p.Room}))
			out.gateway(cmd.Gateway, &d)
		}
	}
	return nil
}

func (l *lane) to(cmd *envelope.Command, frame []byte) envelope.Delivery {
	return envelope.Delivery{Kind: envelope.ToSocket, Gateway: cmd.Gateway, Socket: cmd.Socket, Frame: frame}
}

func (l *lane) syncRoom(ctx context.Context, cmd *envelope.Command, p envelope.Point, out *parcels) error {
	m, err := l.w.o.Members.Membership(ctx, p.Room, cmd.User)
	if err != nil {
		return err
	}
	from, to, ok := m.Member.Window(m.Room.LastSeq)
	if !ok {
		return chat.E(chat.NotFound, "room %d isn't there", p.Room)
	}
	next := max(p.Seq+1, from)
	missing := int64(to) - int64(next) + 1
	if p.Epoch != 0 && p.Epoch != m.Room.Epoch || p.Seq > m.Room.LastSeq || missing > syncMax {
		d := l.to(cmd, protocol.AppendResync(nil, p.Room, m.Room.Epoch, cmd.Ref))
		out.gateway(cmd.Gateway, &d)
		return nil
	}
	s := protocol.Synced{Room: p.Room, Epoch: m.Room.Epoch, From: next, To: max(p.Seq, to), LastSeq: to, Ref: cmd.Ref}
	if missing > 0 {
		ms, err := l.w.o.Log.Messages(ctx, p.Room, next, to, syncEntries)
		if err != nil {
			return err
		}
		if faults.Planted("partial_recovery") && len(ms) > 3 {
			ms = ms[:len(ms)/2]
		}
		for _, x := range ms {
			d := l.to(cmd, protocol.AppendMessage(nil, x))
			out.gateway(cmd.Gateway, &d)
		}
		if len(ms) > 0 {
			s.To = ms[len(ms)-1].Seq
		}
		if faults.Planted("partial_recovery") {
			s.To = to
		}
		s.More = s.To < to
	}
	d := l.to(cmd, protocol.AppendSynced(nil, s))
	out.gateway(cmd.Gateway, &d)
	return nil
}
