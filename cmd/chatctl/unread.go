package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
)

// unreadCmd is `chatctl unread`.
type unreadCmd struct {
	Verify unreadVerifyCmd `cmd:"" help:"Compare unread counts with the messages; exit code 1 where they differ."`
	Repair unreadRepairCmd `cmd:"" help:"Compare, and write what is right."`
}

// unreadVerifyCmd is `chatctl unread verify`.
type unreadVerifyCmd struct {
	Room uint64 `placeholder:"ID" help:"Tell of this room alone; the others are looked at, too, until it has been."`
	JSON bool   `help:"Print JSON."`
}

// Help shows examples.
func (*unreadVerifyCmd) Help() string {
	return `Recounts every room's messages and every member's read count. It works beside the running service and changes nothing.

  chatctl unread verify
  chatctl unread verify --room 42 --json`
}

// Run compares.
func (c *unreadVerifyCmd) Run(ctx context.Context, s *settings, io *streams) error {
	return s.withStore(ctx, func(ctx context.Context, _ *installation, db *store.DB) error {
		if c.Room != 0 {
			if _, err := db.RoomInfo(ctx, chat.RoomID(c.Room)); err != nil {
				return noRoom(err, c.Room)
			}
		}
		found, err := recount(ctx, io, db, chat.RoomID(c.Room), false)
		if err != nil {
			return err
		}
		if err := printDrifts(io, found, c.JSON, false); err != nil {
			return err
		}
		if len(found) > 0 {
			return exitCode(1)
		}
		return nil
	})
}

// unreadRepairCmd is `chatctl unread repair`.
type unreadRepairCmd struct {
	JSON bool `help:"Print JSON."`
}

// Help shows examples.
func (*unreadRepairCmd) Help() string {
	return `Writes the right counts into all rooms that verify would tell of. A room is locked for moments only; the service may run. Clients see the new counts at their next welcome or list of rooms.

  chatctl unread repair`
}

// Run repairs.
func (c *unreadRepairCmd) Run(ctx context.Context, s *settings, io *streams) error {
	return s.withStore(ctx, func(ctx context.Context, _ *installation, db *store.DB) error {
		found, err := recount(ctx, io, db, 0, true)
		if err != nil {
			return err
		}
		return printDrifts(io, found, c.JSON, true)
	})
}

// difference is a count that was wrong; User 0 is the room's own.
type difference struct {
	Room chat.RoomID `json:"room_id"`
	User chat.UserID `json:"user_id,omitempty"`
	Have uint64      `json:"have"`
	Want uint64      `json:"want"`
}

// recount looks at all rooms in ascending order; with only set it keeps that room's differences and stops behind it.
func recount(ctx context.Context, io *streams, db *store.DB, only chat.RoomID, repair bool) (found []difference, err error) {
	rooms, err := db.Totals(ctx)
	if err != nil {
		return nil, err
	}
	io.say("looking at %d rooms and %d messages", rooms.Rooms, rooms.Messages)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	seen := make(chan difference, 64) // VerifyUnread waits when the collector is behind
	var all []difference
	behind := false
	collected := make(chan struct{})
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	go func() {
		defer close(collected)
		for {
			select {
			case <-tick.C:
				io.say("still counting; %d differences so far", len(all))
			case d, ok := <-seen:
				switch {
				case !ok:
					return
				case only == 0 || d.Room == only:
					all = append(all, d)
				case d.Room > only:
					behind = true
					stop()
				}
			}
		}
	}()
	err = db.VerifyUnread(ctx, repair, func(room chat.RoomID, user chat.UserID, have, want uint64) {
		seen <- difference{room, user, have, want}
	})
	close(seen)
	<-collected
	if behind && errors.Is(err, context.Canceled) {
		err = nil
	}
	return all, err
}

func printDrifts(io *streams, found []difference, asJSON, repaired bool) error {
	if asJSON {
		if found == nil {
			found = []difference{}
		}
		return io.printJSON(map[string]any{"differences": found, "repaired": repaired})
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(io.out, "all counts are right")
		return err
	}
	rows := [][]string{{"ROOM", "MEMBER", "COUNT", "RIGHT"}}
	for _, d := range found {
		who := "(the room)"
		if d.User != 0 {
			who = d.User.String()
		}
		rows = append(rows, []string{d.Room.String(), who, strconv.FormatUint(d.Have, 10), strconv.FormatUint(d.Want, 10)})
	}
	if err := io.printRows(rows); err != nil {
		return err
	}
	if repaired {
		_, err := fmt.Fprintf(io.out, "%d counts repaired\n", len(found))
		return err
	}
	_, err := fmt.Fprintf(io.out, "%d counts are wrong: `chatctl unread repair` writes the right ones\n", len(found))
	return err
}
