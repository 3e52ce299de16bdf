package worker

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// watch sets a socket's watch list: people who share a room with the watcher; others are left out of the answer.
func (l *lane) watch(ctx context.Context, cmd *envelope.Command, out *parcels) error {
	var seen []chat.UserID
	var ps []chat.Presence
	if len(cmd.Users) > 0 {
		var err error
		if seen, err = l.w.o.Members.SharesRoom(ctx, cmd.User, cmd.Users); err != nil {
			return err
		}
		if ps, err = l.w.presences(ctx, seen); err != nil {
			return err
		}
	}
	out.gateway(cmd.Gateway, &envelope.Delivery{
		Kind: envelope.Watched, Gateway: cmd.Gateway, Socket: cmd.Socket,
		User: cmd.User, Users: seen, Frame: protocol.AppendPresence(nil, ps),
	})
	return nil
}

// presences reads presence and last seen; what can't be known now is unknown.
func (w *Worker) presences(ctx context.Context, users []chat.UserID) ([]chat.Presence, error) {
	ps, err := w.o.Sockets.Online(ctx, users)
	if err != nil {
		w.o.Metrics.StateErrors.Inc()
		ps = make([]chat.Presence, len(users))
		for i, u := range users {
			ps[i].User = u
		}
	}
	seen, err := w.o.Accounts.LastSeen(ctx, users)
	if err != nil {
		return nil, err
	}
	for i := range ps {
		ps[i].LastSeen = seen[ps[i].User]
	}
	return ps, nil
}

const sweepUsers = 500 // users handled in one step of a sweep

// sweepOffline publishes, for the partitions of this worker, who is offline after his grace.
func (w *Worker) sweepOffline(ctx context.Context) {
	w.every(ctx, time.Second, func(ctx context.Context) {
		w.farewellsOwed(ctx)
		due, err := w.o.Sockets.OfflineDue(ctx, *w.owned.Load(), time.Now(), sweepUsers)
		if err != nil {
			w.o.Metrics.StateErrors.Inc()
		}
		w.wentOffline(ctx, due)
	})
}

// sweepLeases looks for gateways whose lease lapsed, buries them, and notices when Redis lost what it held.
func (w *Worker) sweepLeases(ctx context.Context) {
	generation := ""
	var redis outage
	w.every(ctx, time.Second, func(ctx context.Context) {
		recent := redis.recent(w.o.Lease)
		if recent {
			w.tellBlind(ctx)
		}
		blind := recent || w.blind()
		generation = w.lost(ctx, generation)
		w.revive(ctx)
		_, lapsed, err := w.o.Leases.Leases(ctx)
		if redis.noted(err, w.o.Lease) {
			w.tellBlind(ctx)
			blind = true
		}
		if err != nil {
			w.o.Metrics.StateErrors.Inc()
			w.dead.Store(&gatewaySet{})
		}
		if err != nil || blind {
			return
		}
		dead := gatewaySet{}
		for _, g := range lapsed {
			dead[g] = true
		}
		w.dead.Store(&dead)
		for _, g := range lapsed {
			w.gone(g, everAttached)
			w.numbers.Delete(g)
			for done := false; !done && ctx.Err() == nil; {
				var users []chat.UserID
				users, done, err = w.o.Leases.Bury(ctx, g, sweepUsers)
				w.wentOffline(ctx, users) // with an error, too: they are in no list any more
				if err != nil {
					w.o.Metrics.StateErrors.Inc()
					return
				}
			}
		}
	})
}

// watchBroker says that heartbeats can't be heard, beside what else may wait for the broker then.
func (w *Worker) watchBroker(ctx context.Context) {
	w.every(ctx, time.Second, func(ctx context.Context) {
		if w.blind() {
			w.tellBlind(ctx)
		}
	})
}

func (w *Worker) tellBlind(ctx context.Context) {
	if err := w.o.Leases.Blind(ctx, 3*time.Second); err != nil {
		w.o.Metrics.StateErrors.Inc()
	}
}

// outage is an absence of Redis: no heartbeat is kept meanwhile, so leases lapse by themselves.
type outage struct{ since, end time.Time }

// noted takes the result of a question to Redis and tells whether an outage has just ended that was long enough for leases to
// lapse.
func (o *outage) noted(err error, lease time.Duration) (ended bool) {
	now := time.Now()
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

// recent tells whether the last outage ended less than a lease ago: every gateway that lives is heard by then.
func (o *outage) recent(lease time.Duration) bool {
	return !o.end.IsZero() && time.Since(o.end) < lease
}

// revive asks gateways that were taken for dead, and live, for their sockets and rooms.
func (w *Worker) revive(ctx context.Context) {
	back, err := w.o.Losses.Revived(ctx, 100)
	if err != nil {
		w.o.Metrics.StateErrors.Inc()
		return
	}
	out := newParcels()
	for _, g := range back {
		w.o.Logger.InfoContext(ctx, "a gateway is back", "gateway", g)
		out.gateway(g, &envelope.Delivery{Kind: envelope.Reassert})
	}
	w.publish(w.ctx, out, func() {})
}

// blind tells that heartbeats can't be heard, or couldn't until less than a lease ago: then it is the broker that is
// away, not everybody, and no gateway is judged.
func (w *Worker) blind() bool {
	up := w.o.Consume.Up()
	return up.IsZero() || time.Since(up) < w.o.Lease
}

// lost asks the gateways to tell their sockets and rooms again when Redis starts over, or was away while sockets came or
// went.
func (w *Worker) lost(ctx context.Context, last string) string {
	now, err := w.o.Losses.Generation(ctx)
	if err != nil {
		w.o.Metrics.StateErrors.Inc()
		if last == "" { // what happened while this worker was not there is not known to it
			w.reassert.Store(true)
		}
		return last
	}
	flushed := last != "" && now != last
	missed := w.reassert.Swap(false)
	if missed || flushed && w.leader.Load() {
		w.o.Logger.InfoContext(ctx, "asking gateways for their sockets and rooms", "flushed", flushed)
		out := newParcels()
		out.all(&envelope.Delivery{Kind: envelope.Reassert})
		w.publish(w.ctx, out, func() {})
	}
	return now
}

// wentOffline tells the watchers, and keeps when the users were last seen.
func (w *Worker) wentOffline(ctx context.Context, users []chat.UserID) {
	if len(users) == 0 {
		return
	}
	now := time.Now()
	at := make(map[chat.UserID]time.Time, len(users))
	d := envelope.Delivery{Kind: envelope.Presences}
	for _, u := range users {
		at[u] = now
		d.States = append(d.States, envelope.Presence{User: u, LastSeen: now.UnixMilli()})
	}
	if err := w.o.Accounts.SawUsers(ctx, at); err != nil {
		w.o.Logger.WarnContext(ctx, "keep last seen", "users", len(users), "err", err)
	}
	w.tellPresence(ctx, &d)
	// Who is back meanwhile may have been told of, by another worker, before these words reached the gateways.
	fresh, cancel := context.WithTimeout(w.ctx, w.o.Patience) // what waited for the broker may have used up ctx
	defer cancel()
	ps, err := w.o.Sockets.Online(fresh, users)
	if err != nil {
		w.o.Metrics.StateErrors.Inc()
	}
	back := envelope.Delivery{Kind: envelope.Presences}
	for _, p := range ps {
		if p.Known && p.Online {
			back.States = append(back.States, envelope.Presence{User: p.User, Online: true})
		}
	}
	if len(back.States) > 0 {
		w.tellPresence(fresh, &back)
	}
}

// tellPresence returns when the broker has it, or with ctx.
func (w *Worker) tellPresence(ctx context.Context, d *envelope.Delivery) {
	out, told := newParcels(), make(chan struct{})
	out.all(d)
	w.publish(w.ctx, out, func() { close(told) })
	select {
	case <-told:
	case <-ctx.Done():
	}
}

const (
	keepEnded = 90 * 24 * time.Hour // longer than any session lives
	sweepRows = 1000
)

// sweepEnded deletes, at the first among the workers, what sessions left behind that ended long ago.
func (w *Worker) sweepEnded(ctx context.Context) {
	w.every(ctx, time.Minute, func(ctx context.Context) {
		if !w.leader.Load() {
			return
		}
		n, err := w.o.Fleet.Sweep(ctx, time.Now().Add(-keepEnded), sweepRows)
		if err != nil {
			w.o.Logger.WarnContext(ctx, "sweep ended sessions", "err", err)
		} else if n > 0 {
			w.o.Logger.InfoContext(ctx, "swept ended sessions", "rows", n)
		}
	})
}

// every calls f with a deadline at each tick until ctx ends.
func (w *Worker) every(ctx context.Context, d time.Duration, f func(context.Context)) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			fctx, cancel := context.WithTimeout(ctx, w.o.Patience)
			f(fctx)
			cancel()
		}
	}
}
