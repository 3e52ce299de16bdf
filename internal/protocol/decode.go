package protocol

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"chat-service/internal/chat"
)

// Decode reads one client frame on a way that has these features: types and fields of others are unknown. The frame keeps nothing of b. Errors are *chat.Error of the kinds Invalid, UnknownType, UnknownField
// and TooLarge; the frame that is returned with them carries what an answer can refer to, as far as it could be found: the whole frame
// if it was JSON, else type, room_id, client_msg_id, change_id, client_seq and ref.
func Decode(b []byte, lim Limits, on Features) (Frame, error) {
	w := walk{on: on}
	if err := json.Unmarshal(b, &w, strict); err != nil {
		return unreadable(b, err)
	}
	if w.bad != nil && !w.removes() {
		return w.frame, w.bad
	}
	return w.frame, w.check(lim)
}

// unreadable says why no frame could be read, with what an answer refers to.
func unreadable(b []byte, err error) (Frame, error) {
	switch {
	case errors.Is(err, errNoObject):
		return Frame{}, errNoObject
	case errors.Is(err, errDeep):
		return glance(b), errDeep
	}
	return glance(b), chat.E(chat.Invalid, "malformed JSON: %s", syntaxText(err))
}

var (
	errNoObject = chat.E(chat.Invalid, "a frame is a JSON object")
	errDeep     = chat.E(chat.Invalid, "a frame's JSON is nested at most %d deep", maxDepth)
)

// maxDepth bounds the nesting of a frame. What frames hold is shallower by far: only values that are refused anyway
// reach it, and it keeps them from costing the work of ten thousand levels.
const maxDepth = 32

// skipValue passes over a value that no frame has there.
func skipValue(d *jsontext.Decoder) error {
	for depth := d.StackDepth(); ; {
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		switch at := d.StackDepth(); {
		case at > maxDepth:
			return errDeep
		case at <= depth:
			return nil
		}
	}
}

// walk reads a frame's members in one pass, before the type is known. A value of the wrong form doesn't stop it: the rest of the frame
// says what an answer refers to.
type walk struct {
	frame   Frame
	on      Features
	seen    fieldSet
	unknown string // the first name that no frame knows
	bad     error  // the first value of a wrong form
	worse   error  // the first that isn't null in the place of what an edit may remove
}

// readField reads the value of the member called name into its place in w.frame, or notes in w what is wrong with it. An error means
// that b is no JSON.
type readField func(w *walk, d *jsontext.Decoder, name string) error

// UnmarshalJSONFrom makes json.Unmarshal, which refuses repeated names, invalid UTF-8 and trailing data, read a frame.
func (w *walk) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '{' {
		return errNoObject
	}
	return members(d, func(name []byte) error {
		id, ok := fieldNamed(name)
		if !ok || !w.on.have(clientFields[id].needs) {
			w.foreign(string(name))
			return skipValue(d)
		}
		w.seen |= 1 << id
		return clientFields[id].read(w, d, clientFields[id].Name)
	})
}

// members reads an object. take gets each member's name, valid until it returns, and reads the value.
func members(d *jsontext.Decoder, take func(name []byte) error) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := take(unquoted(name)); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// foreign notes a name that no frame knows.
func (w *walk) foreign(name string) {
	if w.unknown == "" {
		w.unknown = name
	}
}

// wrong notes a bad value.
func (w *walk) wrong(name, format string, args ...any) {
	if w.worse == nil {
		w.worse = chat.BadField(name, format, args...)
	}
	if w.bad == nil {
		w.bad = w.worse
	}
}

// skip passes over a value of a wrong form.
func (w *walk) skip(d *jsontext.Decoder, name, want string) error {
	if d.PeekKind() == 'n' && (name == "content" || name == "data") {
		if w.bad == nil {
			w.bad = chat.BadField(name, "must be %s", want)
		}
	} else {
		w.wrong(name, "must be %s", want)
	}
	return skipValue(d)
}

// removes reports whether nothing is wrong but nulls in an edit, where they mean: remove it.
func (w *walk) removes() bool {
	if w.frame.Type != TEdit {
		return false
	}
	w.bad = w.worse
	return w.bad == nil
}

// text reads a string.
func text[T ~string](place func(*Frame) *T) readField {
	return func(w *walk, d *jsontext.Decoder, name string) error {
		if d.PeekKind() != '"' {
			return w.skip(d, name, "a string")
		}
		t, err := d.ReadToken()
		if err == nil {
			*place(&w.frame) = T(t.String())
		}
		return err
	}
}

// number reads a whole number from 0 to chat.MaxID.
func number[T ~uint64](place func(*Frame) *T) readField {
	return func(w *walk, d *jsontext.Decoder, name string) error {
		n, err := w.number(d, name)
		*place(&w.frame) = T(n)
		return err
	}
}

// readOn reads a boolean.
func readOn(w *walk, d *jsontext.Decoder, name string) error {
	if k := d.PeekKind(); k != 't' && k != 'f' {
		return w.skip(d, name, "true or false")
	}
	t, err := d.ReadToken()
	w.frame.Off = err == nil && !t.Bool()
	return err
}

// readData reads an object as it is; checkData makes it canonical.
func readData(w *walk, d *jsontext.Decoder, name string) error {
	if d.PeekKind() != '{' {
		return w.skip(d, name, "an object")
	}
	v, err := d.ReadValue()
	w.frame.Data = string(v)
	return err
}

func checkData(f *Frame, lim Limits) error {
	f.HasData = f.Type == TEdit
	if f.Data == "" { // an edit removes it
		return nil
	}
	data, err := chat.CanonicalData([]byte(f.Data), lim.DataBytes, lim.DataDepth)
	if err == nil {
		f.Data = data
	}
	return err
}

// editsSomething refuses an edit of nothing.
func editsSomething(f *Frame) error {
	if !f.HasContent && !f.HasData {
		return chat.BadField("content", "content or data is required")
	}
	return nil
}

func (w *walk) number(d *jsontext.Decoder, name string) (uint64, error) {
	if d.PeekKind() != '0' {
		return 0, w.skip(d, name, "a whole number")
	}
	v, err := d.ReadValue()
	if err != nil {
		return 0, err
	}
	n, ok := whole(v)
	if !ok {
		w.wrong(name, "must be a whole number from 0 to 2^53-1")
	}
	return n, nil
}

// whole reads a decimal number from 0 to chat.MaxID, written as JSON writes it: two keys never mean the same room.
func whole(b []byte) (n uint64, ok bool) {
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil || n > chat.MaxID || len(b) > 1 && b[0] == '0' {
		return 0, false
	}
	return n, true
}

func readUsers(w *walk, d *jsontext.Decoder, name string) error {
	if d.PeekKind() != '[' {
		return w.skip(d, name, "a list of user ids")
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	w.frame.Users = []chat.UserID{}
	for d.PeekKind() != ']' {
		n, err := w.number(d, name)
		if err != nil {
			return err
		}
		w.frame.Users = append(w.frame.Users, chat.UserID(n))
	}
	_, err := d.ReadToken()
	return err
}

func readPoints(w *walk, d *jsontext.Decoder, name string) error {
	if d.PeekKind() != '{' {
		return w.skip(d, name, `an object of "<room id>": seq`)
	}
	w.frame.Sync = []SyncPoint{}
	return members(d, func(key []byte) error {
		id, _ := whole(key)
		if id == 0 {
			w.wrong(name, "keys are room ids")
		}
		p := SyncPoint{Room: chat.RoomID(id)}
		err := w.point(d, name, &p)
		w.frame.Sync = append(w.frame.Sync, p)
		return err
	})
}

// point reads a seq, or {"seq":…,"epoch":…,"changes":…,"from_seq":…}.
func (w *walk) point(d *jsontext.Decoder, name string, p *SyncPoint) error {
	if d.PeekKind() != '{' {
		n, err := w.number(d, name)
		p.Seq = chat.Seq(n)
		return err
	}
	return members(d, func(member []byte) (err error) {
		var n uint64
		switch string(member) {
		case "seq":
			n, err = w.number(d, name+".seq")
			p.Seq = chat.Seq(n)
		case "epoch":
			n, err = w.number(d, name+".epoch")
			p.Epoch = n
		case "changes", "from_seq":
			return w.cursor(d, name, string(member), p)
		default:
			w.foreign(name + "." + string(member))
			err = skipValue(d)
		}
		return err
	})
}

// cursor reads what a client says about the changes that it has.
func (w *walk) cursor(d *jsontext.Decoder, name, member string, p *SyncPoint) error {
	if !w.on.have(FeatureChanges) {
		w.foreign(name + "." + member)
		return skipValue(d)
	}
	n, err := w.number(d, name+"."+member)
	if member == "from_seq" {
		p.From = chat.Seq(n)
	} else {
		p.Changes, p.HasChanges = chat.ChangeSeq(n), true
	}
	return err
}

// check validates a frame whose values have the right form: by the row of its type, then value by value.
func (w *walk) check(lim Limits) error {
	if w.frame.Type == "" {
		return chat.BadField("type", "is required")
	}
	row := clientFrameOf(w.frame.Type)
	if row == nil || !w.on.have(row.needs) {
		return chat.E(chat.UnknownType, "unknown frame type %q", clip(string(w.frame.Type)))
	}
	surplus, missing := w.seen&^(row.required|row.optional|1<<fieldType), row.required&^w.seen
	if w.unknown != "" || surplus != 0 || missing != 0 {
		return w.misfit(row, surplus, missing)
	}
	for id := range clientFields {
		if check := clientFields[id].check; check != nil && w.seen&(1<<id) != 0 {
			if err := check(&w.frame, lim); err != nil {
				return err
			}
		}
	}
	if row.rule != nil {
		return row.rule(&w.frame)
	}
	return nil
}

// misfit says which field is not one of the frame's type, or else which it lacks.
func (w *walk) misfit(row *clientFrame, surplus, missing fieldSet) error {
	switch {
	case w.unknown != "":
		return unknownField(clip(w.unknown), string(row.typ))
	case surplus != 0:
		return unknownField(lowest(surplus), string(row.typ))
	default:
		return chat.BadField(lowest(missing), "is required")
	}
}

// lowest names the alphabetically first of a set of fields.
func lowest(set fieldSet) string {
	name := ""
	for id := range clientFields {
		if n := clientFields[id].Name; set&(1<<id) != 0 && (name == "" || n < name) {
			name = n
		}
	}
	return name
}

// clip shortens what a client sent for an error about it.
func clip(s string) string {
	const limit = 40
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}

// clientFrameOf finds a row; nil if no client frame has this type.
func clientFrameOf(t Type) *clientFrame {
	for i := range clientFrames {
		if clientFrames[i].typ == t {
			return &clientFrames[i]
		}
	}
	return nil
}

// fieldNamed finds a field by its name.
func fieldNamed(name []byte) (fieldID, bool) {
	for id := range clientFields {
		if clientFields[id].Name == string(name) {
			return fieldID(id), true
		}
	}
	return 0, false
}

func atLeastOne(field string, n uint64) error {
	if n == 0 {
		return chat.BadField(field, "must be at least 1")
	}
	return nil
}

// unquoted returns the text of a JSON string; it aliases the string unless that holds escapes.
func unquoted(s []byte) []byte {
	inner := bytes.TrimSuffix(s[1:], []byte{'"'})
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	plain, _ := jsontext.AppendUnquote(nil, s) // of a broken string: what was read up to there
	return plain
}

func (f Features) have(needed Features) bool { return needed&^f == 0 }
