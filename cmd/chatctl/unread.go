package main

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/ops/installation"
	"chat-service/internal/store"
	"chat-service/internal/store/operator"
)

// unreadCmd is `chatctl unread`.
type unreadCmd struct {
	Verify unreadVerifyCmd `cmd:"" help:"Compare unread counts with the messages; exit code 1 if any differ."`
	Repair unreadRepairCmd `cmd:"" help:"Recompute and correct unread counts."`
}

// unreadVerifyCmd is `chatctl unread verify`.
type unreadVerifyCmd struct {
	recountFlags `embed:""`
}

// recountFlags are the flags of both commands.
type recountFlags struct {
	Room uint64 `placeholder:"ID" help:"Only this room."`
	JSON bool   `help:"Print JSON."`
}

// Help shows examples.
func (*unreadVerifyCmd) Help() string {
	return `Recounts every room's messages and every member's read count. The service may be running. Nothing is changed.

  chatctl unread verify
  chatctl unread verify --room 42 --json`
}

// Run compares.
func (c *unreadVerifyCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	return s.WithStore(ctx, func(ctx context.Context, _ *installation.Installation, db *store.Store) error {
		found, err := c.recount(ctx, io, db, false)
		if err != nil {
			return err
		}
		if err := printDrifts(io, found, c.JSON, false); err != nil {
			return err
		}
		if len(found) > 0 {
			return exitError(1)
		}
		return nil
	})
}

// unreadRepairCmd is `chatctl unread repair`.
type unreadRepairCmd struct {
	recountFlags `embed:""`
}

// Help shows examples.
func (*unreadRepairCmd) Help() string {
	return `Corrects the counts of all rooms that verify would report. The service may be running: a room is locked only briefly. Clients see the new counts in their next welcome or list of rooms.

  chatctl unread repair
  chatctl unread repair --room 42`
}

// Run repairs.
func (c *unreadRepairCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	return s.WithStore(ctx, func(ctx context.Context, _ *installation.Installation, db *store.Store) error {
		found, err := c.recount(ctx, io, db, true)
		if err != nil {
			return err
		}
		return printDrifts(io, found, c.JSON, true)
	})
}

// difference is a wrong count; User 0 means the room's own count of messages, or of those that were recalled.
type difference struct {
	Room chat.RoomID `json:"room_id"`
	User chat.UserID `json:"user_id,omitempty"`
	Have uint64      `json:"have"`
	Want uint64      `json:"want"`

	Recalled bool `json:"recalled,omitempty"`
}

// recount checks one room or all, in ascending order.
func (f recountFlags) recount(ctx context.Context, io *streams, db *store.Store, repair bool) (found []difference, err error) {
	if f.Room != 0 {
		drifts, err := db.Operator.VerifyRoom(ctx, chat.RoomID(f.Room), repair)
		for _, w := range drifts {
			found = append(found, difference(w))
		}
		return found, noRoom(err, f.Room)
	}
	rooms, err := db.Operator.Totals(ctx)
	if err != nil {
		return nil, err
	}
	io.say("checking %d rooms and %d messages", rooms.Rooms, rooms.Messages)
	var n atomic.Int64 // of found, for progress, which runs in another goroutine
	progress := func(time.Duration) string { return fmt.Sprintf("still counting; %d differences so far", n.Load()) }
	err = io.withProgress(2*time.Second, progress, func() error {
		return db.Operator.VerifyUnread(ctx, repair, func(w operator.Drift) {
			found = append(found, difference(w))
			n.Add(1)
		})
	})
	return found, err
}

func printDrifts(io *streams, found []difference, asJSON, repaired bool) error {
	if asJSON {
		if found == nil {
			found = []difference{}
		}
		return io.printJSON(map[string]any{"differences": found, "repaired": repaired})
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(io.out, "all counts are correct")
		return err
	}
	rows := [][]string{{"ROOM", "MEMBER", "COUNT", "CORRECT"}}
	for _, d := range found {
		who := "(the room)"
		switch {
		case d.User != 0:
			who = d.User.String()
		case d.Recalled:
			who = "(recalled)"
		}
		rows = append(rows, []string{d.Room.String(), who, strconv.FormatUint(d.Have, 10), strconv.FormatUint(d.Want, 10)})
	}
	if err := io.printRows(rows); err != nil {
		return err
	}
	if repaired {
		_, err := fmt.Fprintf(io.out, "%d counts corrected\n", len(found))
		return err
	}
	_, err := fmt.Fprintf(io.out, "%d counts are wrong: `chatctl unread repair` corrects them\n", len(found))
	return err
}
