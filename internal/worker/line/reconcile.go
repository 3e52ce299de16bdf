package line

import (
	"context"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

// reconcile is what a committed batch needs after trouble. Where rooms are behind, by partition, the outbox rows below the batch's entries
// are announced first. It also corrects which of the jobs come again: Again then says that a duplicate was perhaps never announced. It
// returns the rooms of those.
func (c *Committer) reconcile(
	ctx context.Context, jobs []Job, sent []chat.Sent, heads []chat.Head, behind map[int]bool, s *Step,
) (rooms []*room) {
	upTo := make(map[chat.RoomID]bound, len(heads))
	for _, h := range heads {
		upTo[h.Room] = bound{h.Before, h.Changes} // changes up to there were committed before the batch
	}
	for i := range sent {
		if m := &sent[i].Message; sent[i].Duplicate { // perhaps of a COMMIT whose answer was lost
			r := c.room(m.Room)
			jobs[i].Again = jobs[i].Again || r.known && m.Seq > r.announced && m.Seq <= upTo[m.Room].seq
		}
	}
	first := len(s.rows)
	if len(behind) > 0 {
		c.drain(ctx, keys(behind), upTo, s) // if the outbox can't be read, the gateways find the gap and ask
	}
	for _, h := range heads {
		c.room(h.Room).reached(h.Seq, h.Epoch, c.l.o.Now())
		c.room(h.Room).tells(h.Changes, h.Epoch)
	}
	relayed := s.rows[first:] // what the outbox held wasn't committed here, and is announced now
	var again []chat.RoomID
	for i := range sent {
		m := &sent[i].Message
		jobs[i].Again = jobs[i].Again && !slices.ContainsFunc(relayed, func(a envelope.Announcement) bool { return a.Announces(m) })
		if sent[i].Duplicate && jobs[i].Again {
			again = append(again, m.Room)
			rooms = append(rooms, c.room(m.Room))
		}
	}
	if err := c.heads(ctx, again, s); err != nil {
		c.l.o.Logger.WarnContext(ctx, "heads of redelivered rooms", "err", err)
	}
	return rooms
}

// ackRepeat answers a duplicate that was announced before.
func (c *Committer) ackRepeat(cmd *envelope.Command, m *chat.Message, out *deliver.Parcels) {
	c.l.o.Metrics.Duplicates.Inc()
	out.ToGateway(cmd.Gateway, &envelope.Delivery{
		Kind: envelope.ToSocket, Gateway: cmd.Gateway, Socket: cmd.Socket, Ref: cmd.ClientMsgID,
		Frame: protocol.AppendAck(nil, *m, cmd.ClientSeq, true),
	})
}
