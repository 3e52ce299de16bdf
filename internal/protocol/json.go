package protocol

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"chat-service/internal/chat"
)

// AppendString appends s as a JSON string; invalid UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // its error only tells of the replacement
	return dst
}

// appendJSON appends v, which is one of this package's frames: they hold nothing that encoding/json refuses.
func appendJSON(dst []byte, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("protocol: a frame that can't be encoded: " + err.Error())
	}
	return append(dst, b...)
}

func appendUint(dst []byte, name string, n uint64) []byte {
	return strconv.AppendUint(append(dst, name...), n, 10)
}

// appendText appends a string as encoding/json does, which escapes more than AppendString: what it would escape it is
// given, and that is rare.
func appendText(dst []byte, name, s string) []byte {
	dst = append(dst, name...)
	if !plain(s) {
		b, _ := json.Marshal(s) // a string always encodes
		return append(dst, b...)
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// plain tells whether a string stands in JSON as it is.
func plain(s string) bool {
	ascii := true
	for i := range len(s) {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			ascii = false
		case c < ' ', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return ascii || utf8.ValidString(s) && !strings.ContainsAny(s, "\u2028\u2029")
}

// appendTime appends chat.TimeLayout, which package time would read anew each time.
func appendTime(dst []byte, name string, t time.Time) []byte {
	t = t.UTC()
	dst = append(append(dst, name...), '"')
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

// TimePtr formats t for JSON; nil where t is zero.
func TimePtr(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := chat.FormatTime(t)
	return &s
}
