package api

import (
	"cmp"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"chat-service/internal/chat"
)

// document describes the routes as OpenAPI 3.1; schemas come from the types that the handlers read and write.
func document(all []route) ([]byte, error) {
	reg := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	d := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "chat-service", Version: "1",
			Description: "Rooms, messages and presence over REST. Live messages come over the WebSocket at GET " + base + "/ws.\n\n" +
				"Errors are RFC 9457 problems with a stable code: " + strings.Join(codes(), ", ") + ". " +
				"429 and 503 carry Retry-After in whole seconds. A room that the caller may not see is 404, as one that is not there.",
		},
		Servers: []*huma.Server{{URL: base}},
		Components: &huma.Components{Schemas: reg, SecuritySchemes: map[string]*huma.SecurityScheme{
			"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
		}},
		Tags: []*huma.Tag{{Name: "auth"}, {Name: "users"}, {Name: "rooms"}, {Name: "members"}, {Name: "messages"}},
	}
	for _, r := range all {
		d.AddOperation(operation(r, reg))
	}
	loosen(reg)
	return json.Marshal(d)
}

func codes() []string {
	var out []string
	for _, k := range chat.Kinds() {
		out = append(out, k.String())
	}
	return out
}

func operation(r route, reg huma.Registry) *huma.Operation {
	op := &huma.Operation{
		Method: r.method, Path: r.path, OperationID: r.id, Summary: r.summary, Tags: []string{r.tag},
		Parameters: parameters(r), Responses: map[string]*huma.Response{},
	}
	if r.open {
		op.Security = []map[string][]string{{}}
	} else {
		op.Security = []map[string][]string{{"bearer": {}}}
	}
	if r.do.body != nil {
		op.RequestBody = &huma.RequestBody{
			Required: !r.do.optional,
			Content:  map[string]*huma.MediaType{"application/json": {Schema: reg.Schema(reflect.TypeOf(r.do.body), true, "")}},
		}
	}
	for _, status := range []int{r.status, cmp.Or(r.again, r.status)} {
		res := &huma.Response{Description: http.StatusText(status)}
		if r.reply != nil {
			res.Content = map[string]*huma.MediaType{"application/json": {Schema: reg.Schema(reflect.TypeOf(r.reply), true, "")}}
		}
		op.Responses[strconv.Itoa(status)] = res
	}
	problems(r, op, reg)
	return op
}

// problems adds the errors: the route's own, those that every route of its form has, and a default.
func problems(r route, op *huma.Operation, reg huma.Registry) {
	kinds := r.errors
	if !r.open {
		kinds = append([]chat.Kind{chat.Unauthenticated, chat.TokenExpired, chat.RateLimited}, kinds...)
	}
	if r.do.body != nil {
		kinds = append([]chat.Kind{chat.UnknownField, chat.Invalid, chat.TooLarge}, kinds...)
	} else if len(r.params) > 0 {
		kinds = append([]chat.Kind{chat.Invalid}, kinds...)
	}
	byStatus := map[int][]string{}
	for _, k := range append(kinds, chat.Unavailable) {
		status := statusOf(k)
		byStatus[status] = append(byStatus[status], k.String())
	}
	content := map[string]*huma.MediaType{problemType: {Schema: reg.Schema(reflect.TypeOf(Problem{}), true, "")}}
	for status, codes := range byStatus {
		res := &huma.Response{Description: http.StatusText(status) + ": " + strings.Join(codes, ", "), Content: content}
		if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
			res.Headers = map[string]*huma.Param{"Retry-After": {Description: "seconds", Schema: &huma.Schema{Type: huma.TypeInteger}}}
		}
		op.Responses[strconv.Itoa(status)] = res
	}
	op.Responses["default"] = &huma.Response{Description: "any other problem", Content: content}
}

func parameters(r route) []*huma.Param {
	var out []*huma.Param
	for part := range strings.SplitSeq(r.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			out = append(out, &huma.Param{Name: name, In: "path", Required: true, Schema: pathSchema(name)})
		}
	}
	for _, p := range r.params {
		s := &huma.Schema{Type: huma.TypeString}
		if p.most > 0 {
			least, most := float64(p.least), float64(p.most)
			s = &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most}
		}
		for _, v := range p.enum {
			s.Enum = append(s.Enum, v)
		}
		out = append(out, &huma.Param{Name: p.name, In: "query", Description: p.doc, Required: p.required, Schema: s})
	}
	return out
}

// pathSchema knows the three parameters that paths have.
func pathSchema(name string) *huma.Schema {
	least := 1.0
	id := &huma.Schema{Type: huma.TypeInteger, Minimum: &least}
	switch name {
	case "room_id":
		return id
	case "user_id":
		return &huma.Schema{Description: "an id, or me", AnyOf: []*huma.Schema{id, {Type: huma.TypeString, Enum: []any{"me"}}}}
	default:
		return &huma.Schema{Type: huma.TypeString}
	}
}

// loosen says what Go's types don't: lists are never null, times are times, and answers may hold more than the document
// says, since later versions add fields; requests stay strict. Who isn't in a public room sees no more than a Room of it.
func loosen(reg huma.Registry) {
	all := reg.Map()
	for name, s := range all {
		if !strings.HasSuffix(name, "Body") && s.AdditionalProperties == false {
			s.AdditionalProperties = nil
		}
		for field, p := range s.Properties {
			if p.Type == huma.TypeArray {
				p.Nullable = false
			}
			if p.Type == huma.TypeString && strings.HasSuffix(field, "_at") {
				p.Format = "date-time"
			}
		}
	}
	all["ListedRoom"].Required = all["Room"].Required
}

// Schema tells the document what the field may be.
func (maybe[T]) Schema(reg huma.Registry) *huma.Schema {
	return reg.Schema(reflect.TypeFor[*T](), true, "")
}
