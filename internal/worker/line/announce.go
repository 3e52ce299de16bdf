package line

import (
	"context"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

// catchUp makes the rooms of a committed batch ready for its entries: heads and routes are known, and nothing below an entry is missing.
func (c *Committer) catchUp(ctx context.Context, jobs []Job, sent []chat.Sent, heads []chat.Head, s *Step) {
	now, behind := c.l.o.Now(), map[int]bool{}
	var lost []*room // whose routes aren't known
	for _, h := range heads {
		r := c.room(h.Room)
		if h.Before > 0 && (!r.known || r.announced < h.Before) {
			behind[h.Room.Partition(c.l.o.Partitions)] = true
		}
		if !r.settled(now) {
			lost = append(lost, r)
		}
	}
	if len(behind) > 0 || slices.ContainsFunc(sent, func(x chat.Sent) bool { return x.Duplicate }) {
		lost = append(lost, c.reconcile(ctx, jobs, sent, heads, behind, s)...)
	}
	for _, h := range heads {
		c.room(h.Room).reached(h.Seq, h.Epoch, now)
	}
	if len(lost) > 0 {
		c.locate(ctx, lost, s.out)
	}
}

// announce turns the results of a commit into deliveries, in the rooms' order. Every session gets a message in the same client bytes;
// its sender gets the ack in its place.
func (c *Committer) announce(jobs []Job, sent []chat.Sent, heads []chat.Head, out *deliver.Parcels) {
	recent := make([]chat.Message, 0, len(sent))
	for i := range sent {
		cmd, m := &jobs[i].Cmd, &sent[i].Message
		switch {
		case sent[i].Err != nil:
			c.l.Refuse(&jobs[i], sent[i].Err, out)
		case sent[i].Duplicate && !jobs[i].Again:
			c.ackRepeat(cmd, m, out)
		default:
			c.route(&envelope.Delivery{
				Kind: envelope.InRoom, Room: m.Room, Seq: m.Seq, Epoch: c.room(m.Room).epoch,
				Gateway: cmd.Gateway, Socket: cmd.Socket, Frame: protocol.AppendMessage(nil, *m),
				Ack: protocol.AppendAck(nil, *m, cmd.ClientSeq, false), Ref: cmd.ClientMsgID,
			}, out)
			recent = append(recent, *m)
		}
	}
	c.l.o.Metrics.Committed.Add(float64(len(recent)))
	c.l.behind.count(heads, recent)
}

// room returns the state of a room of a partition that is already known.
func (c *Committer) room(id chat.RoomID) *room {
	p := c.part(id.Partition(c.l.o.Partitions), 0)
	r := p.rooms[id]
	if r == nil {
		r = &room{id: id}
		p.rooms[id] = r
	}
	return r
}

// reached moves the announced head forward; a new epoch starts over.
func (r *room) reached(seq chat.Seq, epoch uint64, now time.Time) {
	if !r.known || epoch > r.epoch || epoch == r.epoch && seq > r.announced {
		r.announced, r.epoch, r.known = seq, epoch, true
	}
	r.active = now
}

// settled reports whether routes can be trusted to be complete: they were read, or every gateway was asked long enough ago.
func (r *room) settled(now time.Time) bool {
	if !r.routed && !r.askedAt.IsZero() && now.Sub(r.askedAt) > answerTime {
		r.routed = true
	}
	return r.routed
}

// route sends an entry or an aside of a room to the gateways that hold the room, or to all of them where that isn't known or membership
// changes with it.
func (c *Committer) route(d *envelope.Delivery, out *deliver.Parcels) {
	r := c.room(d.Room)
	c.l.o.Metrics.Announced.Inc()
	if !c.consumed(d.Room) || !r.settled(c.l.o.Now()) || d.All || len(d.Added) > 0 || len(d.Removed) > 0 {
		c.l.o.Metrics.Fanned.Inc()
		out.ToAll(d)
		return
	}
	c.l.o.Publisher.ToGateways(r.gateways, d, out)
}

// consumed reports whether a room's commands come to this worker, and so its gateways' attaches; else they go to one that has stalled
// and is thought dead.
func (c *Committer) consumed(id chat.RoomID) bool {
	return c.part(id.Partition(c.l.o.Partitions), 0).gen > 0
}
