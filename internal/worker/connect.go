package worker

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// maxWelcome is how many rooms a welcome lists; more are told by its flag and fetched by REST.
const maxWelcome = 1000

// connect registers a socket first and reads its rooms then, so that nothing can fall between the two, and welcomes it.
// A socket that can't be had is closed with the reason.
func (l *lane) connect(ctx context.Context, cmd *envelope.Command, out *parcels) error {
	if cmd.Partitions != l.w.o.Partitions {
		l.w.o.Logger.ErrorContext(ctx, "a gateway counts other partitions", "gateway", cmd.Gateway, "its", cmd.Partitions, "ours", l.w.o.Partitions)
		l.refuse(cmd, protocol.CloseServerError, out)
		return nil
	}
	_, user, err := l.w.o.Accounts.Session(ctx, cmd.Session, cmd.User)
	if err != nil {
		l.refuse(cmd, protocol.CloseFor(chat.As(err)), out)
		return nil
	}
	if !l.register(ctx, cmd, out) {
		return nil
	}
	ms, more, err := l.w.o.Members.Memberships(ctx, cmd.User, maxWelcome)
	if err != nil {
		l.refuse(cmd, protocol.CloseServerError, out)
		return err
	}
	now := time.Now()
	w := protocol.Welcome{
		SessionID: cmd.Session, User: protocol.UserView(user), ServerTime: protocol.Time(now),
		PingIntervalMS: l.w.o.PingInterval.Milliseconds(), Limits: l.w.o.ProtocolLimit, More: more,
		Rooms: make([]protocol.WelcomeRoom, 0, len(ms)),
	}
	w.User.Email = user.Email
	d := envelope.Delivery{
		Kind: envelope.Welcome, Gateway: cmd.Gateway, Socket: cmd.Socket, User: cmd.User,
		Session: cmd.Session, At: cmd.At, Points: make([]envelope.Point, 0, len(ms)),
	}
	for _, m := range ms {
		r := &m.Room
		w.Rooms = append(w.Rooms, protocol.WelcomeRoom{
			ID: r.ID, Type: r.Type, LastSeq: r.LastSeq, Epoch: r.Epoch,
			ReadSeq: m.Member.ReadSeq, Unread: m.Unread(),
		})
		d.Points = append(d.Points, envelope.Point{Room: r.ID, Seq: r.LastSeq, Epoch: r.Epoch})
	}
	d.Frame = protocol.AppendWelcome(nil, w)
	out.gateway(cmd.Gateway, &d)
	l.w.o.Metrics.Connects.Inc()
	return nil
}

// register enters the socket into the registry; false means that the session has too many. While Redis is away sockets
// are welcomed all the same, and asserted when it is back.
func (l *lane) register(ctx context.Context, cmd *envelope.Command, out *parcels) bool {
	first, mine, err := l.w.o.Sockets.Register(ctx, socketOf(cmd))
	if err != nil {
		l.w.o.Metrics.StateErrors.Inc()
		l.w.reassert.Store(true)
		return true
	}
	var others []Socket
	for _, s := range mine {
		if s.Gateway != cmd.Gateway || s.Socket != cmd.Socket {
			others = append(others, s)
		}
	}
	switch {
	case cmd.Replace:
		for _, s := range others {
			out.gateway(s.Gateway, &envelope.Delivery{
				Kind: envelope.Close, Gateway: s.Gateway, Socket: s.Socket,
				User: cmd.User, Code: int(protocol.CloseReplaced),
			})
		}
	case l.w.o.MaxSockets > 0 && len(others) >= l.w.o.MaxSockets:
		if _, err := l.w.o.Sockets.Unregister(ctx, cmd.User, cmd.Gateway, cmd.Socket); err != nil {
			l.w.o.Metrics.StateErrors.Inc()
		}
		l.refuse(cmd, protocol.CloseTooManySockets, out)
		return false
	}
	if first {
		out.all(&envelope.Delivery{Kind: envelope.Presences, States: []envelope.Presence{{User: cmd.User, Online: true}}})
	}
	return true
}

func socketOf(cmd *envelope.Command) Socket {
	return Socket{
		User: cmd.User, Session: cmd.Session, Gateway: cmd.Gateway, Socket: cmd.Socket, Device: cmd.Device,
		At: time.UnixMilli(cmd.At),
	}
}

func (l *lane) refuse(cmd *envelope.Command, code protocol.CloseCode, out *parcels) {
	d := envelope.Delivery{Kind: envelope.Close, Gateway: cmd.Gateway, Socket: cmd.Socket, User: cmd.User, Code: int(code)}
	if code.Retry() {
		d.RetryMS = 1000
	}
	out.gateway(cmd.Gateway, &d)
}

// assert enters a socket again that Redis lost.
func (l *lane) assert(ctx context.Context, cmd *envelope.Command) error {
	if _, _, err := l.w.o.Sockets.Register(ctx, socketOf(cmd)); err != nil {
		l.w.o.Metrics.StateErrors.Inc()
		l.w.reassert.Store(true)
	}
	return nil
}

// show closes the sockets of sessions that were revoked meanwhile, in case word of it was lost.
func (l *lane) show(ctx context.Context, cmd *envelope.Command, out *parcels) error {
	gone, err := l.w.o.Accounts.RevokedAmong(ctx, cmd.Sessions)
	if err != nil || len(gone) == 0 {
		return err
	}
	out.gateway(cmd.Gateway, &envelope.Delivery{Kind: envelope.Close, Sessions: gone, Code: int(protocol.CloseRevoked)})
	return nil
}
