package protocol_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

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
		"head":         {protocol.AppendHead(nil, map[chat.RoomID]chat.Seq{3: 4}), `{"type":"head","rooms":{"3":4}}`},
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
			`{"type":"room","room":{"id":3,"type":"group","name":"n","description":"","visibility":"private","owner_id":5,"member_count":2,"last_seq":4,"epoch":1,"created_at":"t"},"change":"updated"}`,
		},
		"joined": {
			protocol.AppendJoined(nil, protocol.ListedRoom{Room: room, Role: chat.Plain}),
			`{"type":"joined","room":{"id":3,"type":"group","name":"n","description":"","visibility":"private","owner_id":5,"member_count":2,"last_seq":4,"epoch":1,"created_at":"t","role":"member","unread":0,"read_seq":0}}`,
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
		if err := json.Unmarshal(frame, &got); err != nil || got != want {
			t.Fatalf("%+v came back as %+v from %s: %v", want, got, frame, err)
		}
	})
}
