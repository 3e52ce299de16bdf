package tables_test

import (
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../../../"

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(root + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rowsOf returns the cells of a table that the registries write into a document.
func rowsOf(t *testing.T, doc, name string) (rows [][]string) {
	t.Helper()
	_, text, found := strings.Cut(read(t, "docs/"+doc), "<!-- "+name+": written by go test ./docs -update -->\n")
	text, _, ends := strings.Cut(text, "<!-- end -->")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if !found || !ends || len(lines) < 3 {
		t.Fatalf("docs/%s: there is no table %q", doc, name)
	}
	for _, line := range lines[2:] {
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "| "), "|") {
			cells = append(cells, strings.Trim(strings.TrimSpace(cell), "`"))
		}
		rows = append(rows, cells)
	}
	return rows
}

// documented returns the first cells of a table.
func documented(t *testing.T, doc, name string) []string {
	t.Helper()
	return names(rowsOf(t, doc, name), func(cells []string) string { return cells[0] })
}

// withProbe adds what test builds have, and documents leave out.
func withProbe(kinds, documented []string) []string {
	for _, k := range kinds {
		if isProbe(k) {
			documented = append(documented, k)
		}
	}
	return documented
}

func isProbe(kind string) bool { return strings.HasPrefix(kind, "probe") }

// camel is a name as Go writes it: JoinRoom for join_room.
func camel(name string) (s string) {
	for part := range strings.SplitSeq(name, "_") {
		s += strings.ToUpper(part[:1]) + part[1:]
	}
	return s
}

// mentions reports whether product code at or below a folder has a name, such as envelope.Attach.
func mentions(t *testing.T, dir, name string) bool {
	t.Helper()
	return finds(t, dir, `\b`+regexp.QuoteMeta(name)+`\b`)
}

// declares reports whether product code at or below a folder has a function.
func declares(t *testing.T, dir, name string) bool {
	t.Helper()
	return finds(t, dir, `(?m)^func `+name+`\(`)
}

// sampled reports whether a server frame, by its name in Go, is among the samples of the protocol's tests.
func sampled(t *testing.T, name string) bool {
	t.Helper()
	row := regexp.MustCompile(name + `:\s`)
	return row.MatchString(read(t, "internal/protocol/kinds_test.go")) || row.MatchString(read(t, "internal/protocol/kinds_probe_test.go"))
}

// fields goes through the names of a struct's fields, but some.
func fields(typ reflect.Type, but ...string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range typ.NumField() {
			if name := typ.Field(i).Name; !slices.Contains(but, name) && !yield(name) {
				return
			}
		}
	}
}

func finds(t *testing.T, dir, pattern string) (found bool) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	err := filepath.WalkDir(root+dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || found || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		found = re.Match(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var paramRE = regexp.MustCompile(`\{[a-z_]+\}`)

// bare is a path whose parameters have no names.
func bare(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return paramRE.ReplaceAllString(path, "{}")
}

// contract returns the operations of the OpenAPI document, as the api's contract test writes it down.
func contract(t *testing.T) (routes []string) {
	t.Helper()
	for line := range strings.SplitSeq(read(t, "internal/api/testdata/openapi.txt"), "\n") {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], "/") {
			routes = append(routes, f[0]+" "+bare(strings.TrimPrefix(f[1], "/api/v1")))
		}
	}
	return routes
}

// rest returns the routes in the first cells of the table of REST. In a cell a method alone shares the path that follows, and a path
// alone has the method before it.
func rest(t *testing.T) map[string]bool {
	t.Helper()
	_, text, _ := strings.Cut(read(t, "docs/protocol.md"), "## REST\n")
	text, _, _ = strings.Cut(text, "\n### ")
	routes := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(text, -1) {
		var methods []string
		fresh := true // the next method begins another route
		for word := range strings.FieldsFuncSeq(m[1], func(r rune) bool { return strings.ContainsRune("`, ", r) }) {
			if !strings.HasPrefix(word, "/") {
				if fresh {
					methods = nil
				}
				methods, fresh = append(methods, word), false
				continue
			}
			for _, method := range methods {
				routes[method+" "+bare(word)] = true
			}
			fresh = true
		}
	}
	return routes
}
