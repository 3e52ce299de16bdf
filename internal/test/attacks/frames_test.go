//go:build e2e

package attacks

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

func longFrames(a *attack) {
	u := a.users(1)[0]
	before := a.rss("gateway-1")
	long := []byte(strings.Repeat(" ", 64<<10+1))
	for name, send := range map[string]func(s *sock) error{
		"in one":   func(s *sock) error { return s.SendFrame(ws.OpText, true, long) },
		"in two":   func(s *sock) error { return inParts(s, long, 40<<10) },
		"in tiny":  func(s *sock) error { return inParts(s, long, 100) },
		"as said":  func(s *sock) error { return s.SendRaw(header(0x81, 1<<40)) },
		"as many":  func(s *sock) error { return s.SendRaw(header(0x81, 1<<62)) },
		"one over": func(s *sock) error { return s.SendRaw(header(0x81, 64<<10+1)) },
	} {
		s := a.dial(1, u)
		_ = send(s) // the server may close before it has all
		got, reason := s.Closed(a)
		if got != 1009 {
			a.Errorf("%s: closed with %d %s, want 1009", name, got, reason)
		}
	}
	s := a.dial(1, u)
	text := `{"type":"ping"}`
	s.SendText(a, text+strings.Repeat(" ", 64<<10-len(text)))
	s.Expect(a, is("pong"))
	if grown := int64(a.rss("gateway-1")) - int64(before); grown > 64<<20 {
		a.Errorf("six long frames cost %d bytes of memory", grown)
	}
}

// inParts sends a text in fragments of n bytes.
func inParts(s *sock, b []byte, n int) error {
	op := ws.OpText
	for len(b) > n {
		if err := s.SendFrame(op, false, b[:n]); err != nil {
			return err
		}
		op, b = ws.OpContinuation, b[n:]
	}
	return s.SendFrame(op, true, b)
}

// header is that of a masked frame whose payload is said to have n bytes.
func header(first byte, n uint64) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, n), 0, 0, 0, 0)
}

// masked is a masked frame as it is on the wire.
func masked(first byte, payload string) []byte {
	return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

func compression(a *attack) {
	u := a.users(1)[0]
	conn, err := net.Dial("tcp", hostOf(a.WS(1)))
	if err != nil {
		a.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, "GET /api/v1/ws?token="+u.Token+" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n")
	answer := make([]byte, 4096)
	n, err := io.ReadAtLeast(conn, answer, 129)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 101") || strings.Contains(strings.ToLower(string(answer[:n])), "extensions") {
		a.Errorf("compression was asked for: %v %q", err, answer[:n])
	}
	for _, first := range []byte{0xc1, 0x41, 0xc0, 0xc9} {
		s := a.dial(1, u)
		_ = s.SendRaw(masked(first, "\xaa\x56\x2a\xa9\x2c\x48\x55\xb2"))
		a.closed(s, 1002)
	}
}

func invalidUTF8(a *attack) {
	u := a.users(1)[0]
	room := a.api.CreateRoom(a, u)
	for _, bytes := range []string{"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xf8\x88\x80\x80\x80"} {
		text := fmt.Sprintf(`{"type":"message","room_id":%d,"content":"%s","client_msg_id":"%s"}`, room, bytes, fresh())
		s := a.dial(1, u)
		_ = s.SendFrame(ws.OpText, true, []byte(text))
		a.closed(s, 1007)
		s = a.dial(2, u)
		_ = inParts(s, []byte(text), 30)
		a.closed(s, 1007)
	}
	s := a.dial(1, u)
	text := fmt.Sprintf(`{"type":"message","room_id":%d,"content":"ä€😀","client_msg_id":"cut"}`, room)
	if err := inParts(s, []byte(text), 1); err != nil { // runes cut by fragments are none the worse
		a.Fatal(err)
	}
	s.Expect(a, is("ack", "client_msg_id", "cut"))
	if n := a.number("SELECT COUNT(*) FROM messages WHERE room_id = ? AND kind = 'text'", room); n != 1 {
		a.Errorf("%d messages are there, want the good one", n)
	}
}

// closing is the payload of a close frame.
func closing(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

// badFrames are bytes that no client may send, and the close code that answers them.
func badFrames() map[string]struct {
	code  int
	bytes []byte
} {
	type frame = struct {
		code  int
		bytes []byte
	}
	all := map[string]frame{
		"text, not masked":          {1002, []byte{0x81, 2, '{', '}'}},
		"ping, not masked":          {1002, []byte{0x89, 0}},
		"close, not masked":         {1002, []byte{0x88, 2, 3, 0xe8}},
		"all reserved bits":         {1002, masked(0xf1, "{}")},
		"a reserved bit on a ping":  {1002, masked(0xc9, "x")},
		"a reserved bit on a close": {1002, masked(0xc8, "")},
		"a ping in fragments":       {1002, masked(0x09, "x")},
		"a pong in fragments":       {1002, masked(0x0a, "x")},
		"a close in fragments":      {1002, masked(0x08, "")},
		"a ping of 126 bytes":       {1002, append([]byte{0x89, 0xfe, 0, 126, 0, 0, 0, 0}, strings.Repeat("x", 126)...)},
		"a pong of 126 bytes":       {1002, append([]byte{0x8a, 0xfe, 0, 126, 0, 0, 0, 0}, strings.Repeat("x", 126)...)},
		"a close of 126 bytes":      {1002, append([]byte{0x88, 0xfe, 0, 126, 0, 0, 0, 0}, strings.Repeat("x", 126)...)},
		"a lone last continuation":  {1002, masked(0x80, "{}")},
		"a lone continuation":       {1002, masked(0x00, "{}")},
		"a text inside of a text":   {1002, append(masked(0x01, "{"), masked(0x81, "}")...)},
		"a binary inside of a text": {1002, append(masked(0x01, "{"), masked(0x82, "}")...)},
		"binary":                    {1003, masked(0x82, "{}")},
		"binary in fragments":       {1003, masked(0x02, "{}")},
		"empty binary":              {1003, masked(0x82, "")},
		"a close of one byte":       {1002, masked(0x88, "\x03")},
		"a close reason, no UTF-8":  {1002, masked(0x88, closing(1000, "\xff"))},
		"16 bits for 125":           {1002, append([]byte{0x81, 0xfe, 0, 125, 0, 0, 0, 0}, strings.Repeat(" ", 125)...)},
		"64 bits for 126":           {1002, append(header(0x81, 126), strings.Repeat(" ", 126)...)},
		"the length's highest bit":  {1002, header(0x81, 1<<63)},
		"a flood of empty parts":    {4004, append(masked(0x01, "{"), []byte(strings.Repeat(string(masked(0x00, "")), 5000))...)},
		"a flood of pongs":          {4004, []byte(strings.Repeat(string(masked(0x8a, "")), 5000))},
		"a flood of pings":          {4004, []byte(strings.Repeat(string(masked(0x89, "x")), 5000))},
		"10,000 parts of one byte":  {4004, append(masked(0x01, "{"), []byte(strings.Repeat(string(masked(0x00, " ")), 10_000))...)},
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		all[fmt.Sprintf("opcode %d", op)] = frame{1002, masked(0x80|op, "{}")}
	}
	for _, bit := range []byte{0x40, 0x20, 0x10} {
		all[fmt.Sprintf("reserved bit %#x", bit)] = frame{1002, masked(0x81|bit, "{}")}
	}
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535} {
		all[fmt.Sprintf("close code %d", code)] = frame{1002, masked(0x88, closing(code, ""))}
	}
	return all
}

func malformedFrames(a *attack) {
	bystander := a.dial(2, a.users(1)[0])
	all := badFrames()
	if len(all) < 40 {
		a.Errorf("%d malformed frames, want 40 at least", len(all))
	}
	for name, bad := range all {
		s := a.dial(2, a.users(1)[0]) // who floods may not come back at once
		_ = s.SendRaw(bad.bytes)      // the server may close before it has all
		if code, reason := s.Closed(a); code != bad.code {
			a.Errorf("%s: closed with %d %s, want %d", name, code, reason, bad.code)
		}
		bystander.Ping(a)
	}
}
