package protocol_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

func TestDecode(t *testing.T) {
	for in, want := range map[string]protocol.Frame{
		`{"type":"message","room_id":1,"content":"Hello, World!"}`: {Type: "message", Room: 1, Content: "Hello, World!"},
		` {"content":"h\u00e9","client_msg_id":"a-1","client_seq":7,"room_id":9007199254740991,"type":"message"} `: {
			Type: "message", Room: chat.MaxID, Content: "hé", ClientMsgID: "a-1", ClientSeq: 7,
		},
		`{"type":"join_room","room_id":1}`:     {Type: "join_room", Room: 1},
		`{"type":"leave_room","room_id":1}`:    {Type: "leave_room", Room: 1},
		`{"type":"typing","room_id":2}`:        {Type: "typing", Room: 2},
		`{"type":"read","room_id":2,"seq":0}`:  {Type: "read", Room: 2},
		`{"type":"ping"}`:                      {Type: "ping"},
		`{"type":"auth","token":"t"}`:          {Type: "auth", Token: "t"},
		`{"type":"presence","user_ids":[]}`:    {Type: "presence", Users: []chat.UserID{}},
		`{"type":"presence","user_ids":[3,4]}`: {Type: "presence", Users: []chat.UserID{3, 4}},
		`{"type":"sync","rooms":{},"ref":"r"}`: {Type: "sync", Sync: []protocol.SyncPoint{}, Ref: "r"},
		`{"type":"sync","rooms":{"5":2,"6":{"seq":3,"epoch":4}}}`: {
			Type: "sync",
			Sync: []protocol.SyncPoint{{Room: 5, Seq: 2}, {Room: 6, Seq: 3, Epoch: 4}},
		},
		`{"type":"sync","rooms":{"5":{"seq":2,"changes":0},"6":{"seq":3,"epoch":4,"changes":7,"from_seq":2}}}`: {
			Type: "sync",
			Sync: []protocol.SyncPoint{{Room: 5, Seq: 2, HasChanges: true}, {Room: 6, Seq: 3, Epoch: 4, Changes: 7, From: 2, HasChanges: true}},
		},
		`{"type":"message","room_id":1,"content":"","data":{"b": [1.0, null], "a": "\u00e9"},"reply_to":4}`: {
			Type: "message", Room: 1, Data: `{"a":"é","b":[1,null]}`, ReplyTo: 4,
		},
		`{"type":"message","room_id":1,"content":"x","data":{}}`: {Type: "message", Room: 1, Content: "x", Data: `{}`},
		`{"type":"edit","room_id":1,"seq":2,"content":"x","if_version":3,"change_id":"c","ref":"r"}`: {
			Type: "edit", Room: 1, Seq: 2, Content: "x", HasContent: true, IfVersion: 3, ChangeID: "c", Ref: "r",
		},
		`{"content":null,"data":{"a":1},"type":"edit","room_id":1,"seq":2}`: {Type: "edit", Room: 1, Seq: 2, HasContent: true, Data: `{"a":1}`, HasData: true},
		`{"type":"edit","room_id":1,"seq":2,"data":null}`:                   {Type: "edit", Room: 1, Seq: 2, HasData: true},
		`{"type":"edit","room_id":1,"seq":2,"content":""}`:                  {Type: "edit", Room: 1, Seq: 2, HasContent: true},
		`{"type":"recall","room_id":1,"seq":2}`:                             {Type: "recall", Room: 1, Seq: 2},
		`{"type":"pin","room_id":1,"seq":2}`:                                {Type: "pin", Room: 1, Seq: 2},
		`{"type":"pin","room_id":1,"seq":2,"on":false}`:                     {Type: "pin", Room: 1, Seq: 2, Off: true},
		`{"type":"react","room_id":1,"seq":2,"key":"👍","on":true}`:          {Type: "react", Room: 1, Seq: 2, Key: "👍"},
	} {
		got, err := protocol.Decode([]byte(in), protocol.DefaultLimits(), protocol.AllFeatures())
		if err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", in, d)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct{ in, code, ref string }{
		{``, "invalid", ""},
		{`{`, "invalid", ""},
		{`[]`, "invalid", ""},
		{`null`, "invalid", ""},
		{`"ping"`, "invalid", ""},
		{`{"type":"ping",}`, "invalid", ""},
		{`{"type":"ping"} {}`, "invalid", ""},
		{`{"type":"ping"}x`, "invalid", ""},
		{`{"type":"ping","type":"ping"}`, "invalid", ""},
		{`{"type":"sync","rooms":{"01":2}}`, "invalid", "rooms"},
		{`{"type":"sync","rooms":{"1":2,"01":3}}`, "invalid", "rooms"},
		{`{"type":"sync","rooms":{"00":2}}`, "invalid", "rooms"},
		{`{"type":"ping","x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`, "unknown_field", "x"},
		{`{"type":"ping","x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, "invalid", ""},
		{`{"type":"ping","x":` + strings.Repeat(`{"a":`, 9_000) + "1" + strings.Repeat("}", 9_000) + `}`, "invalid", ""},
		{`{"type":"presence","user_ids":[` + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + `]}`, "invalid", ""},
		{`{"type":"sync","rooms":{"1":{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}}}`, "invalid", ""},
		{`{"type":"message","room_id":1,"room_id":2,"content":"x"}`, "invalid", ""},
		{"{\"type\":\"message\",\"room_id\":1,\"content\":\"\xff\"}", "invalid", ""},
		{`{"type":"message","room_id":1,"content":"\ud800"}`, "invalid", ""},
		{`{}`, "invalid", ""},
		{`{"type":5}`, "invalid", ""},
		{`{"type":"shout"}`, "unknown_type", ""},
		{`{"type":"PING"}`, "unknown_type", ""},
		{`{"type":"ping","x":1}`, "unknown_field", ""},
		{`{"type":"ping","room_id":1}`, "unknown_field", ""},
		{`{"type":"message","room_id":1,"content":"x","sender_id":9}`, "unknown_field", ""},
		{`{"Type":"ping"}`, "invalid", ""},
		{`{"type":"sync","rooms":{"1":{"seq":1,"x":2}}}`, "unknown_field", ""},
		{`{"type":"message","content":"x"}`, "invalid", "room_id"},
		{`{"type":"message","room_id":1}`, "invalid", "content"},
		{`{"type":"message","room_id":0,"content":"x"}`, "invalid", "room_id"},
		{`{"type":"message","room_id":-1,"content":"x"}`, "invalid", "room_id"},
		{`{"type":"message","room_id":1.5,"content":"x"}`, "invalid", "room_id"},
		{`{"type":"message","room_id":1e3,"content":"x"}`, "invalid", "room_id"},
		{`{"type":"message","room_id":9007199254740992,"content":"x"}`, "invalid", "room_id"},
		{`{"type":"message","room_id":"1","content":"x"}`, "invalid", "room_id"},
		{`{"type":"message","room_id":1,"content":""}`, "invalid", "content"},
		{`{"type":"message","room_id":1,"content":"  "}`, "invalid", "content"},
		{`{"type":"message","room_id":1,"content":"a\u0000b"}`, "invalid", "content"},
		{`{"type":"message","room_id":1,"content":["x"]}`, "invalid", "content"},
		{`{"type":"message","room_id":1,"content":"x","client_msg_id":"a b"}`, "invalid", "client_msg_id"},
		{`{"type":"message","room_id":1,"content":"x","client_seq":0}`, "invalid", "client_seq"},
		{`{"type":"message","room_id":1,"content":"` + strings.Repeat("x", 16<<10+1) + `"}`, "too_large", ""},
		{`{"type":"presence","user_ids":{"1":1}}`, "invalid", "user_ids"},
		{`{"type":"presence","user_ids":[1,"2"]}`, "invalid", "user_ids"},
		{`{"type":"presence","user_ids":[` + strings.Repeat("1,", 200) + `1]}`, "invalid", "user_ids"},
		{`{"type":"sync","rooms":[1]}`, "invalid", "rooms"},
		{`{"type":"sync","rooms":{"x":1}}`, "invalid", "rooms"},
		{`{"type":"sync","rooms":{"0":1}}`, "invalid", "rooms"},
		{`{"type":"sync","rooms":{"1":-1}}`, "invalid", "rooms"},
		{`{"type":"sync","rooms":{},"ref":"` + strings.Repeat("r", 65) + `"}`, "invalid", "ref"},
		{strings.Repeat("[", 100_000), "invalid", ""},
		{`{"type":"message","room_id":1,"content":null}`, "invalid", "content"},
		{`{"type":"message","room_id":1,"content":"","data":null}`, "invalid", "data"},
		{`{"type":"message","room_id":1,"content":"","reply_to":3}`, "invalid", "content"},
		{`{"type":"message","room_id":1,"content":" ","data":{}}`, "invalid", "content"},
		{`{"type":"message","room_id":1,"content":"x","data":[]}`, "invalid", "data"},
		{`{"type":"message","room_id":1,"content":"x","data":"{}"}`, "invalid", "data"},
		{`{"type":"message","room_id":1,"content":"x","data":{"a":1,"a":2}}`, "invalid", ""},
		{`{"type":"message","room_id":1,"content":"x","data":{"a":1e999}}`, "invalid", "data"},
		{`{"type":"message","room_id":1,"content":"x","data":` + nested(33) + `}`, "invalid", "data"},
		{`{"type":"message","room_id":1,"content":"x","data":` + nested(9_000) + `}`, "invalid", "data"},
		{`{"type":"message","room_id":1,"content":"x","data":{"a":"` + strings.Repeat("x", 8<<10-7) + `"}}`, "too_large", ""},
		{`{"type":"message","room_id":1,"content":"x","reply_to":0}`, "invalid", "reply_to"},
		{`{"type":"edit","room_id":1,"seq":2}`, "invalid", "content"},
		{`{"type":"edit","room_id":1,"content":"x"}`, "invalid", "seq"},
		{`{"type":"edit","room_id":1,"seq":0,"content":"x"}`, "invalid", "seq"},
		{`{"type":"edit","room_id":1,"seq":null,"content":null}`, "invalid", "seq"},
		{`{"type":"edit","room_id":1,"content":null,"seq":"2"}`, "invalid", "seq"},
		{`{"type":"edit","room_id":1,"seq":2,"content":null,"x":1}`, "unknown_field", "x"},
		{`{"type":"edit","room_id":1,"seq":2,"content":" "}`, "invalid", "content"},
		{`{"type":"edit","room_id":1,"seq":2,"content":"x","if_version":0}`, "invalid", "if_version"},
		{`{"type":"edit","room_id":1,"seq":2,"content":"x","change_id":""}`, "invalid", "change_id"},
		{`{"type":"edit","room_id":1,"seq":2,"content":"x","key":"y"}`, "unknown_field", "key"},
		{`{"type":"recall","room_id":1,"seq":2,"on":true}`, "unknown_field", "on"},
		{`{"type":"react","room_id":1,"seq":2,"key":"y"}`, "invalid", "on"},
		{`{"type":"react","room_id":1,"seq":2,"on":true}`, "invalid", "key"},
		{`{"type":"react","room_id":1,"seq":2,"key":"","on":true}`, "invalid", "key"},
		{`{"type":"react","room_id":1,"seq":2,"key":"a b","on":true}`, "invalid", "key"},
		{`{"type":"react","room_id":1,"seq":2,"key":"` + strings.Repeat("x", 33) + `","on":true}`, "invalid", "key"},
		{`{"type":"react","room_id":1,"seq":2,"key":"y","on":1}`, "invalid", "on"},
		{`{"type":"pin","room_id":1,"seq":2,"on":null}`, "invalid", "on"},
		{`{"type":"sync","rooms":{"1":{"seq":1,"changes":null}}}`, "invalid", "rooms.changes"},
		{`{"type":"sync","rooms":{"1":{"seq":1,"changes":-1}}}`, "invalid", "rooms.changes"},
	} {
		f, err := protocol.Decode([]byte(c.in), protocol.DefaultLimits(), protocol.AllFeatures())
		name := c.in[:min(len(c.in), 70)]
		if err == nil {
			t.Errorf("%s: decoded as %+v, want %s", name, f, c.code)
			continue
		}
		e := chat.As(err)
		if e.Kind.String() != c.code {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
		}
		if c.ref != "" && (len(e.Fields) == 0 || e.Fields[0].Field != c.ref) {
			t.Errorf("%s: names the fields %v, want %s", name, e.Fields, c.ref)
		}
	}
}

// nested is an object of this many levels.
func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels-1) + "{}" + strings.Repeat("}", levels-1)
}

// Data of just as many bytes and levels as it may have.
func TestDecodeDataAtItsLimits(t *testing.T) {
	for _, data := range []string{nested(32), `{"a":"` + strings.Repeat("x", 8<<10-8) + `"}`} {
		f, err := protocol.Decode([]byte(`{"type":"message","room_id":1,"content":"x","data":`+data+`}`), protocol.DefaultLimits(), protocol.AllFeatures())
		if err != nil || f.Data != data {
			t.Errorf("%.60s…: %v", data, err)
		}
	}
}

// What a way through the system can't do is to it what it is to a gateway that doesn't know it at all.
func TestDecodeByFeatures(t *testing.T) {
	changes, data := protocol.FeaturesOf([]string{"changes", "later"}), protocol.FeaturesOf([]string{"data"})
	for _, c := range []struct {
		in          string
		on          protocol.Features
		code, field string
	}{
		{`{"type":"edit","room_id":1,"seq":2,"content":"x"}`, data, "unknown_type", ""},
		{`{"type":"recall","room_id":1,"seq":2}`, 0, "unknown_type", ""},
		{`{"type":"react","room_id":1,"seq":2,"key":"y","on":true}`, data, "unknown_type", ""},
		{`{"type":"pin","room_id":1,"seq":2}`, 0, "unknown_type", ""},
		{`{"type":"edit","room_id":1,"seq":2,"content":"x"}`, changes, "", ""},
		{`{"type":"edit","room_id":1,"seq":2,"data":{}}`, changes, "unknown_field", "data"},
		{`{"type":"edit","room_id":1,"seq":2,"data":null}`, changes, "unknown_field", "data"},
		{`{"type":"message","room_id":1,"content":"x","data":{}}`, changes, "unknown_field", "data"},
		{`{"type":"message","room_id":1,"content":"x","data":[]}`, 0, "unknown_field", "data"},
		{`{"type":"message","room_id":1,"content":"x","reply_to":1}`, 0, "unknown_field", "reply_to"},
		{`{"type":"message","room_id":1,"content":"x","reply_to":1,"data":{}}`, data, "", ""},
		{`{"type":"sync","rooms":{"1":{"seq":1,"changes":2}}}`, data, "unknown_field", "rooms.changes"},
		{`{"type":"sync","rooms":{"1":{"seq":1,"from_seq":[]}}}`, 0, "unknown_field", "rooms.from_seq"},
		{`{"type":"sync","rooms":{"1":{"seq":1,"changes":2}}}`, changes, "", ""},
	} {
		_, err := protocol.Decode([]byte(c.in), protocol.DefaultLimits(), c.on)
		if c.code == "" {
			if err != nil {
				t.Errorf("%s: %v", c.in, err)
			}
			continue
		}
		e := chat.As(err)
		if err == nil || e.Kind.String() != c.code || c.field != "" && (len(e.Fields) != 1 || e.Fields[0].Field != c.field) {
			t.Errorf("%s: got %v, want %s about %q", c.in, err, c.code, c.field)
		}
	}
}

func TestRefusedFrameStillSaysWhatItWas(t *testing.T) {
	f, err := protocol.Decode([]byte(`{"content":5,"client_msg_id":"a","client_seq":3,"type":"message","room_id":1}`), protocol.DefaultLimits(), protocol.AllFeatures())
	if err == nil || f.Type != protocol.TMessage || f.ClientMsgID != "a" || f.ClientSeq != 3 {
		t.Errorf("got %+v, %v; want the type, client_msg_id and client_seq beside the error", f, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"type":"message","room_id":1,"content":"x","client_msg_id":"a","client_seq":1}`,
		`{"type":"sync","rooms":{"1":{"seq":1,"epoch":2},"3":4},"ref":"r"}`, `{"type":"presence","user_ids":[1,2]}`,
		`{"type":"auth","token":"t"}`, `{"type":"read","room_id":1,"seq":2}`, `{"type":"ping"}`, `[{`, "\xff", `{"type":"ping","type":1}`,
		`{"type":"edit","room_id":1,"seq":2,"content":null,"data":{"b":1.50,"a":["\u00e9"]},"if_version":3,"change_id":"c"}`,
		`{"type":"react","room_id":1,"seq":2,"key":"+","on":false}`, `{"type":"message","room_id":1,"content":"","data":{},"reply_to":4}`,
		`{"type":"sync","rooms":{"1":{"seq":1,"changes":2,"from_seq":3}}}`,
	} {
		f.Add([]byte(s))
	}
	lim := protocol.DefaultLimits()
	f.Fuzz(func(t *testing.T, b []byte) {
		if fr, err := protocol.Decode(b, lim, 0); err == nil && (fr.Data+fr.Key+fr.ChangeID != "" || fr.ReplyTo+chat.Seq(fr.IfVersion) != 0 || fr.Off) {
			t.Fatalf("%q read as %+v where no feature is on", b, fr)
		}
		fr, err := protocol.Decode(b, lim, protocol.AllFeatures())
		if err != nil {
			return
		}
		// What is accepted is valid JSON, and says the same to the standard library.
		var std struct {
			Type    string `json:"type"`
			Room    uint64 `json:"room_id"`
			Content string `json:"content"`
			Seq     uint64 `json:"seq"`

			Data      json.RawMessage `json:"data"`
			ReplyTo   uint64          `json:"reply_to"`
			IfVersion uint64          `json:"if_version"`
			Key       string          `json:"key"`
			ChangeID  string          `json:"change_id"`
			On        *bool           `json:"on"`
		}
		if err := json.Unmarshal(b, &std); err != nil {
			t.Fatalf("accepted %q, which encoding/json refuses: %v", b, err)
		}
		if std.Type != string(fr.Type) || std.Room != uint64(fr.Room) || std.Content != fr.Content || std.Seq != uint64(fr.Seq) {
			t.Fatalf("%q read as %+v, by encoding/json as %+v", b, fr, std)
		}
		if std.ReplyTo != uint64(fr.ReplyTo) || std.IfVersion != fr.IfVersion || std.Key != fr.Key || std.ChangeID != fr.ChangeID ||
			fr.Off != (std.On != nil && !*std.On) {
			t.Fatalf("%q read as %+v, by encoding/json as %+v", b, fr, std)
		}
		var meant, read any
		if fr.Data != "" && (json.Unmarshal(std.Data, &meant) != nil || json.Unmarshal([]byte(fr.Data), &read) != nil || !cmp.Equal(meant, read)) {
			t.Fatalf("the data of %q was read as %s", b, fr.Data)
		}
	})
}

func BenchmarkDecodeMessage(b *testing.B) {
	in := []byte(`{"type":"message","room_id":12345,"client_msg_id":"00000000000000000000000000000042","content":"` + strings.Repeat("x", 128) + `"}`)
	lim := protocol.DefaultLimits()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := protocol.Decode(in, lim, protocol.AllFeatures()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendMessage(b *testing.B) {
	m := chat.Message{Room: 12345, Seq: 99, Kind: chat.Text, Sender: 7, ClientMsgID: "0042", Content: strings.Repeat("x", 128), CreatedAt: time.Now()}
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		buf = protocol.AppendMessage(buf[:0], m)
	}
}
