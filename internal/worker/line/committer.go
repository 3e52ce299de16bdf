package line

import (
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

// nudge queues work that the next tick would bring again: dropped when the committer is behind.
func (c *Committer) nudge(x work) {
	c.inHand.Add(1)
	select {
	case c.in <- x:
	default:
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

// maxLinger is the longest pause after a step.
const maxLinger = 10 * time.Millisecond

// Linger is the pause after a step. Whoever works in batches pauses for as long as the last step took: the slower the steps, the larger
// the batches, and after a pause longer than a step nothing waits.
func Linger(took time.Duration) time.Duration { return min(took, maxLinger) }

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
	var tickets []*deliver.Ticket
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
			tickets = append(tickets, j.Ticket)
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
	for _, t := range s.beforePublish(tickets) {
		s.out.Answers(t)
	}
	c.l.o.Publisher.Publish(ctx, s.out)
	s.afterPublish()
}

// notice handles notices about a partition, a gateway or a room.
func (c *Committer) notice(ctx context.Context, x work, s *Step) {
	switch {
	case x.closed:
		if p := c.parts[x.partition]; p != nil && p.gen <= x.gen {
			c.hurry(p, s.out)
			delete(c.parts, x.partition)
		}
	case x.gone != "":
		c.forget(x.gone, x.upTo)
	case x.digest:
		c.digest(s.out)
	case x.release:
		c.alarm = time.Time{} // an earlier one may have been set beside a later one, which does no harm
	case x.aside != nil:
		c.locate(ctx, []*room{c.room(x.aside.Room)}, s.out)
		c.route(x.aside, s.out)
	}
}

// forget takes a gateway out of the routes, as far as its attaches are void.
func (c *Committer) forget(g chat.GatewayID, upTo uint64) {
	for _, p := range c.parts {
		for id, r := range p.rooms {
			if n, had := r.gateways[g]; had && n <= upTo {
				delete(r.gateways, g)
				c.l.behind.drop(id, g)
				if upTo != Ever {
					r.unsettle(c.l.o.Now())
				}
			}
		}
	}
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

const (
	activeFor = 2 * time.Minute // a room stays in the digests for so long after its last entry
	maxActive = 10_000          // rooms loaded per partition; the others are read when they are first needed
)

// activate empties the outbox of a partition before its first batch and loads how far its rooms are, or relays rows when that was
// asked for. An owned partition that has had no batch on this channel is loaded each time: until then another worker may be the one
// whose entries count, and its last ones may be lost. So is one whose worker was perhaps thought dead.
func (c *Committer) activate(ctx context.Context, x work, s *Step) {
	p := c.part(x.partition, x.gen)
	load := !p.active || x.owned && (x.again || p.gen == 0 || !p.loaded)
	if !load && !x.relay {
		return
	}
	// The heads are read before the outbox: a row that commits in between is then announced, and not hidden by a head. Whatever the
	// previous owner had not announced yet comes again from the broker, and gateways that lack a tail learn it from the next digest.
	var heads []chat.Head
	loaded := false
	if load {
		heads, loaded = c.activeRooms(ctx, x.partition)
	}
	if c.drain(ctx, []int{x.partition}, nil, s) && load {
		p.active, p.loaded = true, loaded
		for _, h := range heads {
			c.room(h.Room).reached(h.Seq, h.Epoch, c.l.o.Now())
			c.room(h.Room).tells(h.Changes, h.Epoch)
		}
	}
}

func (c *Committer) activeRooms(ctx context.Context, partition int) (heads []chat.Head, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, c.l.o.Patience)
	defer cancel()
	heads, err := c.l.o.Log.ActiveRooms(ctx, partition, c.l.o.Now().Add(-activeFor), maxActive)
	if err != nil {
		c.l.o.Logger.WarnContext(ctx, "load active rooms", "partition", partition, "err", err)
		return nil, false
	}
	return heads, true
}
