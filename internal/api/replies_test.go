package api

import (
	"bytes"
	"encoding/json"
	"testing"

	"chat-service/internal/api/rooms"
	"chat-service/internal/protocol"
)

// TestHandWrittenReplies reads answers that are appended by hand into the types that the OpenAPI document shows for
// them: encoded again they are the same bytes, so no field is missing, misnamed or out of place.
func TestHandWrittenReplies(t *testing.T) {
	b := newBench(t)
	ann := b.join("ann")
	b.join("bob")
	b.do(201, "POST", "rooms", ann, `{"name":"one & <two>","description":"a\nb","member_ids":[2]}`)
	b.do(201, "POST", "rooms", ann, `{"type":"direct","member_ids":[2]}`)
	b.do(201, "POST", "rooms/1/messages", ann, `{"content":"\"你好\" \u2028 <b>","client_msg_id":"c"}`)
	b.do(200, "PUT", "rooms/1/messages/2/reactions/a%2Fb", ann, "")
	b.do(200, "PUT", "rooms/1/messages/2/pin", ann, "")
	b.do(200, "PATCH", "rooms/1/messages/2", ann, `{"content":"again","data":{"b":[1,"<"],"a":null}}`)
	b.do(201, "POST", "rooms/1/messages", ann, `{"content":"gone","reply_to":2}`)
	b.do(200, "DELETE", "rooms/1/messages/3", ann, "")
	for path, into := range map[string]any{
		"rooms":                         &rooms.RoomsReply{},
		"rooms?limit=1":                 &rooms.RoomsReply{},
		"rooms/1/messages/2":            &protocol.ShownMessage{},
		"rooms/1/messages/3":            &protocol.ShownMessage{},
		"rooms/1/pins":                  &rooms.PinsReply{},
		"rooms/1/messages":              &rooms.HistoryReply{},
		"rooms/1/messages?after_seq=0":  &rooms.HistoryReply{},
		"rooms/2/messages?before_seq=0": &rooms.HistoryReply{},
	} {
		a := b.do(200, "GET", path, ann, "")
		if err := json.Unmarshal(a.raw, into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if want, err := protocol.Marshal(into); err != nil || !bytes.Equal(a.raw, want) {
			t.Errorf("%s:\ngot  %s\nwant %s %v", path, a.raw, want, err)
		}
		if got, want := a.head.Get("Content-Type"), "application/json; charset=utf-8"; got != want {
			t.Errorf("%s is %s, not %s", path, got, want)
		}
	}
}
