package protocol

import (
	"strconv"
	"time"

	"chat-service/internal/chat"
)

// TimePtr formats t for JSON; nil where t is zero.
func TimePtr(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := chat.FormatTime(t)
	return &s
}

// User is how a user is shown. Email is set for its owner only.
type User struct {
	ID        chat.UserID `json:"id"`
	Username  string      `json:"username"`
	Nickname  string      `json:"nickname"`
	AvatarURL string      `json:"avatar_url,omitempty"`
	Email     string      `json:"email,omitempty"`
	CreatedAt string      `json:"created_at"`
}

// UserView shows u to others.
func UserView(u chat.User) User {
	return User{ID: u.ID, Username: u.Username, Nickname: u.Nickname, AvatarURL: u.AvatarURL, CreatedAt: chat.FormatTime(u.CreatedAt)}
}

// Message is how a message is shown, in REST and (flat, with its type) on the socket.
type Message struct {
	Room        chat.RoomID      `json:"room_id"`
	Seq         chat.Seq         `json:"seq"`
	ID          string           `json:"id"`
	Kind        chat.MessageKind `json:"kind"`
	Sender      chat.UserID      `json:"sender_id"`
	ClientMsgID string           `json:"client_msg_id"`
	Content     string           `json:"content"`
	CreatedAt   string           `json:"created_at"`
}

// MessageID is a message's id on the wire: "<room_id>:<seq>".
func MessageID(room chat.RoomID, seq chat.Seq) string {
	return strconv.FormatUint(uint64(room), 10) + ":" + strconv.FormatUint(uint64(seq), 10)
}

// MessageView shows m.
func MessageView(m chat.Message) Message {
	return Message{
		Room: m.Room, Seq: m.Seq, ID: MessageID(m.Room, m.Seq), Kind: m.Kind, Sender: m.Sender,
		ClientMsgID: m.ClientMsgID, Content: m.Content, CreatedAt: chat.FormatTime(m.CreatedAt),
	}
}

// Room is how a room is shown.
type Room struct {
	ID          chat.RoomID     `json:"id"`
	Type        chat.RoomType   `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Visibility  chat.Visibility `json:"visibility"`
	Owner       chat.UserID     `json:"owner_id"`
	MemberCount int             `json:"member_count"`
	LastSeq     chat.Seq        `json:"last_seq"`
	Epoch       uint64          `json:"epoch"`
	CreatedAt   string          `json:"created_at"`
}

// RoomView shows r.
func RoomView(r chat.Room) Room {
	return Room{
		ID: r.ID, Type: r.Type, Name: r.Name, Description: r.Description, Visibility: r.Visibility, Owner: r.Owner,
		MemberCount: r.MemberCount, LastSeq: r.LastSeq, Epoch: r.Epoch, CreatedAt: chat.FormatTime(r.CreatedAt),
	}
}

// ListedRoom is a room in its member's list.
type ListedRoom struct {
	Room
	Role        chat.Role `json:"role"`
	Unread      uint64    `json:"unread"`
	ReadSeq     chat.Seq  `json:"read_seq"`
	LastMessage *Message  `json:"last_message,omitempty"`
	Peer        *User     `json:"peer,omitempty"` // the other person of a direct room
}

// ListedRoomView shows a membership.
func ListedRoomView(m chat.Membership) ListedRoom {
	l := ListedRoom{Room: RoomView(m.Room), Role: m.Member.Role, Unread: m.Unread(), ReadSeq: m.Member.ReadSeq}
	if m.Last != nil {
		v := MessageView(*m.Last)
		l.LastMessage = &v
	}
	if m.Peer != nil {
		v := UserView(*m.Peer)
		l.Peer = &v
	}
	return l
}

// Presence is how a user's presence is shown. Online nil: unknown.
type Presence struct {
	User     chat.UserID `json:"user_id"`
	Online   *bool       `json:"online"`
	LastSeen *string     `json:"last_seen"`
}

// PresenceView shows p.
func PresenceView(p chat.Presence) Presence {
	v := Presence{User: p.User, LastSeen: TimePtr(p.LastSeen)}
	if p.Known {
		v.Online = &p.Online
	}
	return v
}
