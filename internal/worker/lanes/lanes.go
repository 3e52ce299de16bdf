package worker

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// lane answers one share of the users' reads one by one, each user's in order.
type lane struct {
	w *Worker
	*station
}

func newLane(w *Worker) *lane {
	l := &lane{w: w}
	l.station = &station{w: w, in: make(chan job, 256), most: 1, count: one, step: l.answer}
	return l
}

// share deals a key to one of some stations.
func share[S any](among []S, key uint64) S { return among[chat.PartitionOf(key, len(among))] }

func (l *lane) answer(ctx context.Context, jobs []job, out *parcels) int {
	if err := l.handle(ctx, &jobs[0], out); err != nil && !jobs[0].cmd.Repair {
		l.w.refuse(ctx, &jobs[0], err, out)
	}
	return 1
}

func (l *lane) handle(ctx context.Context, j *job, out *parcels) error {
	switch j.cmd.Kind {
	case envelope.Show:
		return l.show(ctx, &j.cmd, out)
	case envelope.Join:
		return l.join(ctx, &j.cmd, out)
	case envelope.Watch:
		return l.watch(ctx, &j.cmd, out)
	case envelope.Typing:
		return l.typing(ctx, &j.cmd)
	case envelope.Attach:
		l.mend(ctx, j, out)
	}
	return nil
}
