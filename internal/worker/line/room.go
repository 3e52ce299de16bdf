package worker

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// roomState is what the owner of a room's partition keeps of it in memory: how far it was announced, and where its
// sessions are. Redis holds the routes for the next owner; MySQL holds the truth.
type roomState struct {
	id        chat.RoomID
	announced chat.Seq // last entry given to the broker
	epoch     uint64
	known     bool // announced and epoch are set
	active    time.Time

	routed   bool // gateways is complete
	askedAt  time.Time
	gateways map[chat.GatewayID]uint64 // attach number
	peers    int                       // members, as of peersAt; for read receipts
	peersAt  time.Time
}

// reached moves the announced head forward; a new epoch starts over.
func (r *roomState) reached(seq chat.Seq, epoch uint64) {
	if !r.known || epoch > r.epoch || epoch == r.epoch && seq > r.announced {
		r.announced, r.epoch, r.known = seq, epoch, true
	}
	r.active = time.Now()
}

// settled tells whether routes can be trusted to be complete: they were read, or every gateway was asked long enough ago.
func (r *roomState) settled(now time.Time) bool {
	if !r.routed && !r.askedAt.IsZero() && now.Sub(r.askedAt) > answerTime {
		r.routed = true
	}
	return r.routed
}

// answerTime is how long gateways have for re-asserting a room whose routes were lost.
const answerTime = 2 * time.Second

// roundTime is how long a gateway takes to attach all its rooms again.
const roundTime = 4 * time.Second

// unsettle has the room announced to all gateways until one that lost its queue has had the time to attach again.
func (r *roomState) unsettle() {
	r.routed, r.askedAt = false, time.Now().Add(roundTime-answerTime)
}

type gatewaySet map[chat.GatewayID]bool

// locate makes the routes of rooms known: one Redis pipeline for those that aren't. A room that Redis doesn't know, or
// can't tell, is asked for at every gateway, and announced to all of them meanwhile.
func (c *committer) locate(ctx context.Context, rooms []*roomState) (ask []chat.RoomID) {
	now := time.Now()
	var ids []chat.RoomID
	for _, r := range rooms {
		if !r.settled(now) && r.askedAt.IsZero() {
			ids = append(ids, r.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := c.w.o.Routes.Routes(ctx, ids)
	if err != nil {
		c.w.o.Metrics.StateErrors.Inc()
	}
	for _, id := range ids {
		r, e := c.room(id), found[id]
		for g, n := range e.Gateways {
			c.w.noteAttach(g, n)
			r.route(g, n)
		}
		if e.Known {
			r.routed = true
			continue
		}
		r.askedAt = now
		if err != nil || e.Ask {
			ask = append(ask, id)
		}
	}
	return ask
}

// route adds a gateway; the highest attach number wins.
func (r *roomState) route(g chat.GatewayID, number uint64) bool {
	if old, ok := r.gateways[g]; ok && old >= number {
		return false
	}
	if r.gateways == nil {
		r.gateways = make(map[chat.GatewayID]uint64, 2)
	}
	r.gateways[g] = number
	return true
}

// heads makes announced and epoch of rooms known, from MySQL where they aren't. What the outbox still holds of these
// rooms is announced before they count as known, so that an attach is never told a head that hides an entry.
func (c *committer) heads(ctx context.Context, ids []chat.RoomID, out *parcels) (rows []envelope.Announcement, err error) {
	var missing []chat.RoomID
	parts := map[int]bool{}
	for _, id := range ids {
		if !c.room(id).known {
			missing = append(missing, id)
			parts[id.Partition(c.w.o.Partitions)] = true
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	qctx, cancel := context.WithTimeout(ctx, c.w.o.Patience)
	defer cancel()
	rooms, err := c.w.o.Log.Rooms(qctx, missing)
	if err != nil {
		return nil, err
	}
	rows, ok := c.drain(ctx, keys(parts), nil, out)
	if !ok {
		return rows, chat.E(chat.Unavailable, "outbox can't be read")
	}
	for _, r := range rooms {
		c.room(r.ID).reached(r.LastSeq, r.Epoch)
	}
	return rows, nil
}

func keys[K comparable, V any](m map[K]V) []K {
	ks := make([]K, 0, len(m))
	for k := range m {
		ks = append(ks, k)
	}
	return ks
}
