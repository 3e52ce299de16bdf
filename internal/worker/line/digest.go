package worker

import (
	"context"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/faults"
)

const (
	digestRooms = 500              // rooms in one digest record
	forgetAfter = 10 * time.Minute // an idle room that no gateway holds leaves memory
	tellAdded   = 45 * time.Second // for so long a digest tells again who was added: nothing else notices where that was lost
	mostAdded   = 20_000           // of a committer; more go untold
)

// addition is a user who was made a member.
type addition struct {
	point envelope.Point
	user  chat.UserID
	at    time.Time
}

// digests has the committers tell every gateway, at each interval, how far the recently active rooms were announced: a
// lost tail, a lost route and a dropped queue are noticed by it, also where the partition has changed hands since and
// nothing is sent in it.
func (w *Worker) digests(ctx context.Context) {
	if faults.Planted("lose_return") {
		return
	}
	w.every(ctx, w.o.DigestEvery, func(context.Context) {
		for _, p := range *w.owned.Load() {
			w.committer(p).nudge(work{partition: p, owned: true})
		}
		for _, c := range w.committers {
			c.nudge(work{digest: true})
		}
	})
}

// digest covers every partition whose channel this worker has used, owned by assignment or taken over as standby.
func (c *committer) digest(out *parcels) {
	now := time.Now()
	d := envelope.Delivery{Kind: envelope.Heads}
	for _, p := range c.parts {
		for id, r := range p.rooms {
			idle := now.Sub(r.active)
			if r.known && idle < activeFor {
				d.Points = append(d.Points, envelope.Point{Room: id, Seq: r.announced, Epoch: r.epoch})
			}
			if idle > forgetAfter && len(r.gateways) == 0 {
				delete(p.rooms, id)
			}
			if len(d.Points) == digestRooms {
				out.all(&d)
				d.Points = nil
			}
		}
	}
	if len(d.Points) > 0 {
		out.all(&d)
	}
	c.added = slices.DeleteFunc(c.added, func(a addition) bool { return now.Sub(a.at) > tellAdded })
	for some := range slices.Chunk(c.added, digestRooms) {
		d := envelope.Delivery{Kind: envelope.Heads}
		for _, a := range some {
			d.Points, d.Users = append(d.Points, a.point), append(d.Users, a.user)
		}
		out.all(&d)
	}
}
