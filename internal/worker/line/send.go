package line

import (
	"cmp"
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/worker/deliver"
)

// Send decides, commits, counts and announces the messages of a step.
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
//
// Before that each takes from its sender's allowance, which they have for all their sockets and for REST; what was delivered before isn't
// refused by it, because it may be committed.
func (c *Committer) decide(jobs []Job, out *deliver.Parcels) (good []Job, batch []chat.Send) {
	good, batch = make([]Job, 0, len(jobs)), make([]chat.Send, 0, len(jobs))
	spent, now := &c.l.spent, c.l.o.Now().UnixNano()
	spent.mu.Lock()
	defer spent.mu.Unlock()
	for _, j := range jobs {
		cmd, a := &j.Cmd, spent.by[j.Cmd.User]
		used := max(a.used, now) + spent.step // as chat.Rate.Take
		if wait := used - now - spent.room; wait > 0 && !j.Again {
			c.l.Refuse(&j, tooMany(wait), out)
			continue
		}
		spent.by[cmd.User] = account{used, a.unreported + 1}
		send := chat.Send{
			Room: cmd.Room, Sender: cmd.User, Session: cmd.Session,
			ClientMsgID: cmd.ClientMsgID, ClientSeq: cmd.ClientSeq, Content: cmd.Content, Data: cmd.Data, ReplyTo: cmd.ReplyTo,
		}
		err := cmp.Or(chat.CheckClientMsgID(cmd.ClientMsgID), chat.CheckContent(cmd.Content, c.l.o.MessageBytes))
		if cmd.Data != "" {
			err = c.l.decideData(&send)
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
	spent.some.Signal()
	return good, batch
}

// decideData judges a message with data, which needs no text.
func (l *Line) decideData(m *chat.Send) error {
	data, err := chat.CanonicalData([]byte(m.Data), l.o.DataBytes, l.o.DataDepth)
	err = cmp.Or(chat.CheckClientMsgID(m.ClientMsgID), err)
	if m.Content != "" {
		err = cmp.Or(err, chat.CheckContent(m.Content, l.o.MessageBytes))
	}
	m.Data = data
	return err
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
			return nil, nil, c.giveUp(ctx, len(batch), err)
		}
		pause = wait(ctx, pause)
	}
}

// wait lasts for a pause, or until ctx ends, and returns the next one.
func wait(ctx context.Context, pause time.Duration) (next time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
	return min(2*pause, 200*time.Millisecond)
}

// giveUp notes that MySQL is unavailable, and returns what the senders get.
func (c *Committer) giveUp(ctx context.Context, sends int, err error) error {
	if !c.down {
		c.l.o.Logger.ErrorContext(ctx, "append", "sends", sends, "err", err)
	}
	c.down = true
	return &chat.Error{Kind: chat.Unavailable, RetryAfter: time.Second, Err: err}
}
