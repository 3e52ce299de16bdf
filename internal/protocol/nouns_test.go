package protocol_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
		m := &chat.Message{
			Room: chat.RoomID(rapid.Uint64().Draw(t, "room")), Seq: chat.Seq(rapid.Uint64().Draw(t, "seq")),
			Kind: rapid.SampledFrom([]chat.MessageKind{chat.Text, chat.System}).Draw(t, "kind"), Sender: chat.UserID(rapid.Uint64Range(0, 3).Draw(t, "sender")),
			ClientMsgID: anyText().Draw(t, "client_msg_id"), Content: anyText().Draw(t, "content"), CreatedAt: anyTime().Draw(t, "at"),
		}
		if rapid.Bool().Draw(t, "with data") {
			m.Data = canonical(t, anyText().Draw(t, "data"))
			m.ReplyTo = chat.Seq(rapid.Uint64Range(0, 3).Draw(t, "reply_to"))
		}
		if rapid.Bool().Draw(t, "changed") {
			m.State = anyState().Draw(t, "state")
		}
		return m
	})
}

// canonical is data that holds a text.
func canonical(t *rapid.T, text string) string {
	b, err := json.Marshal(map[string]string{"text": text, "a": text})
	if err != nil {
		t.Fatal(err)
	}
	data, err := chat.CanonicalData(b, 0, 0)
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return data
}

func anyState() *rapid.Generator[*chat.State] {
	return rapid.Custom(func(t *rapid.T) *chat.State {
		s := &chat.State{ChangeSeq: chat.ChangeSeq(rapid.Uint64().Draw(t, "change_seq")), Version: rapid.Uint64().Draw(t, "version")}
		for name, at := range map[string]*time.Time{"edited": &s.EditedAt, "recalled": &s.RecalledAt, "pinned": &s.PinnedAt} {
			if rapid.Bool().Draw(t, name) {
				*at = anyTime().Draw(t, name+" at")
			}
		}
		s.RecalledBy, s.PinnedBy = chat.UserID(rapid.Uint64().Draw(t, "recalled by")), chat.UserID(rapid.Uint64().Draw(t, "pinned by"))
		for range rapid.IntRange(0, 2).Draw(t, "reactions") {
			s.Reactions = append(s.Reactions, chat.Reaction{
				Key: anyText().Draw(t, "key"), Count: rapid.IntRange(1, 100).Draw(t, "count"), Users: []chat.UserID{1, chat.MaxID},
			})
		}
		return s
	})
}

// same compares what an encoder appended with the one form of its view, and reads it back as other people's programs do.
func same[T any](t *rapid.T, got []byte, view T) {
	want, err := protocol.Marshal(view)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != "before"+string(want) {
		t.Fatalf("got  %s\nwant before%s", got, want)
	}
	var back, std T
	b, err := json.Marshal(view) // escapes otherwise, and says the same
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(json.Unmarshal(want, &back), json.Unmarshal(b, &std)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(std, back, cmp.Comparer(meansTheSame)); d != "" {
		t.Fatalf("encoding/json reads %s as another thing (-meant +read):\n%s", want, d)
	}
}

func meansTheSame(a, b json.RawMessage) bool {
	var x, y any
	return len(a)+len(b) == 0 || json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && cmp.Equal(x, y)
}

func TestMessageIsItsViewOnBothRoads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage().Draw(t, "message")
		same(t, protocol.AppendShownMessage([]byte("before"), m), protocol.MessageView(*m))
		mine := rapid.SliceOfN(anyText(), 0, 3).Draw(t, "mine")
		same(t, protocol.AppendShownTo([]byte("before"), m, mine), protocol.ShownMessageView(*m, mine))
		frame, ok := strings.CutPrefix(string(protocol.AppendMessage(nil, *m)), `{"type":"message",`)
		if rest := string(protocol.AppendShownMessage(nil, m)); !ok || "{"+frame != rest {
			t.Fatalf("the socket says {%s, REST %s", frame, rest)
		}
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
				Changes:   chat.ChangeSeq(rapid.Uint64().Draw(t, "changes")),
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

// A view's fields come from somewhere: with every field of the noun set, none of them is empty.
func TestViewsShowEveryField(t *testing.T) {
	at := time.Date(2026, 11, 29, 8, 30, 0, 0, time.UTC)
	user := chat.User{ID: 1, Username: "u", Nickname: "n", AvatarURL: "a", Email: "e", CreatedAt: at}
	message := chat.Message{Room: 1, Seq: 2, Ord: 3, Kind: chat.Text, Sender: 4, ClientMsgID: "c", Content: "x", CreatedAt: at, Data: `{}`, ReplyTo: 1}
	message.State = &chat.State{
		ChangeSeq: 1, Version: 2, EditedAt: at, RecalledBy: 3, RecalledAt: at, PinnedBy: 4, PinnedAt: at,
		Reactions: []chat.Reaction{{Key: "k", Count: 1, Users: []chat.UserID{5}}},
	}
	room := chat.Room{
		ID: 1, Type: chat.Group, Name: "n", Description: "d", Visibility: chat.Public, Owner: 2, MemberCount: 3, LastSeq: 4, MsgCount: 5, Epoch: 6, Changes: 7, CreatedAt: at,
	}
	member := chat.Member{Role: chat.Admin, ReadSeq: 1, ReadCount: 1}
	for _, view := range []any{
		protocol.UserView(user), protocol.MessageView(message), *protocol.MessageView(message).State, protocol.RoomView(room),
		protocol.ListedRoomView(chat.Membership{Room: room, Member: member, Last: &message, Peer: &user}),
		protocol.PresenceView(chat.Presence{User: 1, Online: true, Known: true, LastSeen: at}),
	} {
		v := reflect.ValueOf(view)
		for i := range v.NumField() {
			if f := v.Type().Field(i); v.Field(i).IsZero() != (f.Name == "Email") { // shown to its owner only
				t.Errorf("%s.%s is %v", v.Type(), f.Name, v.Field(i))
			}
		}
	}
}

// The two that the API's lists are made of.
func BenchmarkAppendHistoryReply(b *testing.B) {
	for name, content := range map[string]string{"ascii": strings.Repeat("x", 128), "chinese": strings.Repeat("你好", 21), "escapes": strings.Repeat("a\"\n<", 32)} {
		m := chat.Message{Room: 12345, Seq: 99, Kind: chat.Text, Sender: 7, ClientMsgID: "00000000000000000000000000000042", Content: content, CreatedAt: time.Now()}
		p := chat.HistoryPage{Messages: slices.Repeat([]chat.Message{m}, 100)}
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 64<<10)
			b.ReportAllocs()
			for b.Loop() {
				buf = protocol.AppendHistoryReply(buf[:0], p, chat.HistoryQuery{}, nil)
			}
		})
	}
}
