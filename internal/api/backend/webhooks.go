package backend

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

// replayRooms and replaySteps bound what one call sets back; the next call goes on.
const replayRooms, replaySteps = 500, 20

// WebhookBody makes an endpoint.
type WebhookBody struct {
	URL          string   `json:"url" required:"true" maxBytes:"2048" rule:"https://, without user, password and fragment; http:// and private addresses only with allow_private" example:"https://app.example.com/hooks"`
	Name         string   `json:"name,omitempty" maxLength:"64" text:"line" doc:"for people" example:"search index"`
	Events       []string `json:"events,omitempty" maxItems:"64" rule:"names of events, each once; none: all events, and those of later releases"`
	AllowPrivate bool     `json:"allow_private,omitempty" rule:"only where the operator allows private addresses"`
	Enabled      *bool    `json:"enabled,omitempty" doc:"true if left out" example:"true"`
	Secret       string   `json:"secret,omitempty" maxBytes:"128" rule:"whsec_ and the base64 form of 24 to 64 bytes; left out: one is made"`
}

// WebhookPatchBody changes an endpoint: what is left out stays as it is.
type WebhookPatchBody struct {
	URL          *string   `json:"url,omitempty" maxBytes:"2048" rule:"as for a new one" example:"https://app.example.com/hooks"`
	Name         *string   `json:"name,omitempty" maxLength:"64" text:"line" example:"search index"`
	Events       *[]string `json:"events,omitempty" maxItems:"64" rule:"names of events, each once; none: all events, and those of later releases"`
	AllowPrivate *bool     `json:"allow_private,omitempty" rule:"only where the operator allows private addresses"`
	Enabled      *bool     `json:"enabled,omitempty" doc:"false: nothing is posted, and what happens meanwhile waits" example:"true"`
}

// SecretBody replaces an endpoint's secret.
type SecretBody struct {
	Secret string `json:"secret,omitempty" maxBytes:"128" rule:"whsec_ and the base64 form of 24 to 64 bytes; left out: one is made"`
}

// ReplayBody says from where an endpoint is told once more.
type ReplayBody struct {
	Event  string `json:"event,omitempty" maxBytes:"100" doc:"webhook-id of an event of a room: it and all that follow in its room" example:"msg_7_1_3_0"`
	Since  string `json:"since,omitempty" maxBytes:"40" rule:"RFC 3339, not in the future" doc:"what happened since, in all rooms"`
	Cursor string `json:"cursor,omitempty" maxBytes:"512" doc:"next_cursor of the call before, with the same since"`
}

// WebhookView is an endpoint. Its secret is shown once: where it was made or replaced.
type WebhookView struct {
	ID           chat.WebhookID     `json:"id"`
	Name         string             `json:"name"`
	URL          string             `json:"url"`
	Events       []chat.WebhookKind `json:"events" doc:"what it is told of; empty: everything"`
	AllowPrivate bool               `json:"allow_private"`
	Enabled      bool               `json:"enabled"`
	DisabledWhy  string             `json:"disabled_why,omitempty"`
	CreatedAt    string             `json:"created_at"`
	DisabledAt   string             `json:"disabled_at,omitempty"`
	FailingSince string             `json:"failing_since,omitempty" format:"date-time" doc:"nothing was taken since then"`
	Secret       string             `json:"secret,omitempty" doc:"shown once"`
	OldUntil     string             `json:"old_secret_until,omitempty" format:"date-time" doc:"until then the secret before signs, too"`
}

// WebhooksReply lists all endpoints.
type WebhooksReply struct {
	Webhooks []WebhookView `json:"webhooks"`
}

// AttemptView is one post.
type AttemptView struct {
	ID       uint64           `json:"id"`
	Event    string           `json:"event" doc:"its webhook-id"`
	Type     chat.WebhookKind `json:"type"`
	Room     chat.RoomID      `json:"room_id,omitempty"`
	Seq      chat.Seq         `json:"seq,omitempty"`
	Change   chat.ChangeSeq   `json:"change_seq,omitempty"`
	At       string           `json:"at" format:"date-time"`
	Try      int              `json:"try" doc:"1: the first one"`
	Accepted bool             `json:"accepted"`
	Status   int              `json:"status" doc:"of the answer; 0: none came"`
	TookMS   int64            `json:"took_ms"`
	Refusal  string           `json:"refusal,omitempty" doc:"why it wasn't accepted"`
}

// AttemptsReply is a page of attempts, the newest first.
type AttemptsReply struct {
	Attempts   []AttemptView `json:"attempts"`
	NextCursor *string       `json:"next_cursor"`
}

// ReplayReply says what is told once more.
type ReplayReply struct {
	Rooms      int     `json:"rooms" doc:"in how many rooms"`
	NextCursor *string `json:"next_cursor" doc:"null: all rooms were looked at; else call again with it"`
}

// webhookRoutes are about endpoints that are told of events.
func (v *Verbs) webhookRoutes() []server.Route {
	const all, one = "/server/webhooks", "/server/webhooks/{webhook_id}"
	attempts := append([]server.Param{
		{Name: "event", Doc: "only of this event, by its webhook-id", Bytes: 100},
		{Name: "failed", Doc: "true: only those that weren't accepted", Enum: []string{"true", "false"}},
	}, server.PageParams()...)
	return []server.Route{
		{
			Method: "POST", Path: all, ID: "createWebhook", Scope: chat.ScopeWebhooks,
			Summary: "Make an endpoint that is told of events from now on; its secret is shown once", Reply: WebhookView{},
			Status: http.StatusCreated, Errors: server.Kinds(chat.LimitReached), Do: server.Takes(v.createWebhook),
		},
		{
			Method: "GET", Path: all, ID: "webhooks", Scope: chat.ScopeWebhooks, Summary: "List all endpoints", Reply: WebhooksReply{},
			Do: server.Plain(v.listWebhooks),
		},
		{
			Method: "GET", Path: one, ID: "webhook", Scope: chat.ScopeWebhooks, Summary: "Show an endpoint", Reply: WebhookView{},
			Do: server.Plain(v.showWebhook),
		},
		{
			Method: "PATCH", Path: one, ID: "updateWebhook", Scope: chat.ScopeWebhooks, Summary: "Change an endpoint, disable or enable it",
			Reply: WebhookView{}, Do: server.Takes(v.updateWebhook),
		},
		{
			Method: "POST", Path: one + "/secret", ID: "replaceSecret", Scope: chat.ScopeWebhooks,
			Summary: "Replace an endpoint's secret: the one before signs, too, for 24 hours", Reply: WebhookView{}, Do: server.MayTake(v.replaceSecret),
		},
		{
			Method: "DELETE", Path: one, ID: "deleteWebhook", Scope: chat.ScopeWebhooks, Summary: "Delete an endpoint and its attempts",
			Do: server.Plain(v.deleteWebhook),
		},
		{
			Method: "GET", Path: one + "/attempts", ID: "attempts", Scope: chat.ScopeWebhooks,
			Summary: "List what was posted to an endpoint lately, newest first", Params: attempts, Reply: AttemptsReply{}, Do: server.Plain(v.attempts),
		},
		{
			Method: "POST", Path: one + "/replay", ID: "replayWebhook", Scope: chat.ScopeWebhooks, Summary: "Tell an endpoint once more",
			Reply: ReplayReply{}, Errors: server.Kinds(chat.Conflict), Do: server.Takes(v.replay), Rule: "event or since",
		},
	}
}

// webhookView shows an endpoint.
func webhookView(w chat.Webhook, now time.Time) WebhookView {
	view := WebhookView{
		ID: w.ID, Name: w.Name, URL: w.URL, Events: append([]chat.WebhookKind{}, w.Kinds...), AllowPrivate: w.AllowPrivate,
		Enabled: w.DisabledAt.IsZero(), DisabledWhy: w.DisabledWhy, CreatedAt: chat.FormatTime(w.CreatedAt),
		DisabledAt: timeOrNone(w.DisabledAt), FailingSince: timeOrNone(w.FailingSince),
	}
	if now.Before(w.PreviousUntil) {
		view.OldUntil = chat.FormatTime(w.PreviousUntil)
	}
	return view
}

func timeOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return chat.FormatTime(t)
}

// kindsOf reads names of events.
func kindsOf(names []string, k *server.Checks) []chat.WebhookKind {
	kinds, seen := make([]chat.WebhookKind, len(names)), map[string]bool{}
	for i, name := range names {
		kinds[i] = chat.WebhookKind(name)
		field := fmt.Sprintf("events[%d]", i)
		k.Require(kinds[i].Known(), field, "is no event")
		k.Require(!seen[name], field, "is there twice")
		seen[name] = true
	}
	return kinds
}

// secretOf reads a secret that the application chose, or makes one.
func (v *Verbs) secretOf(text string, k *server.Checks) []byte {
	if text == "" {
		return v.ports.Endpoints.NewSecret()
	}
	secret, err := chat.ParseWebhookSecret(text)
	k.Add(err)
	return secret
}

func (v *Verbs) createWebhook(c *server.Call, b WebhookBody) error {
	var k server.Checks
	w := chat.Webhook{Name: strings.TrimSpace(b.Name), URL: b.URL, AllowPrivate: b.AllowPrivate, Kinds: kindsOf(b.Events, &k), Secret: v.secretOf(b.Secret, &k)}
	if !server.OrElse(b.Enabled, true) {
		w.DisabledAt, w.DisabledWhy = v.opts.Now(), disabledByKey
	}
	k.Add(v.ports.Endpoints.Check(w.URL, w.AllowPrivate))
	if err := k.Err(); err != nil {
		return err
	}
	w, err := v.ports.Webhooks.CreateWebhook(c.Ctx, w)
	if err != nil {
		return err
	}
	view := webhookView(w, v.opts.Now())
	view.Secret = chat.WebhookSecretText(w.Secret)
	return c.Created(fmt.Sprintf("/server/webhooks/%d", w.ID), view)
}

// disabledByKey is why an endpoint is disabled that the application disabled.
const disabledByKey = "by a key"

func (v *Verbs) listWebhooks(c *server.Call) error {
	ws, err := v.ports.Webhooks.Webhooks(c.Ctx)
	if err != nil {
		return err
	}
	now := v.opts.Now()
	return c.OK(WebhooksReply{server.Views(ws, func(w chat.Webhook) WebhookView { return webhookView(w, now) })})
}

func (v *Verbs) showWebhook(c *server.Call) error {
	w, err := v.ports.Webhooks.Webhook(c.Ctx, c.Webhook)
	if err != nil {
		return err
	}
	return c.OK(webhookView(w, v.opts.Now()))
}

func (v *Verbs) updateWebhook(c *server.Call, b WebhookPatchBody) error {
	var k server.Checks
	p := chat.WebhookPatch{URL: b.URL, Name: server.Trimmed(b.Name), AllowPrivate: b.AllowPrivate}
	if b.Events != nil {
		kinds := kindsOf(*b.Events, &k)
		p.Kinds = &kinds
	}
	if b.Enabled != nil {
		off := !*b.Enabled
		p.Disabled, p.Why = &off, disabledByKey
	}
	if b.URL != nil || b.AllowPrivate != nil { // where nothing changes an operator's later decision stops the posts, not this call
		w, err := v.ports.Webhooks.Webhook(c.Ctx, c.Webhook)
		if err != nil {
			return err
		}
		w = p.Of(w, v.opts.Now())
		k.Add(v.ports.Endpoints.Check(w.URL, w.AllowPrivate))
	}
	if err := k.Err(); err != nil {
		return err
	}
	w, err := v.ports.Webhooks.UpdateWebhook(c.Ctx, c.Webhook, p)
	if err != nil {
		return err
	}
	return c.OK(webhookView(w, v.opts.Now()))
}

func (v *Verbs) replaceSecret(c *server.Call, b SecretBody) error {
	var k server.Checks
	p := chat.WebhookPatch{Secret: v.secretOf(b.Secret, &k), Overlap: v.opts.Now().Add(chat.WebhookOverlap)}
	if err := k.Err(); err != nil {
		return err
	}
	w, err := v.ports.Webhooks.UpdateWebhook(c.Ctx, c.Webhook, p)
	if err != nil {
		return err
	}
	view := webhookView(w, v.opts.Now())
	view.Secret = chat.WebhookSecretText(w.Secret)
	return c.OK(view)
}

func (v *Verbs) deleteWebhook(c *server.Call) error {
	return c.Gone(v.ports.Webhooks.DeleteWebhook(c.Ctx, c.Webhook))
}

func (v *Verbs) attempts(c *server.Call) error {
	q := c.Query()
	cursor, limit := q.Page()
	before, err := server.IDCursor(server.ListAttempts, cursor)
	q.Check.Add(err)
	ask := chat.AttemptQuery{Webhook: c.Webhook, Before: before, Event: q.Text("event"), Failed: q.Text("failed") == "true", Limit: limit + 1}
	if err := q.Check.Err(); err != nil {
		return err
	}
	as, err := v.ports.Webhooks.WebhookAttempts(c.Ctx, ask)
	if err != nil {
		return err
	}
	var next *string
	if len(as) > limit {
		as = as[:limit]
		next = server.OrNull(server.WriteIDCursor(server.ListAttempts, as[limit-1].ID))
	}
	return c.OK(AttemptsReply{server.Views(as, attemptView), next})
}

func attemptView(a chat.WebhookAttempt) AttemptView {
	return AttemptView{
		ID: a.ID, Event: a.Event, Type: a.Kind, Room: a.Room, Seq: a.Seq, Change: a.Change, At: chat.FormatTime(a.At), Try: a.Try,
		Accepted: a.Refusal == "", Status: a.Status, TookMS: a.Took.Milliseconds(), Refusal: a.Refusal,
	}
}

// replay sets back as many rooms as a call has time for.
func (v *Verbs) replay(c *server.Call, b ReplayBody) error {
	var k server.Checks
	after, err := server.IDCursor(server.ListReplays, b.Cursor)
	k.Add(err)
	r := chat.WebhookReplay{Event: b.Event, After: chat.RoomID(after), Limit: replayRooms}
	k.Require((b.Event == "") != (b.Since == ""), "event", "give event or since")
	k.Require(b.Cursor == "" || b.Since != "", "cursor", "belongs to since")
	if b.Since != "" {
		r.Since, err = time.Parse(time.RFC3339, b.Since)
		k.Require(err == nil && !r.Since.After(v.opts.Now()), "since", "must be a time by RFC 3339 that is not in the future")
	}
	if err := k.Err(); err != nil {
		return err
	}
	rooms, next := 0, chat.RoomID(0)
	for range replaySteps {
		n, to, err := v.ports.Webhooks.ReplayWebhook(c.Ctx, c.Webhook, r)
		if err != nil {
			return err
		}
		rooms, next, r.After = rooms+n, to, to
		if next == 0 {
			return c.OK(ReplayReply{Rooms: rooms})
		}
	}
	return c.OK(ReplayReply{rooms, server.OrNull(server.WriteIDCursor(server.ListReplays, uint64(next)))})
}
