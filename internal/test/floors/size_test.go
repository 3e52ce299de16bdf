package floors

import (
	"go/ast"
	"path"
	"strings"
)

// checkFiles: files and packages stay small enough to be read in one go.
func checkFiles(c *checker) {
	lines := map[string]int{}
	for _, s := range c.tree.files {
		limit := maxFile
		switch {
		case s.made:
			continue
		case s.test:
			limit = maxTestFile
		case s.dir == path.Join("cmd", path.Base(s.dir)) && path.Base(s.name) == "main.go":
			limit = maxMain
		}
		if s.lines > limit {
			c.fail(s.name, "has %d lines, the limit is %d. Why: a file is one verb. Split it where the verb changes", s.lines, limit)
		}
		if !s.test {
			lines[s.dir] += s.lines
		}
	}
	for dir, n := range lines {
		if n > maxPackage {
			c.fail(dir, "has %d lines, the limit is %d. Why: a package must fit into a head. Look for the part with an idea of its own", n, maxPackage)
		}
	}
}

// checkFuncs: functions are short and take few parameters.
func checkFuncs(c *checker) {
	for _, s := range c.tree.files {
		if s.test || s.made {
			continue
		}
		for _, d := range s.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			where := s.name + "#" + fn.Name.Name
			if n := s.fset.Position(fn.End()).Line - s.fset.Position(fn.Pos()).Line + 1; n > maxFunc {
				c.fail(where, "has %d lines, the limit is %d. Why: what is longer hides its steps. Name the steps and call them", n, maxFunc)
			}
			if n := params(fn.Type); n > maxParams {
				c.fail(where, "takes %d parameters after ctx, the limit is %d. Why: callers mix them up. Make a struct of what belongs together", n, maxParams)
			}
		}
	}
}

// params counts parameters, a leading context aside.
func params(f *ast.FuncType) int {
	n := f.Params.NumFields()
	if n > 0 {
		if sel, ok := f.Params.List[0].Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "Context" {
			n--
		}
	}
	return n
}

// checkInterfaces: interfaces are small, ports smaller.
func checkInterfaces(c *checker) {
	for _, s := range c.tree.files {
		if s.test || s.made {
			continue
		}
		limit, what := maxInterface, "an interface"
		if strings.HasSuffix(s.name, "/ports.go") {
			limit, what = maxPort, "a port"
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if it, ok := spec.Type.(*ast.InterfaceType); ok && it.Methods.NumFields() > limit {
				c.fail(s.name+"#"+spec.Name.Name, "has %d methods, %s may have %d. Why: the larger the interface, the weaker the idea, and "+
					"every twin in a test must have them all. Split it by who calls it", it.Methods.NumFields(), what, limit)
			}
			return true
		})
	}
}
