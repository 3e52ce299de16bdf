package chat_test

import (
	"testing"

	"chat-service/internal/chat"
)

// TestWebhookKinds: every kind has one row with a doc, and every system event and change is one of them.
func TestWebhookKinds(t *testing.T) {
	seen := map[chat.WebhookKind]bool{}
	for _, s := range chat.WebhookKinds() {
		if seen[s.Kind] || s.Doc == "" || !s.Kind.Known() {
			t.Errorf("row %+v", s)
		}
		seen[s.Kind] = true
	}
	for _, e := range chat.Events() {
		if !seen[e.Webhook] {
			t.Errorf("the system event %s is the webhook %q, which has no row", e.Name, e.Webhook)
		}
	}
	for _, k := range []chat.ChangeKind{chat.ChangeEdit, chat.ChangeRecall, chat.ChangeReaction, chat.ChangePin, chat.ChangeErase} {
		for _, on := range []bool{true, false} {
			if !seen[chat.WebhookKindOf(k, on)] {
				t.Errorf("a change %s is no webhook", k)
			}
		}
	}
	if e := chat.WebhookEventOf(chat.Message{Kind: chat.System, Content: `{"event":"of a later release"}`}); e.Kind != chat.WebhookOther {
		t.Errorf("an event of a later release is %q", e.Kind)
	}
	if chat.WebhookKind("message.none").Known() {
		t.Error("a kind is known that has no row")
	}
}

func TestWebhookEventIDs(t *testing.T) {
	for _, bad := range []string{
		"", "msg", "msg_1_1_1", "msg_1_1_1_1_1", "msg_0_1_1_0", "msg_1_1_0_0", "msg_01_1_1_0", "msg_+1_1_1_0", "msg_1_1_1_-1", "usr_1_1_created", "msg_1_1_1_9007199254740992",
		"MSG_1_1_1_0",
	} {
		if _, _, _, ok := chat.ParseWebhookEventID(bad); ok {
			t.Errorf("%q is read", bad)
		}
	}
}
