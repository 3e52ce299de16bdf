package protocol

import (
	"strconv"

	"chat-service/internal/chat"
)

// Room is how a room is shown to anybody who may see it. To add a field: chat.Room, here Room, RoomView and appendRoom, the table of
// rooms in store, and the stored form in envelope (announcement.go).
type Room struct {
	ID          chat.RoomID     `json:"id"`
	Type        chat.RoomType   `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Visibility  chat.Visibility `json:"visibility"`
	Owner       chat.UserID     `json:"owner_id"` // 0 of a direct room
	MemberCount int             `json:"member_count"`
	LastSeq     chat.Seq        `json:"last_seq"`
	Epoch       uint64          `json:"epoch"`
	ChangeSeq   chat.ChangeSeq  `json:"change_seq"` // of the last change of a message; 0: none
	CreatedAt   string          `json:"created_at"`
}

// RoomView shows r.
func RoomView(r chat.Room) Room {
	return Room{
		ID: r.ID, Type: r.Type, Name: r.Name, Description: r.Description, Visibility: r.Visibility, Owner: r.Owner,
		MemberCount: r.MemberCount, LastSeq: r.LastSeq, Epoch: r.Epoch, ChangeSeq: r.Changes, CreatedAt: chat.FormatTime(r.CreatedAt),
	}
}

// appendRoom appends the members of RoomView(r), without braces.
func appendRoom(dst []byte, r *chat.Room) []byte {
	dst = appendUint(dst, `"id":`, uint64(r.ID))
	dst = appendText(dst, `,"type":`, string(r.Type))
	dst = appendText(dst, `,"name":`, r.Name)
	dst = appendText(dst, `,"description":`, r.Description)
	dst = appendText(dst, `,"visibility":`, string(r.Visibility))
	dst = appendUint(dst, `,"owner_id":`, uint64(r.Owner))
	dst = strconv.AppendInt(append(dst, `,"member_count":`...), int64(r.MemberCount), 10)
	dst = appendUint(dst, `,"last_seq":`, uint64(r.LastSeq))
	dst = appendUint(dst, `,"epoch":`, r.Epoch)
	dst = appendUint(dst, `,"change_seq":`, uint64(r.Changes))
	return appendCreatedAt(dst, r.CreatedAt)
}

// ListedRoom is a room in its member's list: the room, and what concerns this member only.
type ListedRoom struct {
	Room
	Role        chat.Role `json:"role"`
	Unread      uint64    `json:"unread"`
	ReadSeq     chat.Seq  `json:"read_seq"`
	LastMessage *Message  `json:"last_message,omitempty"` // the newest that the member may see
	Peer        *User     `json:"peer,omitempty"`         // the other person of a direct room
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

// AppendListedRoom appends ListedRoomView(m). By hand: a page of a list holds up to 200.
func AppendListedRoom(dst []byte, m *chat.Membership) []byte {
	dst = appendRoom(append(dst, '{'), &m.Room)
	dst = appendText(dst, `,"role":`, string(m.Member.Role))
	dst = appendUint(dst, `,"unread":`, m.Unread())
	dst = appendUint(dst, `,"read_seq":`, uint64(m.Member.ReadSeq))
	if m.Last != nil {
		dst = AppendShownMessage(append(dst, `,"last_message":`...), m.Last)
	}
	if m.Peer != nil {
		dst = appendUser(append(dst, `,"peer":`...), m.Peer)
	}
	return append(dst, '}')
}

// AppendRoomsReply appends a page of a member's rooms; next is the cursor of the page after it, "" on the last.
func AppendRoomsReply(dst []byte, ms []chat.Membership, next string) []byte {
	dst = appendList(append(dst, `{"rooms":`...), ms, AppendListedRoom)
	if next == "" {
		return append(dst, `,"next_cursor":null}`...)
	}
	return append(appendText(dst, `,"next_cursor":`, next), '}')
}

// AppendJoined appends a `joined` frame.
func AppendJoined(dst []byte, r ListedRoom) []byte {
	return appendJSON(dst, struct {
		Type Type       `json:"type"`
		Room ListedRoom `json:"room"`
	}{TJoined, r})
}

// AppendLeft appends a `left` frame; seq 0 if the leave has no place in the log (leave_room).
func AppendLeft(dst []byte, room chat.RoomID, seq chat.Seq, why chat.LeaveReason) []byte {
	return appendJSON(dst, struct {
		Type   Type             `json:"type"`
		Room   chat.RoomID      `json:"room_id"`
		Seq    chat.Seq         `json:"seq"`
		Reason chat.LeaveReason `json:"reason"`
	}{TLeft, room, seq, why})
}

// AppendRoom appends a `room` frame. about is the user whose membership changed, 0 if it isn't one user's.
func AppendRoom(dst []byte, r Room, c chat.RoomChange, about chat.UserID) []byte {
	return appendJSON(dst, struct {
		Type   Type            `json:"type"`
		Room   Room            `json:"room"`
		Change chat.RoomChange `json:"change"`
		User   chat.UserID     `json:"user_id,omitempty"`
	}{TRoom, r, c, about})
}

// AppendRead appends a `read` frame; unread is shown to the reader's own devices only (nil: left out).
func AppendRead(dst []byte, room chat.RoomID, user chat.UserID, seq chat.Seq, unread *uint64) []byte {
	return appendJSON(dst, struct {
		Type   Type        `json:"type"`
		Room   chat.RoomID `json:"room_id"`
		User   chat.UserID `json:"user_id"`
		Seq    chat.Seq    `json:"seq"`
		Unread *uint64     `json:"unread,omitempty"`
	}{TRead, room, user, seq, unread})
}
