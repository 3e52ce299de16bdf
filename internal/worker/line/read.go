package worker

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// read moves read pointers: marks of one member merge to the highest, everybody's go in one transaction.
func (c *committer) read(ctx context.Context, jobs []job, out *parcels) {
	if len(jobs) == 0 {
		return
	}
	at := map[member]int{}
	var marks []chat.ReadMark
	var last []*envelope.Command // of each mark: whose socket needs no telling
	for i := range jobs {
		cmd := &jobs[i].cmd
		k := member{cmd.Room, cmd.User}
		if j, ok := at[k]; ok {
			if cmd.Seq >= marks[j].Seq {
				marks[j].Seq, last[j] = cmd.Seq, cmd
			}
			continue
		}
		at[k] = len(marks)
		marks = append(marks, chat.ReadMark{Room: cmd.Room, User: cmd.User, Seq: cmd.Seq})
		last = append(last, cmd)
	}
	qctx, cancel := context.WithTimeout(ctx, c.w.o.Patience)
	defer cancel()
	states, err := c.w.o.Log.MarkRead(qctx, marks)
	if err != nil {
		for _, cmd := range last {
			c.refuse(cmd, chat.As(err), out)
		}
		return
	}
	for i, s := range states {
		switch {
		case s.Err != nil:
			c.refuse(last[i], s.Err, out)
		case s.Moved:
			c.tellRead(ctx, s, last[i].Gateway, last[i].Socket, out)
		}
	}
}

// tellRead tells the reader's other devices, with his unread count, and in small rooms his peers. Devices hold the room,
// so its routes lead to them.
func (c *committer) tellRead(ctx context.Context, s chat.ReadState, g chat.GatewayID, socket chat.SocketID, out *parcels) {
	r := c.room(s.Room)
	c.ask(c.locate(ctx, []*roomState{r}), out)
	c.toRoom(&envelope.Delivery{
		Kind: envelope.ToUser, Room: s.Room, User: s.User, Seq: s.ReadSeq, Gateway: g, Socket: socket,
		Frame: protocol.AppendRead(nil, s.Room, s.User, s.ReadSeq, &s.Unread),
	}, out)
	if time.Since(r.peersAt) > peersFor {
		qctx, cancel := context.WithTimeout(ctx, c.w.o.Patience)
		defer cancel()
		if rooms, err := c.w.o.Log.Rooms(qctx, []chat.RoomID{s.Room}); err == nil && len(rooms) == 1 {
			r.peers, r.peersAt = rooms[0].MemberCount, time.Now()
		}
	}
	if r.peers == 0 || r.peers > c.w.o.PeerReads {
		return
	}
	c.toRoom(&envelope.Delivery{
		Kind: envelope.Aside, Room: s.Room, User: s.User, Seq: s.ReadSeq,
		Frame: protocol.AppendRead(nil, s.Room, s.User, s.ReadSeq, nil),
	}, out)
}

// peersFor is how long a room's size is believed.
const peersFor = time.Minute

// aside routes a frame to a room's sessions, outside its sequence.
func (c *committer) aside(ctx context.Context, d *envelope.Delivery, out *parcels) {
	c.ask(c.locate(ctx, []*roomState{c.room(d.Room)}), out)
	c.toRoom(d, out)
}
