package line

import (
	"context"
	"maps"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/deliver"
)

// room is what the owner of a room's partition keeps of it in memory: how far it was announced, and where its sessions are. Redis holds
// the routes for the next owner; MySQL holds the truth.
type room struct {
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

	telling telling // its changes
}

const (
	// answerTime is how long gateways have to attach a room again whose routes were lost.
	answerTime = 2 * time.Second
	// roundTime is how long a gateway takes to attach all its rooms again.
	roundTime = 4 * time.Second
)

// unsettle has the room announced to all gateways until one that lost its queue has had the time to attach again.
func (r *room) unsettle(now time.Time) {
	r.routed, r.askedAt = false, now.Add(roundTime-answerTime)
}

// attach adds a gateway; the highest attach number wins.
func (r *room) attach(g chat.GatewayID, number uint64) bool {
	if old, ok := r.gateways[g]; ok && old >= number {
		return false
	}
	if r.gateways == nil {
		r.gateways = make(map[chat.GatewayID]uint64, 2)
	}
	r.gateways[g] = number
	return true
}

// locate makes the routes of rooms known: one Redis pipeline for those that aren't. A room that Redis doesn't know, or can't look up, is
// announced to all gateways for a while, and they are asked to attach it again.
func (c *Committer) locate(ctx context.Context, rooms []*room, out *deliver.Parcels) {
	now := c.l.o.Now()
	var ids []chat.RoomID
	for _, r := range rooms {
		if !r.settled(now) && r.askedAt.IsZero() {
			ids = append(ids, r.id)
		}
	}
	if len(ids) == 0 {
		return
	}
	found, err := c.l.o.Routes.Routes(ctx, ids)
	if err != nil {
		c.l.o.Metrics.StateErrors.Inc()
	}
	for _, id := range ids {
		r, e := c.room(id), found[id]
		for g, n := range e.Gateways {
			c.l.o.Publisher.NoteAttach(g, n)
			r.attach(g, n)
		}
		if e.Known {
			r.routed = true
			continue
		}
		r.askedAt = now
		if err != nil || e.Ask {
			out.ToAll(&envelope.Delivery{Kind: envelope.Reassert, Room: id})
		}
	}
}

// heads makes announced and epoch of rooms known, from MySQL where they aren't. What the outbox still holds of these rooms is announced
// before they count as known, so that an attach is never answered with a head that hides an entry.
func (c *Committer) heads(ctx context.Context, ids []chat.RoomID, s *Step) error {
	var missing []chat.RoomID
	parts := map[int]bool{}
	for _, id := range ids {
		if !c.room(id).known {
			missing = append(missing, id)
			parts[id.Partition(c.l.o.Partitions)] = true
		}
	}
	if len(missing) == 0 {
		return nil
	}
	qctx, cancel := context.WithTimeout(ctx, c.l.o.Patience)
	defer cancel()
	rooms, err := c.l.o.Log.Rooms(qctx, missing)
	if err != nil {
		return err
	}
	if !c.drain(ctx, keys(parts), nil, s) {
		return chat.E(chat.Unavailable, "outbox can't be read")
	}
	for _, r := range rooms {
		c.room(r.ID).reached(r.LastSeq, r.Epoch, c.l.o.Now())
		c.room(r.ID).tells(r.Changes, r.Epoch)
	}
	return nil
}

func keys[K comparable, V any](m map[K]V) []K { return slices.Collect(maps.Keys(m)) }
