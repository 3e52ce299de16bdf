package server

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"chat-service/internal/chat"
)

// field is a row about one field of a body, read from its tags: decode judges values by it, and the document shows it.
//
//	required      it must be there; any other one may also be null, which counts as left out
//	minLength, maxLength, pattern, minimum, maximum, minItems, maxItems, enum, example
//	              as in JSON Schema
//	maxBytes      of a text, as UTF-8. JSON Schema only knows characters: maxLength, and x-max-bytes beside it
//	limit         maxBytes or maxItems is this limit of the installation, by its key; 0: there is none
//	text          "line" or "lines": what chat.CheckLine takes, between minLength and maxLength
//	rule          what a verb also asks for and JSON Schema can't say: x-rule
//
// Ids and seqs have their bounds by their types. The objects of a list are judged by their own tags but "limit".
type field struct {
	name      string
	index     int
	required  bool
	limit     string
	text      string
	rule      string
	pattern   *regexp.Regexp
	enum      []string
	length    span // characters of a text
	bytes     span
	items     span
	number    span    // the number itself, or each of a list
	each      []field // of a list of objects: the rows of one
	isMaybe   bool
	isPointer bool
}

// span is a range with both ends.
type span struct{ low, high int64 }

var anyNumber = span{math.MinInt64, math.MaxInt64}

func (s span) holds(n int64) bool { return s.low <= n && n <= s.high }

// numbers are the ranges of the vocabulary's types.
var numbers = map[reflect.Type]span{
	reflect.TypeFor[chat.UserID](): {1, chat.MaxID},
	reflect.TypeFor[chat.RoomID](): {1, chat.MaxID},
	reflect.TypeFor[chat.Seq]():    {0, chat.MaxID},
}

// lineRule is what text "line" and "lines" ask for, besides the length.
const lineRule = "visible text without control characters, invisible ones and such that turn its direction"

// fieldsOf reads the rows of a body, a struct. It panics on tags that can't be read: they are constants.
func fieldsOf(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		of := sf.Type
		f := field{
			name: name, index: i, required: sf.Tag.Get("required") == "true", limit: sf.Tag.Get("limit"),
			text: sf.Tag.Get("text"), rule: sf.Tag.Get("rule"), isPointer: of.Kind() == reflect.Pointer,
			length: span{tagged(sf, "minLength", 0), tagged(sf, "maxLength", math.MaxInt64)},
			bytes:  span{0, tagged(sf, "maxBytes", math.MaxInt64)},
			items:  span{tagged(sf, "minItems", 0), tagged(sf, "maxItems", math.MaxInt64)},
		}
		if f.isPointer {
			of = of.Elem()
		}
		f.isMaybe = of.Kind() == reflect.Struct
		if of.Kind() == reflect.Slice {
			if of = of.Elem(); of.Kind() == reflect.Struct {
				f.each = fieldsOf(of)
			}
		}
		by, ok := numbers[of]
		if !ok {
			by = anyNumber
		}
		f.number = span{tagged(sf, "minimum", by.low), tagged(sf, "maximum", by.high)}
		if f.text != "" && f.rule == "" {
			f.rule = lineRule
		}
		if p := sf.Tag.Get("pattern"); p != "" {
			f.pattern = regexp.MustCompile(p)
		}
		if e := sf.Tag.Get("enum"); e != "" {
			f.enum = strings.Split(e, ",")
		}
		all = append(all, f)
	}
	return all
}

func tagged(sf reflect.StructField, key string, otherwise int64) int64 {
	text := sf.Tag.Get(key)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("%s: tag %s: %v", sf.Name, key, err))
	}
	return n
}

// limited returns the row as it is in this installation.
func (f field) limited(limits map[string]int) field {
	if f.limit == "" {
		return f
	}
	most := int64(cmp.Or(limits[f.limit], math.MaxInt64))
	f.bytes.high, f.items.high = most, most
	return f
}

// judge checks all fields of a body that was decoded, and returns everything that is wrong at once.
func judge(body reflect.Value, fields []field, limits map[string]int) error {
	var k Checks
	for _, f := range fields {
		f.limited(limits).check(body.Field(f.index), &k)
	}
	return k.Err()
}

// check judges one value.
func (f field) check(v reflect.Value, k *Checks) {
	if f.isMaybe {
		return
	}
	if f.isPointer {
		if v.IsNil() {
			k.Require(!f.required, f.name, "is required")
			return
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		f.checkText(v.String(), k)
	case reflect.Slice:
		f.checkList(v, k)
	case reflect.Int, reflect.Int64, reflect.Uint64:
		k.Require(f.number.holds(whole(v)), f.name, f.numberText("must be a number"))
	}
}

// whole reads a number; one above int64 counts as the largest, which no range of ids holds.
func whole(v reflect.Value) int64 {
	if v.CanUint() {
		return int64(min(v.Uint(), math.MaxInt64))
	}
	return v.Int()
}

func (f field) numberText(begin string) string {
	return fmt.Sprintf("%s from %d to %d", begin, f.number.low, f.number.high)
}

func (f field) checkText(s string, k *Checks) {
	switch n := int64(utf8.RuneCountInString(s)); {
	case s == "" && !f.required && !f.isPointer: // left out
	case s == "" && f.length.low > 0 && f.required:
		k.Require(false, f.name, "is required")
	case int64(len(s)) > f.bytes.high && f.limit != "":
		k.Add(chat.E(chat.TooLarge, "%s has %d bytes, the limit is %d", f.name, len(s), f.bytes.high))
	case int64(len(s)) > f.bytes.high:
		k.Require(false, f.name, fmt.Sprintf("must have at most %d bytes", f.bytes.high))
	case n > f.length.high:
		k.Require(false, f.name, fmt.Sprintf("must have at most %d characters", f.length.high))
	case n < f.length.low:
		k.Require(false, f.name, fmt.Sprintf("must have at least %d characters", f.length.low))
	case f.pattern != nil && !f.pattern.MatchString(s):
		k.Require(false, f.name, "must match "+f.pattern.String())
	case f.enum != nil && !slices.Contains(f.enum, s):
		k.Require(false, f.name, "must be one of "+strings.Join(f.enum, ", "))
	case f.text != "":
		k.Add(f.checkLine(strings.TrimSpace(s)))
	}
}

// checkLine checks a text for people to see.
func (f field) checkLine(s string) error {
	if f.text == "lines" {
		s = strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(s)
	}
	return chat.CheckLine(f.name, s, int(f.length.low), int(min(f.length.high, math.MaxInt32)))
}

func (f field) checkList(v reflect.Value, k *Checks) {
	n := int64(v.Len())
	switch {
	case n < f.items.low:
		k.Require(false, f.name, fmt.Sprintf("must hold at least %d", f.items.low))
	case n > f.items.high:
		k.Require(false, f.name, fmt.Sprintf("must hold at most %d", f.items.high))
	case v.Type().Elem().Kind() == reflect.String:
		for i := range v.Len() {
			k.Require(v.Index(i).Len() > 0, fmt.Sprintf("%s[%d]", f.name, i), "must not be empty") // null is
		}
	case f.each != nil:
		for i := range v.Len() {
			for _, g := range f.each {
				g.name = fmt.Sprintf("%s[%d].%s", f.name, i, g.name)
				g.check(v.Index(i).Field(g.index), k)
			}
		}
	case f.number == anyNumber:
	default:
		for i := range v.Len() {
			if !f.number.holds(whole(v.Index(i))) {
				k.Require(false, f.name, f.numberText("must hold ids"))
				return
			}
		}
	}
}
