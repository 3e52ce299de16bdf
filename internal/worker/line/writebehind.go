package line

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// Keeper writes what can be rebuilt (routes, heads, recent messages) and deletes announced outbox rows, off the road.
// Its queue is bounded: when Redis is slow the oldest way out is to leave something out, which the digests heal.
type Keeper struct {
	routes Routes
	errors prometheus.Counter

	mu    sync.Mutex
	heads map[chat.RoomID]chat.Head
	msgs  []chat.Message
	moves []chat.RouteMove
	drops []drop
	wake  chan struct{}

	outbox Outbox
	rows   []outboxRows
}

// Routes is where routes, heads and recent messages are kept.
type Routes interface {
	MoveRoutes(ctx context.Context, moves []chat.RouteMove) error
	DropRoute(ctx context.Context, room chat.RoomID, gateway chat.GatewayID) error
	Count(ctx context.Context, heads []chat.Head, recent []chat.Message) error
}

// Outbox is where announced rows are deleted.
type Outbox interface {
	Announced(ctx context.Context, ids []uint64) error
}

type outboxRows struct {
	set *Rows
	ids []uint64
}

// drop takes a gateway out of a room's route.
type drop struct {
	room    chat.RoomID
	gateway chat.GatewayID
}

const (
	keepMessages = 4096   // more are left out of the recent lists
	keepMoves    = 65_536 // more of either kind are left out of Redis
)

// New makes a keeper that counts what Redis refused in errors. Run sets it to work.
func New(routes Routes, outbox Outbox, errors prometheus.Counter) *Keeper {
	return &Keeper{routes: routes, outbox: outbox, errors: errors, heads: map[chat.RoomID]chat.Head{}, wake: make(chan struct{}, 1)}
}

func (k *Keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Count merges room heads and adds to the recent messages.
func (k *Keeper) Count(heads []chat.Head, msgs []chat.Message) {
	k.mu.Lock()
	for _, h := range heads {
		if old, ok := k.heads[h.Room]; !ok || h.Epoch > old.Epoch || h.Epoch == old.Epoch && h.Seq > old.Seq {
			k.heads[h.Room] = h
		}
	}
	if len(k.msgs)+len(msgs) <= keepMessages {
		k.msgs = append(k.msgs, msgs...)
	} else {
		k.errors.Inc()
	}
	k.mu.Unlock()
	k.poke()
}

// Move notes that a gateway wants a room, or no longer does.
func (k *Keeper) Move(m chat.RouteMove) {
	k.mu.Lock()
	if len(k.moves) < keepMoves {
		k.moves = append(k.moves, m)
	} else {
		k.errors.Inc()
	}
	k.mu.Unlock()
	k.poke()
}

// Drop notes that a gateway holds a room no more, whatever it said.
func (k *Keeper) Drop(room chat.RoomID, g chat.GatewayID) {
	k.mu.Lock()
	if len(k.drops) < keepMoves {
		k.drops = append(k.drops, drop{room, g})
	} else {
		k.errors.Inc()
	}
	k.mu.Unlock()
	k.poke()
}

// Announced deletes rows whose announcement was confirmed.
func (k *Keeper) Announced(set *Rows, rows []envelope.Announcement) {
	ids := make([]uint64, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	k.mu.Lock()
	k.rows = append(k.rows, outboxRows{set, ids})
	k.mu.Unlock()
	k.poke()
}

// Run writes until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		}
		k.Flush(ctx)
	}
}

// Flush writes what is there.
func (k *Keeper) Flush(ctx context.Context) {
	k.mu.Lock()
	heads, msgs, moves, drops, rows := k.heads, k.msgs, k.moves, k.drops, k.rows
	k.heads, k.msgs, k.moves, k.drops, k.rows = map[chat.RoomID]chat.Head{}, nil, nil, nil, nil
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
			k.errors.Inc()
		}
	}
	for _, d := range drops {
		if err := k.routes.DropRoute(ctx, d.room, d.gateway); err != nil {
			k.errors.Inc()
		}
	}
	if err := k.routes.MoveRoutes(ctx, moves); err != nil {
		k.errors.Inc()
	}
}
