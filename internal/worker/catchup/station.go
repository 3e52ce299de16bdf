package worker

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/catchup"
)

const (
	syncers    = 2   // stations for syncs; a user belongs to one
	syncPoints = 256 // rooms looked up together at most
	syncRest   = 50 * time.Millisecond
)

// newSyncer makes a station where syncs wait for each other, but for one that comes alone.
func newSyncer(w *Worker) *station {
	return &station{
		w: w, in: make(chan job, 256), most: syncPoints, count: func(j *job) int { return max(len(j.cmd.Points), 1) }, step: w.sync,
		rest: func(_ time.Duration, jobs int) time.Duration { return syncRest * time.Duration(min(jobs-1, 1)) },
	}
}

// sync answers the first of jobs that go together.
func (w *Worker) sync(ctx context.Context, jobs []job, out *parcels) int {
	if !w.mayAsk(&jobs[0]) {
		w.refuse(ctx, &jobs[0], chat.BadField("rooms", "at most %d rooms at a time", w.o.MaxSyncRooms), out)
		return 1
	}
	var cmds []*envelope.Command
	for i := 0; i < len(jobs) && w.mayAsk(&jobs[i]); i++ {
		cmds = append(cmds, &jobs[i].cmd)
	}
	n, err := catchup.Answer(ctx, w.o.Recovery, cmds, func(c *envelope.Command, frame []byte) {
		out.gateway(c.Gateway, &envelope.Delivery{Kind: envelope.ToSocket, Gateway: c.Gateway, Socket: c.Socket, Frame: frame})
	})
	for i := 0; i < n && err != nil; i++ {
		w.refuse(ctx, &jobs[i], err, out)
	}
	return n
}

func (w *Worker) mayAsk(j *job) bool {
	return w.o.MaxSyncRooms <= 0 || len(j.cmd.Points) <= w.o.MaxSyncRooms
}
