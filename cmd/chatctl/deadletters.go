package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/ops/installation"
	"chat-service/internal/store/operator"
)

// deadCmd is `chatctl dead`.
type deadCmd struct {
	List deadListCmd `cmd:"" help:"List commands that failed for good, newest first."`
	Show deadShowCmd `cmd:"" help:"Show one command with its content."`
	Drop deadDropCmd `cmd:"" help:"Delete some, or all."`
}

// deadRow is one quarantined command, with its content if that was requested.
type deadRow struct {
	operator.Dead
	Command any    `json:"command,omitempty"` // decoded, if possible
	Payload string `json:"payload,omitempty"` // otherwise as text, or in base64
}

// deadListCmd is `chatctl dead list`.
type deadListCmd struct {
	Limit int  `default:"50" help:"Maximum number shown."`
	JSON  bool `help:"Print JSON."`
}

// Help shows examples.
func (*deadListCmd) Help() string {
	return `Commands that no worker could process are quarantined, so that those behind them are not blocked. Their senders got an error.

  chatctl dead list
  chatctl dead list --limit 500 --json`
}

// Run lists.
func (c *deadListCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	if c.Limit < 1 {
		return errors.New("--limit: must be at least 1")
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	return withDead(s, func(db *operator.Server) error {
		rows, total, err := db.Dead(ctx, c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			return io.printJSON(map[string]any{"total": total, "dead_commands": rows})
		}
		if total == 0 {
			_, err := fmt.Fprintln(io.out, "no dead commands")
			return err
		}
		table := [][]string{{"ID", "WHEN", "KIND", "PARTITION", "USER", "ROOM", "BYTES", "REASON"}}
		for _, r := range rows {
			table = append(table, []string{
				strconv.FormatUint(r.ID, 10), timeText(r.CreatedAt), r.Kind, strconv.Itoa(r.Partition),
				r.User.String(), r.Room.String(), strconv.Itoa(r.Bytes), oneLine(r.Reason, 100),
			})
		}
		if err := io.printRows(table); err != nil {
			return err
		}
		if total > int64(len(rows)) {
			io.say("%d of %d shown; use --limit to show more", len(rows), total)
		}
		return nil
	})
}

// oneLine cuts a text to n characters of one line.
func oneLine(text string, n int) string {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) > n {
		text = string([]rune(text)[:n-1]) + "…"
	}
	return text
}

// deadShowCmd is `chatctl dead show`.
type deadShowCmd struct {
	ID uint64 `arg:"" help:"The command's id, from chatctl dead list."`
}

// Help shows examples.
func (*deadShowCmd) Help() string {
	return `Prints one command as JSON, decoded if possible. It may contain what a user wrote.

  chatctl dead show 3`
}

// Run shows one.
func (c *deadShowCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	return withDead(s, func(db *operator.Server) error {
		dead, payload, err := db.DeadCommand(ctx, c.ID)
		if chat.KindOf(err) == chat.NotFound {
			return fmt.Errorf("there is no dead command %d: chatctl dead list lists those that exist", c.ID)
		}
		if err != nil {
			return err
		}
		row := deadRow{Dead: dead}
		row.content(payload)
		return io.printJSON(row)
	})
}

// content decodes a payload: a command, a text, or bytes.
func (r *deadRow) content(payload []byte) {
	if c, err := envelope.DecodeCommand(payload); err == nil && r.Kind != "outbox" {
		r.Command = c
		return
	}
	if utf8.Valid(payload) {
		r.Payload = string(payload)
		return
	}
	r.Payload = base64.StdEncoding.EncodeToString(payload)
}

// deadDropCmd is `chatctl dead drop`.
type deadDropCmd struct {
	IDs []uint64 `arg:"" optional:"" name:"id" help:"Ids, from chatctl dead list."`
	All bool     `help:"Delete all that exist now; needs --yes."`
	Yes bool     `help:"Confirm --all."`
}

// Help shows examples.
func (*deadDropCmd) Help() string {
	return `Deletes commands that have been dealt with. They can't be restored.

  chatctl dead drop 3 4
  chatctl dead drop --all --yes`
}

// Run drops.
func (c *deadDropCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	switch {
	case c.All && len(c.IDs) > 0:
		return errors.New("name ids or --all, not both")
	case !c.All && len(c.IDs) == 0:
		return errors.New("give the ids to delete (chatctl dead list shows them), or --all")
	case c.All && !c.Yes:
		return errors.New("this deletes all dead commands for good: add --yes to confirm")
	}
	return withDead(s, func(db *operator.Server) error {
		n, err := db.DropDead(ctx, c.IDs)
		if err != nil {
			return err
		}
		if !c.All && n < int64(len(c.IDs)) {
			io.say("%d of the ids do not exist", int64(len(c.IDs))-n)
		}
		_, err = fmt.Fprintf(io.out, "%d deleted\n", n)
		return err
	})
}

// withDead runs fn on the database and explains what goes wrong.
func withDead(s *installation.Settings, fn func(c *operator.Server) error) error {
	in, err := s.Find(os.Environ())
	if err != nil {
		return err
	}
	return in.Explain(in.WithConsole(fn))
}
