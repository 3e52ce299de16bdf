package chat

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// deepest bounds the depth of data where the limit is off: readers of JSON have bounds of their own, and some recurse.
const deepest = 1000

// CanonicalData reads the data of a message, a JSON object, and returns its canonical form (RFC 8785), in which it is compared, stored
// and shown: the same values have the same bytes. Refused is what JSON readers take differently, too: names that are there twice,
// numbers that a float64 doesn't hold, halves of surrogate pairs.
//
// maxBytes bounds the canonical form, maxDepth the nesting, the object itself being the first level; 0 is no limit (of depth: 1000).
// The error is TooLarge, or Invalid about data.
func CanonicalData(raw []byte, maxBytes, maxDepth int) (string, error) {
	if maxDepth <= 0 || maxDepth > deepest {
		maxDepth = deepest
	}
	r := jsonReader{in: raw, out: make([]byte, 0, len(raw)), depth: maxDepth}
	r.space()
	if r.peek() != '{' {
		return "", BadField("data", "must be a JSON object")
	}
	err := r.value()
	if r.space(); err == nil && r.at < len(r.in) {
		err = r.unexpected()
	}
	if err != nil {
		return "", BadField("data", "%v", err)
	}
	if maxBytes > 0 && len(r.out) > maxBytes {
		return "", E(TooLarge, "data has %d bytes in its canonical form, the limit is %d", len(r.out), maxBytes)
	}
	return string(r.out), nil
}

// jsonReader reads one JSON text and writes it in canonical form.
type jsonReader struct {
	in    []byte
	at    int
	out   []byte
	depth int // levels that may still be opened
}

func (r *jsonReader) space() {
	for r.at < len(r.in) && strings.IndexByte(" \t\r\n", r.in[r.at]) >= 0 {
		r.at++
	}
}

// peek is the next byte, 0 at the end.
func (r *jsonReader) peek() byte {
	if r.at < len(r.in) {
		return r.in[r.at]
	}
	return 0
}

func (r *jsonReader) unexpected() error {
	if r.at >= len(r.in) {
		return errors.New("isn't whole JSON")
	}
	return fmt.Errorf("isn't JSON at byte %d", r.at)
}

// take passes over a byte that must come next, and writes it.
func (r *jsonReader) take(c byte) error {
	if r.space(); r.peek() != c {
		return r.unexpected()
	}
	r.at++
	r.out = append(r.out, c)
	return nil
}

// value reads any value.
func (r *jsonReader) value() error {
	r.space()
	switch c := r.peek(); {
	case c == '{':
		return r.nested(r.object)
	case c == '[':
		return r.nested(r.list)
	case c == '"':
		s, err := r.text()
		r.out = appendText(r.out, s)
		return err
	case c == '-' || '0' <= c && c <= '9':
		return r.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if strings.HasPrefix(string(r.in[r.at:min(len(r.in), r.at+len(word))]), word) {
			r.at += len(word)
			r.out = append(r.out, word...)
			return nil
		}
	}
	return r.unexpected()
}

func (r *jsonReader) nested(read func() error) error {
	if r.depth == 0 {
		return errors.New("is nested too deeply")
	}
	r.depth--
	defer func() { r.depth++ }()
	return read()
}

// list reads a list, from its bracket on.
func (r *jsonReader) list() error {
	if err := r.take('['); err != nil {
		return err
	}
	if r.space(); r.peek() == ']' {
		return r.take(']')
	}
	for {
		if err := r.value(); err != nil {
			return err
		}
		if r.space(); r.peek() == ']' {
			return r.take(']')
		}
		if err := r.take(','); err != nil {
			return err
		}
	}
}

// object reads an object, from its brace on, and writes its members by their names.
func (r *jsonReader) object() error {
	type member struct {
		name  string
		value []byte
	}
	var members []member
	out := r.out
	defer func() { r.out = out }()
	r.out = nil
	if err := r.take('{'); err != nil {
		return err
	}
	for r.space(); r.peek() != '}'; r.space() {
		r.out = nil
		if len(members) > 0 {
			if err := r.take(','); err != nil {
				return err
			}
			r.space()
		}
		name, err := r.text()
		if err != nil {
			return err
		}
		if err := r.take(':'); err != nil {
			return err
		}
		r.out = nil
		if err := r.value(); err != nil {
			return err
		}
		members = append(members, member{name, r.out})
	}
	r.at++
	slices.SortFunc(members, func(a, b member) int {
		return slices.Compare(utf16.Encode([]rune(a.name)), utf16.Encode([]rune(b.name)))
	})
	out = append(out, '{')
	for i, m := range members {
		if i > 0 {
			if m.name == members[i-1].name {
				return fmt.Errorf("has the name %.40q twice in one object", m.name)
			}
			out = append(out, ',')
		}
		out = append(append(appendText(out, m.name), ':'), m.value...)
	}
	out = append(out, '}')
	return nil
}

// number reads a number and writes it as ECMAScript does.
func (r *jsonReader) number() error {
	start := r.at
	if r.peek() == '-' {
		r.at++
	}
	whole := r.digits()
	switch n := r.in[r.at-whole : r.at]; {
	case whole == 0:
		return r.unexpected()
	case whole > 1 && n[0] == '0':
		return fmt.Errorf("isn't JSON at byte %d", r.at-whole)
	}
	integer := true
	if r.peek() == '.' {
		integer = false
		if r.at++; r.digits() == 0 {
			return r.unexpected()
		}
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		integer = false
		r.at++
		if c := r.peek(); c == '+' || c == '-' {
			r.at++
		}
		if r.digits() == 0 {
			return r.unexpected()
		}
	}
	text := string(r.in[start:r.at])
	f, err := strconv.ParseFloat(text, 64)
	before := len(r.out)
	r.out = appendNumber(r.out, f)
	// A large whole number must be written as it is shown, or another one would be shown than was meant.
	if err != nil || integer && max(f, -f) > MaxID && string(r.out[before:]) != text {
		return fmt.Errorf("has the number %.40s, which not every reader of JSON holds: write it as a string", text)
	}
	return nil
}

// digits passes over digits and returns how many there were.
func (r *jsonReader) digits() int {
	start := r.at
	for c := r.peek(); '0' <= c && c <= '9'; c = r.peek() {
		r.at++
	}
	return r.at - start
}

// appendNumber writes a number as ECMAScript's Number.prototype.toString does.
func appendNumber(b []byte, f float64) []byte {
	if f == 0 {
		return append(b, '0') // also for -0
	}
	if abs := max(f, -f); 1e-6 <= abs && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if n := len(b); n-start >= 4 && b[n-2] == '0' && (b[n-3] == '-' || b[n-3] == '+') { // e-07 is e-7
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

// text reads a string.
func (r *jsonReader) text() (string, error) {
	if r.peek() != '"' {
		return "", r.unexpected()
	}
	r.at++
	var s []byte
	for {
		switch c := r.peek(); {
		case r.at >= len(r.in) || c < 0x20:
			return "", r.unexpected()
		case c == '"':
			r.at++
			return string(s), nil
		case c == '\\':
			char, err := r.escape()
			if err != nil {
				return "", err
			}
			s = utf8.AppendRune(s, char)
		default:
			char, n := utf8.DecodeRune(r.in[r.at:])
			if char == utf8.RuneError && n < 2 {
				return "", fmt.Errorf("isn't UTF-8 at byte %d", r.at)
			}
			s = append(s, r.in[r.at:r.at+n]...)
			r.at += n
		}
	}
}

// escape reads what a backslash begins.
func (r *jsonReader) escape() (rune, error) {
	r.at++
	c := r.peek()
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 && r.at < len(r.in) {
		r.at++
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	char, err := r.unit()
	if err != nil || !utf16.IsSurrogate(char) {
		return char, err
	}
	half := r.at
	if r.peek() == '\\' {
		r.at++
		low, err := r.unit()
		if err != nil {
			return 0, err
		}
		if char = utf16.DecodeRune(char, low); char != utf8.RuneError {
			return char, nil
		}
	}
	return 0, fmt.Errorf("has half of a surrogate pair before byte %d", half)
}

// unit reads uXXXX.
func (r *jsonReader) unit() (rune, error) {
	if r.peek() != 'u' || r.at+5 > len(r.in) {
		return 0, r.unexpected()
	}
	n, err := strconv.ParseUint(string(r.in[r.at+1:r.at+5]), 16, 16)
	if err != nil {
		return 0, r.unexpected()
	}
	r.at += 5
	return rune(n), nil
}

// appendText writes a string with as few escapes as there can be.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= 0x20:
			b = append(b, c)
		default:
			if at := strings.IndexByte("\b\f\n\r\t", c); at >= 0 {
				b = append(b, '\\', "bfnrt"[at])
			} else {
				b = fmt.Appendf(b, `\u%04x`, c)
			}
		}
	}
	return append(b, '"')
}
