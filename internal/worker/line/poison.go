package line

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/deliver"
)

// maxTries is how often a command that makes its handler panic is run before it is set aside.
const maxTries = 5

// singly runs every command of works alone. One that panics maxTries times is set aside, and its sender gets a final error.
func (c *Committer) singly(ctx context.Context, works []work) {
	for _, x := range works {
		for _, j := range x.jobs {
			j.Again = true
			one := work{partition: x.partition, gen: x.gen, jobs: []Job{j}}
			for try := 1; !c.survives(ctx, one); try++ {
				if try == maxTries {
					c.setAside(ctx, x.partition, j)
					break
				}
			}
		}
	}
}

func (c *Committer) survives(ctx context.Context, x work) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			c.l.o.Metrics.Panics.Inc()
			ok = false
		}
	}()
	c.step(ctx, []work{x})
	return true
}

func (c *Committer) setAside(ctx context.Context, partition int, j Job) {
	c.l.Quarantine(ctx, partition, &j.Cmd, j.Cmd.Append(nil), chat.E(chat.Internal, "handler panicked"))
	out := deliver.NewParcels()
	c.l.Refuse(&j, chat.E(chat.Invalid, "the server can't handle this message; it was set aside for its operator"), out)
	out.Answers(j.Ticket)
	c.l.o.Publisher.Publish(ctx, out)
}

// Quarantine keeps a command that can't be handled (cmd is nil where it can't even be read), so that it neither blocks its neighbours
// nor vanishes.
func (l *Line) Quarantine(ctx context.Context, partition int, cmd *envelope.Command, raw []byte, why error) {
	d := chat.DeadCommand{Partition: partition, Payload: raw, Reason: why.Error()}
	if cmd != nil {
		d.Kind, d.User, d.Room = cmd.Kind.String(), cmd.User, cmd.Room
	}
	ctx, cancel := context.WithTimeout(ctx, l.o.Patience)
	defer cancel()
	l.o.Metrics.Quarantined.Inc()
	if err := l.o.Log.Quarantine(ctx, d); err != nil {
		l.o.Logger.ErrorContext(ctx, "quarantine", "partition", partition, "reason", why, "err", err)
		return
	}
	l.o.Logger.WarnContext(ctx, "quarantined a command", "partition", partition, "kind", d.Kind, "user", d.User, "reason", why)
}
