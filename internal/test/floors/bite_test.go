package floors

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestRulesBite tries every rule on code that breaks it, and on its neighbour that does not.
func TestRulesBite(t *testing.T) {
	long := func(n int) string { return strings.Repeat("\n", n) }
	code := func(n int) string {
		return "package a" + strings.Repeat("\nvar _ = 1 // and why\n\n// A comment.", n-1)
	}
	cases := []struct {
		rule    string
		files   map[string]string
		imports map[string]string // import path → its imports, blank separated; ~ is our module
		want    string            // part of a finding; empty: nothing may be found
	}{
		{rule: "places", imports: map[string]string{"~/internal/helpers": ""}, want: "internal/helpers has no place"},
		{rule: "places", imports: map[string]string{"~/internal/chat": ""}, want: "internal/telemetry is in tables_test.go and not in the tree"},
		{rule: "places", imports: map[string]string{"~/internal/store/stray": ""}, want: "internal/store/stray has no place"},
		{rule: "places", imports: map[string]string{"~/internal/gateway/ring": ""}, want: "internal/gateway/ring has no place"},

		{rule: "down", imports: map[string]string{"~/internal/gateway": "~/internal/chat ~/internal/envelope fmt"}},
		{rule: "down", imports: map[string]string{"~/internal/gateway": "~/internal/gateway/hub"}},
		{rule: "down", imports: map[string]string{"~/internal/chat/parts": "~/internal/chat"}},
		{rule: "down", imports: map[string]string{"~/internal/chat": "~/internal/store"}, want: "internal/chat imports internal/store, up"},
		{rule: "down", imports: map[string]string{"~/internal/store": "~/internal/state"}, want: "sideways"},
		{rule: "down", imports: map[string]string{"~/internal/gateway/hub": "~/internal/worker"}, want: "sideways"},
		{rule: "down", imports: map[string]string{"~/internal/api": "~/internal/store"}, want: "past its ports"},
		{rule: "down", imports: map[string]string{"~/cmd/gateway": "~/internal/worker"}, want: "cmd/gateway imports internal/worker"},
		{rule: "down", imports: map[string]string{"~/cmd/worker": "~/internal/store/rooms ~/internal/store"}},
		{rule: "down", imports: map[string]string{"~/internal/ops/stack": "~/internal/protocol"}},
		{rule: "down", imports: map[string]string{"~/internal/test/testkit": "~/internal/store"}, want: "past its ports"},

		{rule: "down", imports: map[string]string{"~/internal/store/rooms": "~/internal/store/messages ~/internal/store/db"}},
		{rule: "down", imports: map[string]string{"~/internal/store/schema/files": "~/internal/store/schema"}},
		{rule: "down", imports: map[string]string{"~/internal/store/messages": "~/internal/store/rooms"}, want: "imports internal/store/rooms, up inside internal/store"},
		{rule: "down", imports: map[string]string{"~/internal/store/rooms": "~/internal/store/accounts"}, want: "sideways inside internal/store"},
		{rule: "down", imports: map[string]string{"~/internal/worker/lanes": "~/internal/worker/sockets"}, want: "sideways inside internal/worker"},
		{rule: "down", imports: map[string]string{"~/internal/worker/lanes": "~/internal/worker/line ~/internal/worker/deliver"}},
		{rule: "down", imports: map[string]string{"~/internal/worker/line": "~/internal/worker/lanes"}, want: "up inside internal/worker"},
		{rule: "down", imports: map[string]string{"~/internal/gateway/hub": "~/internal/gateway"}, want: "up inside internal/gateway"},
		{rule: "down", imports: map[string]string{"~/internal/api/server": "~/internal/api"}, want: "up inside internal/api"},

		{rule: "importers", imports: map[string]string{"~/cmd/chatctl": "~/internal/ops/stack"}},
		{rule: "importers", imports: map[string]string{"~/internal/store": "~/internal/test/testkit"}, want: "internal/store imports internal/test/testkit"},
		{rule: "importers", imports: map[string]string{"~/internal/worker": "~/internal/store/fakestore"}, want: "imports internal/store/fakestore in product code"},
		{rule: "importers", imports: map[string]string{"~/cmd/worker": "~/internal/store/storetest"}, want: "imports internal/store/storetest in product code"},
		{rule: "importers", imports: map[string]string{"~/internal/test/testkit": "~/internal/test/testkit/history"}},

		{rule: "brands", imports: map[string]string{"~/internal/store": "gorm.io/gorm", "~/cmd/api": "~/internal/store"}},
		{rule: "brands", imports: map[string]string{"~/internal/api": "gorm.io/gorm"}, want: "internal/api reaches gorm by internal/api → gorm.io/gorm"},
		{rule: "brands", imports: map[string]string{"~/internal/api": "x.org/orm", "x.org/orm": "gorm.io/gorm"}, want: "internal/api → x.org/orm → gorm.io/gorm"},
		{rule: "brands", imports: map[string]string{"~/internal/state": "~/internal/store", "~/internal/store": "gorm.io/gorm"}, want: "internal/state reaches gorm"},
		{rule: "brands", imports: map[string]string{"~/internal/api": "gorm.iota/x"}},

		{rule: "brands", imports: map[string]string{"~/internal/api": "x.org/uuid", "x.org/uuid": "database/sql"}},
		{rule: "brands", imports: map[string]string{"~/internal/api": "database/sql"}, want: "internal/api reaches database/sql"},

		{rule: "links", imports: map[string]string{}, want: "cmd/gateway is not there"},
		{rule: "links", imports: map[string]string{"~/cmd/gateway": "", "~/cmd/api": "", "~/cmd/worker": ""}},
		{
			rule: "links", want: "cmd/gateway links go-redis by cmd/gateway → internal/state → github.com/redis/go-redis/v9",
			imports: map[string]string{"~/cmd/gateway": "~/internal/state", "~/internal/state": "github.com/redis/go-redis/v9", "~/cmd/api": "", "~/cmd/worker": ""},
		},

		{rule: "forbidden", files: map[string]string{"a/a_test.go": `package a; import "github.com/stretchr/testify/require"; var _ = require.New`}, want: "testify"},
		{rule: "forbidden", files: map[string]string{"a/a.go": `package a; import _ "net/http/pprof"`}, want: "side effects"},
		{rule: "forbidden", files: map[string]string{"a/a.go": `package a; import _ "embed"`}},

		{rule: "pure", imports: map[string]string{"~/internal/chat": "net/http"}, want: "imports net/http"},
		{rule: "pure", files: map[string]string{"internal/chat/a.go": `package chat; import "time"; var x = time.Now()`}, want: "reads the clock"},
		{rule: "pure", files: map[string]string{"internal/auth/a.go": `package auth; import "time"; var x = time.Now()`}},

		{rule: "files", files: map[string]string{"a/a.go": "package a" + long(maxFile)}},
		{rule: "files", files: map[string]string{"a/a.go": "package a" + long(maxFile+1)}, want: "a/a.go has 501 lines"},
		{rule: "files", files: map[string]string{"a/a_test.go": "package a" + long(maxFile+1)}},
		{rule: "files", files: map[string]string{"cmd/x/main.go": "package main" + long(maxMain+1)}, want: "cmd/x/main.go has 121 lines"},
		{rule: "files", files: many(code(maxPackage/20), 20)},
		{rule: "files", files: many(code(maxPackage/20+1), 20), want: "a has 2520 lines of code"},
		{rule: "files", files: map[string]string{"a/a.go": "package a\n/* one\ntwo */\nvar x = `\n\n" + long(maxPackage) + "`\n"}, want: "a has 2504 lines of code"},

		{rule: "funcs", files: map[string]string{"a/a.go": "package a\nfunc f(ctx context.Context, a, b, c, d, e int) {}"}},
		{rule: "funcs", files: map[string]string{"a/a.go": "package a\nfunc f(a, b, c, d, e, g int) {}"}, want: "takes 6 parameters"},

		{rule: "packagedocs", files: map[string]string{"a/doc.go": "// Package a is.\npackage a", "a/b.go": "package a"}},
		{rule: "packagedocs", files: map[string]string{"a/a.go": "// Package a is.\npackage a"}},
		{rule: "packagedocs", files: map[string]string{"a/b.go": "// Package a is.\npackage a"}, want: "a has no package comment"},
		{rule: "packagedocs", files: map[string]string{"a/doc.go": "// Things.\npackage a"}, want: "a has no package comment"},
		{rule: "packagedocs", files: map[string]string{"cmd/x/main.go": "// Command x does.\npackage main"}},
		{rule: "packagedocs", files: map[string]string{"cmd/x/main.go": "package main"}, want: "Command x"},
		{rule: "packagedocs", files: map[string]string{"a/doc.go": "// Package utils is.\npackage utils"}, want: "is named utils"},

		{rule: "names", files: map[string]string{"a/a.go": "package a\nfunc (t T) GetRoom() {}"}, want: "Call it Room"},
		{rule: "names", files: map[string]string{"a/a.go": "package a\nfunc Getaway() {}"}},

		{rule: "globals", files: map[string]string{"a/a.go": "package a\nvar t = []int{1}\nvar p sync.Pool\nvar _ I = T{}\nfunc f(s []int) { t := s; t[0] = 1; _ = t }"}},
		{rule: "globals", files: map[string]string{"a/a.go": "package a\nvar t = []int{1}", "a/b.go": "package a\nfunc f() { t[0] = 1 }"}, want: "a/b.go:2 changes the package's t"},
		{rule: "globals", files: map[string]string{"a/a.go": "package a\nvar n int\nfunc f() { n++ }"}, want: "changes the package's n"},
		{rule: "globals", files: map[string]string{"a/a.go": "package a\nvar m = map[int]int{}\nfunc f() { delete(m, 1) }"}, want: "changes the package's m"},
		{rule: "globals", files: map[string]string{"a/a.go": "package a\nvar mu sync.Mutex"}, want: "keeps state in the package (mu)"},
		{rule: "globals", files: map[string]string{"a/a.go": "package a\nvar n = new(atomic.Int64)"}, want: "keeps state"},
		{rule: "globals", files: map[string]string{"a/a.go": "package a\nvar c = make(chan int)"}, want: "keeps state"},

		{rule: "unfinished", files: map[string]string{"a/a.go": "package a\n\n// TO" + "DO: later"}, want: "a/a.go:3"},
		{rule: "unfinished", files: map[string]string{"a/a.go": "package a\n// todos are lists"}},

		{rule: "tests", files: map[string]string{"a/a_test.go": "package a\nfunc f() { time.Sleep(1) }"}, want: "sleeps"},
		{rule: "tests", files: map[string]string{"a/a_test.go": "package a\nfunc f() { synctest.Test(t, func() { time.Sleep(1) }) }"}},
		{rule: "tests", files: map[string]string{"a/a.go": "package a\nfunc f() { time.Sleep(1) }"}},
		{rule: "tests", files: map[string]string{"a/a_test.go": "package a\nfunc f() { t.Skip() }"}, want: "skips"},
	}
	bitten := map[string]bool{}
	for i, tt := range cases {
		t.Run(fmt.Sprint(tt.rule, i), func(t *testing.T) {
			tr := &tree{imports: map[string][]string{}}
			for name, text := range tt.files {
				if err := tr.add(name, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			for from, to := range tt.imports {
				tr.imports[strings.Replace(from, "~", module, 1)] = strings.Fields(strings.ReplaceAll(to, "~", module))
			}
			c := &checker{tree: tr}
			rules[tt.rule](c)
			hit := slices.ContainsFunc(c.found, func(f finding) bool { return strings.Contains(f.String(), tt.want) })
			if hit != (tt.want != "") {
				t.Errorf("found %v, want %q", c.found, tt.want)
			}
		})
		bitten[tt.rule] = bitten[tt.rule] || tt.want != ""
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if !bitten[name] {
			t.Errorf("rule %s is tried on nothing that breaks it", name)
		}
	}
}

// many makes n files of the same text in one package.
func many(text string, n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out[fmt.Sprintf("a/a%d.go", i)] = text
	}
	return out
}
