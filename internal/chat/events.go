package chat

import (
	"encoding/json"
	"slices"
	"strings"
)

// EventName names what a system message reports: the "event" of its content.
type EventName string

// The system events; the table Events says what each does.
const (
	EventCreated   EventName = "created"
	EventJoined    EventName = "joined"
	EventAdded     EventName = "added"
	EventLeft      EventName = "left"
	EventRemoved   EventName = "removed"
	EventUpdated   EventName = "updated"
	EventRole      EventName = "role"
	EventMuted     EventName = "muted"
	EventUnmuted   EventName = "unmuted"
	EventOwner     EventName = "owner"
	EventDissolved EventName = "dissolved"
	EventSaid      EventName = "said"
)

// EventSpec is a row of Events.
type EventSpec struct {
	Name    EventName
	Adds    bool        // the named users became members of a room that was there before
	Removes LeaveReason // why the named users, or all of a room that is dissolved, are no members any more; "": they are
	Webhook WebhookKind // what endpoints are told
	Doc     string      // what happened
}

// Events returns the registry of system events.
func Events() []EventSpec { return slices.Clone(events) }

var events = []EventSpec{
	{EventCreated, false, "", WebhookRoomCreated, "the room was created, with its first members"},
	{EventJoined, true, "", WebhookMemberJoined, "a user joined a public room"},
	{EventAdded, true, "", WebhookMemberAdded, "members were added"},
	{EventLeft, false, LeftSelf, WebhookMemberLeft, "a member left"},
	{EventRemoved, false, LeftKicked, WebhookMemberRemoved, "a member was removed"},
	{EventUpdated, false, "", WebhookRoomUpdated, "name, description or visibility changed"},
	{EventRole, false, "", WebhookMemberRole, "a member's role changed"},
	{EventMuted, false, "", WebhookMemberMuted, "a member was muted"},
	{EventUnmuted, false, "", WebhookMemberUnmuted, "a member may send again"},
	{EventOwner, false, "", WebhookRoomOwner, "the room has another owner"},
	{EventDissolved, false, LeftDissolved, WebhookRoomDissolved, "the room was dissolved"},
	{EventSaid, false, "", WebhookSent, "the application wrote something in no user's name"},
}

// SystemEvent is the content of a system message, as JSON.
type SystemEvent struct {
	Event       EventName  `json:"event"`
	By          UserID     `json:"by"`
	UserIDs     []UserID   `json:"user_ids,omitempty"`
	Name        *string    `json:"name,omitempty"`
	Description *string    `json:"description,omitempty"`
	Visibility  Visibility `json:"visibility,omitempty"`
	Role        Role       `json:"role,omitempty"`
	Until       string     `json:"until,omitempty"` // in TimeLayout
	Text        string     `json:"text,omitempty"`  // of EventSaid
}

// SaidContent is the content of a system message in which the application says something.
func SaidContent(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(SystemEvent{Event: EventSaid, Text: text}) // such a struct can always be written
	return strings.TrimSuffix(b.String(), "\n")
}

// Said reports whether the application wrote the system message, or wrote it before it was recalled.
func (m *Message) Said() bool {
	return m.Kind == System && m.ClientMsgID != ""
}

// Added returns the users that an entry of a room's log made members, by what its content says; nil for a message of a user.
func (m *Message) Added() []UserID {
	if e, spec := m.event(); spec.Adds {
		return e.UserIDs
	}
	return nil
}

// Removed returns the users whose membership an entry of a room's log ended, and why; all: that of everybody.
func (m *Message) Removed() (users []UserID, all bool, why LeaveReason) {
	e, spec := m.event()
	switch spec.Removes {
	case "":
		return nil, false, ""
	case LeftDissolved:
		return nil, true, spec.Removes
	}
	return e.UserIDs, false, spec.Removes
}

// event returns what a system message reports; a zero spec if it is none, or one of a later release.
func (m *Message) event() (e SystemEvent, spec EventSpec) {
	if m.Kind != System || json.Unmarshal([]byte(m.Content), &e) != nil {
		return e, EventSpec{}
	}
	if i := slices.IndexFunc(events, func(s EventSpec) bool { return s.Name == e.Event }); i >= 0 {
		spec = events[i]
	}
	return e, spec
}
