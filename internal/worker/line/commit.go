package line

import (
	"cmp"
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/deliver"
)

// Job is one command in hand.
type Job struct {
	Cmd    envelope.Command
	Ref    string // what an error about it refers to; empty: its gateway asked by itself, and gets none
	Verb   int    // what handles it, among Line.Handle's; for jobs of the line only
	Again  bool   // delivered before: it may be committed already
	Ticket *deliver.Ticket
}

// Verb handles all commands of a kind that a step has, in their rooms' order. Their tickets are settled when the step's parcels are
// confirmed; a verb that passes a job on holds its ticket once more.
type Verb func(c *Committer, ctx context.Context, jobs []Job, s *Step)

// Step is one turn of a committer: what it sends, in order, and which outbox rows that includes.
type Step struct {
	out   *deliver.Parcels
	rows  []envelope.Announcement
	sends int // messages among the jobs

	tickets []*deliver.Ticket // of all jobs
}

// work is what a committer takes in order: the commands of one inbound batch, or a notice about a partition or a gateway.
type work struct {
	partition int
	gen       uint64
	jobs      []Job
	live      func() bool        // nil: always
	closed    bool               // the partition's channel is gone
	relay     bool               // its outbox has rows
	owned     bool               // it is assigned to this worker, and its rooms belong into the digest
	again     bool               // another worker may have stood in for this one meanwhile
	digest    bool               // send how far its rooms are
	gone      chat.GatewayID     // a gateway whose queue is gone, or was when its attaches were
	upTo      uint64             // at this number
	aside     *envelope.Delivery // for the sessions of a room, outside its sequence
	release   bool               // changes that waited are due
}

// Committer owns some partitions: it alone touches their rooms' states, commits their writes and announces them.
type Committer struct {
	l      *Line
	in     chan work // full: Line.Add blocks, and so does the partition's consumer
	parts  map[int]*partition
	inHand atomic.Int64 // works taken or queued
	down   bool         // the last append failed because MySQL was unavailable
	flying rows         // outbox rows announced and not deleted yet
	added  []addition   // lately, for the digest

	telling  map[chat.RoomID]*room // where changes wait
	profiles profiles              // that are to be shown
	alarm    time.Time             // when a notice comes that the next of these are due; zero: none is to come
}

// partition is what a committer knows of one partition while its channel lives.
type partition struct {
	gen    uint64
	active bool // its outbox was emptied since the channel opened
	loaded bool // its recently active rooms are known
	rooms  map[chat.RoomID]*room
}

func newCommitter(l *Line) *Committer {
	return &Committer{l: l, in: make(chan work, 256), parts: map[int]*partition{}, telling: map[chat.RoomID]*room{}}
}

// Add takes the commands of one inbound batch of a partition, in order. gen is the incarnation of the partition's channel; when live
// reports false, that channel is gone and the commands are left to the next owner. Add blocks while the committer is full.
func (l *Line) Add(ctx context.Context, partition int, gen uint64, jobs []Job, live func() bool) {
	l.committer(partition).add(ctx, work{partition: partition, gen: gen, jobs: jobs, live: live})
}

func (l *Line) committer(partition int) *Committer {
	return l.committers[partition%len(l.committers)]
}

// add queues work; it is dropped only when the worker is being abandoned.
func (c *Committer) add(ctx context.Context, x work) {
	c.inHand.Add(1)
	select {
	case c.in <- x:
	case <-ctx.Done():
		c.inHand.Add(-1)
	}
}

func (c *Committer) run(ctx context.Context) {
	var idle time.Time // until then a step waits for more of the same
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-c.in:
			begun := c.l.o.Now()
			works := collect(c.in, first, idle.Sub(begun), c.l.o.BatchRecords, func(x *work) int { return len(x.jobs) })
			begun = c.l.o.Now()
			c.guard(ctx, works)
			ended := c.l.o.Now()
			idle = ended.Add(Linger(ended.Sub(begun)))
			c.inHand.Add(-int64(len(works)))
		}
	}
}

// collect takes what is in the channel with first, and what comes within d, until it counts to limit.
func collect[T any](in <-chan T, first T, d time.Duration, limit int, count func(*T) int) []T {
	batch, n := []T{first}, count(&first)
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	for n < limit {
		var x T
		select {
		case x = <-in:
		default:
			if over == nil {
				return batch
			}
			select {
			case x = <-in:
			case <-over:
				over = nil
				continue
			}
		}
		batch = append(batch, x)
		n += count(&x)
	}
	return batch
}

// maxLinger is the longest pause after a step.
const maxLinger = 10 * time.Millisecond

// Linger is the pause after a step. Whoever works in batches pauses for as long as the last step took: the slower the steps, the larger
// the batches, and after a pause longer than a step nothing waits.
func Linger(took time.Duration) time.Duration { return min(took, maxLinger) }

// guard runs a step. After a panic the step's batches are unacknowledged, and its commands run one by one.
func (c *Committer) guard(ctx context.Context, works []work) {
	defer func() {
		if r := recover(); r != nil {
			c.l.o.Metrics.Panics.Inc()
			c.l.o.Logger.Error("committer panicked", "panic", r, "stack", string(debug.Stack()))
			c.singly(ctx, works)
		}
	}()
	c.step(ctx, works)
}

// step handles the works that wait: outboxes of newly active partitions first, then the commands, by verb in the dispatch table's order,
// so that all messages go in one transaction. What it sends goes to the broker in that order.
func (c *Committer) step(ctx context.Context, works []work) {
	s := &Step{out: deliver.NewParcels()}
	byVerb := make([][]Job, len(c.l.verbs))
	for _, x := range c.reordered(ctx, works) {
		if x.live != nil && !x.live() {
			x.jobs = nil // its channel is gone: the broker gives these to the next owner, and nothing may overtake them
		}
		switch {
		case x.relay || x.owned || len(x.jobs) > 0 && !c.part(x.partition, x.gen).active:
			c.activate(ctx, x, s)
		case len(x.jobs) == 0:
			c.notice(ctx, x, s)
		}
		for _, j := range x.jobs {
			byVerb[j.Verb] = append(byVerb[j.Verb], j)
			s.tickets = append(s.tickets, j.Ticket)
		}
	}
	for i, jobs := range byVerb {
		if len(jobs) > 0 {
			c.l.verbs[i](c, ctx, jobs, s)
		}
	}
	if len(c.telling)+len(c.profiles.due)+len(c.profiles.shown) > 0 {
		c.release(ctx, s.out)
	}
	if len(s.rows) > 0 {
		s.out.Then(func() { c.l.behind.announced(&c.flying, s.rows) })
	}
	for _, t := range s.beforePublish(s.tickets) {
		s.out.Answers(t)
	}
	c.l.o.Publisher.Publish(ctx, s.out)
	s.afterPublish()
}

// part returns what is known of a partition, made anew when its channel is another one than before. Work that the process gives itself
// (gen 0) uses whatever is there.
func (c *Committer) part(p int, gen uint64) *partition {
	st := c.parts[p]
	if st == nil || gen > st.gen {
		st = &partition{gen: gen, rooms: map[chat.RoomID]*room{}}
		c.parts[p] = st
	}
	return st
}

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
