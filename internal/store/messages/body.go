package messages

import (
	"cmp"
	"encoding/binary"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/store/table"
)

// Extra is a part of a message's body besides its text: a name, and the canonical bytes of its value. Two values that
// mean the same must have the same bytes: JSON goes in by RFC 8785, lists of ids sorted.
type Extra struct {
	Name  string
	Bytes []byte
}

// extrasOf are the parts of a send's body besides its text.
func extrasOf(s chat.Send) (es []Extra) {
	if s.Data != "" {
		es = append(es, Extra{"data", []byte(s.Data)})
	}
	if s.ReplyTo != 0 {
		es = append(es, Extra{"reply_to", []byte(s.ReplyTo.String())})
	}
	return es
}

// bodyTag separates the hashes of bodies with extras from those of plain texts.
const bodyTag = "chat.body.v2"

// BodyHash tells two bodies apart that came under one client_msg_id. Hashes are compared with those that rows of
// earlier releases hold: without extras it must stay the hash of the text alone. With extras it is one over the tag,
// the text and the extras by name, each behind its length, so that no two bodies are written alike; the order in which
// extras are given doesn't matter.
func BodyHash(content string, extras ...Extra) [table.HashLen]byte {
	if len(extras) == 0 {
		return hashOf([]byte(content))
	}
	extras = slices.SortedFunc(slices.Values(extras), func(a, b Extra) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), slices.Compare(a.Bytes, b.Bytes))
	})
	b := part(part(nil, bodyTag), content)
	for _, e := range extras {
		b = part(part(b, e.Name), e.Bytes)
	}
	return hashOf(b)
}

// part appends a text behind its length.
func part[T ~string | ~[]byte](b []byte, p T) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(p))), p...)
}
