package chat

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
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
	if jsontext.Value(raw).Kind() != '{' {
		return "", BadField("data", "must be a JSON object")
	}
	if err := checkData(raw, maxDepth); err != nil {
		return "", BadField("data", "%s", strings.TrimPrefix(err.Error(), "jsontext: "))
	}
	v := jsontext.Value(bytes.Clone(raw))
	if err := v.Canonicalize(); err != nil {
		return "", BadField("data", "%s", strings.TrimPrefix(err.Error(), "jsontext: "))
	}
	if maxBytes > 0 && len(v) > maxBytes {
		return "", E(TooLarge, "data has %d bytes in its canonical form, the limit is %d", len(v), maxBytes)
	}
	return string(v), nil
}

// checkData checks what the canonical form would hide: the depth, and numbers that change when a float64 holds them.
func checkData(raw []byte, maxDepth int) error {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	for {
		t, err := d.ReadToken()
		if err != nil {
			return err
		}
		if d.StackDepth() == 0 { // what follows it is found by who reads all
			return nil
		}
		if d.StackDepth() > maxDepth {
			return fmt.Errorf("is nested deeper than %d levels", maxDepth)
		}
		if t.Kind() != '0' {
			continue
		}
		if text := t.String(); !holds(text) {
			return fmt.Errorf("has the number %.40s, which not every reader of JSON holds: write it as a string", text)
		}
	}
}

// holds reports whether a float64 holds a number. A large whole one must be written as it is shown, or another one would be shown than
// was meant.
func holds(text string) bool {
	f, err := strconv.ParseFloat(text, 64)
	if whole := !strings.ContainsAny(text, ".eE"); err != nil || !whole || max(f, -f) <= MaxID {
		return err == nil
	}
	v := jsontext.Value(text)
	return v.Canonicalize() == nil && string(v) == text
}
