package api

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/openapi.txt anew")

// TestDocumentIsTheContract compares what clients depend on in the OpenAPI document with testdata/openapi.txt:
// methods, paths, parameters, statuses, schemas and their fields. Descriptions may change freely; a change of
// anything else is a change of the contract, so it must be meant: `go test ./internal/api -run Contract -args
// -update` writes the file anew.
func TestDocumentIsTheContract(t *testing.T) {
	const file = "testdata/openapi.txt"
	got := outline(t, newBench(t).do(200, "GET", "openapi.json", "", "").raw)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(string(want), got); d != "" {
		t.Errorf("the document isn't what %s holds:\n%s", file, d)
	}
}

// schema is the part of a JSON schema that the outline shows.
type schema struct {
	Ref        string            `json:"$ref"`
	Type       any               `json:"type"`
	Enum       []any             `json:"enum"`
	Items      *schema           `json:"items"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
}

func (s schema) String() string {
	text := cmp.Or(path.Base(s.Ref), ".")
	switch {
	case text != ".":
	case s.Items != nil:
		text = "[]" + s.Items.String()
	default:
		text = fmt.Sprint(s.Type)
	}
	if len(s.Enum) > 0 {
		text += fmt.Sprint(s.Enum)
	}
	return text
}

// outline writes one line per operation and one per field of a schema.
func outline(t *testing.T, raw []byte) string {
	t.Helper()
	type content map[string]struct{ Schema schema }
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string                `json:"operationId"`
			Security    []map[string][]string `json:"security"`
			Scope       string                `json:"x-scope"`
			Parameters  []struct {
				Name, In string
				Required bool
				Schema   schema
			} `json:"parameters"`
			RequestBody *struct {
				Required bool
				Content  content
			} `json:"requestBody"`
			Responses map[string]struct{ Content content }
		}
		Components struct{ Schemas map[string]schema }
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, p := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(doc.Paths[p])) {
			op := doc.Paths[p][method]
			fmt.Fprintf(&out, "%s %s %s", strings.ToUpper(method), p, op.OperationID)
			if _, keyed := op.Security[0]["key"]; keyed {
				out.WriteString(" key:" + op.Scope)
			} else if _, guarded := op.Security[0]["bearer"]; !guarded {
				out.WriteString(" open")
			}
			for _, q := range op.Parameters {
				if q.In == "header" {
					fmt.Fprintf(&out, " ^%s%s=%v", q.Name, must(q.Required), q.Schema)
				}
				if q.In == "query" {
					fmt.Fprintf(&out, " ?%s%s=%v", q.Name, must(q.Required), q.Schema)
				}
			}
			if b := op.RequestBody; b != nil {
				fmt.Fprintf(&out, " takes%s:%v", must(b.Required), b.Content["application/json"].Schema)
			}
			for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
				fmt.Fprintf(&out, " %s", status)
				for _, c := range op.Responses[status].Content {
					fmt.Fprintf(&out, ":%v", c.Schema)
				}
			}
			out.WriteByte('\n')
		}
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		s := doc.Components.Schemas[name]
		for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
			fmt.Fprintf(&out, "%s.%s%s: %v\n", name, field, must(slices.Contains(s.Required, field)), s.Properties[field])
		}
	}
	return out.String()
}

// must marks what is required.
func must(required bool) string {
	if required {
		return "!"
	}
	return ""
}
