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

// Send decides, commits, counts and announces the messages at hand.
func (c *Committer) Send(ctx context.Context, jobs []Job, s *Step) {
	s.sends += len(jobs)
	jobs, batch := c.decide(jobs, s.out)
	if len(jobs) == 0 {
		return
	}
	sent, heads, err := c.commit(ctx, batch)
	if err != nil {
		for i := range jobs {
			c.l.Refuse(&jobs[i], chat.As(err), s.out)
		}
		return
	}
	c.catchUp(ctx, jobs, sent, heads, s)
	c.announce(jobs, sent, heads, s.out)
}

// decide judges each message by the rules that need nothing but the message: a legal id, a legal text. What needs the room (membership,
// mute, client_seq, duplicates) is judged where the room is locked, in the commit. A refused message that its sender has numbered goes
// into the commit all the same: it uses up its number, in the sender's order.
func (c *Committer) decide(jobs []Job, out *deliver.Parcels) (good []Job, batch []chat.Send) {
	good, batch = make([]Job, 0, len(jobs)), make([]chat.Send, 0, len(jobs))
	for _, j := range jobs {
		cmd := &j.Cmd
		send := chat.Send{
			Room: cmd.Room, Sender: cmd.User, Session: cmd.Session,
			ClientMsgID: cmd.ClientMsgID, ClientSeq: cmd.ClientSeq, Content: cmd.Content,
		}
		err := chat.CheckClientMsgID(cmd.ClientMsgID)
		if err == nil {
			err = chat.CheckContent(cmd.Content, c.l.o.MessageBytes)
		}
		if err != nil {
			if cmd.ClientSeq == 0 {
				c.l.Refuse(&j, chat.As(err), out)
				continue
			}
			send.Content, send.Refused = "", chat.As(err)
		}
		good, batch = append(good, j), append(batch, send)
	}
	return good, batch
}

// commit appends a batch in one transaction. While MySQL is unavailable it tries again in place, until GiveUp after the first failure;
// from then on every batch has one attempt, so that senders get their error at once.
func (c *Committer) commit(ctx context.Context, batch []chat.Send) ([]chat.Sent, []chat.Head, error) {
	o := &c.l.o
	began, pause := o.Now(), 10*time.Millisecond
	for {
		beforeCommit()
		actx, cancel := context.WithTimeout(ctx, o.Patience)
		sent, heads, err := o.Log.Append(actx, batch, o.Now())
		cancel()
		if err == nil {
			afterCommit()
			c.down = false
			o.Metrics.Commit.Observe(o.Now().Sub(began).Seconds())
			o.Metrics.CommitRows.Observe(float64(len(batch)))
			return sent, heads, nil
		}
		if c.down || ctx.Err() != nil || o.Now().Sub(began)+pause > o.GiveUp {
			if !c.down {
				o.Logger.ErrorContext(ctx, "append", "sends", len(batch), "err", err)
			}
			c.down = true
			return nil, nil, &chat.Error{Kind: chat.Unavailable, RetryAfter: time.Second, Err: err}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, 200*time.Millisecond)
	}
}

// catchUp makes the rooms of a committed batch ready for its entries: outbox rows below them are announced, heads and routes are known.
// It also corrects which of the jobs come again: Again then says that a duplicate was perhaps never announced.
func (c *Committer) catchUp(ctx context.Context, jobs []Job, sent []chat.Sent, heads []chat.Head, s *Step) {
	behind, upTo := map[int]bool{}, make(map[chat.RoomID]chat.Seq, len(heads))
	rooms := make([]*room, 0, len(heads))
	for _, h := range heads {
		upTo[h.Room] = h.Before
		r := c.room(h.Room)
		rooms = append(rooms, r)
		if h.Before > 0 && (!r.known || r.announced < h.Before) {
			behind[h.Room.Partition(c.l.o.Partitions)] = true
		}
	}
	for i := range sent {
		if m := &sent[i].Message; sent[i].Duplicate { // perhaps of a COMMIT whose answer was lost
			r := c.room(m.Room)
			jobs[i].Again = jobs[i].Again || r.known && m.Seq > r.announced && m.Seq <= upTo[m.Room]
		}
	}
	first := len(s.rows)
	if len(behind) > 0 {
		c.drain(ctx, keys(behind), upTo, s) // if the outbox can't be read, the gateways find the gap and ask
	}
	for _, h := range heads {
		c.room(h.Room).reached(h.Seq, h.Epoch, c.l.o.Now())
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
	c.locate(ctx, rooms, s.out)
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
			c.l.o.Metrics.Duplicates.Inc()
			out.ToGateway(cmd.Gateway, &envelope.Delivery{
				Kind: envelope.ToSocket, Gateway: cmd.Gateway, Socket: cmd.Socket, Ref: cmd.ClientMsgID,
				Frame: protocol.AppendAck(nil, *m, cmd.ClientSeq, true),
			})
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
