package importer

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

func TestReaderTakesAFileApart(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for _, tt := range []struct {
		name, in string
		want     []text
	}{
		{"nothing", "", nil},
		{"two", "a\nb\n", []text{{1, []byte("a"), false, false}, {2, []byte("b"), false, false}}},
		{"cut", "a\nb", []text{{1, []byte("a"), false, false}, {2, []byte("b"), false, true}}},
		{"mark", "\xef\xbb\xbfa\n\xef\xbb\xbfb\n", []text{{1, []byte("a"), false, false}, {2, []byte("\xef\xbb\xbfb"), false, false}}},
		{"just long enough", long + "\nb\n", []text{{1, []byte(long), false, false}, {2, []byte("b"), false, false}}},
		{"too long", long + "xy\nb\n", []text{{1, []byte(long + "x"), true, false}, {2, []byte("b"), false, false}}},
		{"by one", long + "x\nb\n", []text{{1, []byte(long + "x"), true, false}, {2, []byte("b"), false, false}}},
	} {
		r := newReader(strings.NewReader(tt.in))
		var got []text
		for {
			x, err := r.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(tt.name, err)
			}
			x.bytes = bytes.Clone(x.bytes)
			got = append(got, x)
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s: %d lines, want %d", tt.name, len(got), len(tt.want))
			continue
		}
		for i, w := range tt.want {
			if g := got[i]; g.number != w.number || g.long != w.long || g.cut != w.cut || !bytes.Equal(g.bytes, w.bytes) {
				t.Errorf("%s: line %d is %d bytes (long %v, cut %v), want %d", tt.name, g.number, len(g.bytes), g.long, g.cut, len(w.bytes))
			}
		}
		if r.read != int64(len(tt.in)) {
			t.Errorf("%s: read %d bytes of %d", tt.name, r.read, len(tt.in))
		}
	}
}

// TestLinesThatAreRefused: what is wrong with a line by itself, and the reason that is shown.
func TestLinesThatAreRefused(t *testing.T) {
	c := checker{chat.DefaultLimits(), noon}
	parse := map[string]func(b []byte) error{
		userType:    func(b []byte) error { _, err := c.user(1, b); return err },
		roomType:    func(b []byte) error { _, err := c.room(1, b); return err },
		memberType:  func(b []byte) error { _, err := c.member(1, b); return err },
		messageType: func(b []byte) error { _, err := c.message(1, b); return err },
	}
	for _, tt := range []struct{ line, want string }{
		{`{"type":"user","id":"7","nickname":"Ann"}`, ""},
		{`{"type":"user","id":"7","nickname":"Ann","username":"Ann.B","email":"ANN@Example.com","created_at":"2019-01-02T03:04:05+02:00"}`, ""},
		{`{"type":"user","id":"","nickname":"Ann"}`, "id: must have"},
		{`{"type":"user","id":"` + strings.Repeat("x", 256) + `","nickname":"Ann"}`, "id: must have"},
		{`{"type":"user","id":"a\u0000b","nickname":"Ann"}`, "id: must have"},
		{`{"type":"user","id":7,"nickname":"Ann"}`, "id"},
		{`{"type":"user","id":"7","nickname":""}`, "nickname"},
		{`{"type":"user","id":"7","nickname":"A\u0000"}`, "nickname"},
		{`{"type":"user","id":"7","nickname":"Ann","username":"a b"}`, "username"},
		{`{"type":"user","id":"7","nickname":"Ann","username":"Me"}`, "username: is reserved"},
		{`{"type":"user","id":"7","nickname":"Ann","email":"nobody"}`, "email"},
		{`{"type":"user","id":"7","nickname":"Ann","created_at":"1970-01-01T00:00:00Z"}`, "created_at: is before 1990"},
		{`{"type":"user","id":"7","nickname":"Ann","created_at":"yesterday"}`, "created_at: must be a time"},
		{`{"type":"user","id":"7","nickname":"Ann","password":"x"}`, `password`},
		{`{"type":"user","id":"7","id":"8","nickname":"Ann"}`, "duplicate object member"},

		{`{"type":"room","id":"r","name":"R","kind":"group","owner":"7"}`, ""},
		{`{"type":"room","id":"r","kind":"direct","members":["7","8"]}`, ""},
		{`{"type":"room","id":"r","kind":"direct","members":["7"]}`, ""},
		{`{"type":"room","id":"r","name":"R","kind":"group","owner":"7","members":["8",{"user":"9","role":"admin","joined_at":"2020-01-01T00:00:00Z"}]}`, ""},
		{`{"type":"room","id":"` + strings.Repeat("x", 129) + `","name":"R","kind":"group","owner":"7"}`, "id: must have"},
		{`{"type":"room","id":"r","name":"","kind":"group","owner":"7"}`, "name"},
		{`{"type":"room","id":"r","name":"R","kind":"group"}`, "owner: is missing"},
		{`{"type":"room","id":"r","name":"R","kind":"channel","owner":"7"}`, "kind"},
		{`{"type":"room","id":"r","name":"R","kind":"group","owner":"7","visibility":"secret"}`, "visibility"},
		{`{"type":"room","id":"r","name":"R","kind":"group","owner":"7","members":[""]}`, "members[0]: user"},
		{`{"type":"room","id":"r","name":"R","kind":"group","owner":"7","members":[9]}`, "members[0]"},
		{`{"type":"room","id":"r","name":"R","kind":"group","owner":"7","members":[{"user":"8","role":"owner"}]}`, "members[0]: role"},
		{`{"type":"room","id":"r","kind":"direct","members":["7","8","9"]}`, "members"},
		{`{"type":"room","id":"r","kind":"direct"}`, "members"},
		{`{"type":"room","id":"r","kind":"direct","name":"R","members":["7","8"]}`, "name"},
		{`{"type":"room","id":"r","kind":"direct","visibility":"public","members":["7","8"]}`, "visibility"},

		{`{"type":"member","room":"r","user":"7"}`, ""},
		{`{"type":"member","room":"r","user":"7","role":"admin","joined_at":"2020-01-01T00:00:00.5Z"}`, ""},
		{`{"type":"member","room":"r"}`, "user"},
		{`{"type":"member","user":"7"}`, "room: is missing"},
		{`{"type":"member","room":"r","user":"7","role":"owner"}`, "role"},

		{`{"type":"message","room":"r","sender":"7","at":"2020-01-01T00:00:00Z","content":"hi"}`, ""},
		{`{"type":"message","room":"r","sender":"7","at":"2020-01-01T00:00:00Z","data":{"b":1,"a":2}}`, ""},
		{`{"type":"message","room":"r","sender":"7","at":"2020-01-01T00:00:00Z","content":"hi","data":null}`, ""},
		{`{"type":"message","room":"r","sender":"7","at":"2020-01-01T00:00:00Z","content":"` + strings.Repeat("x", 1<<20) + `"}`, "content has 1048576 bytes"},
		{`{"type":"message","room":"r","sender":"7","at":"2020-01-01T00:00:00Z","content":"a\u0000b"}`, "content: must not contain NUL"},
		{`{"type":"message","room":"r","sender":"7","at":"2020-01-01T00:00:00Z","content":" "}`, "content"},
		{`{"type":"message","room":"r","sender":"7","at":"2020-01-01T00:00:00Z"}`, "content"},
		{`{"type":"message","room":"r","sender":"7","at":"2020-01-01T00:00:00Z","data":[1]}`, "data"},
		{`{"type":"message","room":"r","sender":"7","at":"1970-01-01T00:00:01Z","content":"hi"}`, "at: is before 1990"},
		{`{"type":"message","room":"r","sender":"7","at":"2026-05-06T12:02:00Z","content":"hi"}`, "at: is in the future"},
		{`{"type":"message","room":"r","sender":"7","content":"hi"}`, "at: is missing"},
		{`{"type":"message","sender":"7","at":"2020-01-01T00:00:00Z","content":"hi"}`, "room: is missing"},
		{`{"type":"message","room":"r","at":"2020-01-01T00:00:00Z","content":"hi"}`, "sender: is missing"},
		{`{"type":"message","room":"r","sender":"7","at":"2020-01-01T00:00:00Z","content":"hi","id":"` + strings.Repeat("x", 256) + `"}`, "id"},
		{`{"type":"message","room":"r","sender":"7","at":"2020-01-01T00:00:00Z","text":"hi"}`, "text"},
		{`{"type":"member","room":"r","user":"7"`, "is not JSON"},
		{"{\"type\":\"member\",\"room\":\"r\x00\",\"user\":\"7\"}", "is not JSON"},
		{"{\"type\":\"member\",\"room\":\"r\xff\",\"user\":\"7\"}", "is not JSON"},
		{`[1]`, "is no JSON object"},
		{`{"type":7}`, "is no JSON object"},
	} {
		typ, err := typeOf([]byte(tt.line))
		if err == nil {
			err = parse[typ]([]byte(tt.line))
		}
		switch {
		case err == nil && tt.want != "":
			t.Errorf("%.120s is taken, want %q", tt.line, tt.want)
		case err != nil && (tt.want == "" || !strings.Contains(why(err), tt.want)):
			t.Errorf("%.120s: %s, want %q", tt.line, why(err), tt.want)
		}
	}
}

// TestNamesOfMessages: a message's name follows from its id, or from what it says and how often that was said before.
func TestNamesOfMessages(t *testing.T) {
	name := func(ms ...message) (names []string) {
		im := New(Options{Now: noon})
		for _, m := range ms {
			names = append(names, im.nameOf(m))
		}
		return names
	}
	a := message{room: "r", sender: "7", at: noon, content: "hi"}
	b := a
	b.at = noon.Add(time.Second)
	other := a
	other.room = "s"
	withID := a
	withID.id = "1"
	elsewhere := other
	elsewhere.id = "1"
	got := name(a, a, other, b, withID, elsewhere)
	seen := map[string]bool{}
	for i, n := range got {
		if err := chat.CheckClientMsgID(n); err != nil || seen[n] {
			t.Errorf("name %d is %q: %v", i, n, err)
		}
		seen[n] = true
	}
	again := name(withID, a, other, a, b)
	if again[1] != got[0] || again[3] != got[1] || again[2] != got[2] || again[4] != got[3] || again[0] != got[4] {
		t.Errorf("names depend on what other lines there are: %v and %v", got, again)
	}
}
