package main

import (
	"context"
	"errors"
	"fmt"

	"chat-service/internal/chat"
	"chat-service/internal/ops/installation"
	"chat-service/internal/ops/spread"
	"chat-service/internal/store"
)

// epochCmd is `chatctl epoch`.
type epochCmd struct {
	Bump epochBumpCmd `cmd:"" help:"Raise the epoch of all rooms, or of one: for use after a restore."`
}

// epochBumpCmd is `chatctl epoch bump`.
type epochBumpCmd struct {
	Room uint64 `placeholder:"ID" help:"Only this room."`
	Yes  bool   `help:"Confirm."`
}

// Help shows examples.
func (*epochBumpCmd) Help() string {
	return `After MySQL was restored from an older backup, clients know seqs that no longer exist. A raised epoch makes them reload their rooms. Do it while gateways, workers and api are stopped (docs/operations.md, "Backup and restore").

  chatctl epoch bump --yes
  chatctl epoch bump --room 42 --yes`
}

// Run raises the epoch.
func (c *epochBumpCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	what := "all rooms"
	if c.Room != 0 {
		what = fmt.Sprintf("room %d", c.Room)
	}
	if !c.Yes {
		return errors.New("every client will reload " + what + ": add --yes to confirm")
	}
	return s.WithStore(ctx, func(ctx context.Context, _ *installation.Installation, db *store.Store) error {
		boots, err := db.Operator.Workers(ctx, spread.DeadAfter)
		if err != nil {
			return err
		}
		if err := db.Operator.BumpEpoch(ctx, chat.RoomID(c.Room)); err != nil {
			return noRoom(err, c.Room)
		}
		if len(boots) > 0 {
			io.say("warning: %d workers are running: restart gateways and workers, so that none of them keeps the old epoch", len(boots))
		}
		if c.Room == 0 {
			_, err = fmt.Fprintln(io.out, "the epoch of all rooms was raised by one")
			return err
		}
		info, err := db.Operator.RoomInfo(ctx, chat.RoomID(c.Room))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(io.out, "the epoch of room %d is now %d\n", c.Room, info.Room.Epoch)
		return err
	})
}
