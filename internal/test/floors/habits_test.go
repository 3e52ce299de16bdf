package floors

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// checkPackageDocs: every package says what it is, in doc.go.
func checkPackageDocs(c *checker) {
	docs, dirs := map[string]string{}, map[string]string{}
	for _, s := range c.tree.files {
		if s.test {
			continue
		}
		dirs[s.dir] = s.ast.Name.Name
		isHome := slices.Contains([]string{"doc.go", s.ast.Name.Name + ".go"}, path.Base(s.name)) || s.ast.Name.Name == "main"
		if s.ast.Doc != nil && isHome {
			docs[s.dir] = s.ast.Doc.Text()
		}
	}
	for dir, name := range dirs {
		begin, file := "Package "+name+" ", "doc.go"
		if name == "main" {
			begin, file = "Command "+path.Base(dir)+" ", "main.go"
		}
		if !strings.HasPrefix(docs[dir], begin) {
			c.fail(dir, "has no package comment that begins with %q in %s. Why: it is the first thing a reader sees. "+
				"Say in one sentence what it is, then what it owns, refuses and keeps true", begin, file)
		}
		if slices.Contains(vague, name) {
			c.fail(dir, "is named %s. Why not: the name says nothing, so everything ends up in it. Name it after what it holds", name)
		}
	}
}

var getter = regexp.MustCompile(`^[gG]et[A-Z]`)

// checkNames: a read is named by what it reads.
func checkNames(c *checker) {
	for _, s := range c.tree.files {
		for _, d := range s.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || s.test || s.made {
				continue
			}
			if name := fn.Name.Name; getter.MatchString(name) {
				c.fail(s.name+"#"+name, "begins with Get. Why not: reads are nouns here. Call it %s", name[3:])
			}
		}
	}
}

// checkGlobals: package-level variables are tables, written once where they stand.
func checkGlobals(c *checker) {
	globals := map[string]map[string]bool{} // dir → names
	for _, s := range c.tree.files {
		if s.test {
			continue
		}
		if globals[s.dir] == nil {
			globals[s.dir] = map[string]bool{}
		}
		for _, d := range s.ast.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				v := spec.(*ast.ValueSpec)
				for _, name := range v.Names {
					globals[s.dir][name.Name] = name.Name != "_"
				}
				if keepsState(v) {
					c.failAt(s, v.Pos(), "keeps state in the package (%s). Why not: two of a thing could not live in one process, and tests would "+
						"meet in it. Put it into the struct that uses it", v.Names[0].Name)
				}
			}
		}
	}
	for _, s := range c.tree.files {
		if s.test {
			continue
		}
		for _, id := range assigned(s.ast) {
			if globals[s.dir][id.Name] {
				c.failAt(s, id.Pos(), "changes the package's %s. Why not: two of a thing could not live in one process, and tests would "+
					"meet in it. Put it into the struct that uses it", id.Name)
			}
		}
	}
}

// keepsState reports whether a variable is made to be changed: a lock, a once, an atomic, a channel. A sync.Pool is not: it
// holds nothing that anybody could miss.
func keepsState(v *ast.ValueSpec) (yes bool) {
	look := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ChanType:
			yes = true
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && (x.Name == "atomic" || x.Name == "sync" && n.Sel.Name != "Pool") {
				yes = true
			}
		}
		return !yes
	}
	if v.Type != nil {
		ast.Inspect(v.Type, look)
	}
	for _, val := range v.Values {
		ast.Inspect(val, look)
	}
	return yes
}

// assigned lists the names that a file's functions assign to, add to, or delete from, as a whole or by index or field;
// names that the same function declares aside.
func assigned(f *ast.File) []*ast.Ident {
	var out []*ast.Ident
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		local := map[string]bool{}
		var hits []*ast.Ident
		ast.Inspect(fn, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				for _, name := range n.Names {
					local[name.Name] = true
				}
			case *ast.ValueSpec:
				for _, name := range n.Names {
					local[name.Name] = true
				}
			case *ast.RangeStmt:
				for _, e := range []ast.Expr{n.Key, n.Value} {
					if id, ok := e.(*ast.Ident); ok && n.Tok == token.DEFINE {
						local[id.Name] = true
					}
				}
			case *ast.AssignStmt:
				for _, e := range n.Lhs {
					if id := root(e); id != nil && n.Tok == token.DEFINE {
						local[id.Name] = true
					} else if id != nil {
						hits = append(hits, id)
					}
				}
			case *ast.IncDecStmt:
				if id := root(n.X); id != nil {
					hits = append(hits, id)
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "delete" && len(n.Args) > 0 {
					if id := root(n.Args[0]); id != nil {
						hits = append(hits, id)
					}
				}
			}
			return true
		})
		for _, id := range hits {
			if !local[id.Name] {
				out = append(out, id)
			}
		}
	}
	return out
}

// root returns the name at the bottom of x, x.f, x[i] and *x.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)

// checkUnfinished: what is left to do is an issue, not a comment.
func checkUnfinished(c *checker) {
	for _, s := range c.tree.files {
		if s.dir == "internal/test/floors" {
			continue // this file names the words
		}
		for _, group := range s.ast.Comments {
			for _, line := range group.List {
				if word := unfinished.FindString(line.Text); word != "" {
					c.failAt(s, line.Pos(), "has a %s. Why not: notes in code are forgotten. Do it, or open an issue", word)
				}
			}
		}
	}
}

// checkTests: tests neither sleep nor skip.
func checkTests(c *checker) {
	for _, s := range c.tree.files {
		if !s.test {
			continue
		}
		bubbles := calls(s.ast, "synctest", "Test")
		for _, pos := range calls(s.ast, "time", "Sleep") {
			if !slices.ContainsFunc(bubbles, func(b token.Pos) bool { return encloses(s.ast, b, pos) }) {
				c.failAt(s, pos, "sleeps in real time. Why not: too short on a busy machine, too long on a quick one. "+
					"Wait for the event (a channel, testkit.Eventually), or run in a synctest bubble, where sleeping costs nothing")
			}
		}
		for _, name := range []string{"t", "b", "tb"} {
			for _, pos := range calls(s.ast, name, "Skip", "Skipf", "SkipNow") {
				c.failAt(s, pos, "skips. Why not: a test that may not run proves nothing. Fail and say what is missing, such as: run make test")
			}
		}
	}
}

// calls finds the calls of x.name for any of the names.
func calls(n ast.Node, x string, names ...string) []token.Pos {
	var out []token.Pos
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && id.Name == x && slices.Contains(names, sel.Sel.Name) {
			out = append(out, call.Pos())
		}
		return true
	})
	return out
}

// encloses reports whether the call that begins at outer contains inner.
func encloses(n ast.Node, outer, inner token.Pos) (yes bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && call.Pos() == outer && call.Pos() < inner && inner < call.End() {
			yes = true
		}
		return !yes
	})
	return yes
}
