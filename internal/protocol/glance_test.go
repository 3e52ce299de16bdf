package protocol

import (
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// referred is what an answer may refer to, of a frame.
func referred(f Frame) Frame {
	return Frame{Type: f.Type, Room: f.Room, ClientMsgID: f.ClientMsgID, ClientSeq: f.ClientSeq, Ref: f.Ref}
}

func TestErrorsFindWhatTheyReferTo(t *testing.T) {
	whole := Frame{Type: TMessage, Room: 7, ClientMsgID: "m-1", ClientSeq: 3}
	for name, c := range map[string]struct {
		in   string
		want Frame
	}{
		"half an emoji before the rest": {`{"content":"hi \ud83d","client_msg_id":"m-1","room_id":7,"client_seq":3,"type":"message"}`, whole},
		"half an emoji after the rest":  {`{"client_msg_id":"m-1","room_id":7,"client_seq":3,"type":"message","content":"hi \ud83d"}`, whole},
		"a line break in a text":        {"{\"content\":\"a\nb\",\"client_msg_id\":\"m-1\",\"room_id\":7,\"client_seq\":3,\"type\":\"message\"}", whole},
		"a bad escape":                  {`{"content":"C:\dir","client_msg_id":"m-1","room_id":7,"client_seq":3,"type":"message"}`, whole},
		"a trailing comma":              {`{"client_msg_id":"m-1","room_id":7,"client_seq":3,"type":"message",}`, whole},
		"a missing comma":               {`{"client_msg_id":"m-1" "room_id":7 ,"client_seq":3,"type":"message"}`, whole},
		"a word that is no value":       {`{"content":undefined,"client_msg_id":"m-1","room_id":7,"client_seq": 3 ,"type":"message"}`, whole},
		"a broken object":               {`{"content":{"a":[1,,"}"]},"client_msg_id":"m-1","room_id":7,"client_seq":3,"type":"message"}`, whole},
		"cut":                           {`{"client_msg_id":"m-1","room_id":7,"client_seq":3,"type":"message","content":"x`, whole},
		"a repeated name":               {`{"type":"message","client_msg_id":"m-1","room_id":7,"client_seq":3,"client_msg_id":"m-2"}`, whole},
		"trailing data":                 {`{"type":"message","client_msg_id":"m-1","room_id":7,"client_seq":3} {}`, whole},
		"escapes in names and values":   {`{"t\u0079pe":"mess\u0061ge","client_msg_id":"m-1","room_id":7,"client_seq":3,}`, whole},
		"names in a text":               {`{"content":"\"client_msg_id\":\"m-2\"\x","client_msg_id":"m-1","room_id":7,"client_seq":3,"type":"message"}`, whole},
		"names deeper down":             {`{"content":{"client_msg_id":"m-2"},"client_msg_id":"m-1","room_id":7,"client_seq":3,"type":"message",}`, whole},
		"a client's ref":                {`{"rooms":{"1":01},"ref":"r","type":"sync"}`, Frame{Type: TSync, Ref: "r"}},
		"values of other forms":         {`{"type":5,"client_msg_id":{},"room_id":"7","client_seq":1e3,"ref":[],}`, Frame{}},
		"numbers out of range":          {`{"type":"read","room_id":9007199254740992,"client_seq":-1,}`, Frame{Type: TRead}},
		"a value of the wrong form":     {`{"content":5,"client_msg_id":"m-1","client_seq":3,"type":"message","room_id":7}`, whole},
		"an unknown field":              {`{"x":5,"client_msg_id":"m-1","client_seq":3,"type":"message","room_id":7,"content":"x"}`, whole},
		"no object":                     {`["client_msg_id","m-1"]`, Frame{}},
		"nothing":                       {``, Frame{}},
		"an open bracket":               {`{`, Frame{}},
		"a name alone":                  {`{"type"`, Frame{}},
		"a name and a colon":            {`{"type":`, Frame{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Decode([]byte(c.in), DefaultLimits(), AllFeatures())
			if err == nil {
				t.Fatalf("%s was decoded", c.in)
			}
			if d := cmp.Diff(c.want, referred(got)); d != "" {
				t.Errorf("%s: an answer refers to another thing (-want +got):\n%s", c.in, d)
			}
		})
	}
}

// FuzzGlance: in what is JSON the second look sees what the first one saw, and whatever follows a frame doesn't change what it says.
func FuzzGlance(f *testing.F) {
	for _, s := range []string{
		`{"type":"message","room_id":1,"content":"x","client_msg_id":"a","client_seq":1}`, `{"type":"sync","rooms":{"1":{"seq":1}},"ref":"r"}`,
		`{"r\u0065f":"\ud83d\ude00","type":"sync","rooms":{}}`, `{"type":"message","room_id":1,"content":"\ud83d"}`, `{"a":"`, `{"a":]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		seen := glance(b)
		for _, s := range []string{string(seen.Type), seen.ClientMsgID, seen.ChangeID, seen.Ref} {
			if utf8.Valid(b) && !utf8.ValidString(s) {
				t.Fatalf("%q: refers to %q, which is no UTF-8", b, s)
			}
		}
		whole, err := Decode(b, Limits{}, AllFeatures())
		if err != nil {
			return
		}
		if d := cmp.Diff(referred(whole), seen); d != "" {
			t.Fatalf("%q: the second look differs:\n%s", b, d)
		}
	})
}
