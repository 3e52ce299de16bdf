package protocol_test

import (
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// TestWebhookBodies: what is posted of an entry, of a change, of what happened to a room, and to an account.
func TestWebhookBodies(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)
	sent := chat.Message{Room: 7, Seq: 3, Kind: chat.Text, Sender: 9, ClientMsgID: "c", Content: "hello <b>", CreatedAt: at}
	entry := chat.WebhookEventOf(sent)
	entry.Epoch = 1
	said := chat.WebhookEventOf(chat.Message{Room: 7, Seq: 4, Kind: chat.System, Content: `{"event":"added","by":9,"user_ids":[11]}`, CreatedAt: at})
	said.Epoch = 2
	gone := sent
	gone.Content, gone.State = "", &chat.State{ChangeSeq: 5, Version: 1, RecalledBy: 9, RecalledAt: at}
	for _, c := range []struct {
		e        chat.WebhookEvent
		id, want string
	}{
		{
			entry, "msg_7_1_3_0",
			`{"type":"message.sent","timestamp":"2026-02-03T04:05:06.789Z","data":{"room_id":7,"epoch":1,"seq":3,"by":9,"message":` +
				`{"room_id":7,"seq":3,"id":"7:3","kind":"text","sender_id":9,"client_msg_id":"c","content":"hello <b>","created_at":"2026-02-03T04:05:06.789Z"}}}`,
		},
		{
			chat.WebhookEvent{Kind: chat.WebhookReactionAdded, At: at, Room: 7, Ext: "r", Epoch: 1, Seq: 3, Changes: 5, By: 9, ByExt: "ann", Key: "👍", Message: gone},
			"msg_7_1_3_5",
			`{"type":"reaction.added","timestamp":"2026-02-03T04:05:06.789Z","data":{"room_id":7,"room_ext":"r","epoch":1,"seq":3,"change_seq":5,"by":9,"by_ext":"ann","key":"👍","message":` +
				string(protocol.AppendShownMessage(nil, &gone)) + `}}`,
		},
		{
			said, "msg_7_2_4_0",
			`{"type":"member.added","timestamp":"2026-02-03T04:05:06.789Z","data":{"room_id":7,"epoch":2,"seq":4,"by":9,"message":` +
				string(protocol.AppendShownMessage(nil, &said.Message)) + `,"event":{"event":"added","by":9,"user_ids":[11]}}}`,
		},
		{
			chat.WebhookEvent{Kind: chat.WebhookUserCreated, At: at, Ext: "ann", User: chat.User{ID: 9, Username: "u", Nickname: "Ann", Email: "a@example.com", PasswordHash: "h", CreatedAt: at}},
			"usr_9_1770091506789000_created",
			`{"type":"user.created","timestamp":"2026-02-03T04:05:06.789Z","data":{"user":{"id":9,"username":"u","nickname":"Ann","created_at":"2026-02-03T04:05:06.789Z"},"user_ext":"ann"}}`,
		},
	} {
		got, err := protocol.EncodeWebhook(&c.e)
		if err != nil || string(got) != c.want {
			t.Errorf("body %s\nwant %s, %v", got, c.want, err)
		}
		if c.e.ID() != c.id {
			t.Errorf("id %s, want %s", c.e.ID(), c.id)
		}
	}
}
