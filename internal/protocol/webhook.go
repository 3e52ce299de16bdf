package protocol

import (
	"encoding/json"

	"chat-service/internal/chat"
)

// Webhook is what is posted to an endpoint: an event in the form of Standard Webhooks.
type Webhook struct {
	Type      chat.WebhookKind `json:"type"`
	Timestamp string           `json:"timestamp"` // when it happened
	Data      WebhookData      `json:"data"`
}

// WebhookData is what an event says. Room, epoch, seq and change_seq name it: what is posted again has the same.
type WebhookData struct {
	Room    chat.RoomID     `json:"room_id,omitempty"`
	Ext     string          `json:"room_ext,omitempty"` // the application's own id of the room
	Epoch   uint64          `json:"epoch,omitempty"`
	Seq     chat.Seq        `json:"seq,omitempty"`        // of the entry, or of the message that was changed
	Changes chat.ChangeSeq  `json:"change_seq,omitempty"` // of the change
	By      chat.UserID     `json:"by,omitempty"`         // whose doing it is
	ByExt   string          `json:"by_ext,omitempty"`     // the application's own id of them
	Key     string          `json:"key,omitempty"`        // of a reaction
	Message *Message        `json:"message,omitempty"`    // as it is now
	Event   json.RawMessage `json:"event,omitempty"`      // what an entry reports that no user wrote: its content, as an object
	User    *User           `json:"user,omitempty"`       // to whom it happened
	UserExt string          `json:"user_ext,omitempty"`   // the application's own id of them
}

// WebhookView shows an event to an endpoint.
func WebhookView(e *chat.WebhookEvent) Webhook {
	w := Webhook{Type: e.Kind, Timestamp: chat.FormatTime(e.At)}
	if e.Room == 0 {
		u := UserView(e.User)
		w.Data.User, w.Data.UserExt = &u, e.Ext
		return w
	}
	m := MessageView(e.Message)
	w.Data = WebhookData{Room: e.Room, Ext: e.Ext, Epoch: e.Epoch, Seq: e.Seq, Changes: e.Changes, By: e.By, ByExt: e.ByExt, Key: e.Key, Message: &m}
	if e.Message.Kind == chat.System && json.Valid([]byte(e.Message.Content)) {
		w.Data.Event = json.RawMessage(e.Message.Content)
	}
	return w
}

// EncodeWebhook is an event as it is posted.
func EncodeWebhook(e *chat.WebhookEvent) ([]byte, error) { return Marshal(WebhookView(e)) }
