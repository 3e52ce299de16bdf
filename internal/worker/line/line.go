package line

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

// Options are what the line needs and how it is tuned. All must be set.
type Options struct {
	Partitions   int // of the installation
	Committers   int
	BatchRecords int           // commands in one transaction at most
	OutboxPoll   time.Duration // pause between looks at the outbox while calls can't be received
	OutboxIdle   time.Duration // the same while they can
	GiveUp       time.Duration // how long a write is tried again before its sender gets an error
	Patience     time.Duration // deadline of one attempt
	MessageBytes int           // of a message's content; 0: no limit
	DataBytes    int           // of a message's data; 0: no limit
	DataDepth    int           // of its nesting; 0: no limit
	PeerReads    int           // rooms of up to so many members show reads to peers
	Rate         chat.Rate     // of one user's messages, over all processes

	Log     Log
	Changes Changes
	People  People
	Outbox  Outbox
	Calls   Calls
	Routes  Routes
	// Allowances are shared with other processes.
	Allowances Allowances
	Publisher  *deliver.Publisher
	// Repair answers a gateway that lacks entries of a room up to its announced head, off the line, and settles the job.
	Repair func(ctx context.Context, j Job, head envelope.Point)
	// Left is called when a user's leaving is announced.
	Left func(room chat.RoomID, user chat.UserID)
	// Watch wants to know where something is committed; nil: nobody does.
	Watch *Watch

	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *Metrics
}

// Line is all the partitions' lines of one worker. Use New.
type Line struct {
	o          Options
	committers []*Committer
	behind     *writeBehind
	spent      spent
	verbs      []Verb
	owned      atomic.Pointer[[]int]
}

// New makes a line. Handle must be called before Run sets it to work.
func New(o Options) *Line {
	l := &Line{o: o, behind: newWriteBehind(o)}
	l.spent.bound(o.Rate)
	l.owned.Store(&[]int{})
	for range o.Committers {
		l.committers = append(l.committers, newCommitter(l))
	}
	return l
}

// Handle sets what the line's commands mean, in the order in which a step runs them: Job.Verb is an index into it.
func (l *Line) Handle(verbs []Verb) { l.verbs = verbs }

// Run works until ctx ends, which abandons what is in hand.
func (l *Line) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, c := range l.committers {
		wg.Go(func() { c.run(ctx) })
	}
	l.behind.run(ctx)
}

// Flush writes what was left to be written behind the road.
func (l *Line) Flush(ctx context.Context) { l.behind.flush(ctx) }

// InHand is how many batches and notices the committers have.
func (l *Line) InHand() (n int64) {
	for _, c := range l.committers {
		n += c.inHand.Load()
	}
	return n
}

// Closed notes that a partition's channel is gone: what the committer knew of its rooms may be outdated from now on.
func (l *Line) Closed(ctx context.Context, partition int, gen uint64) {
	l.committer(partition).add(ctx, work{partition: partition, gen: gen, closed: true})
}

// Aside routes a delivery to a room's sessions outside the room's sequence; it may be dropped.
func (l *Line) Aside(d *envelope.Delivery) {
	l.committer(d.Room.Partition(l.o.Partitions)).nudge(work{aside: d})
}

// Ever is above every number of an attach.
const Ever = 1<<64 - 1

// Gone notes that a gateway's queue wasn't there, or that it has died (upTo is Ever): its attaches up to that number are void.
func (l *Line) Gone(g chat.GatewayID, upTo uint64) {
	for _, c := range l.committers {
		c.nudge(work{gone: g, upTo: upTo})
	}
}

// Own sets the partitions that are assigned to this worker: their outboxes are relayed, their rooms belong into its digests.
func (l *Line) Own(partitions []int) { l.owned.Store(&partitions) }

// Owned returns the partitions that are assigned to this worker.
func (l *Line) Owned() []int { return *l.owned.Load() }

// Reload has the owned partitions' rooms read anew: another worker may have stood in for this one meanwhile.
func (l *Line) Reload() {
	for _, p := range l.Owned() {
		l.committer(p).nudge(work{partition: p, owned: true, again: true})
	}
}

// Refuse answers a job that can't be done, with an error for the socket that it came from; not where its gateway itself asked.
func (l *Line) Refuse(j *Job, e *chat.Error, out *deliver.Parcels) {
	l.o.Metrics.Refused.WithLabelValues(e.Kind.String()).Inc()
	cmd := &j.Cmd
	if j.Ref == "" || cmd.Socket == 0 {
		return
	}
	pending := cmd.ClientMsgID
	if cmd.Kind == envelope.Change {
		pending = cmd.ErrorRef
	}
	out.ToGateway(cmd.Gateway, &envelope.Delivery{
		Kind: envelope.ToSocket, Gateway: cmd.Gateway, Socket: cmd.Socket, Ref: pending,
		Frame: protocol.AppendError(nil, e, protocol.ErrorRef{Ref: j.Ref, Room: cmd.Room, ClientSeq: cmd.ClientSeq}),
	})
}
