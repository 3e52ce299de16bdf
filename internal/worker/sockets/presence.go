package sockets

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/deliver"
)

const sweepUsers = 500 // users handled in one step of a sweep

// SweepOffline publishes, for the partitions of this worker, who is offline after the grace. It must be called about once a second.
func (s *Sockets) SweepOffline(ctx context.Context) {
	s.retryEnded(ctx)
	due, err := s.o.Registry.OfflineDue(ctx, s.o.Line.Owned(), s.o.Now(), sweepUsers)
	if err != nil {
		s.o.Metrics.StateErrors.Inc()
	}
	s.wentOffline(ctx, due)
}

// wentOffline notifies the watchers, and keeps when the users were last seen.
func (s *Sockets) wentOffline(ctx context.Context, users []chat.UserID) {
	if len(users) == 0 {
		return
	}
	now := s.o.Now()
	at := make(map[chat.UserID]time.Time, len(users))
	d := envelope.Delivery{Kind: envelope.Presences}
	for _, u := range users {
		at[u] = now
		d.States = append(d.States, envelope.Presence{User: u, LastSeen: now.UnixMilli()})
	}
	if err := s.o.Accounts.SawUsers(ctx, at); err != nil {
		s.o.Logger.WarnContext(ctx, "keep last seen", "users", len(users), "err", err)
	}
	s.publishPresence(ctx, &d)
	s.o.Shown(users, false)
	// Users who are back meanwhile may have been shown online by another worker before this reached the gateways.
	fresh, cancel := context.WithTimeout(s.o.Life, s.o.Patience) // what waited for the broker may have used up ctx
	defer cancel()
	ps, err := s.o.Registry.Online(fresh, users)
	if err != nil {
		s.o.Metrics.StateErrors.Inc()
	}
	back, here := envelope.Delivery{Kind: envelope.Presences}, []chat.UserID(nil)
	for _, p := range ps {
		if p.Known && p.Online {
			back.States, here = append(back.States, envelope.Presence{User: p.User, Online: true}), append(here, p.User)
		}
	}
	if len(back.States) > 0 {
		s.publishPresence(fresh, &back)
		s.o.Shown(here, true)
	}
}

// publishPresence returns when the broker has confirmed it, or with ctx.
func (s *Sockets) publishPresence(ctx context.Context, d *envelope.Delivery) {
	out, confirmed := deliver.NewParcels(), make(chan struct{})
	out.ToAll(d)
	out.Then(func() { close(confirmed) })
	s.o.Publisher.Publish(s.o.Life, out)
	select {
	case <-confirmed:
	case <-ctx.Done():
	}
}
