package line

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

const (
	drainRows    = 256                  // outbox rows read at once, beside those on their way
	lookPause    = 5 * time.Millisecond // after a look, so that calls which come together share the next one
	unknownEvery = time.Minute          // pause between two counts of rows that nobody here can announce
)

// relay looks for outbox rows of this worker's partitions.
type relay struct {
	l       *Line
	failing bool

	counted   time.Time // when rows of unknown kinds were counted
	countedIn []int     // and in which partitions
	unknown   int
}

// Relay has the committers announce what is in the outbox of this worker's partitions, until ctx ends: at once when a writer calls, and
// from time to time, because a call may be lost.
func (l *Line) Relay(ctx context.Context) {
	called, live := make(chan struct{}, 1), atomic.Bool{}
	call := func() {
		select {
		case called <- struct{}{}:
		default: // a look is due anyway
		}
	}
	var listening sync.WaitGroup
	defer listening.Wait()
	listening.Go(func() {
		l.o.Calls.AwaitCalls(ctx, call, func(can bool) {
			live.Store(can)
			call() // for what was missed until now; and the next look comes in time
		})
	})
	r := &relay{l: l}
	next, pause := time.NewTimer(l.o.OutboxPoll), time.NewTimer(0)
	defer next.Stop()
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-called:
		case <-next.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		select {
		case <-called: // what was committed before it is seen by this look
		default:
		}
		r.look(ctx)
		pause.Reset(lookPause)
		if next.Reset(l.o.OutboxPoll); live.Load() {
			next.Reset(l.o.OutboxIdle)
		}
	}
}

// look nudges the committers of partitions that have rows.
func (r *relay) look(ctx context.Context) {
	owned := r.l.Owned()
	if len(owned) == 0 {
		return
	}
	qctx, cancel := context.WithTimeout(ctx, r.l.o.Patience)
	defer cancel()
	waiting, err := r.l.o.Outbox.OutboxWaiting(qctx, owned)
	if (err != nil) != r.failing && ctx.Err() == nil {
		r.failing = err != nil
		r.l.o.Logger.WarnContext(ctx, "poll outbox", "failing", r.failing, "err", err)
	}
	for _, p := range waiting {
		r.l.committer(p).nudge(work{partition: p, relay: true})
	}
	if now := r.l.o.Now(); now.Sub(r.counted) >= unknownEvery || !slices.Equal(owned, r.countedIn) {
		r.countUnknown(qctx, owned, now)
	}
}

// countUnknown counts the rows that wait for a worker of a later release.
func (r *relay) countUnknown(ctx context.Context, owned []int, now time.Time) {
	n, err := r.l.o.Outbox.OutboxUnknown(ctx, owned)
	if err != nil {
		return // counted with the next look
	}
	r.counted, r.countedIn = now, owned
	r.l.o.Metrics.OutboxUnknown.Set(float64(n))
	if n != r.unknown {
		r.l.o.Logger.WarnContext(ctx, "outbox rows of kinds that this worker doesn't know", "rows", n, "before", r.unknown)
		r.unknown = n
	}
}

// drain announces what the outboxes of some partitions hold, of the rooms in upTo only the entries up to there: the later ones follow
// what is about to be announced. ok is false when the outboxes couldn't be read.
func (c *Committer) drain(ctx context.Context, partitions []int, upTo map[chat.RoomID]bound, s *Step) (ok bool) {
	for {
		qctx, cancel := context.WithTimeout(ctx, c.l.o.Patience)
		limit := drainRows + c.flying.len()
		found, err := c.l.o.Outbox.Outbox(qctx, partitions, limit)
		cancel()
		if err != nil {
			c.l.o.Logger.WarnContext(ctx, "read outbox", "partitions", partitions, "err", err)
			return false
		}
		full := len(found) == limit
		fresh := c.flying.take(announceable(found), upTo)
		var rooms []*room
		for _, a := range fresh {
			if room := roomOf(&a); room != 0 && c.consumed(room) {
				rooms = append(rooms, c.room(room))
			}
		}
		if !c.load(ctx, fresh) {
			return false
		}
		c.locate(ctx, rooms, s.out)
		c.mine(ctx, changesIn(fresh), nil, s.out)
		latest := latestReads(fresh)
		for i := range fresh {
			if r := fresh[i].Read; r == nil || r.ReadSeq >= latest[chat.Place{Room: r.Room, User: r.User}] {
				announcerOf(fresh[i].Kind())(c, ctx, &fresh[i], s.out)
			}
		}
		c.l.o.Metrics.Relayed.Add(float64(len(fresh)))
		s.rows = append(s.rows, fresh...)
		if !full || len(fresh) == 0 {
			return true
		}
	}
}

// latestReads finds each member's furthest pointer: rows that are announced again must not show it going back.
func latestReads(rows []envelope.Announcement) map[chat.Place]chat.Seq {
	latest := map[chat.Place]chat.Seq{}
	for i := range rows {
		if r := rows[i].Read; r != nil {
			k := chat.Place{Room: r.Room, User: r.User}
			latest[k] = max(latest[k], r.ReadSeq)
		}
	}
	return latest
}
