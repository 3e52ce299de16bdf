package floors

import (
	"path"
	"slices"
	"strings"
)

// place is where a package stands: its family, and its line in the family's list.
type place struct {
	family
	row  string // the package of the list that it is, or is below
	line int    // index in inside; 0 where the family has no list
}

// placeOf finds the place of one of our packages; a package below another one stands where that stands. ok is false for a
// package that has none.
func placeOf(rel string) (p place, ok bool) {
	i := slices.IndexFunc(house, func(f family) bool { return below(rel, f.root) })
	if i < 0 {
		return place{}, false
	}
	p.family, p.row = house[i], house[i].root
	if p.inside == nil {
		return p, true
	}
	for row := rel; row != p.root; row = path.Dir(row) {
		for line, names := range p.inside {
			if slices.Contains(names, strings.TrimPrefix(row, p.root+"/")) {
				p.row, p.line = row, line
				return p, true
			}
		}
	}
	p.line = slices.IndexFunc(p.inside, func(names []string) bool { return slices.Contains(names, ".") })
	return p, rel == p.root && p.line >= 0
}

// rows lists the packages of a family's list, by their paths.
func (f family) rows() (rows []string) {
	for _, names := range f.inside {
		for _, name := range names {
			rows = append(rows, path.Join(f.root, name))
		}
	}
	if rows == nil {
		rows = []string{f.root}
	}
	return rows
}

// notBelow lists the families that f may import by the table although they don't stand below it.
func (f family) notBelow() (roots []string) {
	for _, root := range f.imports {
		if to, ok := placeOf(root); !ok || to.root != root || to.floor >= f.floor {
			roots = append(roots, root)
		}
	}
	return roots
}

// below reports whether a package is root or stands below it.
func below(rel, root string) bool { return rel == root || strings.HasPrefix(rel, root+"/") }

// checkPlaces: every package has a place in the house, and every place a package.
func checkPlaces(c *checker) {
	all := c.tree.packages()
	for _, rel := range all {
		if _, ok := placeOf(rel); !ok {
			c.fail(rel, "has no place on any floor: packages are stations on the road, not drawers. "+
				"Put the code where its idea lives, or give the package a place in tables_test.go and a reason in docs/adr")
		}
	}
	for _, f := range house {
		for _, row := range f.rows() {
			if !slices.Contains(all, row) {
				c.fail(row, "is in tables_test.go and not in the tree: build it, or remove it there")
			}
		}
	}
}

// checkDown: imports go down only, never sideways; between families and inside of each.
func checkDown(c *checker) {
	for _, f := range house {
		for _, root := range f.notBelow() {
			c.fail(f.root, "may import %s by tables_test.go, which is not below it: no list can allow that", root)
		}
	}
	for _, rel := range c.tree.packages() {
		from, ok := placeOf(rel)
		if !ok {
			continue // checkPlaces reports it
		}
		for _, imp := range c.tree.imports[module+"/"+rel] {
			target, isOurs := ours(imp)
			if !isOurs {
				continue
			}
			to, ok := placeOf(target)
			switch {
			case !ok:
			case to.root == from.root:
				checkInside(c, rel, target, from, to)
			case !slices.Contains(from.imports, to.root):
				c.fail(rel, "imports %s, %s (floor %d → %d). Why not: %s. "+
					"Declare what is needed as a small interface in ports.go and let cmd hand it over, or move the shared idea to internal/chat",
					target, direction(from.floor, to.floor), from.floor, to.floor, from.why)
			}
		}
	}
}

// checkInside is checkDown between two packages of a family.
func checkInside(c *checker, rel, target string, from, to place) {
	if from.row == to.row || to.line < from.line {
		return
	}
	c.fail(rel, "imports %s, %s inside %s (line %d → %d). Why not: a reader must be able to read a station from the ground up, "+
		"and to change one of its packages with only those above in mind. Move what both need to a lower line, or hand it over as a value",
		target, direction(from.line, to.line), from.root, from.line+1, to.line+1)
}

// direction of an import that is not allowed, from one floor or line to another.
func direction(from, to int) string {
	switch {
	case to == from:
		return "sideways"
	case to < from: // only between floors
		return "past its ports"
	default:
		return "up"
	}
}

// checkImporters: what is made for tools and tests stays there.
func checkImporters(c *checker) {
	for _, rel := range c.tree.packages() {
		from, _ := placeOf(rel)
		for _, imp := range c.tree.imports[module+"/"+rel] {
			target, _ := ours(imp)
			for limited, few := range importers {
				if below(target, limited) && !below(rel, limited) && !slices.Contains(few, from.root) {
					c.fail(rel, "imports %s in product code. Why not: it is for tools and tests and may do what a server must not. "+
						"Move the import into a _test.go file, or the code to where both may use it", target)
				}
			}
		}
	}
}

// checkBrands: one technology, one package; directly and through any chain of imports.
func checkBrands(c *checker) {
	for _, b := range brands {
		for _, rel := range c.tree.packages() {
			p, _ := placeOf(rel)
			if slices.Contains(b.owners, p.root) {
				continue
			}
			past := b.owners
			if p.floor < 3 {
				past = nil // no way at all, not even through an owner
			}
			if way := c.tree.chain(rel, b.fits, past...); way != nil && (len(way) == 2 || !b.direct && ownersAreBlameless(b, way)) {
				c.fail(rel, "reaches %s by %s. Why not: %s. Add a method to an owner (%s) that does it",
					b.name, strings.Join(way, " → "), b.why, strings.Join(b.owners, ", "))
			}
		}
	}
}

// ownersAreBlameless reports whether the chain passes through none of our packages that breaks the rule itself, which is reported
// for its own import. A chain through another module is reported for the package of ours that imports that module.
func ownersAreBlameless(b brand, way []string) bool {
	for _, step := range way[1 : len(way)-1] {
		if p, ok := placeOf(step); ok && !slices.Contains(b.owners, p.root) {
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
