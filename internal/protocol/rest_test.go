package protocol_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// anyText mixes what JSON escapes, what it needn't, and bytes that are no text.
func anyText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var s string
		for range rapid.IntRange(0, 4).Draw(t, "parts") {
			s += rapid.OneOf(rapid.StringMatching(`[ -~]{0,6}`), rapid.String(),
				rapid.SampledFrom([]string{"\u2028", "\u2029", "你好", "😀", "\x7f", "\xff", "\xe2\x80", "\x00", "<b>&", `"\`, "\ufffd"})).Draw(t, "part")
		}
		return s
	})
}

func anyTime() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		// From before the year 0 to after 9999.
		s := rapid.Int64Range(-70_000_000_000, 260_000_000_000).Draw(t, "seconds")
		zone := time.FixedZone("", rapid.IntRange(-43_200, 43_200).Draw(t, "zone"))
		return time.Unix(s, rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).In(zone)
	})
}

func anyMessage() *rapid.Generator[*chat.Message] {
	return rapid.Custom(func(t *rapid.T) *chat.Message {
		return &chat.Message{
			Room: chat.RoomID(rapid.Uint64().Draw(t, "room")), Seq: chat.Seq(rapid.Uint64().Draw(t, "seq")),
			Kind: rapid.SampledFrom([]chat.MessageKind{chat.Text, chat.System}).Draw(t, "kind"), Sender: chat.UserID(rapid.Uint64Range(0, 3).Draw(t, "sender")),
			ClientMsgID: anyText().Draw(t, "client_msg_id"), Content: anyText().Draw(t, "content"), CreatedAt: anyTime().Draw(t, "at"),
		}
	})
}

func same(t *rapid.T, got []byte, view any) {
	want, err := json.Marshal(view)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != "before"+string(want) {
		t.Fatalf("got  %s\nwant before%s", got, want)
	}
}

func TestShownMessageIsItsView(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage().Draw(t, "message")
		same(t, protocol.AppendShownMessage([]byte("before"), m), protocol.MessageView(*m))
	})
}

func TestListedRoomIsItsView(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &chat.Membership{
			Room: chat.Room{
				ID: chat.RoomID(rapid.Uint64().Draw(t, "room")), Type: rapid.SampledFrom([]chat.RoomType{chat.Group, chat.Direct}).Draw(t, "type"),
				Name: anyText().Draw(t, "name"), Description: anyText().Draw(t, "description"), Visibility: chat.Private,
				Owner: chat.UserID(rapid.Uint64Range(0, 3).Draw(t, "owner")), MemberCount: rapid.IntRange(-1, 10).Draw(t, "members"),
				LastSeq: chat.Seq(rapid.Uint64().Draw(t, "seq")), MsgCount: rapid.Uint64().Draw(t, "count"), Epoch: rapid.Uint64().Draw(t, "epoch"),
				CreatedAt: anyTime().Draw(t, "at"),
			},
			Member: chat.Member{Role: chat.Admin, ReadSeq: chat.Seq(rapid.Uint64().Draw(t, "read")), ReadCount: rapid.Uint64().Draw(t, "read count")},
		}
		if rapid.Bool().Draw(t, "with last") {
			m.Last = anyMessage().Draw(t, "last")
		}
		if rapid.Bool().Draw(t, "with peer") {
			m.Peer = &chat.User{
				ID: 7, Username: anyText().Draw(t, "username"), Nickname: anyText().Draw(t, "nickname"), AvatarURL: anyText().Draw(t, "avatar"),
				Email: "hers@alone.example", CreatedAt: anyTime().Draw(t, "joined"),
			}
		}
		same(t, protocol.AppendListedRoom([]byte("before"), m), protocol.ListedRoomView(*m))
	})
}
