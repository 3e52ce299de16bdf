package protocol_test

import (
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// TestAsRecalled: what was read before a recall is shown as it is since, in the bytes in which it would have been made.
func TestAsRecalled(t *testing.T) {
	before := chat.Message{
		Room: 3, Seq: 4, Kind: chat.Text, Sender: 5, ClientMsgID: "c", Content: `a "recalled":{`, CreatedAt: at("2026-01-02T03:04:05Z"),
		Data: `{"recalled":{}}`, ReplyTo: 2,
	}
	pinned, recalled := before, before
	pinned.State = &chat.State{ChangeSeq: 7, Version: 2, PinnedBy: 6, PinnedAt: before.CreatedAt, Reactions: []chat.Reaction{{Key: "+", Count: 1, Users: []chat.UserID{5}}}}
	recalled.Content, recalled.Data = "", ""
	recalled.State = &chat.State{ChangeSeq: 8, Version: 2, RecalledBy: 5, RecalledAt: before.CreatedAt}
	later := recalled
	later.State = &chat.State{ChangeSeq: 9, Version: 2, RecalledBy: 5, RecalledAt: before.CreatedAt}
	other := before
	other.Seq = 9

	for name, frame := range map[string][]byte{
		"live": protocol.AppendChange(nil, chat.Changed{
			Change: chat.Change{Kind: chat.ChangeRecall, Room: 3, Seq: 4, User: 5}, ChangeSeq: 8, Prev: 7, Message: recalled,
		}, 7),
		"caught up": protocol.AppendCaughtUp(nil, recalled, 7, 9),
		"message":   protocol.AppendMessage(nil, recalled),
	} {
		r, ok := protocol.RecallIn(frame)
		if want := (protocol.Recall{Seq: 4, ChangeSeq: 8, Version: 2}); !ok || r.Recalled == nil || r.Recalled.By != 5 || r.Seq != want.Seq || r.ChangeSeq != want.ChangeSeq || r.Version != want.Version {
			t.Fatalf("%s: the recall in %s is %+v, %v", name, frame, r, ok)
		}
		for what, c := range map[string]struct{ got, want []byte }{
			"a message as sent": {protocol.AppendMessage(nil, before), protocol.AppendMessage(nil, recalled)},
			"a message changed": {protocol.AppendMessage(nil, pinned), protocol.AppendMessage(nil, recalled)},
			"a later message":   {protocol.AppendMessage(nil, later), protocol.AppendMessage(nil, later)},
			"another message":   {protocol.AppendMessage(nil, other), protocol.AppendMessage(nil, other)},
			"no message":        {protocol.AppendSynced(nil, protocol.Synced{Room: 3}), protocol.AppendSynced(nil, protocol.Synced{Room: 3})},
		} {
			if got := protocol.AsRecalled(c.got, r); string(got) != string(c.want) {
				t.Errorf("%s, %s:\ngot  %s\nwant %s", name, what, got, c.want)
			}
		}
		if got, ok := protocol.RecallIn(protocol.AsRecalled(protocol.AppendCaughtUp(nil, pinned, 6, 9), r)); !ok || got.ChangeSeq != 8 {
			t.Errorf("%s: a change frame of before isn't shown as recalled: %+v, %v", name, got, ok)
		}
	}
	for _, frame := range [][]byte{protocol.AppendMessage(nil, before), protocol.AppendCaughtUp(nil, pinned, 6, 9), []byte(`{"recalled":{`)} {
		if r, ok := protocol.RecallIn(frame); ok {
			t.Errorf("a recall in %s: %+v", frame, r)
		}
	}
}
