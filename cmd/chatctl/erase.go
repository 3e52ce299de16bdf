package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/ops/installation"
	"chat-service/internal/store"
)

// userEraseCmd is `chatctl user erase`.
type userEraseCmd struct {
	Who    string `arg:"" name:"id|name" help:"The user's id, username or email address."`
	Yes    bool   `help:"Confirm."`
	NoWait bool   `help:"Return when the job is there: the workers do it all the same."`
}

// Help shows examples.
func (*userEraseCmd) Help() string {
	return `Shuts the account and empties it at once, and takes back all that its user wrote: a job of the workers, paced, and shown until it is done.
Interrupting the command doesn't interrupt the job; the same command again shows it. It can't be undone.

  chatctl user erase alice --yes`
}

// Run starts the job, and follows it.
func (c *userEraseCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	if !c.Yes {
		return fmt.Errorf("all that user %s wrote will be taken back, and can't be brought back: add --yes to confirm", c.Who)
	}
	var j chat.Job
	err := onUser(ctx, s, c.Who, func(ctx context.Context, db *store.Store, u chat.User) (err error) {
		if j, _, err = db.Jobs.StartErase(ctx, u.ID); err == nil {
			_, err = fmt.Fprintf(io.out, "user %d (%s) is shut; job %d takes back what they wrote\n", u.ID, u.Username, j.ID)
		}
		return err
	})
	if err != nil || c.NoWait {
		return err
	}
	return s.WithStore(ctx, func(ctx context.Context, _ *installation.Installation, db *store.Store) error {
		return follow(ctx, io, j, db.Jobs.Job)
	})
}

// followEvery is the pause between two looks at a job.
const followEvery = 500 * time.Millisecond

// follow shows how far a job is until it is done.
func follow(ctx context.Context, io *streams, j chat.Job, read func(context.Context, chat.JobID) (chat.Job, error)) (err error) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for shown := j; j.State != chat.JobDone; {
		select {
		case <-ctx.Done():
			return errors.New("the job goes on: the same command again shows it")
		case <-tick.C:
		}
		if j, err = read(ctx, j.ID); err != nil {
			return err
		}
		if j.Error != "" && j.Error != shown.Error {
			fmt.Fprintf(io.err, "a step failed, and will be tried again: %s\n", j.Error)
		}
		if j.Done != shown.Done {
			if _, err := fmt.Fprintf(io.out, "%d messages and reactions\n", j.Done); err != nil {
				return err
			}
		}
		shown = j
	}
	_, err = fmt.Fprintf(io.out, "done: %d messages and reactions\n", j.Done)
	return err
}
