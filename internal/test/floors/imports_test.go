package floors

import (
	"path"
	"slices"
	"strings"
)

// place finds the table's row of a package; a package below another one stands where that stands.
func place(rel string) (row string, s station, ok bool) {
	for row = rel; row != "."; row = path.Dir(row) {
		if s, ok = stations[row]; ok {
			return row, s, true
		}
	}
	return "", station{}, false
}

// checkPlaces: every package has a row in the table, and every row a package.
func checkPlaces(c *checker) {
	found := map[string]bool{}
	for _, rel := range c.tree.packages() {
		row, _, ok := place(rel)
		if !ok {
			c.fail(rel, "has no place on any floor: packages are stations on the road, not drawers. "+
				"Put the code where its idea lives, or give the package a row in tables_test.go and a reason in docs/adr")
		}
		found[row] = true
	}
	for row := range stations {
		if !found[row] {
			c.fail(row, "is in tables_test.go and not in the tree: build it, or remove its row")
		}
	}
}

// checkDown: imports go down only, never sideways.
func checkDown(c *checker) {
	for _, rel := range c.tree.packages() {
		row, from, ok := place(rel)
		if !ok {
			continue // checkPlaces tells
		}
		for _, imp := range c.tree.imports[module+"/"+rel] {
			target, isOurs := ours(imp)
			if !isOurs {
				continue
			}
			targetRow, to, ok := place(target)
			if !ok || targetRow == row || slices.Contains(from.inside, targetRow) || slices.Contains(from.inside, "*") {
				continue
			}
			kind := "up"
			switch {
			case to.floor == from.floor:
				kind = "sideways"
			case to.floor < from.floor:
				kind = "past its ports"
			}
			c.fail(rel, "imports %s, %s (floor %d → %d). Why not: %s. "+
				"Declare what is needed as a small interface in ports.go and let cmd hand it over, or move the shared idea to internal/chat",
				target, kind, from.floor, to.floor, from.why)
		}
	}
}

// checkImporters: what is made for tools and tests stays there.
func checkImporters(c *checker) {
	for _, rel := range c.tree.packages() {
		row, _, _ := place(rel)
		for _, imp := range c.tree.imports[module+"/"+rel] {
			target, _ := ours(imp)
			targetRow, _, _ := place(target)
			few, limited := importers[targetRow]
			if limited && targetRow != row && !slices.Contains(few, row) {
				c.fail(rel, "imports %s in product code. Why not: it is for tools and tests and may do what a server must not. "+
					"Move the import into a _test.go file, or the code to where both may use it", target)
			}
		}
	}
}

// checkBrands: one technology, one package; directly and through any chain of imports.
func checkBrands(c *checker) {
	for _, b := range brands {
		for _, rel := range c.tree.packages() {
			row, s, _ := place(rel)
			if slices.Contains(b.owners, row) {
				continue
			}
			past := b.owners
			if s.floor < 3 {
				past = nil // no way at all, not even through an owner
			}
			if way := c.tree.chain(rel, b.fits, past...); way != nil && (len(way) == 2 || !b.direct && ownersAreBlameless(b, way)) {
				c.fail(rel, "reaches %s by %s. Why not: %s. Ask an owner (%s) for a verb that does it",
					b.name, strings.Join(way, " → "), b.why, strings.Join(b.owners, ", "))
			}
		}
	}
}

// ownersAreBlameless tells whether a way does not pass through one of our packages that is to blame itself; that one is
// reported for it. A way through somebody else's module is the fault of who imports that module.
func ownersAreBlameless(b brand, way []string) bool {
	for _, step := range way[1 : len(way)-1] {
		if row, _, ok := place(step); ok && !slices.Contains(b.owners, row) {
			return false
		}
	}
	return true
}

// checkLinks: a binary contains only what its process is for.
func checkLinks(c *checker) {
	for cmd, names := range links {
		if _, there := c.tree.imports[module+"/"+cmd]; !there {
			c.fail(cmd, "is not there: its binary can't be checked for what it must not link")
			continue
		}
		for _, b := range brands {
			if !slices.Contains(names, b.name) {
				continue
			}
			if way := c.tree.chain(cmd, b.fits); way != nil {
				c.fail(cmd, "links %s by %s. Why not: a process that cannot reach a server can't depend on it. "+
					"Cut the chain at the first package that does not need it", b.name, strings.Join(way, " → "))
			}
		}
	}
}

// checkForbidden: modules that nobody may import, tests included.
func checkForbidden(c *checker) {
	for _, s := range c.tree.files {
		for _, spec := range s.ast.Imports {
			imp := strings.Trim(spec.Path.Value, `"`)
			for mod, why := range forbidden {
				if imp == mod || strings.HasPrefix(imp, mod+"/") {
					c.fail(s.name, "imports %s. Why not: %s", imp, why)
				}
			}
			blank := spec.Name != nil && spec.Name.Name == "_"
			if blank && !s.test && imp != "embed" {
				c.fail(s.name, "imports %s for its side effects. Why not: registration at a distance can't be seen in the wiring. "+
					"Call what is needed by its name", imp)
			}
		}
	}
}

// checkPure: the vocabulary is values and functions of values.
func checkPure(c *checker) {
	for _, imp := range c.tree.imports[module+"/internal/chat"] {
		if slices.Contains(impure, imp) {
			c.fail("internal/chat", "imports %s. Why not: rules that touch nothing can be tried in a table and trusted everywhere. "+
				"Hand the value in as a parameter", imp)
		}
	}
	for _, s := range c.tree.files {
		if s.dir == "internal/chat" && !s.test {
			for _, pos := range calls(s.ast, "time", "Now", "Since", "Sleep", "After") {
				c.failAt(s, pos, "reads the clock. Why not: a rule must give the same answer twice. Hand the time in as a parameter")
			}
		}
	}
}
