//go:build e2e

package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"chat-service/internal/test/testkit"
)

// document is the OpenAPI document as a client reads it.
type document struct {
	raw        map[string]any
	compiler   *jsonschema.Compiler
	operations []*operation
	refusals   map[int]string // status → code
}

// operation is one method of one path.
type operation struct {
	id, method, path string
	open, keyed      bool
	params           []parameter
	body             *bodyOf
	responses        map[int]response
}

type parameter struct {
	name, in string
	required bool
	rule     string
	schema   object
	judge    *jsonschema.Schema
}

type bodyOf struct {
	required bool
	rule     string
	example  any
	schema   object
	judge    *jsonschema.Schema
}

type response struct {
	content map[string]*jsonschema.Schema // by content type; empty: no body
	codes   []string                      // of a problem
}

// object is a JSON object that was decoded.
type object = map[string]any

const documentURL = "openapi.json"

// readDocument fetches the document and compiles all schemas in it.
func readDocument(t *testing.T, api testkit.API) *document {
	t.Helper()
	r, err := api.Call(t.Context(), http.MethodGet, "/openapi.json", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.Raw))
	if err != nil {
		t.Fatal(err)
	}
	d := &document{raw: parsed.(object), compiler: jsonschema.NewCompiler(), refusals: map[int]string{}}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := d.compiler.AddResource(documentURL, parsed); err != nil {
		t.Fatal(err)
	}
	for _, row := range d.raw["x-refusals"].([]any) {
		row := row.(object)
		d.refusals[int(number(row["status"]))] = row["code"].(string)
	}
	paths := d.raw["paths"].(object)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path].(object)
		for _, method := range slices.Sorted(maps.Keys(item)) {
			d.operations = append(d.operations, d.operation(t, path, method, item[method].(object)))
		}
	}
	if len(d.operations) == 0 {
		t.Fatal("the document has no operations")
	}
	return d
}

// number reads a JSON number, which the decoder leaves as it is written.
func number(v any) float64 {
	n, _ := v.(json.Number)
	f, _ := n.Float64()
	return f
}

func text(v any) string { s, _ := v.(string); return s }

// pointer is a place in the document.
func pointer(steps ...string) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(s))
	}
	return b.String()
}

func (d *document) compile(t *testing.T, at string) *jsonschema.Schema {
	t.Helper()
	s, err := d.compiler.Compile(documentURL + "#" + at)
	if err != nil {
		t.Fatalf("the schema at %s: %v", at, err)
	}
	return s
}

// resolved follows a schema's reference.
func (d *document) resolved(s object) object {
	ref, ok := strings.CutPrefix(text(s["$ref"]), "#/components/schemas/")
	if !ok {
		return s
	}
	return d.raw["components"].(object)["schemas"].(object)[ref].(object)
}

func (d *document) operation(t *testing.T, path, method string, raw object) *operation {
	t.Helper()
	at := []string{"paths", path, method}
	op := &operation{id: text(raw["operationId"]), method: strings.ToUpper(method), path: path, responses: map[int]response{}}
	security := raw["security"].([]any)[0].(object)
	_, bearer := security["bearer"]
	_, op.keyed = security["key"]
	op.open = !bearer && !op.keyed
	params, _ := raw["parameters"].([]any)
	for i, p := range params {
		p := p.(object)
		required, _ := p["required"].(bool)
		schema := p["schema"].(object)
		op.params = append(op.params, parameter{
			text(p["name"]), text(p["in"]), required, text(schema["x-rule"]), schema,
			d.compile(t, pointer(append(at, "parameters", strconv.Itoa(i), "schema")...)),
		})
	}
	if b, ok := raw["requestBody"].(object); ok {
		media := b["content"].(object)["application/json"].(object)
		required, _ := b["required"].(bool)
		op.body = &bodyOf{
			required, text(b["x-rule"]), media["example"], d.resolved(media["schema"].(object)),
			d.compile(t, pointer(append(at, "requestBody", "content", "application/json", "schema")...)),
		}
	}
	for status, r := range raw["responses"].(object) {
		n, err := strconv.Atoi(status)
		if err != nil {
			continue // default: any other problem. The fuzzer takes none for granted
		}
		res := response{content: map[string]*jsonschema.Schema{}}
		content, _ := r.(object)["content"].(object)
		for media := range content {
			res.content[media] = d.compile(t, pointer(append(at, "responses", status, "content", media, "schema")...))
		}
		codes, _ := r.(object)["x-codes"].([]any)
		for _, c := range codes {
			res.codes = append(res.codes, c.(string))
		}
		op.responses[n] = res
	}
	return op
}

// check compares an answer with the document: its status, content type, body and headers. edge: HTTP itself may refuse it, too.
func (d *document) check(op *operation, a answer, edge bool) error {
	res, ok := op.responses[a.status]
	if code, known := d.refusals[a.status]; !ok && edge && known {
		problem, err := d.compiler.Compile(documentURL + "#/components/schemas/Problem")
		if err != nil {
			return err
		}
		res, ok = response{map[string]*jsonschema.Schema{"application/problem+json": problem}, []string{code}}, true
	}
	if !ok {
		return fmt.Errorf("status %d isn't documented", a.status)
	}
	if len(res.content) == 0 {
		if len(a.body) > 0 {
			return fmt.Errorf("a body of %d bytes, where none is documented", len(a.body))
		}
		return nil
	}
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	judge := res.content[media]
	if judge == nil {
		return fmt.Errorf("content type %q isn't documented", a.header.Get("Content-Type"))
	}
	if media == "application/x-ndjson" {
		for line := range bytes.Lines(a.body) {
			if !json.Valid(line) || line[len(line)-1] != '\n' {
				return fmt.Errorf("a line is no JSON: %q", line)
			}
		}
		return nil
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
	if err != nil {
		return fmt.Errorf("the body is no JSON: %w", err)
	}
	if err := judge.Validate(v); err != nil {
		return fmt.Errorf("the body differs from its schema: %w", err)
	}
	if media == "application/problem+json" {
		return checkProblem(v.(object), a, res.codes)
	}
	return nil
}

// checkProblem checks what a schema can't say about a problem.
func checkProblem(p object, a answer, codes []string) error {
	switch {
	case !slices.Contains(codes, text(p["code"])):
		return fmt.Errorf("code %q isn't documented for %d: %v", p["code"], a.status, codes)
	case number(p["status"]) != float64(a.status):
		return fmt.Errorf("the problem says %v", p["status"])
	case text(p["request_id"]) != a.header.Get("X-Request-Id"):
		return fmt.Errorf("the problem's request_id %v isn't the header's %q", p["request_id"], a.header.Get("X-Request-Id"))
	case (a.status == 429 || a.status == 503) && a.header.Get("Retry-After") == "":
		return fmt.Errorf("no Retry-After")
	case a.status == 401 && a.header.Get("WWW-Authenticate") == "":
		return fmt.Errorf("no WWW-Authenticate")
	case a.status == 405 && a.header.Get("Allow") == "":
		return fmt.Errorf("no Allow")
	}
	return nil
}
