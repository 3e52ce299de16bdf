package protocol

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"chat-service/internal/chat"
)

// AppendMessage appends a `message` frame.
func AppendMessage(dst []byte, m chat.Message) []byte {
	dst = append(dst, `{"type":"`+string(TMessage)+`",`...)
	return append(appendMessage(dst, &m), '}')
}

// AppendShownMessage appends a message as REST shows it: the frame without its type.
func AppendShownMessage(dst []byte, m *chat.Message) []byte {
	return append(appendMessage(append(dst, '{'), m), '}')
}

// appendMessage is the one encoder of messages: the members of MessageView(m), without braces. It is by hand because every message
// goes through it, and lists hold hundreds.
func appendMessage(dst []byte, m *chat.Message) []byte {
	dst = appendUint(dst, `"room_id":`, uint64(m.Room))
	dst = appendUint(dst, `,"seq":`, uint64(m.Seq))
	dst = appendID(dst, m.Room, m.Seq)
	dst = appendText(dst, `,"kind":`, string(m.Kind))
	dst = appendUint(dst, `,"sender_id":`, uint64(m.Sender))
	dst = appendText(dst, `,"client_msg_id":`, m.ClientMsgID)
	dst = appendText(dst, `,"content":`, m.Content)
	dst = appendCreatedAt(dst, m.CreatedAt)
	if m.Data != "" || m.ReplyTo != 0 || m.State != nil {
		dst = appendMore(dst, m)
	}
	return dst
}

func appendID(dst []byte, room chat.RoomID, seq chat.Seq) []byte {
	return append(appendPlace(append(dst, `,"id":"`...), room, seq), '"')
}

func appendPlace(dst []byte, room chat.RoomID, seq chat.Seq) []byte {
	dst = append(strconv.AppendUint(dst, uint64(room), 10), ':')
	return strconv.AppendUint(dst, uint64(seq), 10)
}

// AppendAck appends the `ack` of a committed message; clientSeq is echoed unless it is 0. Gateways of the release before find the
// message that it answers by the frame's beginning: client_msg_id stays first.
func AppendAck(dst []byte, m chat.Message, clientSeq uint64, duplicate bool) []byte {
	dst = appendText(dst, `{"type":"`+string(TAck)+`","client_msg_id":`, m.ClientMsgID)
	dst = appendUint(dst, `,"room_id":`, uint64(m.Room))
	dst = appendUint(dst, `,"seq":`, uint64(m.Seq))
	dst = appendID(dst, m.Room, m.Seq)
	if clientSeq != 0 {
		dst = appendUint(dst, `,"client_seq":`, clientSeq)
	}
	dst = appendCreatedAt(dst, m.CreatedAt)
	dst = strconv.AppendBool(append(dst, `,"duplicate":`...), duplicate)
	return append(dst, '}')
}

// AppendString appends s as a JSON string.
func AppendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // its error only says that something was replaced by U+FFFD
	return dst
}

// The functions below append one member: name is everything before the value, such as `,"seq":`.

func appendText(dst []byte, name, s string) []byte { return AppendString(append(dst, name...), s) }

func appendUint(dst []byte, name string, n uint64) []byte {
	return strconv.AppendUint(append(dst, name...), n, 10)
}

// appendCreatedAt appends the time of a noun, in chat.TimeLayout, which package time would parse anew for each.
func appendCreatedAt(dst []byte, t time.Time) []byte {
	t = t.UTC()
	dst = append(dst, `,"created_at":"`...)
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return append(t.AppendFormat(dst, chat.TimeLayout), '"')
	}
	hour, minute, second := t.Clock()
	dst = append(two(two(dst, year/100), year%100), '-')
	dst = append(two(dst, int(month)), '-')
	dst = append(two(dst, day), 'T')
	dst = append(two(dst, hour), ':')
	dst = append(two(dst, minute), ':')
	dst = append(two(dst, second), '.')
	ms := t.Nanosecond() / int(time.Millisecond)
	return append(two(dst, ms/10), byte('0'+ms%10), 'Z', '"')
}

func two(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// appendList appends each of a list; an empty list is [], never null.
func appendList[T any](dst []byte, list []T, one func([]byte, *T) []byte) []byte {
	dst = append(dst, '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, &list[i])
	}
	return append(dst, ']')
}

// TimePtr formats t for JSON; nil if t is zero.
func TimePtr(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := chat.FormatTime(t)
	return &s
}

// written is the one form of everything that clients read, so that a message has the same bytes on the socket and by REST: members in
// the order of the struct's fields, UTF-8 as it is, and in strings only what JSON demands escaped (quote, backslash, control
// characters; not <, >, & nor U+2028 and U+2029, which mean something to pages that paste JSON into a script, and to nobody who reads
// JSON). Invalid UTF-8 becomes U+FFFD. "omitempty" means what it does in encoding/json.
var written = json.JoinOptions(json.Deterministic(true), jsontext.AllowInvalidUTF8(true), jsonv1.OmitEmptyWithLegacySemantics(true))

// Marshal returns v as JSON in the form that clients read. The hand-written encoders of this package give the same bytes as Marshal of
// their view, without reflection.
func Marshal(v any) ([]byte, error) { return json.Marshal(v, written) }

// appendJSON appends v, which is one of this package's frames: they hold nothing that can't be encoded.
func appendJSON(dst []byte, v any) []byte {
	b, err := Marshal(v)
	if err != nil {
		panic("protocol: a frame that can't be encoded: " + err.Error())
	}
	return append(dst, b...)
}
