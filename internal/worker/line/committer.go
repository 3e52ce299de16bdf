package worker

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/faults"
	"chat-service/internal/worker/line"
)

// work is what a committer takes in order: the writes of one inbound batch, or word about a partition.
type work struct {
	partition int
	gen       uint64
	jobs      []job
	live      func() bool        // nil: always
	closed    bool               // the partition's channel is gone
	relay     bool               // its outbox has rows
	owned     bool               // it is assigned to this worker, and its rooms belong into the digest
	again     bool               // another worker may have stood in for this one meanwhile
	digest    bool               // tell how far its rooms are
	gone      chat.GatewayID     // a gateway whose queue is gone, or was when its attaches were
	until     uint64             // at this number
	aside     *envelope.Delivery // for the sessions of a room, outside its sequence
}

// committer owns some partitions: it alone touches their room states, commits their writes and announces them.
type committer struct {
	w      *Worker
	in     chan work // full: Take blocks, and so does the partition's consumer
	parts  map[int]*partition
	inHand atomic.Int64 // works taken or queued
	down   bool         // the last append failed for want of MySQL
	flying line.Rows    // outbox rows announced and not deleted yet
	added  []addition   // lately, for the digest
}

// partition is what a committer knows of one partition while its channel lives.
type partition struct {
	gen    uint64
	active bool // its outbox was emptied since the channel opened
	loaded bool // its recently active rooms are known
	rooms  map[chat.RoomID]*roomState
}

func newCommitter(w *Worker, _ int) *committer {
	return &committer{w: w, in: make(chan work, 256), parts: map[int]*partition{}}
}

// add queues work; it is dropped only when the worker is being abandoned.
func (c *committer) add(ctx context.Context, x work) {
	c.inHand.Add(1)
	select {
	case c.in <- x:
	case <-ctx.Done():
		c.inHand.Add(-1)
	}
}

// nudge queues work that the next tick would bring again: dropped when the committer is behind.
func (c *committer) nudge(x work) {
	c.inHand.Add(1)
	select {
	case c.in <- x:
	default:
		c.inHand.Add(-1)
	}
}

func (c *committer) run(ctx context.Context) {
	var rested time.Time // before it, a step waits for more of the same
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-c.in:
			works := line.Take(c.in, first, time.Until(rested), c.w.o.BatchRecords, func(x *work) int { return len(x.jobs) })
			begun := time.Now()
			c.guard(ctx, works)
			rested = time.Now().Add(line.Rest(time.Since(begun)))
			c.inHand.Add(-int64(len(works)))
		}
	}
}

// guard runs a step; a panic leaves the step's batches unacknowledged, and the poison is looked for one by one.
func (c *committer) guard(ctx context.Context, works []work) {
	defer func() {
		if r := recover(); r != nil {
			c.w.o.Metrics.Panics.Inc()
			c.w.o.Logger.Error("committer panicked", "panic", r, "stack", string(debug.Stack()))
			c.singly(ctx, works)
		}
	}()
	c.step(ctx, works)
}

// singly runs every command of works alone; one that fails so for the fifth time is quarantined with a terminal error to
// its sender.
func (c *committer) singly(ctx context.Context, works []work) {
	for _, x := range works {
		for _, j := range x.jobs {
			j.again = true
			one := work{partition: x.partition, gen: x.gen, jobs: []job{j}}
			for try := 1; !c.survives(ctx, one); try++ {
				if try == maxTries {
					c.bury(ctx, x.partition, j, chat.E(chat.Internal, "handler panicked"))
					break
				}
			}
		}
	}
}

const maxTries = 5

func (c *committer) survives(ctx context.Context, x work) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			c.w.o.Metrics.Panics.Inc()
			ok = false
		}
	}()
	c.step(ctx, []work{x})
	return true
}

// bury quarantines a command and tells its sender for good.
func (c *committer) bury(ctx context.Context, p int, j job, why error) {
	c.w.quarantine(p, &j.cmd, j.cmd.Append(nil), why)
	out := newParcels()
	if d, ok := errorTo(&j.cmd, chat.E(chat.Invalid, "the server can't handle this message; it was set aside for its operator")); ok {
		out.gateway(j.cmd.Gateway, d)
	}
	c.w.publish(ctx, out, func() { j.ticket.settle() })
}

// step handles what was at hand: outboxes of newly active partitions first, then all writes in one transaction, then
// everything that only needs the rooms' states, and gives the answers to the broker in that order.
func (c *committer) step(ctx context.Context, works []work) {
	out := newParcels()
	var sends, marks, attaches []job
	var relayed []envelope.Announcement
	if faults.Planted("unordered_retry") {
		works = c.shuffled(ctx, works)
	}
	for i := range works {
		x := &works[i]
		if x.live != nil && !x.live() {
			x.jobs = nil // its channel is gone: the broker gives these to the next owner, who must not be overtaken
		}
		c.word(ctx, *x, out)
		if x.relay || x.owned || len(x.jobs) > 0 {
			relayed = append(relayed, c.activate(ctx, *x, out)...)
		}
		sends, marks, attaches = sorted(x.jobs, sends, marks, attaches)
	}
	relayed = append(relayed, c.send(ctx, sends, out)...)
	c.read(ctx, marks, out)
	relayed = append(relayed, c.attach(ctx, attaches, out)...)
	if faults.Planted("ack_inbound_before_publish") && len(sends) > 0 {
		settle(works)
		works = nil
		time.Sleep(20 * time.Millisecond)
		faults.Point("early_ack")
	}
	c.w.publish(ctx, out, func() {
		if len(sends) > 0 {
			faults.Point("before_ack")
		}
		settle(works)
		if len(relayed) > 0 {
			c.w.keep.Announced(&c.flying, relayed)
		}
	})
	if len(sends) > 0 {
		faults.Point("after_publish")
	}
}

// sorted deals jobs out by what they need.
func sorted(jobs, sends, marks, attaches []job) (_, _, _ []job) {
	for _, j := range jobs {
		switch j.cmd.Kind {
		case envelope.Send:
			sends = append(sends, j)
		case envelope.Read:
			marks = append(marks, j)
		default:
			attaches = append(attaches, j)
		}
	}
	return sends, marks, attaches
}

// shuffled is a planted bug: now and then the first batch of a step comes after the later ones.
func (c *committer) shuffled(ctx context.Context, works []work) []work {
	if first := works[0]; len(first.jobs) > 0 && time.Now().UnixNano()%20 == 0 {
		time.AfterFunc(200*time.Millisecond, func() { c.add(ctx, first) })
		return works[1:]
	}
	return works
}

// settle lets go of the inbound batches, except for repairs: a lane answers those.
func settle(works []work) {
	for _, x := range works {
		for _, j := range x.jobs {
			if !j.cmd.Repair {
				j.ticket.settle()
			}
		}
	}
}

// word handles what is said about a partition or a gateway.
func (c *committer) word(ctx context.Context, x work, out *parcels) {
	switch {
	case x.closed:
		if p := c.parts[x.partition]; p != nil && p.gen <= x.gen {
			delete(c.parts, x.partition)
		}
	case x.gone != "":
		for _, p := range c.parts {
			for id, r := range p.rooms {
				if n, had := r.gateways[x.gone]; had && n <= x.until {
					delete(r.gateways, x.gone)
					c.w.keep.Drop(id, x.gone)
					if x.until != everAttached {
						r.unsettle()
					}
				}
			}
		}
	case x.digest:
		c.digest(out)
	case x.aside != nil:
		c.aside(ctx, x.aside, out)
	}
}

// part returns what is known of a partition, made anew when its channel is another one than before. Work that the
// process gives itself (gen 0) uses whatever is there.
func (c *committer) part(p int, gen uint64) *partition {
	st := c.parts[p]
	if st == nil || gen > st.gen {
		st = &partition{gen: gen, rooms: map[chat.RoomID]*roomState{}}
		c.parts[p] = st
	}
	return st
}

// room returns the state of a room of a partition that is already known.
func (c *committer) room(id chat.RoomID) *roomState {
	p := c.part(id.Partition(c.w.o.Partitions), 0)
	r := p.rooms[id]
	if r == nil {
		r = &roomState{id: id}
		p.rooms[id] = r
	}
	return r
}

// activate empties the outbox of a partition before its first batch, loads how far its rooms are, and relays rows when a
// relay was asked for. An owned partition that has had no batch on this channel is loaded each time: until then another
// worker may be the one whose entries count, and its last ones may be lost. So it is when this worker was away.
func (c *committer) activate(ctx context.Context, x work, out *parcels) []envelope.Announcement {
	p := c.part(x.partition, x.gen)
	load := !p.active || x.owned && (x.again || p.gen == 0 || !p.loaded)
	if !load && !x.relay {
		return nil
	}
	rows, ok := c.drain(ctx, []int{x.partition}, nil, out)
	if ok && load {
		p.active, p.loaded = true, c.load(ctx, x.partition)
	}
	return rows
}

// load takes the recently active rooms as announced: whatever the previous owner still owed comes again from the broker,
// and gateways that lack a tail hear of it by the next digest.
func (c *committer) load(ctx context.Context, partition int) (ok bool) {
	ctx, cancel := context.WithTimeout(ctx, c.w.o.Patience)
	defer cancel()
	heads, err := c.w.o.Log.ActiveRooms(ctx, partition, time.Now().Add(-activeFor), maxActive)
	if err != nil {
		c.w.o.Logger.WarnContext(ctx, "load active rooms", "partition", partition, "err", err)
		return false
	}
	for _, h := range heads {
		r := c.room(h.Room)
		r.reached(h.Seq, h.Epoch)
	}
	return true
}

const (
	activeFor = 2 * time.Minute // a room stays in the digests for so long after its last entry
	maxActive = 10_000          // rooms loaded per partition; the others are read when they are first needed
)
