package server

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"

	"chat-service/internal/chat"
)

// decode reads the JSON body into v, a pointer to a struct: unknown fields, repeated keys, invalid UTF-8, values of the
// wrong type and trailing data are refused. Strings of v are copies.
func decode(c *fiber.Ctx, v any) error {
	if err := checkContentType(c); err != nil {
		return err
	}
	body := c.Request().Body()
	if len(body) == 0 {
		return malformed("body", "is empty: send a JSON object")
	}
	err := json.Unmarshal(body, v, json.RejectUnknownMembers(true))
	if err == nil {
		if bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
			return malformed("body", "must be a JSON object")
		}
		return nil
	}
	return explain(err)
}

func checkContentType(c *fiber.Ctx) error {
	ct := c.Get(fiber.HeaderContentType)
	if ct == "" {
		return nil
	}
	media, params, err := mime.ParseMediaType(ct)
	charset := params["charset"]
	if err != nil || media != fiber.MIMEApplicationJSON || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return &refusal{chat.BadField("Content-Type", "must be application/json in UTF-8"), http.StatusUnsupportedMediaType}
	}
	if enc := c.Get(fiber.HeaderContentEncoding); enc != "" && !strings.EqualFold(enc, "identity") {
		return &refusal{chat.BadField("Content-Encoding", "is not supported: send plain JSON"), http.StatusUnsupportedMediaType}
	}
	return nil
}

// explain turns the decoder's error into one that names the field and shows nothing of Go.
func explain(err error) error {
	var sem *json.SemanticError
	if errors.As(err, &sem) {
		field := fieldName(sem.JSONPointer)
		if errors.Is(sem.Err, json.ErrUnknownName) {
			return &chat.Error{
				Kind: chat.UnknownField, Msg: "unknown field " + field,
				Fields: []chat.FieldError{{Field: field, Message: "is not a field of this request"}},
			}
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
	var syn *jsontext.SyntacticError
	if errors.As(err, &syn) && errors.Is(syn.Err, jsontext.ErrDuplicateName) {
		return malformed(fieldName(syn.JSONPointer), "is there twice")
	}
	return malformed("body", "is not valid JSON")
}

// fieldName writes a JSON pointer the way clients name fields: "member_ids.2".
func fieldName(p jsontext.Pointer) string {
	var parts []string
	for tok := range p.Tokens() {
		parts = append(parts, tok)
	}
	name := strings.Join(parts, ".")
	if name == "" {
		return "body"
	}
	if len(name) > 64 {
		name = strings.ToValidUTF8(name[:64], "") + "…"
	}
	return name
}

// maybe is a field that tells "left out" from null and from a value.
type maybe[T any] struct {
	Set   bool
	Value *T // nil: null
}

// UnmarshalJSONFrom reads null or a T.
func (m *maybe[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	m.Set = true
	return json.UnmarshalDecode(d, &m.Value)
}
