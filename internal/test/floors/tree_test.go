package floors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// tree is what the rules look at: the import graph of the product, and all Go sources of the repository.
type tree struct {
	imports map[string][]string // product imports of every package that is linked anywhere, by import path
	files   []*source
}

// source is one parsed Go file.
type source struct {
	name  string // path from the repository's root, with slashes
	dir   string
	test  bool
	made  bool // generated
	lines int
	code  int // lines that are neither blank nor only a comment
	fset  *token.FileSet
	ast   *ast.File
}

// readTree reads the repository that this package is part of.
func readTree(root string) (*tree, error) {
	tr := &tree{imports: map[string][]string{}}
	if err := tr.list(root); err != nil {
		return nil, err
	}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "web") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return tr.add(filepath.ToSlash(rel), text)
	})
	return tr, err
}

// list asks the go command for the import graph.
func (tr *tree) list(root string) error {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Error", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list: %w: the code must build before its form can be judged\n%s", err, &stderr)
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		tr.imports[p.ImportPath] = p.Imports
	}
}

// add parses one file.
func (tr *tree) add(name string, text []byte) error {
	s := &source{
		name: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
		lines: bytes.Count(text, []byte("\n")), code: codeLines(text), fset: token.NewFileSet(),
	}
	var err error
	s.ast, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	s.made = ast.IsGenerated(s.ast)
	tr.files = append(tr.files, s)
	return nil
}

// codeLines counts the lines that hold a token of Go. Every line of a raw string counts, blank ones too.
func codeLines(text []byte) (n int) {
	fset := token.NewFileSet()
	file := fset.AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, 0) // 0: comments are skipped
	for counted := 0; ; {
		pos, tok, lit := s.Scan()
		switch {
		case tok == token.EOF:
			return n
		case tok == token.SEMICOLON && lit == "\n":
			continue // put in by the scanner at the end of a line
		}
		first := file.Line(pos)
		last := first + strings.Count(lit, "\n")
		n += last - max(first-1, counted)
		counted = last
	}
}

// packages lists our packages in the import graph, from the root, sorted.
func (tr *tree) packages() []string {
	var out []string
	for p := range tr.imports {
		if rel, ok := ours(p); ok {
			out = append(out, rel)
		}
	}
	slices.Sort(out)
	return out
}

// ours returns "internal/chat" for our own package of that import path.
func ours(importPath string) (rel string, ok bool) { return strings.CutPrefix(importPath, module+"/") }

// chain returns the shortest way from one of our packages to something that fits, nil if there is none. Ways through
// the packages in past are not looked at.
func (tr *tree) chain(from string, fits func(string) bool, past ...string) []string {
	start := module + "/" + from
	before := map[string]string{start: ""}
	queue := []string{start}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if p != start && fits(p) {
			var way []string
			for ; p != ""; p = before[p] {
				way = append([]string{strings.TrimPrefix(p, module+"/")}, way...)
			}
			return way
		}
		if rel, ok := ours(p); ok && p != start && slices.ContainsFunc(past, func(o string) bool { return rel == o || strings.HasPrefix(rel, o+"/") }) {
			continue
		}
		for _, next := range tr.imports[p] {
			if _, seen := before[next]; !seen {
				before[next] = p
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// fits reports whether an import path is of the brand.
func (b brand) fits(importPath string) bool {
	return slices.ContainsFunc(b.prefixes, func(prefix string) bool {
		return importPath == prefix || strings.HasPrefix(importPath, strings.TrimSuffix(prefix, "/")+"/")
	})
}
