package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/catchup"
	"chat-service/internal/worker/deliver"
	"chat-service/internal/worker/lanes"
	"chat-service/internal/worker/line"
)

// row is a row of the dispatch table: where commands of a kind are handled. Each constructor below makes the rows of one place, and
// takes the handler that belongs there, so a row without one doesn't compile. Exactly one of verb, add and beat is set.
type row struct {
	kind envelope.CommandKind
	ref  ref // what an error about the command refers to; nil: the gateway asks by itself, and gets no error

	verb line.Verb                             // in its partition's line
	like envelope.CommandKind                  // handled together with those of that kind, in one order; it is further up
	add  func(ctx context.Context, j line.Job) // beside it
	beat func(ctx context.Context, cmd *envelope.Command)
}

type ref func(*envelope.Command) string

// table is the table to read first: what happens to each kind of command. A test compares it with envelope.Commands().
func (w *Worker) table() []row {
	return append([]row{
		// What depends on the room's order: by the committer of the partition, in one step in this order.
		inLine(envelope.Send, (*line.Committer).Send, clientMsgID),
		like(envelope.Send, inLine(envelope.SendMore, (*line.Committer).Send, clientMsgID)),
		inLine(envelope.Change, (*line.Committer).Change, changeRef),
		inLine(envelope.Read, (*line.Committer).Read, label("read")),
		inLine(envelope.Attach, (*line.Committer).Attach, nil),
		inLine(envelope.Detach, (*line.Committer).Detach, nil),

		// What only reads: in the lane of its user, in the user's order.
		w.inLane(envelope.Join, w.lanes.Join, label("join_room")),
		w.inLane(envelope.Typing, w.lanes.Typing, label("typing")),
		w.inLane(envelope.Watch, w.lanes.Watch, label("presence")),
		w.inLane(envelope.Show, w.sockets.Show, nil),

		// What comes in crowds: together with others.
		beside(envelope.Connect, w.sockets.Connect, nil), // its errors are close codes
		beside(envelope.Assert, w.sockets.Assert, nil),
		beside(envelope.Disconnect, w.sockets.Disconnect, nil),
		beside(envelope.Sync, w.catchup.Sync, catchup.Ref),

		// What comes by the control queue: at once.
		{kind: envelope.Beat, beat: w.sockets.Beat},
	}, w.probeRows()...)
}

// Handling is what the dispatch table says about a kind of command.
type Handling struct {
	Kind  envelope.CommandKind
	Place Place
	Ref   bool // errors about the command are answered, and refer to something
}

// Place is where commands are handled.
type Place string

// The places.
const (
	InLine  Place = "in line" // by the committer of their partition
	Beside  Place = "beside"  // in a lane, or many at once
	Control Place = "control" // from the control queue, at once
)

// Handled lists the dispatch table, for a test that compares it with other tables (internal/test/tables).
func Handled() (all []Handling) {
	for _, r := range new(Worker).table() {
		h := Handling{Kind: r.kind, Place: Beside, Ref: r.ref != nil}
		switch {
		case r.verb != nil:
			h.Place = InLine
		case r.beat != nil:
			h.Place = Control
		}
		all = append(all, h)
	}
	return all
}

func inLine(k envelope.CommandKind, v line.Verb, r ref) row { return row{kind: k, verb: v, ref: r} }

func (w *Worker) inLane(k envelope.CommandKind, v lanes.Verb, r ref) row {
	return row{kind: k, ref: r, add: func(ctx context.Context, j line.Job) { w.lanes.Add(ctx, j, v) }}
}

func beside(k envelope.CommandKind, add func(context.Context, line.Job), r ref) row {
	return row{kind: k, add: add, ref: r}
}

func like(k envelope.CommandKind, r row) row {
	r.like = k
	return r
}

// changeRef is what frames about a change refer to.
func changeRef(c *envelope.Command) string { return cmp.Or(c.ErrorRef, c.Ref, c.Change.ID) }

func clientMsgID(c *envelope.Command) string { return c.ClientMsgID }

func label(s string) ref { return func(*envelope.Command) string { return s } }

// dispatch is the table by kind.
type dispatch map[envelope.CommandKind]entry

// entry is a row as it is used.
type entry struct {
	row
	verbAt int // of the row's verb, among the verbs
}

// index makes the table findable, and returns its verbs in their order.
func index(rows []row) (d dispatch, verbs []line.Verb) {
	d = make(dispatch, len(rows))
	for _, r := range rows {
		d[r.kind] = entry{r, len(verbs)}
		switch {
		case r.like != 0:
			d[r.kind] = entry{r, d[r.like].verbAt}
		case r.verb != nil:
			verbs = append(verbs, r.verb)
		}
	}
	return d, verbs
}

// Take accepts one inbound batch. It blocks while the partition's committer, a user's lane or the sockets' station is full: the
// consumer's prefetch bounds what waits behind it. Records that can't be read are quarantined, those of an unknown kind are refused, the
// others go on.
func (w *Worker) Take(b envelope.Batch) {
	t := deliver.NewTicket(b.Ack) // held until all commands hold it
	records, err := envelope.Records(b.Body)
	if err != nil {
		w.line.Quarantine(w.ctx, b.Partition, nil, b.Body, err)
	}
	var writes, others []line.Job
	for _, r := range records {
		c, err := envelope.DecodeCommand(r)
		if err != nil {
			w.line.Quarantine(w.ctx, b.Partition, &c, r, err)
			continue
		}
		w.o.Metrics.Dispatched.Inc()
		j := line.Job{Cmd: c, Ticket: t, Again: b.Redelivered}
		e, known := w.dispatch[c.Kind]
		if e.ref != nil {
			j.Ref = e.ref(&c)
		}
		switch {
		case !known:
			t.Hold()
			w.refuseUnknown(j)
		case e.verb != nil:
			t.Hold()
			j.Verb = e.verbAt
			writes = append(writes, j)
		case e.add != nil:
			t.Hold()
			others = append(others, j)
		}
	}
	if len(writes) > 0 { // first: what only reads may have to wait for its place
		w.line.Add(w.ctx, b.Partition, b.Gen, writes, b.Live)
	}
	for _, j := range others {
		w.dispatch[j.Cmd.Kind].add(w.ctx, j)
	}
	t.Settle()
}

// refuseUnknown answers a command of a kind that this process doesn't know: it came from a gateway of a later release, and a worker of
// that release will know it. Its sender may try again; where a gateway asked by itself, there is nobody to answer.
func (w *Worker) refuseUnknown(j line.Job) {
	w.o.Metrics.Unknown.Inc()
	if last, now := w.unknownAt.Load(), w.o.Now().UnixNano(); now-last >= int64(unknownPause) && w.unknownAt.CompareAndSwap(last, now) {
		w.o.Logger.WarnContext(w.ctx, "refused a command of an unknown kind", "number", uint16(j.Cmd.Kind), "gateway", j.Cmd.Gateway, "user", j.Cmd.User)
	}
	j.Ref = cmp.Or(j.Cmd.ErrorRef, j.Cmd.ClientMsgID, j.Cmd.Ref)
	out := deliver.NewParcels()
	w.line.Refuse(&j, &chat.Error{Kind: chat.Unavailable, Msg: "not every server can do this yet; try again", RetryAfter: unknownRetry}, out)
	out.Answers(j.Ticket)
	w.publisher.Publish(w.ctx, out)
}

const (
	unknownPause = time.Minute // between two log lines about commands of unknown kinds
	unknownRetry = time.Second // after which their senders may try again
)

var errNoBeat = errors.New("not for the control queue")

// Beats handles a batch from the control queue, and returns when it may be acknowledged.
func (w *Worker) Beats(body []byte) {
	records, err := envelope.Records(body)
	for _, r := range records {
		c, derr := envelope.DecodeCommand(r)
		e := w.dispatch[c.Kind]
		if derr != nil || e.beat == nil {
			err = fmt.Errorf("control record of kind %s: %w", c.Kind, cmp.Or(derr, errNoBeat))
			continue
		}
		e.beat(w.ctx, &c)
	}
	if err != nil {
		w.o.Logger.Warn("control queue", "err", err)
	}
}

// Closed notes that a partition's channel is gone.
func (w *Worker) Closed(partition int, gen uint64) { w.line.Closed(w.ctx, partition, gen) }
