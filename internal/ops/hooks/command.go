package hooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/webhook"
)

// Command is `chatctl webhook`.
type Command struct {
	List     listCmd     `cmd:"" help:"List the endpoints that are told of events, and how they do."`
	Create   createCmd   `cmd:"" help:"Make an endpoint and print its secret, once."`
	Secret   secretCmd   `cmd:"" help:"Replace an endpoint's secret and print the new one, once."`
	Disable  disableCmd  `cmd:"" help:"Post nothing to an endpoint until it is enabled; what happens meanwhile waits."`
	Enable   enableCmd   `cmd:"" help:"Enable an endpoint that was disabled, by whomever."`
	Attempts attemptsCmd `cmd:"" help:"List what was posted to an endpoint lately, and how it was answered."`
	Replay   replayCmd   `cmd:"" help:"Tell an endpoint once more."`
	Delete   deleteCmd   `cmd:"" help:"Delete an endpoint, what waits for it and its attempts."`
}

// maxName is the length of an endpoint's name in characters.
const maxName = 64

// noWebhook says which endpoint isn't there.
func noWebhook(err error, id uint64) error {
	if chat.KindOf(err) == chat.NotFound {
		return fmt.Errorf("no webhook has the id %d: see chatctl webhook list", id)
	}
	return err
}

// change changes an endpoint and says what was done.
func change(ctx context.Context, d *Desk, id uint64, p chat.WebhookPatch, done string) error {
	return d.Act(ctx, func(ctx context.Context, db *store.Store) error {
		w, err := db.Webhooks.UpdateWebhook(ctx, chat.WebhookID(id), p)
		if err != nil {
			return noWebhook(err, id)
		}
		_, err = fmt.Fprintf(d.Out, "webhook %d (%s) %s\n", w.ID, line(w.URL, 80), done)
		return err
	})
}

// listCmd is `chatctl webhook list`.
type listCmd struct {
	JSON bool `help:"Print JSON."`
}

// Help shows an example.
func (*listCmd) Help() string {
	return "WAITING is in how many rooms something waits for the next try.\n\n  chatctl webhook list --json"
}

// View is what an operator sees of an endpoint.
type View struct {
	ID           chat.WebhookID     `json:"id"`
	Name         string             `json:"name,omitempty"`
	URL          string             `json:"url"`
	Events       []chat.WebhookKind `json:"events"`
	AllowPrivate bool               `json:"allow_private"`
	Enabled      bool               `json:"enabled"`
	DisabledAt   time.Time          `json:"disabled_at,omitzero"`
	DisabledWhy  string             `json:"disabled_why,omitempty"`
	FailingSince time.Time          `json:"failing_since,omitzero"`
	Waiting      int                `json:"waiting_rooms"`
	OldUntil     time.Time          `json:"old_secret_until,omitzero"`
	CreatedBy    string             `json:"created_by"`
	CreatedAt    time.Time          `json:"created_at"`
}

// state says how an endpoint does, in a few words.
func (v View) state() string {
	switch {
	case !v.Enabled:
		return "disabled: " + line(v.DisabledWhy, 60)
	case !v.FailingSince.IsZero():
		return "failing since " + moment(v.FailingSince)
	}
	return "well"
}

// Run lists.
func (c *listCmd) Run(ctx context.Context, d *Desk) error {
	return d.Look(ctx, func(ctx context.Context, db *store.Store) error {
		all, err := views(ctx, db)
		if err != nil {
			return err
		}
		if c.JSON {
			return d.JSON(map[string]any{"webhooks": all})
		}
		rows := [][]string{{"ID", "NAME", "URL", "EVENTS", "STATE", "WAITING", "CREATED"}}
		for _, v := range all {
			events := "all"
			if len(v.Events) > 0 {
				events = strings.Trim(strings.ReplaceAll(fmt.Sprint(v.Events), " ", ","), "[]")
			}
			rows = append(rows, []string{
				strconv.FormatUint(uint64(v.ID), 10), line(v.Name, maxName), line(v.URL, 80), events, v.state(),
				strconv.Itoa(v.Waiting), moment(v.CreatedAt),
			})
		}
		return d.Rows(rows)
	})
}

// views reads all endpoints, and what waits for them.
func views(ctx context.Context, db *store.Store) ([]View, error) {
	ws, err := db.Webhooks.Webhooks(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]chat.WebhookID, len(ws))
	for i, w := range ws {
		ids[i] = w.ID
	}
	burdens, err := db.Webhooks.WebhookBurdens(ctx, ids)
	if err != nil {
		return nil, err
	}
	views := make([]View, len(ws))
	for i, w := range ws {
		views[i] = View{
			ID: w.ID, Name: w.Name, URL: w.URL, Events: append([]chat.WebhookKind{}, w.Kinds...), AllowPrivate: w.AllowPrivate, Enabled: w.DisabledAt.IsZero(),
			DisabledAt: w.DisabledAt, DisabledWhy: w.DisabledWhy, FailingSince: w.FailingSince, CreatedBy: w.CreatedBy, CreatedAt: w.CreatedAt,
		}
		if time.Now().Before(w.PreviousUntil) {
			views[i].OldUntil = w.PreviousUntil
		}
		for _, b := range burdens {
			if b.Webhook == w.ID {
				views[i].Waiting = b.Rooms
			}
		}
	}
	return views, nil
}

// createCmd is `chatctl webhook create`.
type createCmd struct {
	URL          string   `required:"" name:"url" help:"The endpoint's address: https://…"`
	Name         string   `help:"What it is for, for people to read."`
	Event        []string `placeholder:"EVENT" help:"What it is told of. Left out: everything, and what later releases add."`
	AllowPrivate bool     `help:"It may be at a private address, and have http://, in the networks of webhooks.allow_private."`
}

// Help lists the events and shows an example.
func (*createCmd) Help() string {
	var b strings.Builder
	b.WriteString("The endpoint is told of what happens from now on. Its secret, by which it verifies what is posted, is printed once.\n\n")
	for _, k := range chat.WebhookKinds() {
		fmt.Fprintf(&b, "  %-18s %s\n", k.Kind, k.Doc)
	}
	b.WriteString("\n  chatctl webhook create --url https://app.example.com/hooks --event message.sent,message.edited,message.recalled")
	return b.String()
}

// webhook checks the flags.
func (c *createCmd) webhook(networks webhook.Networks) (w chat.Webhook, err error) {
	endpoints := webhook.Endpoints{Private: networks}
	w = chat.Webhook{Name: strings.TrimSpace(c.Name), URL: c.URL, AllowPrivate: c.AllowPrivate, Secret: endpoints.NewSecret()}
	if err := chat.CheckLine("name", w.Name, 0, maxName); err != nil {
		return w, errors.New("--" + chat.As(err).Msg)
	}
	for _, e := range c.Event {
		kind := chat.WebhookKind(strings.TrimSpace(e))
		if !kind.Known() {
			return w, fmt.Errorf("--event: there is no event %q: see chatctl webhook create --help", e)
		}
		if !slices.Contains(w.Kinds, kind) {
			w.Kinds = append(w.Kinds, kind)
		}
	}
	if err := endpoints.Check(w.URL, w.AllowPrivate); err != nil {
		return w, fmt.Errorf("--%s", strings.Replace(chat.As(err).Msg, "allow_private:", "allow-private:", 1))
	}
	return w, nil
}

// Run makes the endpoint. Only the secret goes to standard output, so that it can be put into a file.
func (c *createCmd) Run(ctx context.Context, d *Desk) error {
	networks, err := d.Networks()
	if err != nil {
		return err
	}
	w, err := c.webhook(networks)
	if err != nil {
		return err
	}
	return d.Act(ctx, func(ctx context.Context, db *store.Store) error {
		if w, err = db.Webhooks.CreateWebhook(ctx, w); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(d.Out, chat.WebhookSecretText(w.Secret)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(d.Err, "webhook %d (%s) is made: keep its secret, it can't be shown again\n", w.ID, line(w.URL, 80))
		return err
	})
}

// secretCmd is `chatctl webhook secret`.
type secretCmd struct {
	ID uint64 `arg:"" help:"The endpoint's id."`
}

// Help shows an example.
func (*secretCmd) Help() string {
	return "For 24 hours what is posted is signed by both secrets: give the receiver the new one in that time.\n\n  chatctl webhook secret 3"
}

// Run replaces. Only the secret goes to standard output.
func (c *secretCmd) Run(ctx context.Context, d *Desk) error {
	p := chat.WebhookPatch{Secret: webhook.Endpoints{}.NewSecret(), Overlap: time.Now().Add(chat.WebhookOverlap)}
	return d.Act(ctx, func(ctx context.Context, db *store.Store) error {
		w, err := db.Webhooks.UpdateWebhook(ctx, chat.WebhookID(c.ID), p)
		if err != nil {
			return noWebhook(err, c.ID)
		}
		if _, err := fmt.Fprintln(d.Out, chat.WebhookSecretText(w.Secret)); err != nil {
			return err
		}
		_, err = fmt.Fprintf(d.Err, "webhook %d has a new secret; the one before signs, too, until %s\n", w.ID, moment(w.PreviousUntil))
		return err
	})
}

// disableCmd is `chatctl webhook disable`.
type disableCmd struct {
	ID  uint64 `arg:"" help:"The endpoint's id."`
	Why string `default:"by an operator" help:"Why, for people to read."`
}

// Help shows an example.
func (*disableCmd) Help() string {
	return "What happens from then on waits, and is told when the endpoint is enabled.\n\n  chatctl webhook disable 3 --why \"moves to another machine\""
}

// Run disables.
func (c *disableCmd) Run(ctx context.Context, d *Desk) error {
	if err := chat.CheckLine("why", c.Why, 1, chat.MaxWebhookRefusal); err != nil {
		return errors.New("--" + chat.As(err).Msg)
	}
	off := true
	return change(ctx, d, c.ID, chat.WebhookPatch{Disabled: &off, Why: c.Why}, "is disabled")
}

// enableCmd is `chatctl webhook enable`.
type enableCmd struct {
	ID uint64 `arg:"" help:"The endpoint's id."`
}

// Help shows an example.
func (*enableCmd) Help() string {
	return "It goes on where it stopped: what happened meanwhile is told first.\n\n  chatctl webhook enable 3"
}

// Run enables.
func (c *enableCmd) Run(ctx context.Context, d *Desk) error {
	off := false
	return change(ctx, d, c.ID, chat.WebhookPatch{Disabled: &off}, "is enabled")
}

// deleteCmd is `chatctl webhook delete`.
type deleteCmd struct {
	ID  uint64 `arg:"" help:"The endpoint's id."`
	Yes bool   `help:"Confirm."`
}

// Help shows an example.
func (*deleteCmd) Help() string {
	return "What it wasn't told yet is never told.\n\n  chatctl webhook delete 3 --yes"
}

// Run deletes.
func (c *deleteCmd) Run(ctx context.Context, d *Desk) error {
	if !c.Yes {
		return errors.New("what the endpoint wasn't told yet is lost with it: add --yes to confirm")
	}
	return d.Act(ctx, func(ctx context.Context, db *store.Store) error {
		if err := db.Webhooks.DeleteWebhook(ctx, chat.WebhookID(c.ID)); err != nil {
			return noWebhook(err, c.ID)
		}
		_, err := fmt.Fprintf(d.Out, "webhook %d is deleted\n", c.ID)
		return err
	})
}
