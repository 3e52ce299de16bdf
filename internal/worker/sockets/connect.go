package sockets

import (
	"context"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

// maxWelcome is how many rooms a welcome lists; its flag says that there are more, which are fetched by REST.
const maxWelcome = 1000

// letIn registers sockets first and reads their users' rooms then, so that nothing can fall between the two, and welcomes them. A socket
// that isn't accepted is closed with the reason. Sockets that Redis lost are only registered.
func (s *Sockets) letIn(ctx context.Context, ps []*passage, out *deliver.Parcels) {
	ps, logins := s.admit(ctx, ps, out)
	if len(ps) == 0 {
		return
	}
	ss := make([]chat.Socket, len(ps))
	for i, p := range ps {
		ss[i] = socketOf(&p.job.Cmd)
	}
	rs, err := s.o.Registry.Register(ctx, ss)
	if err != nil { // sockets are welcomed all the same, and asserted when Redis is back
		s.o.Metrics.StateErrors.Inc()
		s.reassert.Store(true)
		rs = make([]chat.Registration, len(ps))
	}
	registered := err == nil
	var users []chat.UserID
	for _, p := range ps {
		if p.quiet {
			continue
		}
		users = append(users, p.job.Cmd.User)
		if !registered {
			s.unseen.add(p.job.Cmd.User)
		}
	}
	places, err := s.o.Accounts.MembershipsOf(ctx, slices.Compact(slices.Sorted(slices.Values(users))), maxWelcome+1)
	if err != nil {
		s.o.Logger.WarnContext(ctx, "welcome", "sockets", len(users), "err", err)
	}
	var online []envelope.Presence
	for i, p := range ps {
		c := &p.job.Cmd
		switch {
		case p.quiet && !(registered && s.unseen.take(c.User)):
			continue
		case p.quiet: // watchers learn only now that its user has come
		case !s.accept(ctx, p, &rs[i], out):
			continue
		case err != nil:
			s.refuse(c, protocol.CloseServerError, out)
		default:
			s.welcome(c, logins[c.Session].User, places[c.User], out)
		}
		if rs[i].First {
			online = append(online, envelope.Presence{User: c.User, Online: true})
		}
	}
	if len(online) > 0 {
		out.ToAll(&envelope.Delivery{Kind: envelope.Presences, States: online})
		came := make([]chat.UserID, len(online))
		for i, p := range online {
			came[i] = p.User
		}
		s.o.Shown(came, true)
	}
}

// admit refuses connects whose gateway or login session isn't right, and returns the others with their logins.
func (s *Sockets) admit(ctx context.Context, ps []*passage, out *deliver.Parcels) ([]*passage, map[chat.SessionID]chat.Login) {
	var ids []chat.SessionID
	for _, p := range ps {
		if !p.quiet {
			ids = append(ids, p.job.Cmd.Session)
		}
	}
	logins, err := s.o.Accounts.Logins(ctx, ids)
	good := make([]*passage, 0, len(ps))
	for _, p := range ps {
		c := &p.job.Cmd
		l := logins[c.Session]
		switch {
		case p.quiet:
		case c.Partitions != s.o.Partitions:
			s.o.Logger.ErrorContext(ctx, "a gateway is set to another number of partitions", "gateway", c.Gateway, "gateway_has", c.Partitions, "worker_has", s.o.Partitions)
			s.refuse(c, protocol.CloseServerError, out)
			continue
		case err != nil:
			s.refuse(c, protocol.CloseFor(chat.As(err)), out)
			continue
		case l.Err != nil:
			s.refuse(c, protocol.CloseFor(chat.As(l.Err)), out)
			continue
		case l.Session.User != c.User:
			s.refuse(c, protocol.CloseRevoked, out)
			continue
		}
		good = append(good, p)
	}
	return good, logins
}

// welcome sends a socket who it is, which rooms it has, and what its way through the system can do.
func (s *Sockets) welcome(c *envelope.Command, u chat.User, ms []chat.Membership, out *deliver.Parcels) {
	more := len(ms) > maxWelcome
	ms = ms[:min(len(ms), maxWelcome)]
	w := protocol.Welcome{
		SessionID: c.Session, User: protocol.UserView(u), ServerTime: chat.FormatTime(s.o.Now()),
		PingIntervalMS: s.o.PingInterval.Milliseconds(), Limits: s.o.Limits, More: more,
		Rooms: make([]protocol.WelcomeRoom, 0, len(ms)), Features: shared(c.Features, s.o.Fleet.Features()),
	}
	w.User.Email = u.Email
	x := envelope.Delivery{
		Kind: envelope.Welcome, Gateway: c.Gateway, Socket: c.Socket, User: c.User,
		Session: c.Session, At: c.At, Features: w.Features, Points: make([]envelope.Point, 0, len(ms)),
	}
	for i := range ms {
		r := &ms[i].Room
		w.Rooms = append(w.Rooms, protocol.WelcomeRoom{
			ID: r.ID, Type: r.Type, LastSeq: r.LastSeq, Epoch: r.Epoch, ChangeSeq: r.Changes,
			ReadSeq: ms[i].Member.ReadSeq, Unread: ms[i].Unread(),
		})
		x.Points = append(x.Points, envelope.Point{
			Room: r.ID, Seq: r.LastSeq, Epoch: r.Epoch, Changes: r.Changes, From: max(ms[i].Member.VisibleFrom, 1),
		})
	}
	x.Frame = protocol.AppendWelcome(nil, w)
	out.ToGateway(c.Gateway, &x)
	s.o.Metrics.Connects.Inc()
}

// shared returns what both can do, ascending; nil where that is nothing.
func shared(gateway, workers []string) (both []string) {
	for _, f := range workers {
		if slices.Contains(gateway, f) {
			both = append(both, f)
		}
	}
	return both
}

// accept closes the login session's older sockets where this one replaces them. false means that the session has too many, or its user
// over all sessions, or seems to: then the passage comes again, after those that have ended are reported; and once more, after the gateways have ended those whose client
// has silently gone; and is refused then.
func (s *Sockets) accept(ctx context.Context, p *passage, r *chat.Registration, out *deliver.Parcels) bool {
	c := &p.job.Cmd
	others, all := besides(c, r.OfSession), besides(c, r.OfUser)
	many := s.o.MaxSockets > 0 && len(others) >= s.o.MaxSockets
	if c.Replace {
		all = all[:len(all)-len(others)] // only their number counts
	} else if many {
		all = others // those give way
	}
	switch {
	case s.o.UserSockets > 0 && len(all) >= s.o.UserSockets || many && !c.Replace:
		s.tooMany(ctx, p, all, out)
		return false
	case c.Replace:
		for _, x := range others {
			if x.At.After(time.UnixMilli(c.At)) { // this one was held up
				continue
			}
			out.ToGateway(x.Gateway, &envelope.Delivery{
				Kind: envelope.Close, Gateway: x.Gateway, Socket: x.Socket,
				User: c.User, Code: int(protocol.CloseReplaced),
			})
		}
	}
	return true
}

// besides returns the sockets but the command's own one.
func besides(c *envelope.Command, all []chat.Socket) (others []chat.Socket) {
	for _, x := range all {
		if x.Gateway != c.Gateway || x.Socket != c.Socket {
			others = append(others, x)
		}
	}
	return others
}

// tooMany looks again at a socket that is one too many, when those that may give way for it have had the time to, and refuses it at last.
func (s *Sockets) tooMany(ctx context.Context, p *passage, mayGive []chat.Socket, out *deliver.Parcels) {
	c := &p.job.Cmd
	if _, err := s.o.Registry.Unregister(ctx, []chat.Socket{socketOf(c)}); err != nil {
		s.o.Metrics.StateErrors.Inc()
	}
	switch p.looks {
	case 0:
		s.lookAgain(*p, secondLook)
	case 1:
		for _, x := range mayGive {
			out.ToGateway(x.Gateway, &envelope.Delivery{Kind: envelope.Presences, Gateway: x.Gateway, Socket: x.Socket, User: c.User})
		}
		s.lookAgain(*p, thirdLook)
	default:
		s.o.Metrics.TooMany.Inc()
		s.refuse(c, protocol.CloseTooManySockets, out)
	}
}

func socketOf(cmd *envelope.Command) chat.Socket {
	return chat.Socket{
		User: cmd.User, Session: cmd.Session, Gateway: cmd.Gateway, Socket: cmd.Socket, Device: cmd.Device,
		At: time.UnixMilli(cmd.At),
	}
}

func (s *Sockets) refuse(cmd *envelope.Command, code protocol.CloseCode, out *deliver.Parcels) {
	x := envelope.Delivery{Kind: envelope.Close, Gateway: cmd.Gateway, Socket: cmd.Socket, User: cmd.User, Code: int(code)}
	if code.Retry() {
		x.RetryMS = 1000
	}
	out.ToGateway(cmd.Gateway, &x)
}

// Show closes the sockets of sessions that were revoked meanwhile, or whose account was disabled, in case the notice of it was
// lost. The few that are over are looked at again, for the code that says why.
func (s *Sockets) Show(ctx context.Context, cmd *envelope.Command, out *deliver.Parcels) error {
	gone, err := s.o.Accounts.RevokedAmong(ctx, cmd.Sessions)
	var why map[chat.SessionID]chat.Login
	if err == nil && len(gone) > 0 {
		why, err = s.o.Accounts.Logins(ctx, gone)
	}
	for i, id := range cmd.Sessions {
		if slices.Contains(gone, id) && i < len(cmd.Users) {
			l, known := why[id]
			code := protocol.CloseRevoked
			switch {
			case l.Err != nil:
				code = protocol.CloseFor(chat.As(l.Err))
			case known:
				continue // it may be used again: the account was enabled meanwhile
			}
			out.ToGateway(cmd.Gateway, &envelope.Delivery{
				Kind: envelope.Close, User: cmd.Users[i], Sessions: []chat.SessionID{id}, Code: int(code),
			})
		}
	}
	return err
}
