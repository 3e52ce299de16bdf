package envelope

import (
	"slices"

	"chat-service/internal/chat"
)

// Key says which id decides the partition that a command travels in.
type Key uint8

// The keys. Whatever is keyed alike keeps its order.
const (
	ByRoom    Key = iota + 1 // the room's partition: what the room's order depends on
	ByUser                   // the user's partition
	BySocket                 // the partition of the socket's run (ADR 9)
	ByGateway                // any partition: what a gateway reports about itself
	ToControl                // no partition: the control queue
)

// CommandSpec is a row of Commands: everything about a kind of command but its handler, which is in the worker's dispatch table.
type CommandSpec struct {
	Kind   CommandKind
	Name   string // in metrics, logs and dead_commands
	Key    Key
	Frames []string // types of the clients' frames that ask for it, none where the gateway does
	Doc    string   // what it asks for
}

// Commands returns the registry of commands, by ascending kind.
func Commands() []CommandSpec { return slices.Clone(commands) }

var commands = append([]CommandSpec{
	{Send, "send", ByRoom, by("message"), "append a message"},
	{Read, "read", ByRoom, by("read"), "move the read pointer"},
	{Typing, "typing", ByRoom, by("typing"), "relay that the user is typing"},
	{Join, "join", ByRoom, by("join_room"), "resume live delivery, or become a member of a public room"},
	{Attach, "attach", ByRoom, nil, "route the room to the gateway; as a repair, send what it lacks"},
	{Detach, "detach", ByRoom, nil, "stop routing the room to the gateway"},
	{Connect, "connect", BySocket, nil, "a socket opened: answer with Welcome"},
	{Disconnect, "disconnect", BySocket, nil, "a socket ended"},
	{Sync, "sync", ByUser, by("sync"), "send what the client lacks"},
	{Watch, "watch", ByUser, by("presence"), "set the socket's presence watch list"},
	{Assert, "assert", BySocket, nil, "a socket that is open, reported again after Redis lost its data"},
	{Show, "show", ByGateway, nil, "session ids of live sockets, so that those of revoked sessions are closed"},
	{Beat, "beat", ToControl, nil, "the gateway is alive"},
	{Change, "change", ByRoom, by("edit", "recall", "react", "pin"), "change a message that was sent"},
	{SendMore, "send_more", ByRoom, by("message"), "append a message with `data` or `reply_to`"},
}, probeCommands...)

func by(frames ...string) []string { return frames }

// Known reports whether this process knows the kind. A kind that it doesn't know came from a later release.
func (k CommandKind) Known() bool { return k.spec() != nil }

// String returns the kind's name, "unknown" for one of a later release.
func (k CommandKind) String() string {
	if s := k.spec(); s != nil {
		return s.Name
	}
	return unknownName
}

const unknownName = "unknown"

func (k CommandKind) spec() *CommandSpec {
	if i := int(k) - 1; i >= 0 && i < len(commands) && commands[i].Kind == k {
		return &commands[i]
	}
	for i := range commands {
		if commands[i].Kind == k {
			return &commands[i]
		}
	}
	return nil
}

// Audience says who a delivery is for.
type Audience uint8

// The audiences.
const (
	ForRoom    Audience = iota + 1 // the sessions of a room
	ForSocket                      // one socket
	ForUser                        // the sockets of a user
	ForWatcher                     // sessions that watch somebody's presence
	ForGateway                     // the gateway itself
)

// DeliverySpec is a row of Deliveries.
type DeliverySpec struct {
	Kind DeliveryKind
	Name string // in metrics and logs
	For  Audience
	Doc  string
}

// Deliveries returns the registry of deliveries, by ascending kind.
func Deliveries() []DeliverySpec { return slices.Clone(deliveries) }

var deliveries = append([]DeliverySpec{
	{InRoom, "in_room", ForRoom, "one entry of a room's log"},
	{ToSocket, "to_socket", ForSocket, "a frame for one socket"},
	{ToUser, "to_user", ForUser, "a frame for a user's sockets"},
	{Aside, "aside", ForRoom, "a frame for a room's sockets, outside its sequence"},
	{Welcome, "welcome", ForSocket, "the answer to Connect"},
	{Attached, "attached", ForGateway, "the answer to Attach"},
	{Joined, "joined", ForSocket, "the answer to Join"},
	{Watched, "watched", ForSocket, "the answer to Watch"},
	{Close, "close", ForUser, "end sockets with a close code"},
	{Presences, "presences", ForWatcher, "users that went online or offline; with a socket: ping it at once, and end it if nothing comes back"},
	{Heads, "heads", ForGateway, "a digest of how far rooms were announced"},
	{Reassert, "reassert", ForGateway, "send Assert for every socket and Attach for every room"},
	{Changed, "changed", ForRoom, "one change to a message of a room, after the entry that was the room's last then"},
	{Profile, "profile", ForRoom, "a user's new nickname or picture, for everybody who shares a room with them, and for themselves"},
}, probeDeliveries...)

// Known reports whether this process knows the kind. A kind that it doesn't know came from a later release.
func (k DeliveryKind) Known() bool { return k.spec() != nil }

// String returns the kind's name, "unknown" for one of a later release.
func (k DeliveryKind) String() string {
	if s := k.spec(); s != nil {
		return s.Name
	}
	return unknownName
}

func (k DeliveryKind) spec() *DeliverySpec {
	if i := int(k) - 1; i >= 0 && i < len(deliveries) && deliveries[i].Kind == k {
		return &deliveries[i]
	}
	for i := range deliveries {
		if deliveries[i].Kind == k {
			return &deliveries[i]
		}
	}
	return nil
}

// AnnouncementSpec is a row of Announcements.
type AnnouncementSpec struct {
	Kind AnnouncementKind // as in the column outbox.kind
	Key  Key              // whose partition the row is stamped with
	Doc  string
}

// Announcements returns the registry of announcements. A row of a kind that is not in it is left in the outbox for a worker that
// knows it.
func Announcements() []AnnouncementSpec { return slices.Clone(announcements) }

var announcements = append([]AnnouncementSpec{
	{MessageAnnouncement, ByRoom, "an entry of a room's log and what changed with it"},
	{ReadAnnouncement, ByRoom, "a read pointer that moved"},
	{RevokedAnnouncement, ByUser, "login sessions that ended"},
	{Message2Announcement, ByRoom, "the same as `message`, of a message with `data` or `reply_to`"},
	{ChangeAnnouncement, ByRoom, "a change to a message, which is read when it is announced"},
	{UserAnnouncement, ByUser, "a user's new nickname or picture"},
}, probeAnnouncements...)

// Known reports whether this process knows the kind.
func (k AnnouncementKind) Known() bool {
	return slices.ContainsFunc(announcements, func(s AnnouncementSpec) bool { return s.Kind == k })
}

// Features returns what this process can do beyond the first edition, ascending: workers store it in their row, gateways send it in
// Connect, and a client is offered what all of them share.
func Features() []string { return slices.Clone(features) }

var features = append([]string{chat.FeatureChanges, chat.FeatureData}, probeFeatures...)
