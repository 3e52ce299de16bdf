package floors

import (
	"go/ast"
	"path"
)

// checkFiles: files and packages stay small enough to be read in one go.
func checkFiles(c *checker) {
	code := map[string]int{}
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
			code[s.dir] += s.code
		}
	}
	for dir, n := range code {
		if n > maxPackage {
			c.fail(dir, "has %d lines of code, the limit is %d. Why: a package must be small enough to know. Look for the part with an idea of its "+
				"own; where there is none the limit is wrong here, so allow it with that reason", n, maxPackage)
		}
	}
}

// checkFuncs: functions take few parameters.
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
			if n := params(fn.Type); n > maxParams {
				c.fail(s.name+"#"+fn.Name.Name, "takes %d parameters after ctx, the limit is %d. Why: callers mix them up. Make a struct of what belongs together", n, maxParams)
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
