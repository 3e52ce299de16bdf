package worker

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/line"
)

// door lets sockets in and out, many at a time.
type door struct {
	w *Worker
	*station
}

const doorJobs = 128 // handled together at most

func newDoor(w *Worker) *door {
	d := &door{w: w}
	d.station = &station{w: w, in: make(chan job, 1024), most: doorJobs, count: one, step: d.pass}
	d.rest = func(took time.Duration, _ int) time.Duration { return line.LongRest(took) }
	return d
}

// pass lets go first who came before, then lets in, then lets go who only came now.
func (d *door) pass(ctx context.Context, jobs []job, out *parcels) int {
	type place struct {
		gateway chat.GatewayID
		socket  chat.SocketID
	}
	came := map[place]bool{}
	var in []*job
	for i := range jobs {
		if c := &jobs[i].cmd; c.Kind != envelope.Disconnect {
			came[place{c.Gateway, c.Socket}] = true
			in = append(in, &jobs[i])
		}
	}
	var before, after []farewell
	for i := range jobs {
		c := &jobs[i].cmd
		switch {
		case c.Kind != envelope.Disconnect:
		case came[place{c.Gateway, c.Socket}]:
			after = append(after, farewell{c.User, c.Gateway, c.Socket})
		default:
			before = append(before, farewell{c.User, c.Gateway, c.Socket})
		}
	}
	d.letGo(ctx, before)
	d.letIn(ctx, in, out)
	d.letGo(ctx, after)
	return len(jobs)
}

// secondLook is how long a login session's end of a socket may be behind another's connect, which comes by another partition.
const secondLook = 500 * time.Millisecond

// lookAgain brings a job back after a while; its ticket, which this step settles, is settled then.
func (d *door) lookAgain(j job) {
	j.late = true
	j.ticket.hold()
	d.w.worked.Go(func() {
		select {
		case <-d.w.ctx.Done():
		case <-time.After(secondLook):
			d.add(d.w.ctx, j)
		}
	})
}

// letGo takes sockets out of the registry, now or when Redis is back.
func (d *door) letGo(ctx context.Context, fs []farewell) {
	if len(fs) == 0 || d.w.farewell(ctx, fs) == nil {
		return
	}
	for _, f := range fs {
		d.w.farewells.Add(f)
	}
	d.w.reassert.Store(true)
}
