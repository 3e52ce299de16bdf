package worker

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// attach routes rooms to gateways, or stops to, and tells how far they were announced. The answer leaves by the same
// publisher as the rooms' entries, so that what a gateway hears next is the entry after the head it was told.
// It returns the outbox rows that had to go first.
func (c *committer) attach(ctx context.Context, jobs []job, out *parcels) []envelope.Announcement {
	if len(jobs) == 0 {
		return nil
	}
	var rooms []chat.RoomID
	var states []*roomState
	for _, j := range jobs {
		if j.cmd.Kind == envelope.Attach {
			rooms = append(rooms, j.cmd.Room)
			states = append(states, c.room(j.cmd.Room))
		}
	}
	c.ask(c.locate(ctx, states), out)
	rows, err := c.heads(ctx, rooms, out)
	for _, j := range jobs {
		cmd := &j.cmd
		r := c.room(cmd.Room)
		switch {
		case cmd.Kind == envelope.Detach:
			if n, ok := r.gateways[cmd.Gateway]; ok && n <= cmd.Number {
				delete(r.gateways, cmd.Gateway)
				c.w.keep.Move(chat.RouteMove{Room: cmd.Room, Gateway: cmd.Gateway, Number: cmd.Number, Leave: true})
			}
		default:
			c.w.noteAttach(cmd.Gateway, cmd.Number)
			if r.route(cmd.Gateway, cmd.Number) {
				c.w.keep.Move(chat.RouteMove{Room: cmd.Room, Gateway: cmd.Gateway, Number: cmd.Number})
			}
			c.answer(cmd, r, err, out)
			if cmd.Repair {
				c.repair(ctx, j, r)
			}
		}
	}
	return rows
}

// answer tells a gateway a room's head. While it can't be known there is no answer: the gateway asks again.
func (c *committer) answer(cmd *envelope.Command, r *roomState, err error, out *parcels) {
	if cmd.Repair || !r.known {
		if err != nil {
			c.w.o.Logger.Warn("attach", "room", cmd.Room, "err", err)
		}
		return
	}
	out.gateway(cmd.Gateway, &envelope.Delivery{
		Kind: envelope.Attached, Room: cmd.Room, Seq: r.announced, Epoch: r.epoch,
		Number: cmd.Number, Gateway: cmd.Gateway, At: time.Now().UnixMilli(),
	})
}

// repair hands the missing entries to a lane: reading them must not hold up the commits.
func (c *committer) repair(ctx context.Context, j job, r *roomState) {
	j.head, j.epoch = r.announced, r.epoch
	if !r.known {
		j.ticket.settle()
		return
	}
	c.w.o.Metrics.Repairs.Inc()
	share(c.w.lanes, uint64(j.cmd.Room)).add(ctx, j)
}

const (
	repairEntries = 1000    // entries in one repair at most; the gateway asks again for the rest
	repairBytes   = 1 << 20 // bytes of entries in one repair
	maxRepair     = 5000    // a longer gap is not repaired: the sessions are told to resync
)

// mend answers a repair: the missing entries in client bytes, and which of the gateway's users are members as of its head. Who
// left before it and is back since is none: he goes on with the entry that says so, and gets nothing of what lies between.
func (l *lane) mend(ctx context.Context, j *job, out *parcels) {
	cmd := &j.cmd
	in, _, err := l.w.o.Members.MembersAmong(ctx, cmd.Room, j.head, cmd.Users)
	if err != nil {
		l.w.o.Logger.WarnContext(ctx, "repair", "room", cmd.Room, "err", err)
		return
	}
	d := envelope.Delivery{
		Kind: envelope.Attached, Gateway: cmd.Gateway, Room: cmd.Room, Number: cmd.Number, Epoch: j.epoch,
		Repair: true, Seq: j.head, Users: in, At: time.Now().UnixMilli(),
	}
	if gap := int64(j.head) - int64(cmd.Seq); gap > 0 && gap <= maxRepair {
		ms, err := l.w.o.Log.Messages(ctx, cmd.Room, cmd.Seq+1, j.head, repairEntries)
		if err != nil {
			l.w.o.Logger.WarnContext(ctx, "repair", "room", cmd.Room, "err", err)
			return
		}
		size := 0
		for _, m := range ms {
			f := protocol.AppendMessage(nil, m)
			if size += len(f); size > repairBytes && len(d.Entries) > 0 {
				break
			}
			d.Entries = append(d.Entries, envelope.Entry{Seq: m.Seq, Sender: m.Sender, Frame: f, Added: m.Added()})
		}
	}
	out.gateway(cmd.Gateway, &d)
}
