package bench

import (
	"bytes"
	"strconv"
	"strings"
)

// frameKind distinguishes the server's frames as far as it matters here.
type frameKind byte

const (
	otherFrame frameKind = iota
	messageFrame
	ackFrame
	errorFrame
	welcomeFrame
	headFrame
	resyncFrame
	goawayFrame
)

// frame is a server's frame; id aliases the bytes read.
type frame struct {
	kind      frameKind
	room, seq uint64
	id        []byte // client_msg_id; of an error its ref
}

// scanFrame finds the few fields that a load generator needs. It does not parse: there are hundreds of
// thousands of frames per second, and the texts in them are the tool's own, which contain no quotes.
func scanFrame(p []byte) frame {
	var f frame
	switch string(textAfter(p, `"type":"`)) {
	case "message":
		f.kind, f.id = messageFrame, textAfter(p, `"client_msg_id":"`)
	case "ack":
		f.kind, f.id = ackFrame, textAfter(p, `"client_msg_id":"`)
	case "error":
		return frame{kind: errorFrame, id: textAfter(p, `"ref":"`)}
	case "welcome":
		return frame{kind: welcomeFrame}
	case "head":
		return frame{kind: headFrame}
	case "resync":
		return frame{kind: resyncFrame}
	case "goaway":
		return frame{kind: goawayFrame}
	default:
		return f
	}
	f.room, f.seq = numberAfter(p, `"room_id":`), numberAfter(p, `"seq":`)
	return f
}

func textAfter(p []byte, key string) []byte {
	i := bytes.Index(p, []byte(key))
	if i < 0 {
		return nil
	}
	p = p[i+len(key):]
	if end := bytes.IndexByte(p, '"'); end >= 0 {
		return p[:end]
	}
	return nil
}

func numberAfter(p []byte, key string) (n uint64) {
	i := bytes.Index(p, []byte(key))
	if i < 0 {
		return 0
	}
	for _, c := range p[i+len(key):] {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}

// A message's client_msg_id is "<tag>.<room>.<n>.<due>": the run, the lane's index, the sender's count there, and the time
// at which the message was due. Acks and deliveries thus carry everything that is measured, and no state is needed per message.
const idBase = 36

func appendID(dst []byte, tag string, room int, n uint32, due int64) []byte {
	dst = append(append(dst, tag...), '.')
	dst = append(strconv.AppendInt(dst, int64(room), idBase), '.')
	dst = append(strconv.AppendUint(dst, uint64(n), idBase), '.')
	return strconv.AppendInt(dst, due, idBase)
}

// readID parses an id; ok says that it is one of this run's.
func readID(id []byte, tag string) (room int, n uint32, due int64, ok bool) {
	if len(id) <= len(tag) || string(id[:len(tag)]) != tag || id[len(tag)] != '.' {
		return 0, 0, 0, false
	}
	var v [3]int64
	part := 0
	for _, c := range id[len(tag)+1:] {
		switch {
		case c == '.':
			if part++; part > 2 {
				return 0, 0, 0, false
			}
		case c >= '0' && c <= '9':
			v[part] = v[part]*idBase + int64(c-'0')
		case c >= 'a' && c <= 'z':
			v[part] = v[part]*idBase + int64(c-'a'+10)
		default:
			return 0, 0, 0, false
		}
	}
	return int(v[0]), uint32(v[1]), v[2], part == 2
}

// appendMessage appends the frame that sends a message of size bytes of text.
func appendMessage(dst []byte, room uint64, id []byte, size int) []byte {
	dst = append(dst, `{"type":"message","room_id":`...)
	dst = strconv.AppendUint(dst, room, 10)
	dst = append(append(append(dst, `,"client_msg_id":"`...), id...), `","content":"`...)
	const filler = "the quick brown fox jumps over the lazy dog and on and on "
	for size > 0 {
		k := min(size, len(filler))
		dst, size = append(dst, filler[:k]...), size-k
	}
	return append(dst, `"}`...)
}

// text is the content of size bytes that appendMessage sends.
func text(size int) string {
	b := appendMessage(nil, 0, nil, size)
	return strings.TrimSuffix(string(b[bytes.LastIndex(b, []byte(`:"`))+2:]), `"}`)
}
