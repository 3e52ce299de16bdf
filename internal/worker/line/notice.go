package line

import (
	"context"
	"time"

	"chat-service/internal/chat"
)

// nudge queues work that the next tick would bring again: dropped when the committer is behind.
func (c *Committer) nudge(x work) {
	c.inHand.Add(1)
	select {
	case c.in <- x:
	default:
		c.inHand.Add(-1)
	}
}

// notice handles notices about a partition, a gateway or a room.
func (c *Committer) notice(ctx context.Context, x work, s *Step) {
	switch {
	case x.closed:
		if p := c.parts[x.partition]; p != nil && p.gen <= x.gen {
			c.hurry(p, s.out)
			delete(c.parts, x.partition)
		}
	case x.gone != "":
		c.forget(x.gone, x.upTo)
	case x.digest:
		c.digest(s.out)
	case x.release:
		c.alarm = time.Time{} // an earlier one may have been set beside a later one, which does no harm
	case x.aside != nil:
		c.locate(ctx, []*room{c.room(x.aside.Room)}, s.out)
		c.route(x.aside, s.out)
	}
}

// forget takes a gateway out of the routes, as far as its attaches are void.
func (c *Committer) forget(g chat.GatewayID, upTo uint64) {
	for _, p := range c.parts {
		for id, r := range p.rooms {
			if n, had := r.gateways[g]; had && n <= upTo {
				delete(r.gateways, g)
				c.l.behind.drop(id, g)
				if upTo != Ever {
					r.unsettle(c.l.o.Now())
				}
			}
		}
	}
}
