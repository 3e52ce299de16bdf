package hooks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
)

// attemptsCmd is `chatctl webhook attempts`.
type attemptsCmd struct {
	ID     uint64 `arg:"" help:"The endpoint's id."`
	Event  string `placeholder:"ID" help:"Only of this event, by its webhook-id."`
	Failed bool   `help:"Only those that weren't accepted."`
	Before uint64 `placeholder:"ID" help:"Only attempts with a lower id: how to page on."`
	Limit  int    `default:"50" help:"Maximum number shown."`
	JSON   bool   `help:"Print JSON."`
}

// Help shows examples.
func (*attemptsCmd) Help() string {
	return "Newest first. Old attempts are deleted after a week.\n\n  chatctl webhook attempts 3 --failed\n  chatctl webhook attempts 3 --event msg_7_1_3_0 --json"
}

// Attempt is an attempt as JSON.
type Attempt struct {
	ID      uint64           `json:"id"`
	At      time.Time        `json:"at"`
	Event   string           `json:"event"`
	Type    chat.WebhookKind `json:"type"`
	Room    chat.RoomID      `json:"room_id,omitempty"`
	Seq     chat.Seq         `json:"seq,omitempty"`
	Change  chat.ChangeSeq   `json:"change_seq,omitempty"`
	Try     int              `json:"try"`
	Status  int              `json:"status,omitempty"`
	TookMS  int64            `json:"took_ms"`
	Refusal string           `json:"refusal,omitempty"`
}

// Run lists.
func (c *attemptsCmd) Run(ctx context.Context, d *Desk) error {
	if c.Limit < 1 {
		return errors.New("--limit: must be at least 1")
	}
	return d.Look(ctx, func(ctx context.Context, db *store.Store) error {
		as, err := db.Webhooks.WebhookAttempts(ctx, chat.AttemptQuery{
			Webhook: chat.WebhookID(c.ID), Before: c.Before, Event: c.Event, Failed: c.Failed, Limit: c.Limit,
		})
		if err != nil {
			return noWebhook(err, c.ID)
		}
		views := make([]Attempt, len(as))
		rows := [][]string{{"ID", "TIME", "EVENT", "TYPE", "TRY", "ANSWER", "TOOK", "WHY NOT"}}
		for i, a := range as {
			views[i] = Attempt{a.ID, a.At, a.Event, a.Kind, a.Room, a.Seq, a.Change, a.Try, a.Status, a.Took.Milliseconds(), a.Refusal}
			answer := "none"
			if a.Status != 0 {
				answer = strconv.Itoa(a.Status)
			}
			rows = append(rows, []string{
				strconv.FormatUint(a.ID, 10), moment(a.At), a.Event, string(a.Kind), strconv.Itoa(a.Try), answer,
				a.Took.Round(time.Millisecond).String(), line(a.Refusal, 80),
			})
		}
		if c.JSON {
			return d.JSON(map[string]any{"attempts": views})
		}
		return d.Rows(rows)
	})
}

// replayCmd is `chatctl webhook replay`.
type replayCmd struct {
	ID    uint64        `arg:"" help:"The endpoint's id."`
	Event string        `placeholder:"ID" help:"From this event on, in its room: its webhook-id."`
	Since time.Duration `placeholder:"TIME" help:"What happened in this last time, such as 24h, in all rooms."`
}

// Help shows examples.
func (*replayCmd) Help() string {
	return `The endpoint is told again, in order, with the texts as they are now. It tells repeats by their place in the room, or by webhook-id.

  chatctl webhook replay 3 --event msg_7_1_3_0
  chatctl webhook replay 3 --since 24h`
}

// replayRooms is how many rooms are looked at in one transaction.
const replayRooms = 500

// Run sets the endpoint back, so many rooms at a time.
func (c *replayCmd) Run(ctx context.Context, d *Desk) error {
	r := chat.WebhookReplay{Event: c.Event, Limit: replayRooms}
	switch {
	case (c.Event == "") == (c.Since == 0):
		return errors.New("from where? give --event ID or --since TIME")
	case c.Since < 0:
		return errors.New("--since: must not be negative")
	case c.Since > 0:
		r.Since = time.Now().Add(-c.Since)
	}
	total := 0
	for {
		err := d.Act(ctx, func(ctx context.Context, db *store.Store) error {
			for range 20 { // then with a new deadline
				n, next, err := db.Webhooks.ReplayWebhook(ctx, chat.WebhookID(c.ID), r)
				switch {
				case err != nil && c.Event != "" && chat.KindOf(err) != chat.Unavailable:
					return fmt.Errorf("webhook %d, event %q: %s", c.ID, line(c.Event, 100), chat.As(err).Msg)
				case err != nil:
					return noWebhook(err, c.ID)
				}
				total, r.After = total+n, next
				if next == 0 {
					return nil
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if r.After == 0 {
			_, err = fmt.Fprintf(d.Out, "webhook %d is told again what happened in %d rooms\n", c.ID, total)
			return err
		}
		_, _ = fmt.Fprintf(d.Err, "%d rooms so far\n", total)
	}
}
