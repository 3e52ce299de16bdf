package sockets

import (
	"context"

	"chat-service/internal/chat"
)

// letGo takes sockets out of the registry, now or when Redis is back: left there, one would show its user online for as long as its
// gateway lives. When too many fail, further ones are left to the gateway's lease.
func (s *Sockets) letGo(ctx context.Context, ss []chat.Socket) {
	if len(ss) == 0 || s.unregister(ctx, ss) == nil {
		return
	}
	for _, x := range ss {
		s.ended.add(x)
	}
	s.reassert.Store(true)
}

// unregister takes sockets out of the registry; users without another one go offline after a grace, unless a device of theirs is
// connected by then.
func (s *Sockets) unregister(ctx context.Context, ss []chat.Socket) error {
	left, err := s.o.Registry.Unregister(ctx, ss)
	if err == nil {
		var alone []chat.UserID
		for i, n := range left {
			if n == 0 {
				alone = append(alone, ss[i].User)
				s.unseen.done(ss[i].User)
			}
		}
		now := s.o.Now()
		at := now.Add(s.o.OfflineGrace)
		s.graces.note(now, alone, at)
		err = s.o.Registry.OfflineLater(ctx, alone, at)
	}
	if err != nil {
		s.o.Metrics.StateErrors.Inc()
	}
	return err
}

// retryEnded tries again what failed, as far as Redis answers.
func (s *Sockets) retryEnded(ctx context.Context) {
	ss := s.ended.some(sweepUsers)
	if len(ss) == 0 || s.unregister(ctx, ss) != nil {
		return
	}
	for _, x := range ss {
		s.ended.done(x)
	}
}
