package worker

import (
	"context"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// maxWelcome is how many rooms a welcome lists; more are told by its flag and fetched by REST.
const maxWelcome = 1000

// letIn registers sockets first and reads their users' rooms then, so that nothing can fall between the two, and welcomes
// them. A socket that can't be had is closed with the reason. Sockets that Redis lost are only registered.
func (d *door) letIn(ctx context.Context, jobs []*job, out *parcels) {
	jobs, logins := d.admit(ctx, jobs, out)
	if len(jobs) == 0 {
		return
	}
	ss := make([]chat.Socket, len(jobs))
	for i, j := range jobs {
		ss[i] = socketOf(&j.cmd)
	}
	rs, err := d.w.o.Sockets.Register(ctx, ss)
	if err != nil { // sockets are welcomed all the same, and asserted when Redis is back
		d.w.o.Metrics.StateErrors.Inc()
		d.w.reassert.Store(true)
		rs = make([]chat.Registration, len(jobs))
	}
	var users []chat.UserID
	for _, j := range jobs {
		if j.cmd.Kind == envelope.Connect {
			users = append(users, j.cmd.User)
		}
	}
	places, err := d.w.o.Members.MembershipsOf(ctx, slices.Compact(slices.Sorted(slices.Values(users))), maxWelcome+1)
	if err != nil {
		d.w.o.Logger.WarnContext(ctx, "welcome", "sockets", len(users), "err", err)
	}
	var online []envelope.Presence
	for i, j := range jobs {
		c := &j.cmd
		switch {
		case c.Kind != envelope.Connect || !d.seat(ctx, j, rs[i].OfSession, out):
			continue
		case err != nil:
			d.refuse(c, protocol.CloseServerError, out)
		default:
			d.welcome(c, logins[c.Session].User, places[c.User], out)
		}
		if rs[i].First {
			online = append(online, envelope.Presence{User: c.User, Online: true})
		}
	}
	if len(online) > 0 {
		out.all(&envelope.Delivery{Kind: envelope.Presences, States: online})
	}
}

// admit refuses connects whose gateway or login session isn't right, and returns the others with their logins.
func (d *door) admit(ctx context.Context, jobs []*job, out *parcels) ([]*job, map[chat.SessionID]chat.Login) {
	var ids []chat.SessionID
	for _, j := range jobs {
		if j.cmd.Kind == envelope.Connect {
			ids = append(ids, j.cmd.Session)
		}
	}
	logins, err := d.w.o.Accounts.Logins(ctx, ids)
	good := make([]*job, 0, len(jobs))
	for _, j := range jobs {
		c := &j.cmd
		l := logins[c.Session]
		switch {
		case c.Kind != envelope.Connect:
		case c.Partitions != d.w.o.Partitions:
			d.w.o.Logger.ErrorContext(ctx, "a gateway counts other partitions", "gateway", c.Gateway, "its", c.Partitions, "ours", d.w.o.Partitions)
			d.refuse(c, protocol.CloseServerError, out)
			continue
		case err != nil:
			d.refuse(c, protocol.CloseFor(chat.As(err)), out)
			continue
		case l.Err != nil:
			d.refuse(c, protocol.CloseFor(chat.As(l.Err)), out)
			continue
		case l.Session.User != c.User:
			d.refuse(c, protocol.CloseRevoked, out)
			continue
		}
		good = append(good, j)
	}
	return good, logins
}

// welcome tells a socket who it is and which rooms it has.
func (d *door) welcome(c *envelope.Command, u chat.User, ms []chat.Membership, out *parcels) {
	more := len(ms) > maxWelcome
	ms = ms[:min(len(ms), maxWelcome)]
	w := protocol.Welcome{
		SessionID: c.Session, User: protocol.UserView(u), ServerTime: chat.FormatTime(time.Now()),
		PingIntervalMS: d.w.o.PingInterval.Milliseconds(), Limits: d.w.o.ProtocolLimit, More: more,
		Rooms: make([]protocol.WelcomeRoom, 0, len(ms)),
	}
	w.User.Email = u.Email
	x := envelope.Delivery{
		Kind: envelope.Welcome, Gateway: c.Gateway, Socket: c.Socket, User: c.User,
		Session: c.Session, At: c.At, Points: make([]envelope.Point, 0, len(ms)),
	}
	for i := range ms {
		r := &ms[i].Room
		w.Rooms = append(w.Rooms, protocol.WelcomeRoom{
			ID: r.ID, Type: r.Type, LastSeq: r.LastSeq, Epoch: r.Epoch,
			ReadSeq: ms[i].Member.ReadSeq, Unread: ms[i].Unread(),
		})
		x.Points = append(x.Points, envelope.Point{Room: r.ID, Seq: r.LastSeq, Epoch: r.Epoch})
	}
	x.Frame = protocol.AppendWelcome(nil, w)
	out.gateway(c.Gateway, &x)
	d.w.o.Metrics.Connects.Inc()
}

// seat closes the login session's older sockets where this one replaces them; false means that the session has too many, or seems
// to: then it is looked at again.
func (d *door) seat(ctx context.Context, j *job, ofSession []chat.Socket, out *parcels) bool {
	c := &j.cmd
	var others []chat.Socket
	for _, s := range ofSession {
		if s.Gateway != c.Gateway || s.Socket != c.Socket {
			others = append(others, s)
		}
	}
	switch {
	case c.Replace:
		for _, s := range others {
			if s.At.After(time.UnixMilli(c.At)) { // this one was held up
				continue
			}
			out.gateway(s.Gateway, &envelope.Delivery{
				Kind: envelope.Close, Gateway: s.Gateway, Socket: s.Socket,
				User: c.User, Code: int(protocol.CloseReplaced),
			})
		}
	case d.w.o.MaxSockets > 0 && len(others) >= d.w.o.MaxSockets:
		if _, err := d.w.o.Sockets.Unregister(ctx, []chat.Socket{socketOf(c)}); err != nil {
			d.w.o.Metrics.StateErrors.Inc()
		}
		if j.late {
			d.refuse(c, protocol.CloseTooManySockets, out)
		} else {
			d.lookAgain(*j)
		}
		return false
	}
	return true
}

func socketOf(cmd *envelope.Command) chat.Socket {
	return chat.Socket{
		User: cmd.User, Session: cmd.Session, Gateway: cmd.Gateway, Socket: cmd.Socket, Device: cmd.Device,
		At: time.UnixMilli(cmd.At),
	}
}

func (d *door) refuse(cmd *envelope.Command, code protocol.CloseCode, out *parcels) {
	x := envelope.Delivery{Kind: envelope.Close, Gateway: cmd.Gateway, Socket: cmd.Socket, User: cmd.User, Code: int(code)}
	if code.Retry() {
		x.RetryMS = 1000
	}
	out.gateway(cmd.Gateway, &x)
}

// show closes the sockets of sessions that were revoked meanwhile, in case word of it was lost.
func (l *lane) show(ctx context.Context, cmd *envelope.Command, out *parcels) error {
	gone, err := l.w.o.Accounts.RevokedAmong(ctx, cmd.Sessions)
	for i, s := range cmd.Sessions {
		if slices.Contains(gone, s) && i < len(cmd.Users) {
			d := envelope.Delivery{Kind: envelope.Close, User: cmd.Users[i], Sessions: []chat.SessionID{s}, Code: int(protocol.CloseRevoked)}
			out.gateway(cmd.Gateway, &d)
		}
	}
	return err
}
