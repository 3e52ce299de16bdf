package protocol

import (
	"encoding/json"
	"strconv"

	"chat-service/internal/chat"
)

// Message is how a message is shown: by REST as it is, on the socket with "type" in front.
//
// To add a field to messages: chat.Message (and what a client may send of it: chat.Send, a row in clientFields), here Message,
// MessageView and appendMessage, which tests hold together, the table of messages in store, the form in Redis (state/recent.go), and
// the stored form in envelope (announcement.go), which doesn't compile without it. Nothing else knows the fields of a message.
type Message struct {
	Room        chat.RoomID      `json:"room_id"`
	Seq         chat.Seq         `json:"seq"`
	ID          string           `json:"id"` // MessageID
	Kind        chat.MessageKind `json:"kind"`
	Sender      chat.UserID      `json:"sender_id"`     // 0 of a system message
	ClientMsgID string           `json:"client_msg_id"` // "" of a system message
	Content     string           `json:"content"`       // "" if it was recalled
	CreatedAt   string           `json:"created_at"`
	Data        json.RawMessage  `json:"data,omitempty"`     // an object
	ReplyTo     chat.Seq         `json:"reply_to,omitempty"` // the message that it answers
	*State                       // nil: it never changed
}

// MessageID is a message's id as clients see it: "<room_id>:<seq>".
func MessageID(room chat.RoomID, seq chat.Seq) string { return string(appendPlace(nil, room, seq)) }

func appendPlace(dst []byte, room chat.RoomID, seq chat.Seq) []byte {
	dst = append(strconv.AppendUint(dst, uint64(room), 10), ':')
	return strconv.AppendUint(dst, uint64(seq), 10)
}

// MessageView shows m.
func MessageView(m chat.Message) Message {
	return Message{
		Room: m.Room, Seq: m.Seq, ID: MessageID(m.Room, m.Seq), Kind: m.Kind, Sender: m.Sender,
		ClientMsgID: m.ClientMsgID, Content: m.Content, CreatedAt: chat.FormatTime(m.CreatedAt),
		Data: json.RawMessage(m.Data), ReplyTo: m.ReplyTo, State: stateView(m.State),
	}
}

// appendMessage is the one encoder of messages: the members of MessageView(m), without braces. It is by hand because every message
// goes through it, and lists hold hundreds.
func appendMessage(dst []byte, m *chat.Message) []byte {
	dst = appendUint(dst, `"room_id":`, uint64(m.Room))
	dst = appendUint(dst, `,"seq":`, uint64(m.Seq))
	dst = appendID(dst, m.Room, m.Seq)
	dst = appendText(dst, `,"kind":`, string(m.Kind))
	dst = appendUint(dst, `,"sender_id":`, uint64(m.Sender))
	dst = appendText(dst, `,"client_msg_id":`, m.ClientMsgID)
	dst = appendText(dst, `,"content":`, m.Content)
	dst = appendCreatedAt(dst, m.CreatedAt)
	if m.Data != "" || m.ReplyTo != 0 || m.State != nil {
		dst = appendMore(dst, m)
	}
	return dst
}

func appendID(dst []byte, room chat.RoomID, seq chat.Seq) []byte {
	return append(appendPlace(append(dst, `,"id":"`...), room, seq), '"')
}

// AppendMessage appends a `message` frame.
func AppendMessage(dst []byte, m chat.Message) []byte {
	dst = append(dst, `{"type":"`+string(TMessage)+`",`...)
	return append(appendMessage(dst, &m), '}')
}

// AppendShownMessage appends a message as REST shows it: the frame without its type.
func AppendShownMessage(dst []byte, m *chat.Message) []byte {
	return append(appendMessage(append(dst, '{'), m), '}')
}

// AppendAck appends the `ack` of a committed message; clientSeq is echoed unless it is 0. Gateways of the release before find the
// message that it answers by the frame's beginning: client_msg_id stays first.
func AppendAck(dst []byte, m chat.Message, clientSeq uint64, duplicate bool) []byte {
	dst = appendText(dst, `{"type":"`+string(TAck)+`","client_msg_id":`, m.ClientMsgID)
	dst = appendUint(dst, `,"room_id":`, uint64(m.Room))
	dst = appendUint(dst, `,"seq":`, uint64(m.Seq))
	dst = appendID(dst, m.Room, m.Seq)
	if clientSeq != 0 {
		dst = appendUint(dst, `,"client_seq":`, clientSeq)
	}
	dst = appendCreatedAt(dst, m.CreatedAt)
	dst = strconv.AppendBool(append(dst, `,"duplicate":`...), duplicate)
	return append(dst, '}')
}
