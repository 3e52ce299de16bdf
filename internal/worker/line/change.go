package line

import (
	"cmp"
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

// Change decides, commits and announces the changes to messages of a step: edits, recalls, reactions and pins. Each of them is answered
// by `done` as soon as it is committed; what the room's sessions get of it is what telling.go says.
func (c *Committer) Change(ctx context.Context, jobs []Job, s *Step) {
	c.ahead(ctx, s)
	s.sends += len(jobs)
	jobs, batch := c.weigh(jobs, s.out)
	if len(jobs) == 0 {
		return
	}
	done, heads, err := c.apply(ctx, batch)
	if err != nil {
		for i := range jobs {
			c.l.Refuse(&jobs[i], chat.As(err), s.out)
		}
		return
	}
	c.catchUpChanges(ctx, done, heads, s)
	for i := range done {
		x := &done[i]
		if x.Err != nil {
			c.l.Refuse(&jobs[i], x.Err, s.out)
			continue
		}
		c.answer(&jobs[i].Cmd, x, s.out)
		c.tell(x, s.out)
	}
	c.mine(ctx, done, jobs, s.out)
}

// ahead publishes the messages of a step: they needn't wait for what the step commits after them, which is as long again. The inbound
// batches are acknowledged when both are confirmed.
func (c *Committer) ahead(ctx context.Context, s *Step) {
	if s.sends == 0 {
		return
	}
	first, rows := s.out, s.rows
	s.out, s.rows = deliver.NewParcels(), nil
	if len(rows) > 0 {
		first.Then(func() { c.l.behind.announced(&c.flying, rows) })
	}
	for _, t := range s.tickets {
		t.Hold()
		first.Answers(t)
	}
	c.l.o.Publisher.Publish(ctx, first)
}

// weigh judges each change by the rules that need nothing but the change, and takes it from its user's allowance, which is that of
// messages: each costs the room's sessions as much.
func (c *Committer) weigh(jobs []Job, out *deliver.Parcels) (good []Job, batch []chat.Change) {
	now := c.l.o.Now()
	for _, j := range jobs {
		x := j.Cmd.ChangeOf()
		err := c.l.checkChange(&x)
		if wait := c.l.spent.take(j.Cmd.User, now); wait > 0 && !j.Again {
			err = tooMany(wait)
		}
		if err != nil {
			c.l.Refuse(&j, chat.As(err), out)
			continue
		}
		good, batch = append(good, j), append(batch, x)
	}
	return good, batch
}

// checkChange checks what needs no look at the message: ids, keys and texts.
func (l *Line) checkChange(x *chat.Change) error {
	err := chat.CheckChangeID(x.ID)
	if x.Kind == chat.ChangeReaction {
		err = cmp.Or(err, chat.CheckReactionKey(x.Key))
	}
	if x.Content != nil && *x.Content != "" { // "" beside data is judged where the message is known
		err = cmp.Or(err, chat.CheckContent(*x.Content, l.o.MessageBytes))
	}
	if x.Data != nil && *x.Data != "" {
		data, bad := chat.CanonicalData([]byte(*x.Data), l.o.DataBytes, l.o.DataDepth)
		x.Data, err = &data, cmp.Or(err, bad)
	}
	return err
}

// apply commits a batch in one transaction, with the patience of commit.
func (c *Committer) apply(ctx context.Context, batch []chat.Change) ([]chat.Changed, []chat.Head, error) {
	o := &c.l.o
	began, pause := o.Now(), 10*time.Millisecond
	for {
		beforeCommit()
		actx, cancel := context.WithTimeout(ctx, o.Patience)
		done, heads, err := o.Changes.Apply(actx, batch, o.Now())
		cancel()
		if err == nil {
			afterCommit()
			c.down = false
			o.Metrics.Commit.Observe(o.Now().Sub(began).Seconds())
			return done, heads, nil
		}
		if c.down || ctx.Err() != nil || o.Now().Sub(began)+pause > o.GiveUp {
			return nil, nil, c.giveUp(ctx, len(batch), err)
		}
		pause = wait(ctx, pause)
	}
}

// answer tells the socket that asked for a change what became of it.
func (c *Committer) answer(cmd *envelope.Command, x *chat.Changed, out *deliver.Parcels) {
	if x.Repeat {
		c.l.o.Metrics.Duplicates.Inc()
	}
	out.ToGateway(cmd.Gateway, &envelope.Delivery{
		Kind: envelope.ToSocket, Gateway: cmd.Gateway, Socket: cmd.Socket, Ref: cmd.ErrorRef,
		Frame: protocol.AppendDone(nil, *x, cmd.Ref),
	})
}

// catchUpChanges makes the rooms of a committed batch ready for its changes: nothing that the outbox holds from before them is left
// there, neither the message that a change is about nor an earlier change, and routes are known.
func (c *Committer) catchUpChanges(ctx context.Context, done []chat.Changed, heads []chat.Head, s *Step) {
	at := make(map[chat.RoomID]chat.Head, len(heads))
	for _, h := range heads {
		at[h.Room] = h
	}
	now, behind, upTo := c.l.o.Now(), map[int]bool{}, map[chat.RoomID]bound{}
	var lost []*room
	for i := range done {
		x := &done[i]
		id := x.Change.Room
		if _, seen := upTo[id]; seen || x.Err != nil || x.NoOp {
			continue
		}
		r, b := c.room(id), bound{seq: at[id].Seq, changes: at[id].Changes}
		if !x.Repeat { // the first of the room that is fresh: those from before it may be announced before it
			b.changes = x.Prev
		}
		upTo[id] = b
		if !r.known || r.announced < b.seq || r.heard() < b.changes {
			behind[id.Partition(c.l.o.Partitions)] = true
		}
		if !r.settled(now) {
			lost = append(lost, r)
		}
	}
	if len(behind) > 0 && !overtakes() {
		c.drain(ctx, keys(behind), upTo, s) // if the outbox can't be read, the gateways find the gap, and clients ask
	}
	for id, b := range upTo {
		r := c.room(id)
		if r.reached(b.seq, at[id].Epoch, now); r.heard() < b.changes {
			r.tells(b.changes, at[id].Epoch) // whoever lacks them finds a gap
		}
	}
	if len(lost) > 0 {
		c.locate(ctx, lost, s.out)
	}
}
