package testkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Frame is one JSON object from the server. Numbers are json.Number.
type Frame map[string]any

// parseFrame reads one JSON object.
func parseFrame(b []byte) (Frame, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var f Frame
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("not a JSON object: %q: %w", b, err)
	}
	return f, nil
}

// Type is the field "type".
func (f Frame) Type() string { return f.Str("type") }

// Str is a string field, "" if it isn't one.
func (f Frame) Str(key string) string {
	s, _ := f[key].(string)
	return s
}

// Num is a field that is a whole number, 0 if it isn't one.
func (f Frame) Num(key string) uint64 { return number(f[key]) }

// Bool is a boolean field, false if it isn't one.
func (f Frame) Bool(key string) bool {
	b, _ := f[key].(bool)
	return b
}

// Obj is a field that is an object, nil if it isn't one.
func (f Frame) Obj(key string) Frame {
	m, _ := f[key].(map[string]any)
	return m
}

// List is a field that is a list of objects; other elements are left out.
func (f Frame) List(key string) (list []Frame) {
	items, _ := f[key].([]any)
	for _, x := range items {
		if m, ok := x.(map[string]any); ok {
			list = append(list, m)
		}
	}
	return list
}

// Has reports whether the field is present, null included.
func (f Frame) Has(key string) bool {
	_, ok := f[key]
	return ok
}

// String is the frame as JSON.
func (f Frame) String() string {
	b, err := json.Marshal(map[string]any(f))
	if err != nil {
		return fmt.Sprintf("%v", map[string]any(f))
	}
	return string(b)
}

func number(v any) uint64 {
	switch x := v.(type) {
	case json.Number:
		n, _ := strconv.ParseUint(x.String(), 10, 64)
		return n
	case string: // ids as object keys
		n, _ := strconv.ParseUint(x, 10, 64)
		return n
	default:
		return 0
	}
}

// Match selects frames.
type Match func(Frame) bool

// Is matches frames of a type whose fields have these values: Is("ack", "client_msg_id", "m1", "seq", 3). Values are
// compared by how they print.
func Is(typ string, fields ...any) Match {
	return func(f Frame) bool {
		if f.Type() != typ {
			return false
		}
		for i := 0; i+1 < len(fields); i += 2 {
			key := fmt.Sprint(fields[i])
			if !f.Has(key) || fmt.Sprint(f[key]) != fmt.Sprint(fields[i+1]) {
				return false
			}
		}
		return true
	}
}

// Any matches what at least one of the others matches.
func Any(ms ...Match) Match {
	return func(f Frame) bool {
		for _, m := range ms {
			if m(f) {
				return true
			}
		}
		return false
	}
}
