package chat

import (
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// WebhookID names an endpoint of the application's backend.
type WebhookID uint64

// WebhookKind says what an event reports: its "type".
type WebhookKind string

// The kinds of events.
const (
	WebhookSent            WebhookKind = "message.sent"
	WebhookEdited          WebhookKind = "message.edited"
	WebhookRecalled        WebhookKind = "message.recalled"
	WebhookPinned          WebhookKind = "message.pinned"
	WebhookUnpinned        WebhookKind = "message.unpinned"
	WebhookReactionAdded   WebhookKind = "reaction.added"
	WebhookReactionRemoved WebhookKind = "reaction.removed"
	WebhookRoomCreated     WebhookKind = "room.created"
	WebhookRoomUpdated     WebhookKind = "room.updated"
	WebhookRoomOwner       WebhookKind = "room.owner"
	WebhookRoomDissolved   WebhookKind = "room.dissolved"
	WebhookMemberJoined    WebhookKind = "member.joined"
	WebhookMemberAdded     WebhookKind = "member.added"
	WebhookMemberLeft      WebhookKind = "member.left"
	WebhookMemberRemoved   WebhookKind = "member.removed"
	WebhookMemberRole      WebhookKind = "member.role"
	WebhookMemberMuted     WebhookKind = "member.muted"
	WebhookMemberUnmuted   WebhookKind = "member.unmuted"
	WebhookUserCreated     WebhookKind = "user.created"
	WebhookUserDisabled    WebhookKind = "user.disabled"
	WebhookUserEnabled     WebhookKind = "user.enabled"
	WebhookUserOnline      WebhookKind = "user.online"
	WebhookUserOffline     WebhookKind = "user.offline"
	// WebhookOther is an entry of a room's log that this release has no name for: one of a later release.
	WebhookOther WebhookKind = "room.other"
)

// WebhookKindSpec is a row of WebhookKinds.
type WebhookKindSpec struct {
	Kind WebhookKind
	Doc  string // what happened
	// Named: only an endpoint that names it is told, and as well as can be.
	Named bool
}

var webhookKinds = []WebhookKindSpec{
	{Kind: WebhookSent, Doc: "a user's message was sent"},
	{Kind: WebhookEdited, Doc: "its author edited a message"},
	{Kind: WebhookRecalled, Doc: "a message was recalled: it has no content any more"},
	{Kind: WebhookPinned, Doc: "a message was pinned"},
	{Kind: WebhookUnpinned, Doc: "a message is no longer pinned"},
	{Kind: WebhookReactionAdded, Doc: "a user reacted to a message"},
	{Kind: WebhookReactionRemoved, Doc: "a user took a reaction back"},
	{Kind: WebhookRoomCreated, Doc: "a room was created, with its first members"},
	{Kind: WebhookRoomUpdated, Doc: "a room's name, description or visibility changed"},
	{Kind: WebhookRoomOwner, Doc: "a room has another owner"},
	{Kind: WebhookRoomDissolved, Doc: "a room was dissolved"},
	{Kind: WebhookMemberJoined, Doc: "a user joined a public room"},
	{Kind: WebhookMemberAdded, Doc: "members were added to a room"},
	{Kind: WebhookMemberLeft, Doc: "a member left a room"},
	{Kind: WebhookMemberRemoved, Doc: "a member was removed from a room"},
	{Kind: WebhookMemberRole, Doc: "a member's role changed"},
	{Kind: WebhookMemberMuted, Doc: "a member was muted"},
	{Kind: WebhookMemberUnmuted, Doc: "a member may send again"},
	{Kind: WebhookOther, Doc: "something happened to a room that this release has no name for; the message says what"},
	{Kind: WebhookUserCreated, Doc: "an account was made, but for imported ones"},
	{Kind: WebhookUserDisabled, Doc: "an account was disabled"},
	{Kind: WebhookUserEnabled, Doc: "a disabled account was enabled"},
	{Kind: WebhookUserOnline, Doc: "a user came online; best effort, and only for endpoints that name it", Named: true},
	{Kind: WebhookUserOffline, Doc: "a user went offline, some seconds after the last connection ended; best effort, and only for endpoints that name it", Named: true},
}

// WebhookKinds returns the registry of kinds of events.
func WebhookKinds() []WebhookKindSpec { return slices.Clone(webhookKinds) }

// Known reports whether there is such a kind.
func (k WebhookKind) Known() bool {
	return slices.ContainsFunc(webhookKinds, func(s WebhookKindSpec) bool { return s.Kind == k })
}

// named reports whether only endpoints that name the kind are told of it.
func (k WebhookKind) named() bool {
	return slices.ContainsFunc(webhookKinds, func(s WebhookKindSpec) bool { return s.Kind == k && s.Named })
}

// WebhookNote is something about a user that one endpoint is to be told, as well as can be.
type WebhookNote struct {
	Webhook WebhookID
	User    UserID
	Kind    WebhookKind
	At      time.Time
}

// Webhook is an endpoint of the application's backend, which is told of what is committed.
type Webhook struct {
	ID            WebhookID
	Name          string // for people
	URL           string
	Secret        []byte        // signs what is posted
	Previous      []byte        // signs it, too, until PreviousUntil: the secret before, while the receiver changes over
	PreviousUntil time.Time     // zero: there is none
	Kinds         []WebhookKind // what it wants to be told of; nil: everything
	AllowPrivate  bool          // its address may be a private one
	CreatedBy     string        // as Act.By
	CreatedAt     time.Time     // it is told of what happens from then on
	FailingSince  time.Time     // nothing was taken since then; zero: it is well
	DisabledAt    time.Time     // zero: it isn't
	DisabledWhy   string
}

// Wants reports whether the endpoint is to be told of events of a kind.
func (w Webhook) Wants(k WebhookKind) bool {
	return len(w.Kinds) == 0 && !k.named() || slices.Contains(w.Kinds, k)
}

// Secrets are what signs at a time, the present one first.
func (w Webhook) Secrets(now time.Time) [][]byte {
	all := [][]byte{w.Secret}
	if len(w.Previous) > 0 && now.Before(w.PreviousUntil) {
		all = append(all, w.Previous)
	}
	return all
}

// What an endpoint may look like.
const (
	MaxWebhooks       = 20 // endpoints of an installation
	MaxWebhookName    = 190
	MaxWebhookURL     = 2048
	MinWebhookSecret  = 24 // bytes, as Standard Webhooks says
	MaxWebhookSecret  = 64
	MaxWebhookRefusal = 190 // characters that are kept of why an attempt failed
)

// Check refuses an endpoint that can't be one. The error names the field.
func (w Webhook) Check() error {
	switch {
	case !utf8.ValidString(w.Name) || len(w.Name) > MaxWebhookName || strings.ContainsFunc(w.Name, func(r rune) bool { return r < ' ' }):
		return BadField("name", "must be at most %d bytes of UTF-8 without control characters", MaxWebhookName)
	case len(w.Secret) < MinWebhookSecret || len(w.Secret) > MaxWebhookSecret:
		return BadField("secret", "must have %d–%d bytes", MinWebhookSecret, MaxWebhookSecret)
	}
	for _, k := range w.Kinds {
		if !k.Known() {
			return BadField("events", "there is no event %q", string(k))
		}
	}
	return checkWebhookURL(w.URL)
}

func checkWebhookURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > MaxWebhookURL || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return BadField("url", "must be a URL of http or https, of at most %d bytes", MaxWebhookURL)
	case u.User != nil || u.Fragment != "":
		return BadField("url", "must have no user, password or fragment")
	}
	return nil
}

// WebhookPatch changes an endpoint; what is nil stays.
type WebhookPatch struct {
	Name         *string
	URL          *string
	Kinds        *[]WebhookKind
	AllowPrivate *bool
	Secret       []byte    // the new secret: the present one becomes Previous
	Overlap      time.Time // with Secret: until when the present one signs, too
	Disabled     *bool
	Why          string // with Disabled
}

// Of returns the endpoint as the patch leaves it.
func (p WebhookPatch) Of(w Webhook, now time.Time) Webhook {
	put(&w.Name, p.Name)
	put(&w.URL, p.URL)
	put(&w.AllowPrivate, p.AllowPrivate)
	put(&w.Kinds, p.Kinds)
	if p.Secret != nil {
		w.Previous, w.PreviousUntil, w.Secret = w.Secret, p.Overlap, p.Secret
	}
	if p.Disabled != nil && *p.Disabled == w.DisabledAt.IsZero() {
		w.DisabledAt, w.DisabledWhy, w.FailingSince = time.Time{}, "", time.Time{}
		if *p.Disabled {
			w.DisabledAt, w.DisabledWhy = now, p.Why
		}
	}
	return w
}

func put[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// WebhookAttempt is one post to an endpoint.
type WebhookAttempt struct {
	ID      uint64
	Webhook WebhookID
	Event   string // WebhookEvent.ID
	Kind    WebhookKind
	Room    RoomID // 0: of a user
	Seq     Seq
	Change  ChangeSeq
	At      time.Time
	Try     int           // 1: the first one
	Status  int           // of the answer; 0: there was none
	Took    time.Duration // to the answer, or to its lack
	Refusal string        // why it failed; "": it was taken
}

// AttemptQuery selects an endpoint's attempts, the newest first; what is zero selects all.
type AttemptQuery struct {
	Webhook WebhookID
	Before  uint64 // ids below
	Event   string // of this event alone
	Failed  bool   // only those that failed
	Limit   int
}

// WebhookReplay says from where an endpoint is told once more: from an event on, in its room, or from a time on, in all rooms.
type WebhookReplay struct {
	Event string    // WebhookEvent.ID
	Since time.Time // where there is no Event
	After RoomID    // with Since: in rooms above; 0: from the first
	Limit int       // with Since: rooms looked at in one call
}
