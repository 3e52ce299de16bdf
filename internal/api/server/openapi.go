package server

import (
	"cmp"
	"encoding/json"
	"math"
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
	// Sometimes are fields that a reply may lack although they are never empty in it.
	Sometimes map[string][]string
}

// document describes the routes as OpenAPI 3.1; schemas come from the types that the verbs read and write, and those of bodies from the
// rows by which they are judged, with this installation's limits.
func document(about About, routes []Route, limits map[string]int) ([]byte, error) {
	reg := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	d := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: about.Title, Version: about.Version,
			Description: about.Intro + "\n\n" +
				"Errors are RFC 9457 problems with a stable code: " + strings.Join(codes(), ", ") + ". " +
				"429 and 503 carry Retry-After in whole seconds. " + about.Note + "\n\n" +
				"Any request may also be refused by what HTTP itself asks for, before it is known which operation it means: x-refusals. " +
				"Where JSON Schema can't say what a value must be, x-max-bytes counts its bytes of UTF-8, and x-rule says it in words. " +
				"Numbers are whole and written in digits only. Paths and names are compared as they are sent: no other spelling names them.",
		},
		Extensions: map[string]any{"x-refusals": refusals()},
		Servers:    []*huma.Server{{URL: Base}},
		Components: &huma.Components{Schemas: reg, SecuritySchemes: map[string]*huma.SecurityScheme{
			"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
			"key":    {Type: "http", Scheme: "bearer", BearerFormat: "sk_…", Description: "a key of the application's backend; x-scope names what it must be allowed"},
		}},
	}
	for _, r := range routes {
		d.AddOperation(operation(r, reg, limits))
		if !slices.ContainsFunc(d.Tags, func(t *huma.Tag) bool { return t.Name == r.Tag }) {
			d.Tags = append(d.Tags, &huma.Tag{Name: r.Tag})
		}
	}
	loosen(reg, about)
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

// refusals lists what HTTP itself may answer.
func refusals() (rows []map[string]any) {
	for _, r := range protocol.Refusals() {
		rows = append(rows, map[string]any{"status": r.Status, "code": r.Kind.String(), "detail": r.Doc})
	}
	return rows
}

// operation describes a route, and registers the schemas of its body and reply.
func operation(r Route, reg huma.Registry, limits map[string]int) *huma.Operation {
	op := &huma.Operation{
		Method: r.Method, Path: r.Path, OperationID: r.ID, Summary: r.Summary, Tags: []string{r.Tag},
		Parameters: parameters(r), Responses: map[string]*huma.Response{},
	}
	switch {
	case r.Scope != "":
		op.Security = []map[string][]string{{"key": {}}}
		op.Extensions = map[string]any{"x-scope": string(r.Scope)}
	case r.Open:
		op.Security = []map[string][]string{{}}
	default:
		op.Security = []map[string][]string{{"bearer": {}}}
	}
	if r.Do.body != nil {
		op.RequestBody = body(r, reg, limits)
	}
	for _, status := range []int{r.success(), cmp.Or(r.Again, r.success())} {
		res := &huma.Response{Description: http.StatusText(status)}
		if r.Reply != nil && status != http.StatusNoContent {
			res.Content = map[string]*huma.MediaType{"application/json": {Schema: reg.Schema(reflect.TypeOf(r.Reply), true, "")}}
		}
		if r.Lines {
			res.Content = map[string]*huma.MediaType{linesType: {Schema: &huma.Schema{Type: huma.TypeString}}}
			res.Headers = map[string]*huma.Param{HeaderNext: {Description: "cursor of the next page; left out on the last one", Schema: &huma.Schema{Type: huma.TypeString}}}
		}
		op.Responses[strconv.Itoa(status)] = res
	}
	problems(r, op, reg)
	return op
}

// problems adds the errors by status, and a default.
func problems(r Route, op *huma.Operation, reg huma.Registry) {
	content := map[string]*huma.MediaType{protocol.ProblemType: {Schema: reg.Schema(reflect.TypeFor[protocol.Problem](), true, "")}}
	for status, codes := range r.outcomes() {
		res := &huma.Response{
			Description: http.StatusText(status) + ": " + strings.Join(codes, ", "), Content: content,
			Extensions: map[string]any{"x-codes": codes},
		}
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
		out = append(out, &huma.Param{Name: p.Name, In: "query", Description: p.Doc, Required: p.Required, Schema: p.schema(), Example: p.Example})
	}
	if r.Keyed {
		out = append(out, &huma.Param{
			Name: HeaderKey, In: "header", Schema: keySchema(),
			Description: "a retry under the same key returns the first result; the server makes one if left out",
		})
	}
	return out
}

// keySchema describes the values of the header Idempotency-Key: the form of a client_msg_id.
func keySchema() *huma.Schema {
	low, high := 1, 36
	return &huma.Schema{Type: huma.TypeString, MinLength: &low, MaxLength: &high, Pattern: "^[A-Za-z0-9._:-]*$", Examples: []any{"c-1"}}
}

// schema describes the values that Query takes.
func (p Param) schema() *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	switch {
	case p.Max > 0:
		s = &huma.Schema{Type: huma.TypeInteger, Minimum: float(p.Min), Maximum: float(p.Max)}
		if p.Default > 0 {
			s.Default = p.Default
		}
	case p.Enum != nil:
		s.Enum = []any{""}
	default:
		s.MaxLength = &p.Bytes
		s.Extensions = map[string]any{"x-max-bytes": p.Bytes}
	}
	for _, v := range p.Enum {
		s.Enum = append(s.Enum, v)
	}
	if p.Required {
		one := 1
		s.MinLength = &one
	}
	addRule(s, p.Rule)
	return s
}

func float[N ~int64 | ~uint64](n N) *float64 {
	f := float64(n)
	return &f
}

// addRule adds what JSON Schema can't say, unless it is empty.
func addRule(s *huma.Schema, rule string) {
	if rule == "" {
		return
	}
	if s.Extensions == nil {
		s.Extensions = map[string]any{}
	}
	s.Extensions["x-rule"] = rule
}

// body describes what a route takes, with an example of the fields that have one.
func body(r Route, reg huma.Registry, limits map[string]int) *huma.RequestBody {
	media := &huma.MediaType{Schema: reg.Schema(reflect.TypeOf(r.Do.body), true, "")}
	of, example := reg.SchemaFromRef(media.Schema.Ref), map[string]any{}
	for _, f := range r.Do.fields {
		p := of.Properties[f.name]
		f.limited(limits).describe(p)
		if f.each != nil {
			one, item := reg.SchemaFromRef(p.Items.Ref), map[string]any{}
			for _, g := range f.each {
				if g.describe(one.Properties[g.name]); len(one.Properties[g.name].Examples) > 0 {
					item[g.name] = one.Properties[g.name].Examples[0]
				}
			}
			p.Examples = []any{[]any{item}}
		}
		if len(p.Examples) > 0 {
			example[f.name] = p.Examples[0]
		}
	}
	media.Example = example
	b := &huma.RequestBody{Required: !r.Do.optional, Description: r.Rule, Content: map[string]*huma.MediaType{"application/json": media}}
	if r.Rule != "" {
		b.Extensions = map[string]any{"x-rule": r.Rule}
	}
	return b
}

// describe adds to a field's schema what huma doesn't read from the tags.
func (f field) describe(p *huma.Schema) {
	if p.Nullable = !f.required; p.Nullable && p.Enum != nil && !slices.Contains(p.Enum, nil) {
		p.Enum = append(p.Enum, nil)
	}
	number := p
	if p.Type == huma.TypeArray {
		number = p.Items
		if f.items.high != math.MaxInt64 {
			most := int(f.items.high)
			p.MaxItems = &most
		}
	}
	if f.number != anyNumber {
		number.Minimum, number.Maximum = float(f.number.low), float(f.number.high)
	}
	if f.bytes.high != math.MaxInt64 && p.Type == huma.TypeString {
		most := int(f.bytes.high)
		p.MaxLength = &most
		if p.Extensions == nil {
			p.Extensions = map[string]any{}
		}
		p.Extensions["x-max-bytes"] = most
	}
	if addRule(p, f.rule); f.rule != "" {
		p.Description = strings.TrimPrefix(p.Description+"; "+f.rule, "; ")
	}
}

// refPattern is the form of what chat.ParseRef reads.
const refPattern = `^([1-9][0-9]{0,15}|ext:[A-Za-z0-9._~@:-]{1,128}|ext64:[A-Za-z0-9_-]{2,128})$`

// maxReaction is how many bytes the key of a reaction has at most.
const maxReaction = 32

// pathSchema describes a path's parameter: Call reads room_id, seq and user_id, verbs read the others as text.
func pathSchema(name string) *huma.Schema {
	id := &huma.Schema{Type: huma.TypeInteger, Minimum: float[int64](1), Maximum: float[int64](chat.MaxID), Examples: []any{1}}
	switch name {
	case "room_id", "seq", "job", "webhook_id":
		id.Description = "what is no number is 400, a number that no id can be is 404"
		return id
	case "user_id":
		return &huma.Schema{Description: "an id, or me for the caller", AnyOf: []*huma.Schema{id, {Type: huma.TypeString, Enum: []any{"me"}}}}
	case "user", "room":
		s := &huma.Schema{Type: huma.TypeString, Pattern: refPattern, Examples: []any{"ext:" + name + "-1"}}
		addRule(s, "a number, ext: and the application's own id, or ext64: and its base64url")
		return s
	case "key":
		low, high := 1, maxReaction
		s := &huma.Schema{Type: huma.TypeString, MinLength: &low, MaxLength: &high, Examples: []any{"👍"}, Extensions: map[string]any{"x-max-bytes": high}}
		addRule(s, "no white space and no control characters; percent-encoded")
		return s
	default:
		return &huma.Schema{Type: huma.TypeString, Examples: []any{"0123456789abcdef0123456789abcdef"}}
	}
}

// loosen corrects what can't be seen in Go's types: lists are never null, fields named …_at are times, and answers
// may hold more than the document says, since later versions add fields. Requests stay strict.
func loosen(reg huma.Registry, about About) {
	all := reg.Map()
	for name, s := range all {
		if !strings.HasSuffix(name, "Body") && s.AdditionalProperties == false {
			s.AdditionalProperties = nil
		}
		for field, p := range s.Properties {
			if p.Type == huma.TypeArray && !strings.HasSuffix(name, "Body") {
				p.Nullable = false
			}
			if p.Type == huma.TypeString && strings.HasSuffix(field, "_at") {
				p.Format = "date-time"
			}
		}
	}
	for reply, least := range about.AtLeast {
		all[reply].Required = all[least].Required
	}
	for reply, fields := range about.Sometimes {
		all[reply].Required = slices.DeleteFunc(all[reply].Required, func(name string) bool { return slices.Contains(fields, name) })
	}
}
