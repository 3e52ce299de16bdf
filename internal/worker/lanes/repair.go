package lanes

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
	"chat-service/internal/worker/line"
)

const (
	repairEntries = 1000    // entries in one repair at most; the gateway asks again for the rest
	repairBytes   = 1 << 20 // bytes of entries in one repair
	maxRepair     = 5000    // a longer gap is not repaired: the hub has its sessions resync
)

// Repair answers a gateway that lacks entries of a room, which was announced up to head. It blocks while the room's lane is full.
func (l *Lanes) Repair(ctx context.Context, j line.Job, head envelope.Point) {
	l.Of(uint64(j.Cmd.Room)).Add(ctx, errand{j, func(ctx context.Context, cmd *envelope.Command, out *deliver.Parcels) error {
		if err := l.repair(ctx, cmd, head, out); err != nil { // there is no answer: the gateway asks again
			l.o.Logger.WarnContext(ctx, "repair", "room", cmd.Room, "err", err)
		}
		return nil
	}})
}

// repair sends the missing entries in client bytes, and which of the gateway's users are members as of the head. Somebody who left
// before it and is back since counts as none: they go on with the entry that says so, and get nothing of what lies between.
func (l *Lanes) repair(ctx context.Context, cmd *envelope.Command, head envelope.Point, out *deliver.Parcels) error {
	in, _, err := l.o.Log.MembersAmong(ctx, cmd.Room, head.Seq, cmd.Users)
	if err != nil {
		return err
	}
	froms, err := l.froms(ctx, cmd.Room, in)
	if err != nil {
		return err
	}
	d := envelope.Delivery{
		Kind: envelope.Attached, Gateway: cmd.Gateway, Room: cmd.Room, Number: cmd.Number, Epoch: head.Epoch,
		Repair: true, Seq: head.Seq, Changes: head.Changes, Users: in, Froms: froms, At: l.o.Now().UnixMilli(),
	}
	if gap := int64(head.Seq) - int64(cmd.Seq); gap > 0 && gap <= maxRepair {
		ms, err := l.o.Log.Messages(ctx, cmd.Room, cmd.Seq+1, head.Seq, repairEntries)
		if err != nil {
			return err
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
	out.ToGateway(cmd.Gateway, &d)
	return nil
}

// froms returns the first seqs that members may see, in their order.
func (l *Lanes) froms(ctx context.Context, room chat.RoomID, users []chat.UserID) ([]chat.Seq, error) {
	if len(users) == 0 {
		return nil, nil
	}
	at := make([]chat.Place, len(users))
	for i, u := range users {
		at[i] = chat.Place{Room: room, User: u}
	}
	places, err := l.o.Places.Places(ctx, at)
	froms := make([]chat.Seq, len(users))
	for i, p := range at {
		froms[i] = max(places[p].Member.VisibleFrom, 1)
	}
	return froms, err
}
