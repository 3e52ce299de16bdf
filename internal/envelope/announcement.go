package envelope

import (
	"encoding/json"
	"fmt"
	"time"

	"chat-service/internal/chat"
)

// AnnouncementKind says what an outbox row announces, as in the column outbox.kind.
type AnnouncementKind string

// The announcements; the table Announcements says what each is.
const (
	MessageAnnouncement AnnouncementKind = "message"
	// Message2Announcement is a MessageAnnouncement with Data or ReplyTo, which the release before would drop.
	Message2Announcement AnnouncementKind = "message2"
	ChangeAnnouncement   AnnouncementKind = "change"
	ReadAnnouncement     AnnouncementKind = "read"
	RevokedAnnouncement  AnnouncementKind = "revoked"
	UserAnnouncement     AnnouncementKind = "user"
)

// Announcement is what a committed REST write has to report to the sessions: an outbox row. Exactly one of Message, Changed, Read,
// Revoked and Profile is set, and says the kind.
type Announcement struct {
	ID        uint64 // of the outbox row
	Partition int

	Message *chat.Message // with Room (its state after the write) and what follows
	Room    *chat.Room
	Added   []chat.UserID
	Removed []chat.UserID
	All     bool // everybody is removed (dissolved)
	Reason  chat.LeaveReason
	Change  chat.RoomChange
	About   chat.UserID // the user whose membership changed, if it is one person

	// Changed says that a message changed, not what it is now: that is read when the row is announced. So it is without Message, NoOp,
	// Repeat and Err, and its Change without what was written.
	Changed *chat.Changed

	Read    *chat.ReadState
	Revoked *chat.Revoked

	// Profile is a user whose nickname or picture changed, as everybody may see them.
	Profile *chat.User

	Other   AnnouncementKind // a kind that has no field of its own here
	Payload []byte           // of Other, as stored
}

// Kind returns what the row announces, "" where nothing is set.
func (a *Announcement) Kind() AnnouncementKind {
	switch {
	case a.Message != nil && (a.Message.Data != "" || a.Message.ReplyTo != 0):
		return Message2Announcement
	case a.Message != nil:
		return MessageAnnouncement
	case a.Changed != nil:
		return ChangeAnnouncement
	case a.Read != nil:
		return ReadAnnouncement
	case a.Revoked != nil:
		return RevokedAnnouncement
	case a.Profile != nil:
		return UserAnnouncement
	default:
		return a.Other
	}
}

// Announces reports whether the row announces this entry of a log.
func (a *Announcement) Announces(m *chat.Message) bool {
	return a.Message != nil && a.Message.Room == m.Room && a.Message.Seq == m.Seq
}

// The stored forms. Every name in them is part of the format of rows that a process of the release before reads and writes: the golden
// test fails where one changes. The nouns of package chat may be renamed freely.
type (
	storedAnnouncement struct {
		Message *storedMessage   `json:"message,omitempty"`
		Room    *storedRoom      `json:"room,omitempty"`
		Added   []chat.UserID    `json:"added,omitempty"`
		Removed []chat.UserID    `json:"removed,omitempty"`
		All     bool             `json:"all,omitempty"`
		Reason  chat.LeaveReason `json:"reason,omitempty"`
		Change  chat.RoomChange  `json:"change,omitempty"`
		About   chat.UserID      `json:"about,omitempty"`
		Changed *storedChanged   `json:"changed,omitempty"`
		Read    *storedRead      `json:"read,omitempty"`
		Revoked *storedRevoked   `json:"revoked,omitempty"`
		Profile *storedProfile   `json:"user,omitempty"`
	}
	storedMessage struct {
		Room        chat.RoomID      `json:"Room"`
		Seq         chat.Seq         `json:"Seq"`
		Ord         uint64           `json:"Ord"`
		Kind        chat.MessageKind `json:"Kind"`
		Sender      chat.UserID      `json:"Sender"`
		ClientMsgID string           `json:"ClientMsgID"`
		Content     string           `json:"Content"`
		CreatedAt   time.Time        `json:"CreatedAt"`
		Data        string           `json:"Data,omitempty"`
		ReplyTo     chat.Seq         `json:"ReplyTo,omitempty"`
	}
	storedChanged struct {
		Room      chat.RoomID     `json:"room"`
		Seq       chat.Seq        `json:"seq"`
		ChangeSeq chat.ChangeSeq  `json:"change_seq"`
		Prev      chat.ChangeSeq  `json:"prev"`
		Version   uint64          `json:"version"`
		AtSeq     chat.Seq        `json:"at_seq"`
		By        chat.UserID     `json:"by"`
		Session   chat.SessionID  `json:"session,omitempty"`
		Kind      chat.ChangeKind `json:"kind"`
		Key       string          `json:"key,omitempty"`
		On        bool            `json:"on,omitempty"`
		ChangeID  string          `json:"change_id"`
	}
	storedProfile struct {
		ID        chat.UserID `json:"id"`
		Username  string      `json:"username"`
		Nickname  string      `json:"nickname"`
		AvatarURL string      `json:"avatar_url,omitempty"`
		CreatedAt time.Time   `json:"created_at"`
	}
	storedRoom struct {
		ID          chat.RoomID     `json:"ID"`
		Type        chat.RoomType   `json:"Type"`
		Name        string          `json:"Name"`
		Description string          `json:"Description"`
		Visibility  chat.Visibility `json:"Visibility"`
		Owner       chat.UserID     `json:"Owner"`
		MemberCount int             `json:"MemberCount"`
		LastSeq     chat.Seq        `json:"LastSeq"`
		MsgCount    uint64          `json:"MsgCount"`
		Changes     chat.ChangeSeq  `json:"Changes,omitempty"`
		Epoch       uint64          `json:"Epoch"`
		HistoryAll  bool            `json:"HistoryAll"`
		CreatedAt   time.Time       `json:"CreatedAt"`
		DissolvedAt time.Time       `json:"DissolvedAt"`
	}
	storedRead struct {
		Room    chat.RoomID `json:"Room"`
		User    chat.UserID `json:"User"`
		ReadSeq chat.Seq    `json:"ReadSeq"`
		Unread  uint64      `json:"Unread"`
		Moved   bool        `json:"Moved"`
	}
	storedRevoked struct {
		User     chat.UserID      `json:"user"`
		Sessions []chat.SessionID `json:"sessions,omitempty"`
		Except   chat.SessionID   `json:"except,omitempty"`
		Disabled bool             `json:"disabled,omitempty"`
	}
)

// Encode returns the payload of the row.
func (a *Announcement) Encode() ([]byte, error) {
	if a.Other != "" {
		return a.Payload, nil
	}
	s := storedAnnouncement{
		Added: a.Added, Removed: a.Removed, All: a.All, Reason: a.Reason, Change: a.Change, About: a.About,
		Message: stored(a.Message, storeMessage),
		Changed: stored(a.Changed, storeChanged),
		Room:    stored(a.Room, func(r chat.Room) storedRoom { return storedRoom(r) }),
		Read: stored(a.Read, func(r chat.ReadState) storedRead {
			return storedRead{Room: r.Room, User: r.User, ReadSeq: r.ReadSeq, Unread: r.Unread, Moved: r.Moved}
		}),
		Revoked: stored(a.Revoked, func(r chat.Revoked) storedRevoked { return storedRevoked(r) }),
		Profile: stored(a.Profile, func(u chat.User) storedProfile {
			return storedProfile{u.ID, u.Username, u.Nickname, u.AvatarURL, u.CreatedAt}
		}),
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode an announcement: %w", err)
	}
	return b, nil
}

// DecodeAnnouncement reads a row's payload. The kind must be known.
func DecodeAnnouncement(kind AnnouncementKind, payload []byte) (Announcement, error) {
	switch kind {
	case MessageAnnouncement, Message2Announcement, ChangeAnnouncement, ReadAnnouncement, RevokedAnnouncement, UserAnnouncement:
	default:
		return Announcement{Other: kind, Payload: payload}, nil
	}
	var s storedAnnouncement
	if err := json.Unmarshal(payload, &s); err != nil {
		return Announcement{}, fmt.Errorf("%w: announcement: %w", ErrMalformed, err)
	}
	a := Announcement{
		Added: s.Added, Removed: s.Removed, All: s.All, Reason: s.Reason, Change: s.Change, About: s.About,
		Message: stored(s.Message, storedMessage.message),
		Changed: stored(s.Changed, storedChanged.changed),
		Room:    stored(s.Room, func(r storedRoom) chat.Room { return chat.Room(r) }),
		Read: stored(s.Read, func(r storedRead) chat.ReadState {
			return chat.ReadState{Room: r.Room, User: r.User, ReadSeq: r.ReadSeq, Unread: r.Unread, Moved: r.Moved}
		}),
		Revoked: stored(s.Revoked, func(r storedRevoked) chat.Revoked { return chat.Revoked(r) }),
		Profile: stored(s.Profile, func(u storedProfile) chat.User {
			return chat.User{ID: u.ID, Username: u.Username, Nickname: u.Nickname, AvatarURL: u.AvatarURL, CreatedAt: u.CreatedAt}
		}),
	}
	if a.Kind() != kind {
		return Announcement{}, malformed("announcement of kind " + string(kind) + " holds " + string(a.Kind()))
	}
	return a, nil
}

func storeMessage(m chat.Message) storedMessage {
	return storedMessage{m.Room, m.Seq, m.Ord, m.Kind, m.Sender, m.ClientMsgID, m.Content, m.CreatedAt, m.Data, m.ReplyTo}
}

func (m storedMessage) message() chat.Message {
	return chat.Message{
		Room: m.Room, Seq: m.Seq, Ord: m.Ord, Kind: m.Kind, Sender: m.Sender, ClientMsgID: m.ClientMsgID, Content: m.Content,
		CreatedAt: m.CreatedAt, Data: m.Data, ReplyTo: m.ReplyTo,
	}
}

func storeChanged(d chat.Changed) storedChanged {
	c := d.Change
	return storedChanged{c.Room, c.Seq, d.ChangeSeq, d.Prev, d.Version, d.AtSeq, c.User, c.Session, c.Kind, c.Key, c.On, c.ID}
}

func (d storedChanged) changed() chat.Changed {
	return chat.Changed{
		Change: chat.Change{
			Room: d.Room, Seq: d.Seq, User: d.By, Session: d.Session, ID: d.ChangeID, Kind: d.Kind, Key: d.Key, On: d.On,
		},
		ChangeSeq: d.ChangeSeq, Prev: d.Prev, Version: d.Version, AtSeq: d.AtSeq,
	}
}

// stored converts what is set.
func stored[T, V any](v *T, convert func(T) V) *V {
	if v == nil {
		return nil
	}
	c := convert(*v)
	return &c
}
