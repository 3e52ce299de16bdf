package line

import (
	"context"
	"time"

	"chat-service/internal/chat"
)

const (
	activeFor = 2 * time.Minute // a room stays in the digests for so long after its last entry
	maxActive = 10_000          // rooms loaded per partition; the others are read when they are first needed
)

// activate empties the outbox of a partition before its first batch and loads how far its rooms are, or relays rows when that was
// asked for. An owned partition that has had no batch on this channel is loaded each time: until then another worker may be the one
// whose entries count, and its last ones may be lost. So is one whose worker was perhaps thought dead.
func (c *Committer) activate(ctx context.Context, x work, s *Step) {
	p := c.part(x.partition, x.gen)
	load := !p.active || x.owned && (x.again || p.gen == 0 || !p.loaded)
	if !load && !x.relay {
		return
	}
	// The heads are read before the outbox: a row that commits in between is then announced, and not hidden by a head. Whatever the
	// previous owner had not announced yet comes again from the broker, and gateways that lack a tail learn it from the next digest.
	var heads []chat.Head
	loaded := false
	if load {
		heads, loaded = c.activeRooms(ctx, x.partition)
	}
	if c.drain(ctx, []int{x.partition}, nil, s) && load {
		p.active, p.loaded = true, loaded
		for _, h := range heads {
			c.room(h.Room).reached(h.Seq, h.Epoch, c.l.o.Now())
			c.room(h.Room).tells(h.Changes, h.Epoch)
		}
	}
}

func (c *Committer) activeRooms(ctx context.Context, partition int) (heads []chat.Head, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, c.l.o.Patience)
	defer cancel()
	heads, err := c.l.o.Log.ActiveRooms(ctx, partition, c.l.o.Now().Add(-activeFor), maxActive)
	if err != nil {
		c.l.o.Logger.WarnContext(ctx, "load active rooms", "partition", partition, "err", err)
		return nil, false
	}
	return heads, true
}
