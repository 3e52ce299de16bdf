package server

import (
	"cmp"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// About is what the OpenAPI document says of the whole, besides the routes.
type About struct {
	Title, Version string
	Intro          string // what the API is for: the description's first paragraph
	Note           string // what else every caller should know: its last sentence
	// AtLeast relaxes replies: one of the first schema may hold no more than what the second one requires.
	AtLeast map[string]string
}

// document describes the routes as OpenAPI 3.1; schemas come from the types that the verbs read and write.
func document(about About, routes []Route) ([]byte, error) {
	reg := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	d := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: about.Title, Version: about.Version,
			Description: about.Intro + "\n\n" +
				"Errors are RFC 9457 problems with a stable code: " + strings.Join(codes(), ", ") + ". " +
				"429 and 503 carry Retry-After in whole seconds. " + about.Note,
		},
		Servers: []*huma.Server{{URL: Base}},
		Components: &huma.Components{Schemas: reg, SecuritySchemes: map[string]*huma.SecurityScheme{
			"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
		}},
	}
	for _, r := range routes {
		d.AddOperation(operation(r, reg))
		if !slices.ContainsFunc(d.Tags, func(t *huma.Tag) bool { return t.Name == r.Tag }) {
			d.Tags = append(d.Tags, &huma.Tag{Name: r.Tag})
		}
	}
	loosen(reg, about.AtLeast)
	return json.Marshal(d)
}

// codes lists the codes of all kinds of errors.
func codes() []string {
	var out []string
	for _, k := range chat.Kinds() {
		out = append(out, k.String())
	}
	return out
}

// operation describes a route, and registers the schemas of its body and reply.
func operation(r Route, reg huma.Registry) *huma.Operation {
	op := &huma.Operation{
		Method: r.Method, Path: r.Path, OperationID: r.ID, Summary: r.Summary, Tags: []string{r.Tag},
		Parameters: parameters(r), Responses: map[string]*huma.Response{},
	}
	if r.Open {
		op.Security = []map[string][]string{{}}
	} else {
		op.Security = []map[string][]string{{"bearer": {}}}
	}
	if r.Do.body != nil {
		op.RequestBody = &huma.RequestBody{
			Required: !r.Do.optional,
			Content:  map[string]*huma.MediaType{"application/json": {Schema: reg.Schema(reflect.TypeOf(r.Do.body), true, "")}},
		}
	}
	for _, status := range []int{r.success(), cmp.Or(r.Again, r.success())} {
		res := &huma.Response{Description: http.StatusText(status)}
		if r.Reply != nil {
			res.Content = map[string]*huma.MediaType{"application/json": {Schema: reg.Schema(reflect.TypeOf(r.Reply), true, "")}}
		}
		op.Responses[strconv.Itoa(status)] = res
	}
	problems(r, op, reg)
	return op
}

// problems adds the errors by status, and a default.
func problems(r Route, op *huma.Operation, reg huma.Registry) {
	byStatus := map[int][]string{}
	for _, k := range r.kinds() {
		status := protocol.Status(k)
		byStatus[status] = append(byStatus[status], k.String())
	}
	content := map[string]*huma.MediaType{protocol.ProblemType: {Schema: reg.Schema(reflect.TypeFor[protocol.Problem](), true, "")}}
	for status, codes := range byStatus {
		res := &huma.Response{Description: http.StatusText(status) + ": " + strings.Join(codes, ", "), Content: content}
		if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
			res.Headers = map[string]*huma.Param{"Retry-After": {Description: "seconds", Schema: &huma.Schema{Type: huma.TypeInteger}}}
		}
		op.Responses[strconv.Itoa(status)] = res
	}
	op.Responses["default"] = &huma.Response{Description: "any other problem", Content: content}
}

// parameters describes those of the path and of the query.
func parameters(r Route) []*huma.Param {
	var out []*huma.Param
	for part := range strings.SplitSeq(r.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			out = append(out, &huma.Param{Name: name, In: "path", Required: true, Schema: pathSchema(name)})
		}
	}
	for _, p := range r.Params {
		s := &huma.Schema{Type: huma.TypeString}
		if p.Max > 0 {
			low, high := float64(p.Min), float64(p.Max)
			s = &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high}
		}
		for _, v := range p.Enum {
			s.Enum = append(s.Enum, v)
		}
		out = append(out, &huma.Param{Name: p.Name, In: "query", Description: p.Doc, Required: p.Required, Schema: s})
	}
	return out
}

// pathSchema describes a path's parameter: Call reads room_id and user_id, verbs read the others as text.
func pathSchema(name string) *huma.Schema {
	low := 1.0
	id := &huma.Schema{Type: huma.TypeInteger, Minimum: &low}
	switch name {
	case "room_id":
		return id
	case "user_id":
		return &huma.Schema{Description: "an id, or me", AnyOf: []*huma.Schema{id, {Type: huma.TypeString, Enum: []any{"me"}}}}
	default:
		return &huma.Schema{Type: huma.TypeString}
	}
}

// loosen corrects what can't be seen in Go's types: lists are never null, fields named …_at are times, and answers
// may hold more than the document says, since later versions add fields. Requests stay strict.
func loosen(reg huma.Registry, atLeast map[string]string) {
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
	for reply, least := range atLeast {
		all[reply].Required = all[least].Required
	}
}
