package line

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

// Read moves read pointers: marks of one member merge to the highest, everybody's go in one transaction.
func (c *Committer) Read(ctx context.Context, jobs []Job, s *Step) {
	at := map[chat.Place]int{}
	var marks []chat.ReadMark
	var last []*Job // of each mark: its socket needs no notice
	for i := range jobs {
		j, cmd := &jobs[i], &jobs[i].Cmd
		k := chat.Place{Room: cmd.Room, User: cmd.User}
		if m, ok := at[k]; ok {
			if cmd.Seq >= marks[m].Seq {
				marks[m].Seq, last[m] = cmd.Seq, j
			}
			continue
		}
		at[k] = len(marks)
		marks = append(marks, chat.ReadMark{Room: cmd.Room, User: cmd.User, Seq: cmd.Seq})
		last = append(last, j)
	}
	qctx, cancel := context.WithTimeout(ctx, c.l.o.Patience)
	defer cancel()
	states, err := c.l.o.Log.MarkRead(qctx, marks)
	if err != nil {
		for _, j := range last {
			c.l.Refuse(j, chat.As(err), s.out)
		}
		return
	}
	for i, st := range states {
		switch {
		case st.Err != nil:
			c.l.Refuse(last[i], st.Err, s.out)
		case st.Moved:
			c.announceRead(ctx, st, last[i].Cmd.Gateway, last[i].Cmd.Socket, s.out)
		}
	}
}

// peersFor is how long a room's size is believed.
const peersFor = time.Minute

// announceRead notifies the reader's other devices, with the unread count, and in small rooms the peers. Devices hold the room, so its
// routes lead to them. The socket that moved the pointer is left out.
func (c *Committer) announceRead(ctx context.Context, s chat.ReadState, g chat.GatewayID, socket chat.SocketID, out *deliver.Parcels) {
	r := c.room(s.Room)
	c.locate(ctx, []*room{r}, out)
	c.route(&envelope.Delivery{
		Kind: envelope.ToUser, Room: s.Room, User: s.User, Seq: s.ReadSeq, Gateway: g, Socket: socket,
		Frame: protocol.AppendRead(nil, s.Room, s.User, s.ReadSeq, &s.Unread),
	}, out)
	if c.l.o.Now().Sub(r.peersAt) > peersFor {
		qctx, cancel := context.WithTimeout(ctx, c.l.o.Patience)
		defer cancel()
		if rooms, err := c.l.o.Log.Rooms(qctx, []chat.RoomID{s.Room}); err == nil && len(rooms) == 1 {
			r.peers, r.peersAt = rooms[0].MemberCount, c.l.o.Now()
		}
	}
	if r.peers == 0 || r.peers > c.l.o.PeerReads {
		return
	}
	c.route(&envelope.Delivery{
		Kind: envelope.Aside, Room: s.Room, User: s.User, Seq: s.ReadSeq,
		Frame: protocol.AppendRead(nil, s.Room, s.User, s.ReadSeq, nil),
	}, out)
}
