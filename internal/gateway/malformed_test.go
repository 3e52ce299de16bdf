package gateway

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"chat-service/internal/test/wscases"
)

// masked is a client frame with any first two header bytes (the length without its mask bit) and payload.
func masked(b0, length byte, ext, payload []byte) []byte {
	f := append([]byte{b0, length | 0x80}, ext...)
	f = append(f, 0, 0, 0, 0)
	return append(f, payload...)
}

func closeWith(code uint16, reason string) []byte {
	return wscases.Frame(0x88, append(binary.BigEndian.AppendUint16(nil, code), reason...))
}

func TestMalformedFrames(t *testing.T) {
	const lives = -1 // answered by an error, or by nothing
	text := func(s string) []byte { return wscases.Frame(0x81, []byte(s)) }
	ping := `{"type":"ping"}`
	for name, c := range map[string]struct {
		bytes []byte
		want  int
	}{
		// Framing.
		"unmasked text":                 {[]byte("\x81\x02{}"), 1002},
		"unmasked ping":                 {[]byte("\x89\x00"), 1002},
		"unmasked close":                {[]byte("\x88\x00"), 1002},
		"RSV1":                          {wscases.Frame(0xc1, []byte(ping)), 1002},
		"RSV2":                          {wscases.Frame(0xa1, []byte(ping)), 1002},
		"RSV3":                          {wscases.Frame(0x91, []byte(ping)), 1002},
		"all RSV":                       {wscases.Frame(0xf1, []byte(ping)), 1002},
		"RSV1 on a ping":                {wscases.Frame(0xc9, nil), 1002},
		"opcode 3":                      {wscases.Frame(0x83, []byte(ping)), 1002},
		"opcode 7":                      {wscases.Frame(0x87, []byte(ping)), 1002},
		"opcode 11":                     {wscases.Frame(0x8b, nil), 1002},
		"opcode 15":                     {wscases.Frame(0x8f, nil), 1002},
		"ping of 126 bytes":             {wscases.Frame(0x89, bytes.Repeat([]byte("x"), 126)), 1002},
		"pong of 126 bytes":             {wscases.Frame(0x8a, bytes.Repeat([]byte("x"), 126)), 1002},
		"close of 126 bytes":            {wscases.Frame(0x88, bytes.Repeat([]byte("x"), 126)), 1002},
		"fragmented ping":               {wscases.Frame(0x09, []byte("x")), 1002},
		"fragmented close":              {wscases.Frame(0x08, nil), 1002},
		"continuation of nothing":       {wscases.Frame(0x80, []byte(ping)), 1002},
		"unfinished, then another text": {append(wscases.Frame(0x01, []byte("{")), text(ping)...), 1002},
		"unfinished, then binary":       {append(wscases.Frame(0x01, []byte("{")), wscases.Frame(0x82, nil)...), 1002},
		"continuation after the end":    {append(append(wscases.Frame(0x01, []byte(`{"type":`)), wscases.Frame(0x80, []byte(`"ping"}`))...), wscases.Frame(0x80, nil)...), 1002},
		"HTTP in place of a frame":      {[]byte("GET / HTTP/1.1\r\n\r\n"), 1002},
		"close code 0":                  {closeWith(0, ""), 1002},
		"close code 999":                {closeWith(999, ""), 1002},
		"close code 1004":               {closeWith(1004, ""), 1002},
		"close code 1005":               {closeWith(1005, ""), 1002},
		"close code 1006":               {closeWith(1006, ""), 1002},
		"close code 1015":               {closeWith(1015, ""), 1002},
		"close code 2999":               {closeWith(2999, ""), 1002},
		"close code 5000":               {closeWith(5000, ""), 1002},
		"close reason without UTF-8":    {closeWith(1000, "\xff\xfe"), 1002},
		// Proper closes are echoed.
		"close":                        {closeWith(1000, ""), 1000},
		"close with a reason":          {closeWith(1001, "bye"), 1001},
		"close with a code of its own": {closeWith(3456, ""), 3456},
		"close without a code":         {wscases.Frame(0x88, nil), 0},
		// What a frame holds.
		"binary":                         {wscases.Frame(0x82, []byte(ping)), 1003},
		"empty binary":                   {wscases.Frame(0x82, nil), 1003},
		"text without UTF-8":             {text("{\"type\":\"ping\xff\"}"), 1007},
		"overlong UTF-8":                 {text("{\"a\":\"\xc0\xaf\"}"), 1007},
		"a surrogate in UTF-8":           {text("{\"a\":\"\xed\xa0\x80\"}"), 1007},
		"UTF-8 cut at the end":           {text("{}\xe2\x82"), 1007},
		"UTF-8 bad across fragments":     {append(wscases.Frame(0x01, []byte("{\"a\xe2")), wscases.Frame(0x80, []byte("\x28\"}"))...), 1007},
		"64 KiB and one byte":            {text(strings.Repeat("x", 64<<10+1)), 1009},
		"64 KiB and one byte, by header": {masked(0x81, 126+1, binary.BigEndian.AppendUint64(nil, 64<<10+1), nil), 1009},
		"64 KiB and more in fragments":   {append(wscases.Frame(0x01, bytes.Repeat([]byte(" "), 40<<10)), wscases.Frame(0x80, bytes.Repeat([]byte(" "), 40<<10))...), 1009},
		"2^62 bytes":                     {masked(0x81, 127, binary.BigEndian.AppendUint64(nil, 1<<62), nil), 1009},
		"2^63 bytes":                     {masked(0x81, 127, binary.BigEndian.AppendUint64(nil, 1<<63), nil), 1002},
		// What is answered, or harmless.
		"64 KiB":                      {text(strings.Repeat(" ", 64<<10)), lives},
		"no JSON":                     {text("hello"), lives},
		"empty text":                  {text(""), lives},
		"an array":                    {text("[]"), lives},
		"two objects":                 {text(ping + ping), lives},
		"repeated keys":               {text(`{"type":"ping","type":"ping"}`), lives},
		"unknown type":                {text(`{"type":"nonsense"}`), lives},
		"unknown field":               {text(`{"type":"ping","x":1}`), lives},
		"deep JSON":                   {text(strings.Repeat("[", 30_000)), lives},
		"escaped lone surrogate":      {text(`{"type":"message","room_id":7,"content":"\ud800"}`), lives},
		"NUL":                         {text("{\"type\":\"ping\x00\"}"), lives},
		"a huge number":               {text(`{"type":"read","room_id":1e999,"seq":1}`), lives},
		"2,000 fragments of one byte": {append(append(wscases.Frame(0x01, []byte("{")), bytes.Repeat(wscases.Frame(0x00, []byte(" ")), 2_000)...), wscases.Frame(0x80, []byte("}"))...), lives},
		"a ping between fragments":    {append(append(wscases.Frame(0x01, []byte(`{"type":`)), wscases.Frame(0x89, []byte("x"))...), wscases.Frame(0x80, []byte(`"ping"}`))...), lives},
		"pongs that nobody asked for": {bytes.Repeat(wscases.Frame(0x8a, []byte("x")), 100), lives},
		"empty fragments":             {append(append(wscases.Frame(0x01, nil), bytes.Repeat(wscases.Frame(0x00, nil), 100)...), wscases.Frame(0x80, []byte(ping))...), lives},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gt := newGate(t, nil, nil)
			neighbour, s := gt.login(2), gt.login(1)
			s.write(c.bytes)
			if c.want != lives {
				if got := s.closed(); got != c.want {
					t.Errorf("closed with %d, want %d", got, c.want)
				}
			} else {
				s.send(`{"type":"message","room_id":7,"content":"still here","client_msg_id":"last"}`)
				s.untilAck("last")
			}
			neighbour.send(`{"type":"message","room_id":7,"content":"fine","client_msg_id":"n"}`)
			neighbour.untilAck("n")
		})
	}
}

// untilAck reads on until an ack of the id.
func (c *client) untilAck(id string) {
	c.t.Helper()
	for {
		f, err := c.text()
		if err != nil {
			c.t.Fatalf("no ack of %s: %v", id, err)
		}
		if f.Type == "ack" && f.ClientMsgID == id {
			return
		}
	}
}
