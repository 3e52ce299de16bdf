package worker

import (
	"context"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/faults"
	"chat-service/internal/protocol"
)

// send decides, commits and announces the messages at hand. It returns the outbox rows that had to go first.
func (c *committer) send(ctx context.Context, jobs []job, out *parcels) []envelope.Announcement {
	if len(jobs) == 0 {
		return nil
	}
	good := make([]job, 0, len(jobs))
	batch := make([]chat.Send, 0, len(jobs))
	for _, j := range jobs {
		send := chat.Send{
			Room: j.cmd.Room, Sender: j.cmd.User, Session: j.cmd.Session,
			ClientMsgID: j.cmd.ClientMsgID, ClientSeq: j.cmd.ClientSeq, Content: j.cmd.Content,
		}
		if err := c.w.decide(&j.cmd); err != nil {
			if j.cmd.ClientSeq == 0 {
				c.refuse(&j.cmd, chat.As(err), out)
				continue
			}
			send.Content, send.Refused = "", chat.As(err) // it uses up its number, in the sender's order
		}
		good = append(good, j)
		batch = append(batch, send)
	}
	if len(good) == 0 {
		return nil
	}
	sent, heads, err := c.commit(ctx, batch)
	if err != nil {
		for i := range good {
			c.refuse(&good[i].cmd, chat.As(err), out)
		}
		return nil
	}
	return c.announce(ctx, good, sent, heads, out)
}

// decide judges a message by the rules that need nothing but itself. Those that need the room (membership, mute,
// client_seq, duplicates) are judged where the room is locked: in the commit.
func (w *Worker) decide(cmd *envelope.Command) error {
	if err := chat.CheckClientMsgID(cmd.ClientMsgID); err != nil {
		return err
	}
	return chat.CheckContent(cmd.Content, w.o.Limits.MessageBytes)
}

// commit appends a batch in one transaction. While MySQL can't be reached it tries again in place, for GiveUp from the
// first failure on; after that every batch has one attempt, so that senders hear of it at once.
func (c *committer) commit(ctx context.Context, batch []chat.Send) ([]chat.Sent, []chat.Head, error) {
	began, pause := time.Now(), 10*time.Millisecond
	for {
		faults.Point("before_commit")
		actx, cancel := context.WithTimeout(ctx, c.w.o.Patience)
		sent, heads, err := c.w.o.Log.Append(actx, batch, time.Now())
		cancel()
		if err == nil {
			faults.Point("after_commit")
			c.down = false
			c.w.o.Metrics.Commit.Observe(time.Since(began).Seconds())
			c.w.o.Metrics.CommitRows.Observe(float64(len(batch)))
			return sent, heads, nil
		}
		if c.down || ctx.Err() != nil || time.Since(began)+pause > c.w.o.GiveUp {
			if !c.down {
				c.w.o.Logger.ErrorContext(ctx, "append", "sends", len(batch), "err", err)
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

// announce turns verdicts into deliveries, in the rooms' order: outbox rows below what was just committed go first.
func (c *committer) announce(ctx context.Context, jobs []job, sent []chat.Sent, heads []chat.Head, out *parcels) []envelope.Announcement {
	rows := c.catchUp(ctx, jobs, sent, heads, out)
	recent := make([]chat.Message, 0, len(sent))
	for i := range sent {
		cmd, s := &jobs[i].cmd, &sent[i]
		switch {
		case s.Err != nil:
			c.refuse(cmd, s.Err, out)
		case s.Duplicate && !jobs[i].again:
			c.w.o.Metrics.Duplicates.Inc()
			out.gateway(cmd.Gateway, &envelope.Delivery{
				Kind: envelope.ToSocket, Gateway: cmd.Gateway, Socket: cmd.Socket,
				Frame: protocol.AppendAck(nil, s.Message, cmd.ClientSeq, true),
			})
		default:
			c.entry(cmd, &s.Message, out)
			recent = append(recent, s.Message)
		}
	}
	c.w.o.Metrics.Committed.Add(float64(len(recent)))
	c.w.keep.Count(heads, recent)
	return rows
}

// catchUp makes the rooms of a committed batch ready: their outbox rows below it are told, their routes and heads known.
func (c *committer) catchUp(ctx context.Context, jobs []job, sent []chat.Sent, heads []chat.Head, out *parcels) (rows []envelope.Announcement) {
	parts, upTo := map[int]bool{}, make(map[chat.RoomID]chat.Seq, len(heads))
	states := make([]*roomState, 0, len(heads))
	for _, h := range heads {
		upTo[h.Room] = h.Before
		r := c.room(h.Room)
		states = append(states, r)
		if h.Before > 0 && (!r.known || r.announced < h.Before) {
			parts[h.Room.Partition(c.w.o.Partitions)] = true
		}
	}
	for i := range sent {
		if m := &sent[i].Message; sent[i].Duplicate { // perhaps of a COMMIT whose answer was lost
			r := c.room(m.Room)
			jobs[i].again = jobs[i].again || r.known && m.Seq > r.announced && m.Seq <= upTo[m.Room]
		}
	}
	if len(parts) > 0 {
		rows, _ = c.drain(ctx, keys(parts), upTo, out) // if it can't be read, the gateways find the gap and ask
	}
	for _, h := range heads {
		c.room(h.Room).reached(h.Seq, h.Epoch)
	}
	var again []chat.RoomID // committed before the batch was delivered again, announced perhaps not
	for i := range sent {
		m := &sent[i].Message
		jobs[i].again = jobs[i].again && !slices.ContainsFunc(rows, func(a envelope.Announcement) bool { return a.Announces(m) }) // what the outbox held is no commit of ours
		if sent[i].Duplicate && jobs[i].again {
			again = append(again, m.Room)
			states = append(states, c.room(m.Room))
		}
	}
	more, err := c.heads(ctx, again, out)
	if err != nil {
		c.w.o.Logger.WarnContext(ctx, "heads of redelivered rooms", "err", err)
	}
	c.ask(c.locate(ctx, states), out)
	return append(rows, more...)
}

// entry routes one committed message: the same client bytes for everybody, and the ack in its place for the sender.
func (c *committer) entry(cmd *envelope.Command, m *chat.Message, out *parcels) {
	d := envelope.Delivery{
		Kind: envelope.InRoom, Room: m.Room, Seq: m.Seq, Epoch: c.room(m.Room).epoch,
		Gateway: cmd.Gateway, Socket: cmd.Socket, Frame: protocol.AppendMessage(nil, *m),
		Ack: protocol.AppendAck(nil, *m, cmd.ClientSeq, false),
	}
	c.toRoom(&d, out)
}

// refuse answers a command with an error.
func (c *committer) refuse(cmd *envelope.Command, e *chat.Error, out *parcels) {
	c.w.o.Metrics.Refused.WithLabelValues(e.Kind.String()).Inc()
	if d, ok := errorTo(cmd, e); ok {
		out.gateway(cmd.Gateway, d)
	}
}

// errorTo makes the error frame for the socket that a command came from; not for commands of the gateway itself.
func errorTo(cmd *envelope.Command, e *chat.Error) (*envelope.Delivery, bool) {
	ref := refLabel(cmd)
	if ref == "" || cmd.Socket == 0 {
		return nil, false
	}
	return &envelope.Delivery{
		Kind: envelope.ToSocket, Gateway: cmd.Gateway, Socket: cmd.Socket,
		Frame: protocol.AppendError(nil, e, protocol.ErrorRef{Ref: ref, Room: cmd.Room, ClientSeq: cmd.ClientSeq}),
	}, true
}
