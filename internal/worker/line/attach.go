package line

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// Attach routes rooms to gateways and answers how far the rooms were announced. The answer leaves by the same publisher as the rooms'
// entries, so the next entry that a gateway gets is the one after the head that it was given. While a head can't be known there is no
// answer: the gateway asks again.
func (c *Committer) Attach(ctx context.Context, jobs []Job, s *Step) {
	ids, rooms := make([]chat.RoomID, len(jobs)), make([]*room, len(jobs))
	for i := range jobs {
		ids[i] = jobs[i].Cmd.Room
		rooms[i] = c.room(ids[i])
	}
	c.locate(ctx, rooms, s.out)
	err := c.heads(ctx, ids, s)
	for i := range jobs {
		cmd, r := &jobs[i].Cmd, rooms[i]
		c.l.o.Publisher.NoteAttach(cmd.Gateway, cmd.Number)
		if r.attach(cmd.Gateway, cmd.Number) {
			c.l.behind.move(chat.RouteMove{Room: cmd.Room, Gateway: cmd.Gateway, Number: cmd.Number})
		}
		switch {
		case !r.known:
			if err != nil {
				c.l.o.Logger.WarnContext(ctx, "attach", "room", cmd.Room, "err", err)
			}
		case cmd.Repair: // reading what is missing must not hold up the commits
			c.l.o.Metrics.Repairs.Inc()
			jobs[i].Ticket.Hold()
			c.l.o.Repair(ctx, jobs[i], envelope.Point{Room: r.id, Seq: r.announced, Epoch: r.epoch, Changes: r.told()})
		default:
			s.out.ToGateway(cmd.Gateway, &envelope.Delivery{
				Kind: envelope.Attached, Room: cmd.Room, Seq: r.announced, Epoch: r.epoch,
				Number: cmd.Number, Gateway: cmd.Gateway, At: c.l.o.Now().UnixMilli(), Changes: r.told(),
			})
		}
	}
}

// Detach stops routing rooms to gateways, unless they have attached again since.
func (c *Committer) Detach(_ context.Context, jobs []Job, _ *Step) {
	for i := range jobs {
		cmd := &jobs[i].Cmd
		r := c.room(cmd.Room)
		if n, ok := r.gateways[cmd.Gateway]; ok && n <= cmd.Number {
			delete(r.gateways, cmd.Gateway)
			c.l.behind.move(chat.RouteMove{Room: cmd.Room, Gateway: cmd.Gateway, Number: cmd.Number, Leave: true})
		}
	}
}
