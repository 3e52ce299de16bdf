package protocol

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"chat-service/internal/chat"
)

// strict is how clients' JSON is read, on the socket and by REST. Repeated names, invalid UTF-8, values of another type or out of range
// and trailing data are refused by default.
var strict = json.RejectUnknownMembers(true)

// ErrMalformed is the cause of errors of Unmarshal about what isn't JSON, or not an object. REST answers them with 400.
var ErrMalformed = errors.New("malformed JSON")

// Unmarshal reads one JSON object into v, a pointer to a struct: strictly, so that two readers of one body can't see two things. v keeps
// nothing of b. Errors are *chat.Error: UnknownField, Invalid about one field, or Invalid with the cause ErrMalformed. Any UnmarshalJSONFrom
// of a part of v may return a *chat.Error to say what is wrong.
func Unmarshal(b []byte, v any) error {
	if len(b) == 0 {
		return malformed("body", "is empty: send a JSON object")
	}
	if err := json.Unmarshal(b, v, strict); err != nil {
		return explain(err)
	}
	if bytes.TrimLeft(b, " \t\r\n")[0] != '{' { // null is legal JSON for a struct
		return malformed("body", "must be a JSON object")
	}
	return nil
}

func malformed(field, message string) error {
	e := chat.BadField(field, "%s", message)
	e.Err = ErrMalformed
	return e
}

func unknownField(name, of string) error {
	return &chat.Error{
		Kind: chat.UnknownField, Msg: "unknown field " + strconv.Quote(name) + " in " + of,
		Fields: []chat.FieldError{{Field: name, Message: "is not a field of " + of}},
	}
}

// explain turns the decoder's error into one that names the field and shows nothing of Go.
func explain(err error) error {
	var sem *json.SemanticError
	if !errors.As(err, &sem) {
		if field, ok := repeated(err); ok {
			return malformed(field, "is there twice")
		}
		return malformed("body", "is not valid JSON: "+syntaxText(err))
	}
	field := fieldName(sem.JSONPointer)
	if errors.Is(sem.Err, json.ErrUnknownName) {
		return unknownField(field, "this request")
	}
	if sem.JSONPointer == "" {
		return malformed("body", "must be a JSON object")
	}
	var e *chat.Error
	if errors.As(sem.Err, &e) {
		return chat.BadField(field, "%s", e.Msg)
	}
	return chat.BadField(field, "has the wrong type or is out of range")
}

// repeated names the member that is there twice, if that is the error.
func repeated(err error) (field string, ok bool) {
	var syn *jsontext.SyntacticError
	if errors.As(err, &syn) && errors.Is(syn.Err, jsontext.ErrDuplicateName) {
		return fieldName(syn.JSONPointer), true
	}
	return "", false
}

// syntaxText says where a text stops being JSON, in words for the client's author.
func syntaxText(err error) string {
	if field, ok := repeated(err); ok {
		return field + " is there twice"
	}
	var syn *jsontext.SyntacticError
	if !errors.As(err, &syn) {
		return "it can't be read"
	}
	where := ""
	if syn.JSONPointer != "" {
		where = " in " + fieldName(syn.JSONPointer)
	}
	return "at byte " + strconv.FormatInt(syn.ByteOffset, 10) + where
}

// fieldName writes a JSON pointer the way clients name fields: "member_ids.2".
func fieldName(p jsontext.Pointer) string {
	const limit = 64
	var parts []string
	for tok := range p.Tokens() {
		parts = append(parts, tok)
	}
	name := strings.Join(parts, ".")
	if name == "" {
		return "body"
	}
	if len(name) > limit {
		name = strings.ToValidUTF8(name[:limit], "") + "…"
	}
	return name
}

// Maybe is a field that distinguishes absent, null and a value.
type Maybe[T any] struct {
	Set   bool
	Value *T // nil: null
}

// UnmarshalJSONFrom reads null or a T.
func (m *Maybe[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	m.Set = true
	return json.UnmarshalDecode(d, &m.Value)
}
