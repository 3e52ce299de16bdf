package worker

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/catchup"
)

// Batch is one inbound AMQP message of a partition, held until Ack.
type Batch struct {
	Partition   int
	Gen         uint64 // incarnation of the partition's channel
	Body        []byte
	Redelivered bool
	Ack         func()
	Live        func() bool // false: the channel is gone, and Ack would do nothing
}

// place says where a kind of command is handled.
type place uint8

const (
	inLine  place = iota + 1 // the committer of the partition, in order
	inLane                   // the lane of the user, in his order
	atSync                   // with other clients' syncs
	atDoor                   // with other sockets that come and go
	control                  // at once
)

// route is the table to read first: kind → where it is handled. The handlers are committer.step (writes) and
// lane.handle (reads), Worker.sync, door.pass (sockets).
func route(k envelope.CommandKind) place {
	switch k {
	case envelope.Send, envelope.Read, envelope.Attach, envelope.Detach:
		return inLine
	case envelope.Connect, envelope.Disconnect, envelope.Assert:
		return atDoor
	case envelope.Sync:
		return atSync
	case envelope.Watch, envelope.Show, envelope.Join, envelope.Typing:
		return inLane
	case envelope.Beat:
		return control
	default:
		return 0
	}
}

// job is one command with the batch it came in.
type job struct {
	cmd    envelope.Command
	ticket *ticket
	again  bool // redelivered: it may be committed already
	late   bool // at the door for the second time

	head  chat.Seq // a repair's upper end: the room's announced head when it was asked for
	epoch uint64
}

// ticket acknowledges an inbound batch after the last of its commands is settled.
type ticket struct {
	left atomic.Int32
	ack  func()
}

// hold makes a ticket wait for one more settle.
func (t *ticket) hold() {
	if t != nil {
		t.left.Add(1)
	}
}

func (t *ticket) settle() {
	if t != nil && t.left.Add(-1) == 0 {
		t.ack()
	}
}

// Take accepts one inbound batch. It blocks while the partition's committer, a user's lane or the door is full: the consumer's
// prefetch bounds what waits behind it. A sync that finds no place is put off. Records that can't be read are quarantined, the others go on.
func (w *Worker) Take(b Batch) {
	t := &ticket{ack: b.Ack}
	records, err := envelope.Records(b.Body)
	if err != nil {
		w.quarantine(b.Partition, nil, b.Body, err)
	}
	jobs := make([]job, 0, len(records))
	for _, r := range records {
		c, err := envelope.DecodeCommand(r)
		if err == nil && route(c.Kind) == 0 {
			err = fmt.Errorf("command kind %d is not known here", c.Kind)
		}
		if err != nil {
			w.quarantine(b.Partition, &c, r, err)
			continue
		}
		jobs = append(jobs, job{cmd: c, ticket: t, again: b.Redelivered})
	}
	w.o.Metrics.Dispatched.Add(float64(len(jobs)))
	if len(jobs) == 0 {
		b.Ack()
		return
	}
	t.left.Store(int32(len(jobs)))
	var writes []job
	for _, j := range jobs {
		if route(j.cmd.Kind) == inLine {
			writes = append(writes, j)
		}
	}
	if len(writes) > 0 { // first: what only reads may have to wait for its place
		w.committer(b.Partition).add(w.ctx, work{partition: b.Partition, gen: b.Gen, jobs: writes, live: b.Live})
	}
	for _, j := range jobs {
		switch route(j.cmd.Kind) {
		case inLane:
			share(w.lanes, uint64(j.cmd.User)).add(w.ctx, j)
		case atSync:
			if !share(w.syncers, uint64(j.cmd.User)).offer(j) {
				w.putOff(&j)
			}
		case atDoor:
			w.door.add(w.ctx, j)
		case control:
			t.settle()
		}
	}
}

// putOff asks a client to come again: whoever wants much must not keep others' messages waiting behind it.
func (w *Worker) putOff(j *job) {
	out := newParcels()
	if d, ok := errorTo(&j.cmd, &chat.Error{Kind: chat.Unavailable, Msg: "many catch up just now; ask again", RetryAfter: time.Second}); ok {
		out.gateway(j.cmd.Gateway, d)
	}
	w.o.Metrics.Refused.WithLabelValues(chat.Unavailable.String()).Inc()
	w.publish(w.ctx, out, j.ticket.settle)
}

// Beats handles a batch from the control queue, and returns when it may be acknowledged.
func (w *Worker) Beats(body []byte) {
	records, err := envelope.Records(body)
	for _, r := range records {
		c, derr := envelope.DecodeCommand(r)
		if derr != nil || c.Kind != envelope.Beat {
			err = fmt.Errorf("control record: %w", derr)
			continue
		}
		w.beat(c.Gateway)
	}
	if err != nil {
		w.o.Logger.Warn("control queue", "err", err)
	}
}

// beat holds a heartbeat for a while where Redis can't be told: other workers, who may reach it, take the next ones.
func (w *Worker) beat(g chat.GatewayID) {
	ctx, cancel := context.WithTimeout(w.ctx, w.o.Lease/3)
	defer cancel()
	for w.o.Leases.BeatGateway(ctx, g, w.o.Lease) != nil {
		w.o.Metrics.StateErrors.Inc()
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Closed tells that a partition's channel is gone: what the committer knew of its rooms may be outdated from now on.
func (w *Worker) Closed(partition int, gen uint64) {
	w.committer(partition).add(w.ctx, work{partition: partition, gen: gen, closed: true})
}

// quarantine puts away what can't be handled, so that it neither blocks its neighbours nor vanishes.
func (w *Worker) quarantine(partition int, c *envelope.Command, raw []byte, why error) {
	d := chat.DeadCommand{Partition: partition, Payload: raw, Reason: why.Error()}
	if c != nil {
		d.Kind, d.User, d.Room = fmt.Sprint(c.Kind), c.User, c.Room
	}
	ctx, cancel := context.WithTimeout(w.ctx, w.o.Patience)
	defer cancel()
	w.o.Metrics.Quarantined.Inc()
	if err := w.o.Fleet.Quarantine(ctx, d); err != nil {
		w.o.Logger.Error("quarantine", "partition", partition, "reason", why, "err", err)
		return
	}
	w.o.Logger.Warn("quarantined a command", "partition", partition, "kind", d.Kind, "user", d.User, "reason", why)
}

// refLabel is what an `error` frame about the command refers to.
func refLabel(c *envelope.Command) string {
	switch c.Kind {
	case envelope.Send:
		return c.ClientMsgID
	case envelope.Read:
		return "read"
	case envelope.Join:
		return "join_room"
	case envelope.Sync:
		return catchup.Ref(c)
	case envelope.Watch:
		return "presence"
	case envelope.Typing:
		return "typing"
	default:
		return ""
	}
}
