package worker

import (
	"context"
	"sync"
	"time"

	"chat-service/internal/chat"
)

// keeper writes what can be rebuilt (routes, heads, recent messages) and deletes announced outbox rows, off the road.
// Its queue is bounded: when Redis is slow the oldest way out is to leave something out, which the digests heal.
type keeper struct {
	routes  Routes
	metrics *Metrics

	mu    sync.Mutex
	heads map[chat.RoomID]chat.Head
	msgs  []chat.Message
	moves []move
	wake  chan struct{}

	outbox Outbox
	rows   []outboxRows
}

type outboxRows struct {
	set *rowSet
	ids []uint64
}

// move is one change of a route.
type move struct {
	room    chat.RoomID
	gateway chat.GatewayID
	number  uint64
	kind    moveKind
}

type moveKind uint8

const (
	attached moveKind = iota + 1
	detached
	dropped
)

const (
	keepMessages = 4096   // more are left out of the recent lists
	keepMoves    = 65_536 // more are left out of Redis
)

func newKeeper(o *Options) *keeper {
	return &keeper{
		routes: o.Routes, outbox: o.Outbox, metrics: o.Metrics, heads: map[chat.RoomID]chat.Head{},
		wake: make(chan struct{}, 1),
	}
}

func (k *keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) count(heads []chat.Head, msgs []chat.Message) {
	k.mu.Lock()
	for _, h := range heads {
		if old, ok := k.heads[h.Room]; !ok || h.Epoch > old.Epoch || h.Epoch == old.Epoch && h.Seq > old.Seq {
			k.heads[h.Room] = h
		}
	}
	if len(k.msgs)+len(msgs) <= keepMessages {
		k.msgs = append(k.msgs, msgs...)
	} else {
		k.metrics.StateErrors.Inc()
	}
	k.mu.Unlock()
	k.poke()
}

func (k *keeper) attach(room chat.RoomID, g chat.GatewayID, n uint64) {
	k.move(move{room, g, n, attached})
}

func (k *keeper) detach(room chat.RoomID, g chat.GatewayID, n uint64) {
	k.move(move{room, g, n, detached})
}

func (k *keeper) drop(room chat.RoomID, g chat.GatewayID) { k.move(move{room, g, 0, dropped}) }

func (k *keeper) move(m move) {
	k.mu.Lock()
	if len(k.moves) < keepMoves {
		k.moves = append(k.moves, m)
	} else {
		k.metrics.StateErrors.Inc()
	}
	k.mu.Unlock()
	k.poke()
}

// announced deletes rows whose announcement was confirmed.
func (k *keeper) announced(set *rowSet, rows []chat.Announcement) {
	ids := make([]uint64, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	k.mu.Lock()
	k.rows = append(k.rows, outboxRows{set, ids})
	k.mu.Unlock()
	k.poke()
}

func (k *keeper) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		}
		k.flush(ctx)
	}
}

func (k *keeper) flush(ctx context.Context) {
	k.mu.Lock()
	heads, msgs, moves, rows := k.heads, k.msgs, k.moves, k.rows
	k.heads, k.msgs, k.moves, k.rows = map[chat.RoomID]chat.Head{}, nil, nil, nil
	k.mu.Unlock()
	for _, r := range rows {
		dctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		_ = k.outbox.Announced(dctx, r.ids) // rows that stay are announced again, which is harmless
		cancel()
		r.set.drop(r.ids)
	}
	if len(heads) > 0 {
		hs := make([]chat.Head, 0, len(heads))
		for _, h := range heads {
			hs = append(hs, h)
		}
		if err := k.routes.Count(ctx, hs, msgs); err != nil {
			k.metrics.StateErrors.Inc()
		}
	}
	for _, m := range moves {
		var err error
		switch m.kind {
		case attached:
			err = k.routes.Attach(ctx, m.room, m.gateway, m.number)
		case detached:
			err = k.routes.Detach(ctx, m.room, m.gateway, m.number)
		case dropped:
			err = k.routes.DropRoute(ctx, m.room, m.gateway)
		}
		if err != nil {
			k.metrics.StateErrors.Inc()
		}
	}
}
