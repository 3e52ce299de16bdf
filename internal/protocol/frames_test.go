package protocol_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

// TestFrames pins every server frame to its bytes: other people's clients read them.
func TestFrames(t *testing.T) {
	m := chat.Message{Room: 3, Seq: 4, Kind: chat.Text, Sender: 5, ClientMsgID: "c", Content: "a\"<\u2028", CreatedAt: at("2026-01-02T03:04:05.6789+01:00")}
	changed, recalled, plain := m, m, m
	changed.Data, changed.ReplyTo = `{"a":1}`, 2
	changed.State = &chat.State{
		ChangeSeq: 7, Version: 2, EditedAt: m.CreatedAt, PinnedBy: 6, PinnedAt: m.CreatedAt,
		Reactions: []chat.Reaction{{Key: "+", Count: 11, Users: []chat.UserID{5, 6}}},
	}
	recalled.Content, recalled.State = "", &chat.State{ChangeSeq: 8, Version: 1, RecalledBy: 5, RecalledAt: m.CreatedAt}
	plain.Content, plain.State = "x", &chat.State{ChangeSeq: 7, Version: 1}
	did := func(c chat.Change, m chat.Message) chat.Changed {
		c.Room, c.Seq, c.User = 3, 4, 5
		return chat.Changed{Change: c, ChangeSeq: 7, Prev: 6, AtSeq: 9, Message: m}
	}
	unread := uint64(0)
	room := protocol.Room{ID: 3, Type: chat.Group, Name: "n", Visibility: chat.Private, Owner: 5, MemberCount: 2, LastSeq: 4, Epoch: 1, CreatedAt: "t"}
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"message": {protocol.AppendMessage(nil, m), `{"type":"message","room_id":3,"seq":4,"id":"3:4","kind":"text","sender_id":5,"client_msg_id":"c","content":"a\"<` + "\u2028" + `","created_at":"2026-01-02T02:04:05.678Z"}`},
		"ack":     {protocol.AppendAck(nil, m, 2, true), `{"type":"ack","client_msg_id":"c","room_id":3,"seq":4,"id":"3:4","client_seq":2,"created_at":"2026-01-02T02:04:05.678Z","duplicate":true}`},
		"error": {
			protocol.AppendError(nil, &chat.Error{Kind: chat.OutOfOrder, Msg: "m", Expected: 3}, protocol.ErrorRef{Ref: "c", Room: 3, ClientSeq: 9}),
			`{"type":"error","code":"out_of_order","message":"m","ref":"c","retry":true,"retry_after_ms":0,"room_id":3,"client_seq":9,"expected":3}`,
		},
		"error, retry": {protocol.AppendError(nil, chat.E(chat.Unavailable, "m"), protocol.ErrorRef{}), `{"type":"error","code":"unavailable","message":"m","ref":"","retry":true,"retry_after_ms":500}`},
		"head":         {protocol.AppendHead(nil, map[chat.RoomID]chat.Seq{3: 4}, nil), `{"type":"head","rooms":{"3":4}}`},
		"head of changes": {
			protocol.AppendHead(nil, nil, map[chat.RoomID]chat.ChangeSeq{3: 7}),
			`{"type":"head","rooms":{},"changes":{"3":7}}`,
		},
		"message, changed": {
			protocol.AppendMessage(nil, changed),
			`{"type":"message","room_id":3,"seq":4,"id":"3:4","kind":"text","sender_id":5,"client_msg_id":"c","content":"a\"<` + "\u2028" +
				`","created_at":"2026-01-02T02:04:05.678Z","data":{"a":1},"reply_to":2,"change_seq":7,"version":2,"edited_at":"2026-01-02T02:04:05.678Z",` +
				`"reactions":[{"key":"+","count":11,"user_ids":[5,6]}],"pinned":{"by":6,"at":"2026-01-02T02:04:05.678Z"}}`,
		},
		"message, recalled": {
			protocol.AppendMessage(nil, recalled),
			`{"type":"message","room_id":3,"seq":4,"id":"3:4","kind":"text","sender_id":5,"client_msg_id":"c","content":"","created_at":"2026-01-02T02:04:05.678Z",` +
				`"change_seq":8,"version":1,"recalled":{"by":5,"at":"2026-01-02T02:04:05.678Z"}}`,
		},
		"done": {
			protocol.AppendDone(nil, chat.Changed{Change: chat.Change{Room: 3, Seq: 4, ID: "i"}, ChangeSeq: 7, Version: 2}, "r"),
			`{"type":"done","ref":"r","change_id":"i","room_id":3,"seq":4,"change_seq":7,"version":2}`,
		},
		"done without a ref": {
			protocol.AppendDone(nil, chat.Changed{Change: chat.Change{Room: 3, Seq: 4, ID: "i"}, Version: 1, NoOp: true}, ""),
			`{"type":"done","ref":"i","change_id":"i","room_id":3,"seq":4,"change_seq":0,"version":1}`,
		},
		"change, an edit": {
			protocol.AppendChange(nil, did(chat.Change{Kind: chat.ChangeEdit}, changed), 6),
			`{"type":"change","room_id":3,"change_seq":7,"prev":6,"at_seq":9,"message":{"seq":4,"change_seq":7,"version":2,"content":"a\"<` + "\u2028" +
				`","data":{"a":1},"edited_at":"2026-01-02T02:04:05.678Z"},"cause":{"kind":"edit","by":5}}`,
		},
		"change, a reaction": {
			protocol.AppendChange(nil, did(chat.Change{Kind: chat.ChangeReaction, Key: "+", On: true}, changed), 6),
			`{"type":"change","room_id":3,"change_seq":7,"prev":6,"at_seq":9,"message":{"seq":4,"change_seq":7,"version":2,` +
				`"reactions":[{"key":"+","count":11,"user_ids":[5,6]}]},"cause":{"kind":"reaction","by":5,"key":"+","on":true}}`,
		},
		"change, the last reaction and the pin taken away": {
			protocol.AppendChange(nil, did(chat.Change{Kind: chat.ChangePin}, plain), 5),
			`{"type":"change","room_id":3,"change_seq":7,"prev":5,"at_seq":9,"message":{"seq":4,"change_seq":7,"version":1,"content":"x","data":null,` +
				`"reactions":[],"pinned":null},"cause":{"kind":"pin","by":5,"on":false}}`,
		},
		"change, a recall": {
			protocol.AppendChange(nil, chat.Changed{Change: chat.Change{Room: 3, Seq: 4, User: 5, Kind: chat.ChangeRecall}, ChangeSeq: 8, Prev: 7, AtSeq: 9, Message: recalled}, 7),
			`{"type":"change","room_id":3,"change_seq":8,"prev":7,"at_seq":9,"message":{"seq":4,"change_seq":8,"version":1,"content":"","data":null,` +
				`"recalled":{"by":5,"at":"2026-01-02T02:04:05.678Z"},"reactions":[],"pinned":null},"cause":{"kind":"recall","by":5}}`,
		},
		"change, announced again later": {
			protocol.AppendChange(nil, chat.Changed{Change: chat.Change{Room: 3, Seq: 4, User: 5, Kind: chat.ChangeEdit}, ChangeSeq: 7, Prev: 6, AtSeq: 9, Message: recalled}, 6),
			`{"type":"change","room_id":3,"change_seq":7,"prev":6,"at_seq":9,"message":{"seq":4,"change_seq":8,"version":1,"content":"","data":null,` +
				`"recalled":{"by":5,"at":"2026-01-02T02:04:05.678Z"},"reactions":[],"pinned":null},"cause":{"kind":"edit","by":5}}`,
		},
		"change, bare": {
			protocol.AppendBareChange(nil, did(chat.Change{Kind: chat.ChangeEdit}, changed), 6),
			`{"type":"change","room_id":3,"change_seq":7,"prev":6,"at_seq":9}`,
		},
		"change, caught up": {
			protocol.AppendCaughtUp(nil, recalled, 2, 9),
			`{"type":"change","room_id":3,"change_seq":8,"prev":2,"at_seq":9,"message":{"seq":4,"change_seq":8,"version":1,"content":"","data":null,` +
				`"recalled":{"by":5,"at":"2026-01-02T02:04:05.678Z"},"reactions":[],"pinned":null}}`,
		},
		"mine":          {protocol.AppendMine(nil, 3, 4, []string{"+"}), `{"type":"mine","room_id":3,"seq":4,"keys":["+"]}`},
		"mine, nothing": {protocol.AppendMine(nil, 3, 4, nil), `{"type":"mine","room_id":3,"seq":4,"keys":[]}`},
		"synced, with changes": {
			protocol.AppendSynced(nil, protocol.Synced{Room: 3, Epoch: 1, From: 2, To: 4, LastSeq: 4, ChangeSeq: new(chat.ChangeSeq), MoreChanges: true}),
			`{"type":"synced","room_id":3,"epoch":1,"from_seq":2,"to_seq":4,"last_seq":4,"more":false,"change_seq":0,"more_changes":true}`,
		},
		"left":         {protocol.AppendLeft(nil, 3, 4, chat.LeftKicked), `{"type":"left","room_id":3,"seq":4,"reason":"kicked"}`},
		"read":         {protocol.AppendRead(nil, 3, 5, 4, &unread), `{"type":"read","room_id":3,"user_id":5,"seq":4,"unread":0}`},
		"read of peer": {protocol.AppendRead(nil, 3, 5, 4, nil), `{"type":"read","room_id":3,"user_id":5,"seq":4}`},
		"typing":       {protocol.AppendTyping(nil, 3, 5), `{"type":"typing","room_id":3,"user_id":5}`},
		"presence": {
			protocol.AppendPresence(nil, []chat.Presence{{User: 5, Known: true, Online: true}, {User: 6}}),
			`{"type":"presence","users":[{"user_id":5,"online":true,"last_seen":null},{"user_id":6,"online":null,"last_seen":null}]}`,
		},
		"resync": {protocol.AppendResync(nil, 3, 2, "r"), `{"type":"resync","room_id":3,"epoch":2,"ref":"r"}`},
		"synced": {protocol.AppendSynced(nil, protocol.Synced{Room: 3, Epoch: 1, From: 2, To: 4, LastSeq: 4}), `{"type":"synced","room_id":3,"epoch":1,"from_seq":2,"to_seq":4,"last_seq":4,"more":false}`},
		"goaway": {protocol.AppendGoaway(nil, 1500*time.Millisecond, "drain"), `{"type":"goaway","after_ms":1500,"reason":"drain"}`},
		"pong":   {protocol.AppendPong(nil), `{"type":"pong"}`},
		"room": {
			protocol.AppendRoom(nil, room, chat.RoomUpdated, 0),
			`{"type":"room","room":{"id":3,"type":"group","name":"n","description":"","visibility":"private","owner_id":5,"member_count":2,"last_seq":4,"epoch":1,"change_seq":0,"created_at":"t"},"change":"updated"}`,
		},
		"joined": {
			protocol.AppendJoined(nil, protocol.ListedRoom{Room: room, Role: chat.Plain}),
			`{"type":"joined","room":{"id":3,"type":"group","name":"n","description":"","visibility":"private","owner_id":5,"member_count":2,"last_seq":4,"epoch":1,"change_seq":0,"created_at":"t","role":"member","unread":0,"read_seq":0}}`,
		},
		"welcome": {
			protocol.AppendWelcome(nil, protocol.Welcome{SessionID: "s", User: protocol.User{ID: 5}, PingIntervalMS: 25000, Limits: protocol.DefaultLimits()}),
			`{"type":"welcome","session_id":"s","user":{"id":5,"username":"","nickname":"","created_at":""},"server_time":"","ping_interval_ms":25000,"limits":{"message_bytes":16384,"frame_bytes":65536,"sync_rooms":100,"watch":200},"rooms":[]}`,
		},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, c.got, c.want)
		}
		if !json.Valid(c.got) {
			t.Errorf("%s is no JSON: %s", name, c.got)
		}
	}
}

func TestCloseReasonsFit(t *testing.T) {
	for c := protocol.CloseCode(1000); c < 5000; c++ {
		if c.String() == "" {
			continue
		}
		r := protocol.CloseReason(c, 24*time.Hour)
		if len(r) > 123 || !json.Valid([]byte(r)) {
			t.Errorf("%d: reason %s has %d bytes", c, r, len(r))
		}
		if c.Retry() != strings.Contains(r, "retry_after_ms") {
			t.Errorf("%d: reason %s, but retry is %v", c, r, c.Retry())
		}
	}
}

// FuzzAppendMessage: the socket and REST give the same bytes for a message, and encoding/json reads what was written.
func FuzzAppendMessage(f *testing.F) {
	f.Add("hello", "id")
	f.Add("\x00\xff\u2028\"\\", "")
	f.Add("<b>&amp;</b>\u2029\x7f\ufffd", "\xf0\x9f")
	f.Fuzz(func(t *testing.T, content, id string) {
		m := chat.Message{Room: 1, Seq: 2, Kind: chat.Text, Sender: 3, ClientMsgID: id, Content: content, CreatedAt: time.Unix(0, 0)}
		frame := protocol.AppendMessage(nil, m)
		shown, err := protocol.Marshal(protocol.MessageView(m))
		if err != nil || string(frame) != `{"type":"message",`+string(shown[1:]) {
			t.Fatalf("the socket says %s, REST %s, %v", frame, shown, err)
		}
		var got protocol.Message
		want := protocol.MessageView(m)
		want.Content, want.ClientMsgID = string([]rune(content)), string([]rune(id)) // what is no UTF-8 is replaced, byte by byte
		if err := json.Unmarshal(frame, &got); err != nil || !cmp.Equal(got, want, cmpopts.EquateEmpty()) {
			t.Fatalf("%+v came back as %+v from %s: %v", want, got, frame, err)
		}
	})
}
