package sockets

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/deliver"
	"chat-service/internal/worker/line"
)

const (
	beatPause     = 100 * time.Millisecond // between two tries to keep a heartbeat
	blindFor      = 3 * time.Second        // how long Redis keeps that heartbeats can't arrive; renewed every second
	revivedAtOnce = 100                    // gateways asked for everything in one step
)

// Beat keeps a gateway's heartbeat. It holds it for a while where Redis is unavailable: other workers, which may reach Redis, take the
// next ones.
func (s *Sockets) Beat(ctx context.Context, cmd *envelope.Command) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Lease/3)
	defer cancel()
	for s.o.Leases.BeatGateway(ctx, cmd.Gateway, s.o.Lease) != nil {
		s.o.Metrics.StateErrors.Inc()
		select {
		case <-ctx.Done():
			return
		case <-time.After(beatPause):
		}
	}
}

// SweepLeases buries gateways whose lease has lapsed, and notices when Redis lost what it held. It must be called about once a second,
// from one goroutine.
func (s *Sockets) SweepLeases(ctx context.Context) {
	recent := s.redis.recent(s.o.Now(), s.o.Lease)
	if recent {
		s.markBlind(ctx)
	}
	blind := recent || s.blind()
	s.noticeLoss(ctx)
	s.revive(ctx)
	_, lapsed, err := s.o.Leases.Leases(ctx)
	if s.redis.note(s.o.Now(), err, s.o.Lease) {
		s.markBlind(ctx)
		blind = true
	}
	if err != nil {
		s.o.Metrics.StateErrors.Inc()
		s.o.Publisher.Dead(nil)
	}
	if err != nil || blind {
		return
	}
	dead := make(map[chat.GatewayID]bool, len(lapsed))
	for _, g := range lapsed {
		dead[g] = true
	}
	s.o.Publisher.Dead(dead)
	for _, g := range lapsed {
		s.o.Line.Gone(g, line.Ever)
		s.o.Publisher.Forget(g)
		for done := false; !done && ctx.Err() == nil; {
			var users []chat.UserID
			users, done, err = s.o.Leases.Bury(ctx, g, sweepUsers)
			s.wentOffline(ctx, users) // with an error, too: they are in no list any more
			if err != nil {
				s.o.Metrics.StateErrors.Inc()
				return
			}
		}
	}
}

// WatchBroker notes that no worker can receive heartbeats. It must be called about once a second, by a goroutine that doesn't wait for
// the broker.
func (s *Sockets) WatchBroker(ctx context.Context) {
	if s.blind() {
		s.markBlind(ctx)
	}
}

// blind reports that heartbeats can't arrive at any worker, or couldn't until less than a lease ago: then the broker is unavailable, which
// says nothing about the gateways, and none is judged. One worker that can't receive them, or has just started, is no reason: the queue
// of heartbeats is shared.
func (s *Sockets) blind() bool {
	up := s.o.Heartbeats.Up()
	deaf := up.IsZero() || s.o.Now().Sub(up) < s.o.Lease
	return deaf && !s.o.Fleet.Heard()
}

func (s *Sockets) markBlind(ctx context.Context) {
	if err := s.o.Leases.Blind(ctx, blindFor); err != nil {
		s.o.Metrics.StateErrors.Inc()
	}
}

// outage is a period when Redis was unreachable: no heartbeat is kept meanwhile, so leases lapse by themselves.
type outage struct{ since, end time.Time }

// note takes the result of a call to Redis and reports whether an outage has just ended that was long enough for leases to lapse.
func (o *outage) note(now time.Time, err error, lease time.Duration) (ended bool) {
	if err != nil {
		if o.since.IsZero() {
			o.since = now
		}
		return false
	}
	if ended = !o.since.IsZero() && now.Sub(o.since) > lease/3; ended {
		o.end = now
	}
	o.since = time.Time{}
	return ended
}

// recent reports whether the last outage ended less than a lease ago: by then every gateway that lives has sent a heartbeat.
func (o *outage) recent(now time.Time, lease time.Duration) bool {
	return !o.end.IsZero() && now.Sub(o.end) < lease
}

// revive asks gateways that were taken for dead, and live, for their sockets and rooms.
func (s *Sockets) revive(ctx context.Context) {
	back, err := s.o.Leases.Revived(ctx, revivedAtOnce)
	if err != nil {
		s.o.Metrics.StateErrors.Inc()
		return
	}
	out := deliver.NewParcels()
	for _, g := range back {
		s.o.Logger.InfoContext(ctx, "a gateway is back", "gateway", g)
		out.ToGateway(g, &envelope.Delivery{Kind: envelope.Reassert})
	}
	s.o.Publisher.Publish(s.o.Life, out)
}

// noticeLoss asks the gateways for their sockets and rooms when Redis starts over, or was unreachable while sockets came or went.
func (s *Sockets) noticeLoss(ctx context.Context) {
	now, err := s.o.Leases.Generation(ctx)
	if err != nil {
		s.o.Metrics.StateErrors.Inc()
		if s.generation == "" { // what happened before this worker started isn't known to it
			s.reassert.Store(true)
		}
		return
	}
	flushed := s.generation != "" && now != s.generation
	s.generation = now
	if flushed {
		s.graceAnew(ctx)
	}
	missed := s.reassert.Swap(false)
	if missed || flushed && s.o.Fleet.Leader() {
		s.o.Logger.InfoContext(ctx, "asking gateways for their sockets and rooms", "flushed", flushed)
		out := deliver.NewParcels()
		out.ToAll(&envelope.Delivery{Kind: envelope.Reassert})
		s.o.Publisher.Publish(s.o.Life, out)
	}
}
