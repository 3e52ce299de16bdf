package floors

import (
	"fmt"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// rules are all there are; each name is a subtest and what an allowance names. What golangci-lint checks as well is not checked
// here: see .golangci.yml. A rule stands here because
//
//	places, down, importers, brands, links, pure   it follows the import graph through any number of packages, or knows the house
//	forbidden   it covers tests and blank imports, which depguard and revive let pass
//	files       no linter counts lines of code per package, or knows main.go and tests
//	funcs       it leaves the leading context out of the parameters (their length is funlen's)
//	packagedocs it knows where a package's comment belongs, and names that say nothing
//	names, globals, unfinished, tests   no linter knows the habit
var rules = map[string]func(*checker){
	"places": checkPlaces, "down": checkDown, "importers": checkImporters, "brands": checkBrands, "links": checkLinks,
	"forbidden": checkForbidden, "pure": checkPure,
	"files": checkFiles, "funcs": checkFuncs,
	"packagedocs": checkPackageDocs, "names": checkNames, "globals": checkGlobals, "unfinished": checkUnfinished, "tests": checkTests,
}

// checker runs a rule over a tree and collects what it finds.
type checker struct {
	tree  *tree
	found []finding
}

// finding is one thing that breaks a rule. The line is not part of the subject, so that allowances last.
type finding struct {
	subject string
	line    int // 0: the whole
	text    string
}

func (f finding) String() string {
	if f.line > 0 {
		return fmt.Sprintf("%s:%d %s", f.subject, f.line, f.text)
	}
	return f.subject + " " + f.text
}

func (c *checker) fail(subject, format string, args ...any) {
	c.found = append(c.found, finding{subject, 0, fmt.Sprintf(format, args...)})
}

// failAt notes a finding at a place in a file.
func (c *checker) failAt(s *source, pos token.Pos, format string, args ...any) {
	c.found = append(c.found, finding{s.name, s.fset.Position(pos).Line, fmt.Sprintf(format, args...)})
}

func TestFloors(t *testing.T) {
	tr, err := readTree("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.files) < 10 || len(tr.packages()) < 5 {
		t.Fatalf("found %d files in %d packages: the rules look at the wrong place", len(tr.files), len(tr.packages()))
	}
	used := map[allowance]bool{}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			c := &checker{tree: tr}
			rule(c)
			slices.SortFunc(c.found, func(a, b finding) int { return strings.Compare(a.subject, b.subject) })
			for _, f := range c.found {
				i := slices.IndexFunc(allowed, func(a allowance) bool { return a.rule == name && a.subject == f.subject })
				if i < 0 {
					t.Error(f)
					continue
				}
				used[allowed[i]] = true
			}
		})
	}
	t.Run("allowances", func(t *testing.T) {
		for _, a := range allowed {
			switch {
			case a.reason == "":
				t.Errorf("allowance %s %s has no reason: say why the rule is wrong here", a.rule, a.subject)
			case rules[a.rule] == nil:
				t.Errorf("allowance %s %s is for no rule", a.rule, a.subject)
			case !used[a]:
				t.Errorf("allowance %s %s excuses nothing any more: remove it", a.rule, a.subject)
			}
		}
	})
}

func TestTableGoesDown(t *testing.T) {
	f := family{root: "internal/store", floor: 2, imports: []string{"internal/chat", "internal/state", "internal/gateway", "internal/store/db", "none"}}
	if got := f.notBelow(); !slices.Equal(got, f.imports[1:]) {
		t.Errorf("not below %s: %v, want all but the first of %v", f.root, got, f.imports)
	}
}
