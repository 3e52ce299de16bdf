package wscases

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Case is what a client sends on a socket that has been welcomed, and all that it gets back.
type Case struct {
	Group string
	ID    string
	Sent  [][]byte // each is written by itself
	Want  []string // "pong" and other frames by their type, "PONG <payload>", "CLOSE <code>"; without a CLOSE the socket lives
	// Torn cases go on sending after a close, against RFC 6455: a proxy in between may then end the connection before it has passed on
	// the answer.
	Torn bool
}

const jsonPing = `{"type":"ping"}`

// padded is a ping of exactly n bytes.
func padded(n int) []byte { return []byte(jsonPing + strings.Repeat(" ", n-len(jsonPing))) }

func cut(code int) []string { return []string{fmt.Sprintf("CLOSE %d", code)} }

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// Suite builds all cases, for a limit of 64 KiB a frame.
func Suite() (all []Case) {
	for _, group := range []func() []Case{
		framingCases, pingCases, reservedCases, opcodeCases, fragmentCases, utf8Cases, closeCases, limitCases,
	} {
		all = append(all, group()...)
	}
	for _, c := range slices.Clone(all) { // as Autobahn does: the same by single octets
		if b := join(c.Sent...); len(b) <= 300 && len(b) > 1 {
			octets := Case{Group: c.Group, ID: c.ID + ", octet by octet", Want: c.Want}
			for i := range b {
				octets.Sent = append(octets.Sent, b[i:i+1])
			}
			all = append(all, octets)
		}
	}
	return all
}

func framingCases() (l []Case) {
	add := func(id string, want []string, sent ...[]byte) {
		l = append(l, Case{Group: "1 framing", ID: id, Sent: sent, Want: want})
	}
	for _, n := range []int{15, 125, 126, 127, 128, 288, 289, 65535, 65536} {
		add(fmt.Sprintf("text of %d bytes", n), []string{"pong"}, Frame(0x81, padded(n)))
	}
	add("empty text", []string{"error"}, Frame(0x81, nil))
	for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		add(fmt.Sprintf("binary of %d bytes", n), cut(1003), Frame(0x82, bytes.Repeat([]byte{0xfe}, n)))
	}
	be := binary.BigEndian
	for _, n := range []int{0, 15, 125} {
		payload := bytes.Repeat([]byte(" "), n)
		add(fmt.Sprintf("%d bytes with a length of 16 bits", n), cut(1002), masked(126, be.AppendUint16(nil, uint16(n)), payload))
	}
	for _, n := range []int{0, 125, 126, 65535} {
		payload := bytes.Repeat([]byte(" "), n)
		add(fmt.Sprintf("%d bytes with a length of 64 bits", n), cut(1002), masked(127, be.AppendUint64(nil, uint64(n)), payload))
	}
	for _, op := range []byte{0x81, 0x82, 0x80, 0x01, 0x88, 0x89, 0x8a} {
		add(fmt.Sprintf("not masked, first byte %#x", op), cut(1002), []byte{op, 2, '{', '}'})
	}
	for _, mask := range [][]byte{{0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}, {0, 1, 0, 1}} {
		f := append([]byte{0x81, 0x80 | byte(len(jsonPing))}, mask...)
		for i := range len(jsonPing) {
			f = append(f, jsonPing[i]^mask[i%4])
		}
		add(fmt.Sprintf("mask % x", mask), []string{"pong"}, f)
	}
	add("three frames in one write", []string{"pong", "pong", "pong"}, bytes.Repeat(Frame(0x81, []byte(jsonPing)), 3))
	return l
}

func pingCases() (l []Case) {
	add := func(id string, want []string, sent ...[]byte) {
		l = append(l, Case{Group: "2 pings and pongs", ID: id, Sent: sent, Want: want})
	}
	add("ping", []string{"PONG "}, Frame(0x89, nil))
	add("ping with text", []string{"PONG Hello"}, Frame(0x89, []byte("Hello")))
	add("ping with octets", []string{"PONG \x00\xff\xfe\xfd"}, Frame(0x89, []byte("\x00\xff\xfe\xfd")))
	for _, n := range []int{124, 125} {
		p := bytes.Repeat([]byte{0xfe}, n)
		add(fmt.Sprintf("ping of %d bytes", n), []string{"PONG " + string(p)}, Frame(0x89, p))
	}
	for _, n := range []int{126, 127, 65536} {
		add(fmt.Sprintf("ping of %d bytes", n), cut(1002), Frame(0x89, bytes.Repeat([]byte{0xfe}, n)))
		add(fmt.Sprintf("pong of %d bytes", n), cut(1002), Frame(0x8a, bytes.Repeat([]byte{0xfe}, n)))
	}
	add("unsolicited pong", nil, Frame(0x8a, nil))
	add("unsolicited pong with payload", nil, Frame(0x8a, []byte("x")))
	add("unsolicited pong, then ping", []string{"PONG y"}, Frame(0x8a, []byte("x")), Frame(0x89, []byte("y")))
	var ten [][]byte
	var pongs []string
	for i := range 10 {
		ten = append(ten, Frame(0x89, fmt.Appendf(nil, "ping-%d", i)))
		pongs = append(pongs, fmt.Sprintf("PONG ping-%d", i))
	}
	add("ten pings in their order", pongs, ten...)
	add("ten pings in one write", pongs, join(ten...))
	return l
}

func reservedCases() (l []Case) {
	for rsv := byte(1); rsv <= 7; rsv++ {
		for name, f := range map[string][]byte{
			"text": Frame(0x81|rsv<<4, []byte(jsonPing)), "empty text": Frame(0x81|rsv<<4, nil),
			"ping": Frame(0x89|rsv<<4, nil), "pong": Frame(0x8a|rsv<<4, nil), "close": Frame(0x88|rsv<<4, []byte{3, 232}),
			"continuation": join(Frame(0x01, []byte(`{"type"`)), Frame(0x80|rsv<<4, []byte(`:"ping"}`))),
		} {
			l = append(l, Case{Group: "3 reserved bits", ID: fmt.Sprintf("RSV %03b on %s", rsv, name), Sent: [][]byte{f}, Want: cut(1002)})
		}
	}
	return append(l, Case{
		Group: "3 reserved bits", ID: "a good frame, then RSV1",
		Sent: [][]byte{Frame(0x81, []byte(jsonPing)), Frame(0xc1, []byte(jsonPing))},
		Want: []string{"pong", "CLOSE 1002"},
	})
}

func opcodeCases() (l []Case) {
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		for _, payload := range []string{"", "x", jsonPing} {
			l = append(l, Case{
				Group: "4 opcodes", ID: fmt.Sprintf("opcode %d with %d bytes", op, len(payload)),
				Sent: [][]byte{Frame(0x80|op, []byte(payload))}, Want: cut(1002),
			})
		}
		l = append(l, Case{
			Group: "4 opcodes", ID: fmt.Sprintf("a good frame, then opcode %d, then a ping", op),
			Sent: [][]byte{join(Frame(0x81, []byte(jsonPing)), Frame(0x80|op, nil), Frame(0x89, nil))},
			Want: []string{"pong", "CLOSE 1002"},
		})
	}
	return l
}

func fragmentCases() (l []Case) {
	add := func(id string, want []string, sent ...[]byte) {
		l = append(l, Case{Group: "5 fragments", ID: id, Sent: sent, Want: want})
	}
	first, last := Frame(0x01, []byte(`{"type":`)), Frame(0x80, []byte(`"ping"}`))
	add("two fragments", []string{"pong"}, first, last)
	add("two fragments in one write", []string{"pong"}, join(first, last))
	add("a ping between", []string{"PONG between", "pong"}, first, Frame(0x89, []byte("between")), last)
	add("a pong between", []string{"pong"}, first, Frame(0x8a, nil), last)
	add("a close between", cut(1000), first, closeWith(1000, ""))
	add("empty fragments", []string{"pong"}, Frame(0x01, nil), Frame(0x00, nil), first[:0], Frame(0x00, []byte(jsonPing)), Frame(0x80, nil))
	add("all fragments empty", []string{"error"}, Frame(0x01, nil), Frame(0x00, nil), Frame(0x80, nil))
	add("one octet each", []string{"pong"}, func() (b []byte) {
		b = Frame(0x01, []byte(jsonPing[:1]))
		for i := 1; i < len(jsonPing); i++ {
			b = append(b, Frame(0x00, []byte{jsonPing[i]})...)
		}
		return append(b, Frame(0x80, nil)...)
	}())
	for _, control := range []byte{0x08, 0x09, 0x0a} {
		add(fmt.Sprintf("a fragmented control frame, opcode %d", control), cut(1002), Frame(control, nil), Frame(0x80, nil))
		add(fmt.Sprintf("one within a message, opcode %d", control), cut(1002), first, Frame(control, nil))
	}
	add("a continuation of nothing, final", cut(1002), Frame(0x80, []byte("x")))
	add("a continuation of nothing", cut(1002), Frame(0x00, []byte("x")))
	add("a continuation after the end", []string{"pong", "CLOSE 1002"}, first, last, Frame(0x80, nil))
	add("a text before the end", cut(1002), first, Frame(0x81, []byte(jsonPing)))
	add("an unfinished text before the end", cut(1002), first, Frame(0x01, []byte("{")))
	add("a binary before the end", cut(1002), first, Frame(0x82, nil))
	add("a binary in fragments", cut(1003), Frame(0x02, []byte("x")), Frame(0x80, nil))
	return l
}

func utf8Cases() (l []Case) {
	add := func(id string, want []string, sent ...[]byte) {
		l = append(l, Case{Group: "6 UTF-8", ID: id, Sent: sent, Want: want})
	}
	quoted := func(s string) string { return `{"type":"ping","ref":"` + s + `"}` }
	for name, s := range map[string]string{
		"ASCII": "Hello", "2 bytes": "µß", "3 bytes": "κόσμε", "4 bytes": "\U0001F600", "U+007F": "\x7f", "U+0080": "\u0080",
		"U+07FF": "\u07ff", "U+0800": "\u0800", "U+D7FF": "\ud7ff", "U+E000": "\ue000", "U+FFFD": "\ufffd", "U+FFFE": "\ufffe",
		"U+FFFF": "\uffff", "U+10000": "\U00010000", "U+10FFFF": "\U0010ffff",
	} {
		add("valid "+name, []string{"error"}, Frame(0x81, []byte(quoted(s)))) // ping has no ref: it is read as JSON
		whole := []byte(quoted(s))
		at := len(`{"type":"ping","ref":"`) + 1 // within the first rune, if it is longer than a byte
		add("valid and split, "+name, []string{"error"}, Frame(0x01, whole[:at]), Frame(0x80, whole[at:]))
	}
	for name, s := range map[string]string{
		"lone continuation 80": "\x80", "lone continuation BF": "\xbf", "two continuations": "\x80\xbf", "2 bytes cut": "\xc3",
		"3 bytes cut after 1": "\xe2", "3 bytes cut after 2": "\xe2\x82", "4 bytes cut": "\xf0\x9f\x98", "FE": "\xfe", "FF": "\xff",
		"overlong C0 AF": "\xc0\xaf", "overlong E0 80 AF": "\xe0\x80\xaf", "overlong F0 80 80 AF": "\xf0\x80\x80\xaf",
		"overlong NUL": "\xc0\x80", "surrogate D800": "\xed\xa0\x80", "surrogate DFFF": "\xed\xbf\xbf", "surrogate pair": "\xed\xa0\xbd\xed\xb8\x80",
		"above U+10FFFF": "\xf4\x90\x80\x80", "5 bytes": "\xf8\x88\x80\x80\x80", "6 bytes": "\xfc\x84\x80\x80\x80\x80", "C1": "\xc1\xbf",
	} {
		add("invalid "+name, cut(1007), Frame(0x81, []byte(quoted(s))))
		add("invalid at the end, "+name, cut(1007), Frame(0x81, []byte("{"+s)))
		add("invalid in a first fragment, which fails at once, "+name, cut(1007), Frame(0x01, []byte(quoted(s))))
	}
	return l
}

func closeCases() (l []Case) {
	add := func(id string, want []string, sent ...[]byte) {
		l = append(l, Case{Group: "7 closing", ID: id, Sent: sent, Want: want})
	}
	add("no payload", cut(0), Frame(0x88, nil))
	add("1 byte", cut(1002), Frame(0x88, []byte{3}))
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		add(fmt.Sprintf("code %d", code), cut(code), closeWith(uint16(code), ""))
	}
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		add(fmt.Sprintf("code %d", code), cut(1002), closeWith(uint16(code), ""))
	}
	add("a reason", cut(1000), closeWith(1000, "Hello"))
	add("a reason of 123 bytes", cut(1000), closeWith(1000, strings.Repeat("x", 123)))
	add("a reason of 124 bytes", cut(1002), closeWith(1000, strings.Repeat("x", 124)))
	add("a reason without UTF-8", cut(1002), closeWith(1000, "\xce\xba\xed\xa0\x80"))
	add("a ping behind it", cut(1000), join(closeWith(1000, ""), Frame(0x89, nil)))
	add("a text behind it", cut(1000), join(closeWith(1000, ""), Frame(0x81, []byte(jsonPing))))
	add("a second close", cut(1000), join(closeWith(1000, ""), closeWith(1001, "")))
	add("a text before it", []string{"pong", "CLOSE 1000"}, Frame(0x81, []byte(jsonPing)), closeWith(1000, ""))
	add("256 KiB behind it", cut(1000), closeWith(1000, ""), bytes.Repeat(Frame(0x81, padded(32<<10)), 8))
	l[len(l)-1].Torn = true
	return l
}

func limitCases() (l []Case) {
	add := func(id string, want []string, sent ...[]byte) {
		l = append(l, Case{Group: "9 limits", ID: id, Sent: sent, Want: want})
	}
	const limit = 64 << 10
	add("the largest text", []string{"pong"}, Frame(0x81, padded(limit)))
	add("one byte more", cut(1009), Frame(0x81, padded(limit+1)))
	add("one byte more by the header alone", cut(1009), masked(127, binary.BigEndian.AppendUint64(nil, limit+1), nil))
	add("2^62 by the header alone", cut(1009), masked(127, binary.BigEndian.AppendUint64(nil, 1<<62), nil))
	add("2^63 - 1 by the header alone", cut(1009), masked(127, binary.BigEndian.AppendUint64(nil, 1<<63-1), nil))
	add("2^63 by the header alone", cut(1002), masked(127, binary.BigEndian.AppendUint64(nil, 1<<63), nil))
	add("2^64 - 1 by the header alone", cut(1002), masked(127, binary.BigEndian.AppendUint64(nil, 1<<64-1), nil))
	for _, size := range []int{64, 256, 1024, 4096, 16384} {
		b := padded(limit)
		f := Frame(0x01, b[:size])
		for at := size; at < limit; at += size {
			f = append(f, Frame(0x00, b[at:at+size])...)
		}
		add(fmt.Sprintf("the largest text in fragments of %d", size), []string{"pong"}, join(f, Frame(0x80, nil)))
		add(fmt.Sprintf("one byte more in fragments of %d", size), cut(1009), join(f, Frame(0x80, []byte(" "))))
	}
	add("1,000 texts", slices.Repeat([]string{"pong"}, 1000), bytes.Repeat(Frame(0x81, []byte(jsonPing)), 1000))
	add("nesting of 32", []string{"error"}, Frame(0x81, []byte(`{"type":"ping","x":`+strings.Repeat("[", 31)+strings.Repeat("]", 31)+`}`)))
	add("nesting of 10,000", []string{"error"}, Frame(0x81, []byte(strings.Repeat(`{"x":`, 10_000)+"1"+strings.Repeat("}", 10_000))))
	return l
}
