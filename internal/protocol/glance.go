package protocol

import (
	"bytes"
)

// glance finds what an answer refers to in a frame that is no JSON: type, room_id, client_msg_id, change_id, client_seq and ref, also behind the
// place where it stops being JSON. A client whose text ends in half an emoji then learns which of its messages was refused.
//
// It follows quotes and brackets only, so it passes over bad escapes, control characters and wrong numbers. Of a repeated name the
// first counts. What it returns is good for a reference, and to use up a client_seq that is the next one anyway.
func glance(b []byte) (f Frame) {
	i := bytes.IndexByte(b, '{')
	if i < 0 {
		return f
	}
	for i++; i < len(b); {
		switch b[i] {
		case '"':
			var name, value []byte
			name, i = quoted(b, i)
			if i = space(b, i); i < len(b) && b[i] == ':' {
				value, i = passed(b, space(b, i+1))
				f.refer(unquoted(name), value)
			}
		case '{', '[':
			_, i = passed(b, i)
		case '}':
			return f
		default:
			i++
		}
	}
	return f
}

// refer takes one member into the frame.
func (f *Frame) refer(name, value []byte) {
	switch string(name) {
	case "type":
		referText(&f.Type, value)
	case "client_msg_id":
		referText(&f.ClientMsgID, value)
	case "change_id":
		referText(&f.ChangeID, value)
	case "ref":
		referText(&f.Ref, value)
	case "room_id":
		referNumber(&f.Room, value)
	case "client_seq":
		referNumber(&f.ClientSeq, value)
	}
}

func referText[T ~string](to *T, value []byte) {
	if *to == "" && len(value) > 1 && value[0] == '"' {
		*to = T(unquoted(value))
	}
}

func referNumber[T ~uint64](to *T, value []byte) {
	if n, ok := whole(value); ok && *to == 0 {
		*to = T(n)
	}
}

// quoted returns the string that begins at i, and the place after it.
func quoted(b []byte, i int) (s []byte, next int) {
	for j := i + 1; j < len(b); j++ {
		switch b[j] {
		case '\\':
			j++
		case '"':
			return b[i : j+1], j + 1
		}
	}
	return b[i:], len(b)
}

// passed returns the value that begins at i, and the place after it.
func passed(b []byte, i int) (value []byte, next int) {
	depth := 0
	for j := i; j < len(b); {
		switch b[j] {
		case '"':
			_, j = quoted(b, j)
			if depth == 0 {
				return b[i:j], j
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return bytes.TrimRight(b[i:j], " \t\r\n"), j
			}
			if depth == 0 {
				return b[i : j+1], j + 1
			}
		case ',':
			if depth == 0 {
				return bytes.TrimRight(b[i:j], " \t\r\n"), j
			}
		}
		j++
	}
	return b[min(i, len(b)):], len(b)
}

// space returns the place of the next byte that isn't white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}
