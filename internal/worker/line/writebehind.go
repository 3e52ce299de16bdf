package line

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

const (
	keptMessages = 4096   // more are left out of the recent lists
	keptMoves    = 65_536 // more of either kind are left out of Redis
)

// writeBehind writes, off the road, what the road leaves behind: routes, heads and recent messages to Redis, and the deletion of
// announced outbox rows. All of it can be rebuilt, so when it falls behind it leaves something out rather than hold up a commit; the
// digests heal that.
type writeBehind struct {
	routes Routes
	outbox Outbox
	errors prometheus.Counter // what Redis refused, and what was left out
	watch  *Watch             // nil: nobody

	mu    sync.Mutex
	heads map[chat.RoomID]chat.Head
	msgs  []chat.Message
	stale map[chat.RoomID]bool // the release before may keep messages of these that were changed
	heard []chat.RoomID        // in which a message was changed
	moves []chat.RouteMove
	drops []dropped
	done  []announcedRows
	wake  chan struct{}
}

// dropped takes a gateway out of a room's route.
type dropped struct {
	room    chat.RoomID
	gateway chat.GatewayID
}

type announcedRows struct {
	set *rows
	ids []uint64
}

func newWriteBehind(o Options) *writeBehind {
	return &writeBehind{routes: o.Routes, outbox: o.Outbox, errors: o.Metrics.StateErrors, watch: o.Watch, heads: map[chat.RoomID]chat.Head{}, stale: map[chat.RoomID]bool{}, wake: make(chan struct{}, 1)}
}

// count merges room heads and adds to the recent messages: stop 9 of a message's road. The messages are as they were sent, so a head
// keeps the lowest Changes: a message that was changed since must not pass for one that is up to date.
func (b *writeBehind) count(heads []chat.Head, msgs []chat.Message) {
	b.mu.Lock()
	for _, h := range heads {
		if old, ok := b.heads[h.Room]; !ok || h.Epoch > old.Epoch || h.Epoch == old.Epoch && h.Seq > old.Seq {
			h.Changes = asOf(h, old, ok)
			b.heads[h.Room] = h
		}
	}
	if len(b.msgs)+len(msgs) <= keptMessages {
		b.msgs = append(b.msgs, msgs...)
	} else {
		b.errors.Inc()
	}
	b.mu.Unlock()
	b.poke()
}

// asOf is the change_seq up to which what is kept of a room's messages is known, with a later head's messages added.
func asOf(h, old chat.Head, kept bool) chat.ChangeSeq {
	if kept && h.Epoch == old.Epoch {
		return min(h.Changes, old.Changes)
	}
	return h.Changes
}

// outdate notes that a message of a room was changed.
func (b *writeBehind) outdate(room chat.RoomID) {
	b.mu.Lock()
	if len(b.stale) < keptMoves {
		b.stale[room] = true
	} else {
		b.errors.Inc()
	}
	b.mu.Unlock()
	b.poke()
}

// move notes that a gateway wants a room, or no longer does.
func (b *writeBehind) move(m chat.RouteMove) {
	b.mu.Lock()
	if len(b.moves) < keptMoves {
		b.moves = append(b.moves, m)
	} else {
		b.errors.Inc()
	}
	b.mu.Unlock()
	b.poke()
}

// drop notes that a gateway doesn't hold a room any more, whatever it said.
func (b *writeBehind) drop(room chat.RoomID, g chat.GatewayID) {
	b.mu.Lock()
	if len(b.drops) < keptMoves {
		b.drops = append(b.drops, dropped{room, g})
	} else {
		b.errors.Inc()
	}
	b.mu.Unlock()
	b.poke()
}

// announced deletes rows whose announcement was confirmed; then they leave the set.
func (b *writeBehind) announced(set *rows, as []envelope.Announcement) {
	b.mu.Lock()
	b.done = append(b.done, announcedRows{set, idsOf(as)})
	b.mu.Unlock()
	b.poke()
}

func idsOf(as []envelope.Announcement) []uint64 {
	ids := make([]uint64, len(as))
	for i := range as {
		ids[i] = as[i].ID
	}
	return ids
}

func (b *writeBehind) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// run writes until ctx ends.
func (b *writeBehind) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
			b.flush(ctx)
		}
	}
}

// flush writes what is there.
func (b *writeBehind) flush(ctx context.Context) {
	b.mu.Lock()
	heads, msgs, moves, drops, done := b.heads, b.msgs, b.moves, b.drops, b.done
	b.heads, b.msgs, b.moves, b.drops, b.done = map[chat.RoomID]chat.Head{}, nil, nil, nil, nil
	stale := slices.Collect(maps.Keys(b.stale))
	clear(b.stale)
	if b.watch != nil && b.watch.On.Load() {
		b.report(heads)
	}
	b.mu.Unlock()
	if len(stale) > 0 {
		b.forget(ctx, stale)
	}
	for _, r := range done {
		b.delete(ctx, r)
	}
	if len(heads) > 0 {
		hs := slices.AppendSeq(make([]chat.Head, 0, len(heads)), maps.Values(heads))
		if err := b.routes.Count(ctx, hs, msgs); err != nil {
			b.errors.Inc()
		}
	}
	if len(drops)+len(moves) > 0 {
		b.reroute(ctx, drops, moves)
	}
}

// forget removes what the release before keeps of rooms whose messages were changed.
func (b *writeBehind) forget(ctx context.Context, stale []chat.RoomID) {
	if err := b.routes.Outdate(ctx, stale); err != nil {
		b.errors.Inc()
	}
}

// delete deletes announced rows.
func (b *writeBehind) delete(ctx context.Context, r announcedRows) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	_ = b.outbox.Announced(ctx, r.ids) // rows that stay are announced again, which is harmless
	r.set.drop(r.ids)
}

// reroute takes gateways out of routes, then applies what gateways said themselves.
func (b *writeBehind) reroute(ctx context.Context, drops []dropped, moves []chat.RouteMove) {
	for _, d := range drops {
		if err := b.routes.DropRoute(ctx, d.room, d.gateway); err != nil {
			b.errors.Inc()
		}
	}
	if err := b.routes.MoveRoutes(ctx, moves); err != nil {
		b.errors.Inc()
	}
}

// rows is a set of outbox rows on their way: announced, confirmation or deletion outstanding. A row leaves it when its deletion was
// tried; if that failed, the next look announces it again, which is harmless. Its zero value is empty.
type rows struct {
	mu  sync.Mutex
	ids map[uint64]bool
}

// bound is how far a room's outbox rows are taken: entries up to seq, changes up to changes. What is above follows what is about to be
// announced.
type bound struct {
	seq     chat.Seq
	changes chat.ChangeSeq
}

// holds reports whether a row is above its room's bound.
func (b bound) holds(a *envelope.Announcement) bool {
	return a.Message != nil && a.Message.Seq > b.seq || a.Changed != nil && a.Changed.ChangeSeq > b.changes
}

// roomOf returns the room whose order a row has a place in; 0: none.
func roomOf(a *envelope.Announcement) chat.RoomID {
	switch {
	case a.Message != nil:
		return a.Message.Room
	case a.Changed != nil:
		return a.Changed.Change.Room
	}
	return 0
}

// take keeps the rows that weren't in the set and aren't above their room's bound (where it has one), and adds them.
func (s *rows) take(as []envelope.Announcement, upTo map[chat.RoomID]bound) []envelope.Announcement {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[uint64]bool{}
	}
	fresh := as[:0]
	for _, a := range as {
		if top, bounded := upTo[roomOf(&a)]; bounded && top.holds(&a) {
			continue
		}
		if !s.ids[a.ID] {
			s.ids[a.ID] = true
			fresh = append(fresh, a)
		}
	}
	return fresh
}

func (s *rows) drop(ids []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.ids, id)
	}
}

func (s *rows) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ids)
}
