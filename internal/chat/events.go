package chat

import (
	"encoding/json"
	"slices"
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
)

// EventSpec is a row of Events.
type EventSpec struct {
	Name EventName
	Adds bool   // the named users became members of a room that was there before
	Doc  string // what happened
}

// Events returns the registry of system events.
func Events() []EventSpec { return slices.Clone(events) }

var events = []EventSpec{
	{EventCreated, false, "the room was created, with its first members"},
	{EventJoined, true, "a user joined a public room"},
	{EventAdded, true, "members were added"},
	{EventLeft, false, "a member left"},
	{EventRemoved, false, "a member was removed"},
	{EventUpdated, false, "name, description or visibility changed"},
	{EventRole, false, "a member's role changed"},
	{EventMuted, false, "a member was muted"},
	{EventUnmuted, false, "a member may send again"},
	{EventOwner, false, "the room has another owner"},
	{EventDissolved, false, "the room was dissolved"},
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
}

// Added returns the users that an entry of a room's log made members, by what its content says; nil for a message of a user.
func (m *Message) Added() []UserID {
	if m.Kind != System {
		return nil
	}
	var e SystemEvent
	if json.Unmarshal([]byte(m.Content), &e) != nil {
		return nil
	}
	if i := slices.IndexFunc(events, func(s EventSpec) bool { return s.Name == e.Event }); i < 0 || !events[i].Adds {
		return nil
	}
	return e.UserIDs
}
