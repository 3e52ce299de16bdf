//go:build e2e

package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// dice make values. Equal seeds make equal values.
type dice struct{ *rand.Rand }

// often is true n times of 100.
func (r dice) often(n int) bool { return r.IntN(100) < n }

func pick[T any](r dice, list []T) T { return list[r.IntN(len(list))] }

// typeOf is a schema's type, and whether it may be null.
func typeOf(s object) (name string, nullable bool) {
	switch t := s["type"].(type) {
	case string:
		return t, false
	case []any:
		for _, one := range t {
			if one == "null" {
				nullable = true
			} else {
				name = text(one)
			}
		}
	}
	return name, nullable
}

// value makes a value that fits a schema. ruled is true if words (x-rule) also say what it must be, which only its example is sure to be.
func (d *document) value(r dice, s object) (v any, ruled bool) {
	s = d.resolved(s)
	if forms, ok := s["anyOf"].([]any); ok {
		return d.value(r, pick(r, forms).(object))
	}
	ruled = text(s["x-rule"]) != ""
	name, nullable := typeOf(s)
	switch {
	case nullable && r.often(10):
		return nil, ruled
	case s["enum"] != nil:
		return pick(r, s["enum"].([]any)), ruled
	case s["examples"] != nil && r.often(20):
		return s["examples"].([]any)[0], false
	}
	switch name {
	case "string":
		return d.text(r, s), ruled
	case "integer":
		return json.Number(fmt.Sprint(whole(r, s))), ruled
	case "boolean":
		return r.often(50), ruled
	case "array":
		low, high := bound(s, "minItems", 0), min(bound(s, "maxItems", 600), 600)
		n := low + int64(r.IntN(4))
		if r.often(10) {
			n = high
		}
		list := []any{}
		for range min(n, high) {
			one, more := d.value(r, s["items"].(object))
			list, ruled = append(list, one), ruled || more
		}
		return list, ruled
	case "object":
		return d.object(r, s, func(object, string) bool { return r.often(50) })
	}
	return "?", true
}

// object makes an object with the required fields and those that are wanted.
func (d *document) object(r dice, s object, wanted func(schema object, name string) bool) (v object, ruled bool) {
	v = object{}
	properties, _ := s["properties"].(object)
	required, _ := s["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		p := properties[name].(object)
		if slices.Contains(required, any(name)) || wanted(p, name) {
			one, more := d.value(r, p)
			v[name], ruled = one, ruled || more
		}
	}
	return v, ruled
}

func bound(s object, name string, otherwise int64) int64 {
	if n, ok := s[name].(json.Number); ok {
		if i, err := n.Int64(); err == nil {
			return i
		}
	}
	return otherwise
}

// whole makes a number within a schema's bounds: often small ones, which name something, and the bounds themselves.
func whole(r dice, s object) int64 {
	low, high := bound(s, "minimum", -1<<31), bound(s, "maximum", 1<<31)
	switch {
	case r.often(10):
		return low
	case r.often(10):
		return high
	}
	return max(low, min(high, int64(r.IntN(8))))
}

// alphabets are what texts are made of.
var alphabets = []string{
	"abcdefghijklmnopqrstuvwxyz0123456789", "ABC xyz .,-_'\"\\/%&+?#", "äöüßéñ", "你好世界聊天", "\u0000\u0001\n\t\r\u007f\u0085", "😀🎉👩‍👩‍👧", "\u200b\u202e\u3164\u00a0\ufeff",
	"<script>'; DROP", "ابجد", "e\u0301ﬁ①Ａ",
}

// text makes a text within a schema's bounds.
func (d *document) text(r dice, s object) string {
	if p := text(s["pattern"]); p != "" {
		return matching(r, p, int(bound(s, "minLength", 0)), int(bound(s, "maxLength", 40)))
	}
	if text(s["format"]) == "date-time" {
		return fmt.Sprintf("20%02d-0%d-1%dT10:11:12.000Z", 20+r.IntN(10), 1+r.IntN(9), r.IntN(10))
	}
	letters := []rune(pick(r, alphabets))
	low, high := int(bound(s, "minLength", 0)), int(bound(s, "maxLength", 300))
	size := int(bound(s, "x-max-bytes", 1<<20))
	n := low + r.IntN(12)
	if r.often(10) {
		n = high
	}
	var b strings.Builder
	for range min(n, high) {
		if c := pick(r, letters); b.Len()+utf8.RuneLen(c) <= size {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// matching makes a text of the one class of characters that a pattern is about.
func matching(r dice, pattern string, low, high int) string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		panic(err)
	}
	var class []rune
	var walk func(*syntax.Regexp)
	walk = func(re *syntax.Regexp) {
		if re.Op == syntax.OpCharClass {
			class = re.Rune
		}
		for _, sub := range re.Sub {
			walk(sub)
		}
	}
	walk(re)
	var b strings.Builder
	for range low + r.IntN(high-low+1) {
		i := 2 * r.IntN(len(class)/2)
		b.WriteRune(class[i] + rune(r.IntN(int(class[i+1]-class[i])+1)))
	}
	return b.String()
}

// anything are values that few schemas take.
func anything(r dice) any {
	return pick(r, []any{
		nil, true, false, "", "x", "null", "1", json.Number("0"), json.Number("-1"), json.Number("1.5"), json.Number("1e400"), json.Number("9007199254740992"),
		json.Number("18446744073709551616"),
		[]any{},
		[]any{nil},
		[]any{"x"},
		object{},
		object{"a": object{"b": []any{}}},
		strings.Repeat("x", 20_000),
		strings.Repeat("ü", 1100),
		[]any{[]any{[]any{}}},
		"\u0000", "\u202e",
	})
}

// disturbed is a copy of a body with something changed at random; most of them fit no schema any more.
func (d *document) disturbed(r dice, s, body object) any {
	if r.often(5) {
		return anything(r)
	}
	c := maps.Clone(body)
	properties, _ := s["properties"].(object)
	names := slices.Sorted(maps.Keys(properties))
	if len(names) == 0 || r.often(10) {
		c[pick(r, []string{"x", "is_admin", "", "__proto__", "ID", "sender_id"})] = anything(r)
		return c
	}
	name := pick(r, names)
	p := properties[name].(object)
	switch kind, _ := typeOf(p); {
	case r.often(20):
		delete(c, name)
	case r.often(10):
		c[strings.ToUpper(name)] = c[name]
	case kind == "string" && r.often(60):
		c[name] = strings.Repeat(pick(r, []string{"x", "ü", "你"}), int(bound(p, "maxLength", 100))+r.IntN(2))
	case kind == "integer" && r.often(60):
		c[name] = json.Number(fmt.Sprint(pick(r, []int64{bound(p, "minimum", 0) - 1, bound(p, "maximum", 1<<53-1) + 1})))
	case kind == "array" && r.often(60):
		list := []any{}
		for i := range bound(p, "maxItems", 600) + int64(r.IntN(2)) {
			list = append(list, json.Number(fmt.Sprint(i+1)))
		}
		c[name] = list
	default:
		c[name] = anything(r)
	}
	return c
}

// overBytes reports whether a text is longer than x-max-bytes, which no validator knows.
func (d *document) overBytes(s object, v any) bool {
	s = d.resolved(s)
	switch v := v.(type) {
	case string:
		return int64(len(v)) > bound(s, "x-max-bytes", 1<<30)
	case object:
		properties, _ := s["properties"].(object)
		for name, one := range v {
			if p, ok := properties[name].(object); ok && d.overBytes(p, one) {
				return true
			}
		}
	}
	return false
}

// ruled reports whether a body has fields that words say more about, other than in their example.
func (d *document) ruled(s, body object) bool {
	properties, _ := s["properties"].(object)
	for name, v := range body {
		p, ok := properties[name].(object)
		if !ok || text(p["x-rule"]) == "" || v == nil {
			continue
		}
		examples, _ := p["examples"].([]any)
		if len(examples) == 0 || fmt.Sprint(examples[0]) != fmt.Sprint(v) {
			return true
		}
	}
	return false
}

// edgesOf are the values of a query's parameter at the ends of what its schema takes, beside them, and others.
func edgesOf(s object) []string {
	if kind, _ := typeOf(s); kind == "integer" {
		low, high := bound(s, "minimum", 0), bound(s, "maximum", 0)
		return []string{fmt.Sprint(low), fmt.Sprint(low - 1), fmt.Sprint(high), fmt.Sprint(high + 1), "", "x", "1.0", "-0", "99999999999999999999"}
	}
	most := int(bound(s, "maxLength", 8))
	return []string{"", "x", strings.Repeat("x", most), strings.Repeat("x", most+1), strings.Repeat("ü", most/2+1)}
}

// edgesOfField are the same of a body's field.
func edgesOfField(s object) []any {
	values := []any{nil, "", "x", true, json.Number("0"), json.Number("-1"), json.Number("0.5"), []any{}, []any{nil}, object{}}
	switch kind, _ := typeOf(s); kind {
	case "integer":
		low, high := bound(s, "minimum", 0), bound(s, "maximum", 1<<53-1)
		for _, n := range []int64{low, low - 1, high, high + 1} {
			values = append(values, json.Number(fmt.Sprint(n)))
		}
	case "string":
		low, high := int(bound(s, "minLength", 0)), int(bound(s, "maxLength", 100))
		for _, n := range []int{low, max(0, low-1), high, high + 1} {
			values = append(values, strings.Repeat("x", n), strings.Repeat("你", n))
		}
		options, _ := s["enum"].([]any)
		values = append(append(values, options...), "other")
	case "array":
		low, high := bound(s, "minItems", 0), bound(s, "maxItems", 100)
		for _, n := range []int64{low, max(0, low-1), high, high + 1} {
			list := []any{}
			for i := range n {
				list = append(list, json.Number(fmt.Sprint(i+1)))
			}
			values = append(values, list)
		}
		values = append(values, []any{json.Number("0")}, []any{json.Number("9007199254740992")}, []any{"1"})
	}
	return values
}
