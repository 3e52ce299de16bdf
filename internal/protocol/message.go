package protocol

import (
	"encoding/json"

	"chat-service/internal/chat"
)

// Message is how a message is shown: by REST as it is, on the socket with "type" in front.
//
// To add a field to messages: chat.Message (and what a client may send of it: chat.Send, a row in clientFields), here Message,
// MessageView and appendMessage (encode.go), which tests hold together, the table of messages in store, the form in Redis (state.go, recent.go), and
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

// MessageView shows m.
func MessageView(m chat.Message) Message {
	return Message{
		Room: m.Room, Seq: m.Seq, ID: MessageID(m.Room, m.Seq), Kind: m.Kind, Sender: m.Sender,
		ClientMsgID: m.ClientMsgID, Content: m.Content, CreatedAt: chat.FormatTime(m.CreatedAt),
		Data: json.RawMessage(m.Data), ReplyTo: m.ReplyTo, State: stateView(m.State),
	}
}
