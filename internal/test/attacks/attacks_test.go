//go:build e2e

package attacks

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// crashed is the process that an attack ends.
const crashed = "api-7"

// TestAttacks tries every row, side by side, and then the matrix, and prints both.
func TestAttacks(t *testing.T) {
	f := startFleet(t)
	results := struct {
		sync.Mutex

		of map[string]string
	}{of: map[string]string{}}
	try := func(t *testing.T, r row) {
		began := time.Now()
		a := &attack{T: t, fleet: f}
		defer func() {
			text := "ok"
			if t.Failed() {
				text = "FAILED"
			} else if a.found != "" {
				text += ": " + a.found
			}
			results.Lock()
			defer results.Unlock()
			results.of[r.id] = fmt.Sprintf("%s (%.1f s)", text, time.Since(began).Seconds())
		}()
		r.run(a)
		a.after()
	}
	several := func(alone bool) func(t *testing.T) {
		return func(t *testing.T) {
			for _, family := range rows {
				for _, r := range family.rows {
					if r.alone == alone {
						t.Run(r.id, func(t *testing.T) {
							if !alone {
								t.Parallel()
							}
							try(t, r)
						})
					}
				}
			}
		}
	}
	t.Run("row", several(false))
	t.Run("matrix", func(t *testing.T) { testMatrix(t, f) })
	t.Run("alone", several(true))
	t.Run("rights", func(t *testing.T) { hasItsRights(t, f) })
	var b strings.Builder
	for _, family := range rows {
		fmt.Fprintf(&b, "\n### %s\n\n| id | attack | expected | result |\n|---|---|---|---|\n", family.family)
		for _, r := range family.rows {
			expected := r.expected
			if r.differs != "" {
				expected += " (PROTOCOL.md: " + r.differs + ")"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.id, r.attack, expected, results.of[r.id])
		}
	}
	if testing.Verbose() {
		fmt.Println(b.String())
	}
}

// hasItsRights looks for signs in the logs that a process lacked a right that it needs.
func hasItsRights(t *testing.T, f *fleet) {
	t.Helper()
	for name := range f.pids {
		log := f.Log(name, 1<<30)
		for _, sign := range []string{"Error 1142", "Error 1143", "Error 1044", "command denied", "NOPERM", "ACCESS_REFUSED"} {
			if i := strings.Index(log, sign); i >= 0 {
				t.Errorf("%s lacks a right: %s", name, log[max(0, i-300):min(len(log), i+200)])
			}
		}
	}
}

// TestEveryIDHasItsRow: each id of each family is a row or absent for a reason, once; each row has a test, and each test a row.
func TestEveryIDHasItsRow(t *testing.T) {
	t.Parallel()
	seen, used := map[string]bool{}, map[string]bool{}
	for _, family := range rows {
		for _, r := range family.rows {
			if seen[r.id] || absent[r.id] != "" || r.attack == "" || r.expected == "" {
				t.Errorf("%s is there twice, or says nothing", r.id)
			}
			if seen[r.id] = true; r.run == nil {
				t.Errorf("%s has no test", r.id)
				continue
			}
			name := runtime.FuncForPC(reflect.ValueOf(r.run).Pointer()).Name()
			used[name[strings.LastIndexByte(name, '.')+1:]] = true
		}
	}
	count := len(absent)
	for prefix, n := range families {
		for i := 1; i <= n; i++ {
			if id := fmt.Sprint(prefix, i); !seen[id] && absent[id] == "" {
				t.Errorf("%s has no row", id)
			}
		}
		count -= n
	}
	if len(seen)+count != 0 {
		t.Errorf("%d rows and %d absent are not as many as the families have", len(seen), len(absent))
	}
	for _, name := range tries(t) {
		if !used[name] {
			t.Errorf("%s is no row's test", name)
		}
	}
}

// tries are the functions of this package that an attack could be.
func tries(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || fn.Type.Results != nil || len(fn.Type.Params.List) != 1 {
				continue
			}
			if p, ok := fn.Type.Params.List[0].Type.(*ast.StarExpr); ok {
				if id, ok := p.X.(*ast.Ident); ok && id.Name == "attack" {
					names = append(names, fn.Name.Name)
				}
			}
		}
	}
	if len(names) < 60 {
		t.Errorf("only %d attacks were found: %v", len(names), names)
	}
	return names
}
