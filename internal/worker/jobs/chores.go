package jobs

import (
	"context"
	"errors"
	"time"

	"chat-service/internal/chat"
)

// ChoreEvery is the pause between two steps of a job of which clients are told: with choreWork it is how many changes a second a room sees.
const ChoreEvery = 250 * time.Millisecond

const (
	choresAtOnce = 8                // jobs that go on side by side
	choreWork    = 25               // messages that one step recalls, before others of the room's clients have their turn
	choreSilent  = 20               // steps of which no client is told, one after the other
	choreRests   = 8                // calls left out after a look that found nothing
	chorePause   = 10 * time.Second // after a step that failed
)

// DoChores does, at the first among the workers, a step of each open job: so many changes in one room at each call, and no more. A job whose
// step failed waits for a while.
func (f *Fleet) DoChores(ctx context.Context) {
	if !f.Leader() {
		f.idle = 0
		return
	}
	if f.idle > 0 {
		f.idle--
		return
	}
	open, err := f.o.Chores.OpenJobs(ctx, choresAtOnce)
	if err != nil {
		f.o.Logger.WarnContext(ctx, "list open jobs", "err", err)
	}
	if len(open) == 0 {
		f.idle = choreRests
		return
	}
	for _, j := range open {
		if j.Error == "" || f.o.Now().Sub(j.ChangedAt) >= chorePause {
			f.chore(ctx, j)
		}
	}
}

// chore does the next step of a job of which clients are told, or that ends it, and those before it.
func (f *Fleet) chore(ctx context.Context, j chat.Job) {
	for range choreSilent {
		next, told, err := f.o.Chores.StepJob(ctx, j.ID, choreWork)
		switch {
		case ctx.Err() != nil: // the next one begins where the last one ended
			if errors.Is(ctx.Err(), context.DeadlineExceeded) { // else the worker stops
				f.o.Logger.WarnContext(ctx, "a step of a job took too long", "job", j.ID, "kind", j.Kind, "err", err)
			}
			return
		case err != nil:
			f.o.Logger.WarnContext(ctx, "step of a job", "job", j.ID, "kind", j.Kind, "err", err)
			if err := f.o.Chores.JobFailed(ctx, j.ID, chat.As(err).Kind.String()); err != nil {
				f.o.Logger.WarnContext(ctx, "note a failed step", "job", j.ID, "err", err)
			}
			return
		case next.State == chat.JobDone:
			f.o.Logger.InfoContext(ctx, "job done", "job", j.ID, "kind", j.Kind, "user", j.User, "done", next.Done)
			return
		case told > 0:
			return
		}
	}
}
