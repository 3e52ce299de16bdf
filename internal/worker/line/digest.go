package line

import (
	"context"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/deliver"
)

const (
	digestRooms = 500              // rooms in one digest record
	forgetAfter = 10 * time.Minute // an idle room that no gateway holds leaves memory
	repeatAdded = 45 * time.Second // for so long digests repeat who was added: nothing else notices where that was lost
	maxAdded    = 20_000           // additions that a committer repeats; more are not
)

// addition is a user who was made a member.
type addition struct {
	point envelope.Point
	user  chat.UserID
	at    time.Time
}

// noteAdded keeps who was added by an entry, for the digests.
func (c *Committer) noteAdded(p envelope.Point, users []chat.UserID) {
	for _, u := range users[:min(len(users), maxAdded-len(c.added))] {
		c.added = append(c.added, addition{p, u, c.l.o.Now()})
	}
}

// Digest has the committers send every gateway how far the recently active rooms were announced: that makes a lost tail, a lost route
// and a dropped queue visible, also where the partition has changed hands since and nothing is sent in it.
func (l *Line) Digest(context.Context) {
	if noDigests() {
		return
	}
	for _, p := range l.Owned() {
		l.committer(p).nudge(work{partition: p, owned: true})
	}
	for _, c := range l.committers {
		c.nudge(work{digest: true})
	}
}

// digest covers every partition whose channel this worker has used, owned by assignment or taken over as standby.
func (c *Committer) digest(out *deliver.Parcels) {
	now := c.l.o.Now()
	d := envelope.Delivery{Kind: envelope.Heads}
	for _, p := range c.parts {
		for id, r := range p.rooms {
			idle := now.Sub(r.active)
			if r.known && idle < activeFor {
				d.Points = append(d.Points, envelope.Point{Room: id, Seq: r.announced, Epoch: r.epoch, Changes: r.told()})
			}
			if idle > forgetAfter && len(r.gateways) == 0 {
				delete(p.rooms, id)
			}
			if len(d.Points) == digestRooms {
				out.ToAll(&d)
				d.Points = nil
			}
		}
	}
	if len(d.Points) > 0 {
		out.ToAll(&d)
	}
	c.added = slices.DeleteFunc(c.added, func(a addition) bool { return now.Sub(a.at) > repeatAdded })
	for some := range slices.Chunk(c.added, digestRooms) {
		d := envelope.Delivery{Kind: envelope.Heads}
		for _, a := range some {
			d.Points, d.Users = append(d.Points, a.point), append(d.Users, a.user)
		}
		out.ToAll(&d)
	}
}
