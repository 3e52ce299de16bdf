package road

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// function is a function or method of the product's code.
type function struct {
	file        string // from the repository's root, with slashes
	name        string // decide
	receiver    string // committer, "" for a function
	first, last int    // lines, from func to the closing brace
}

func (f *function) lines() int { return f.last - f.first + 1 }

// full is the name with its receiver: committer.run.
func (f *function) full() string {
	if f.receiver == "" {
		return f.name
	}
	return f.receiver + "." + f.name
}

func (f *function) String() string { return f.file + " " + f.full() }

// source is all functions of the product's code, by file and in the order in which they stand there.
type source map[string][]*function

// readSource parses internal and cmd below root, test files left out.
func readSource(root string) (source, error) {
	src := source{}
	for _, top := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			return src.add(filepath.ToSlash(rel), path, nil)
		})
		if err != nil {
			return nil, err
		}
	}
	return src, nil
}

// add parses one file; text is its content, nil where it is read from path.
func (s source) add(file, path string, text any) error {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, d := range parsed.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			s[file] = append(s[file], &function{
				file: file, name: fn.Name.Name, receiver: receiver(fn),
				first: fset.Position(fn.Pos()).Line, last: fset.Position(fn.End()).Line,
			})
		}
	}
	return nil
}

// receiver is the name of a method's type, without star and type parameters.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}
	t := fn.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// named are the functions of a file that a name in the narrative means: one, unless it is wrong or ambiguous.
func (s source) named(file, name string) []*function {
	var fs []*function
	for _, f := range s[file] {
		if name == f.full() {
			return []*function{f}
		}
		if name == f.name {
			fs = append(fs, f)
		}
	}
	return fs
}

// label is the shortest name of a function that is clear within its file.
func (s source) label(f *function) string {
	if len(s.named(f.file, f.name)) == 1 {
		return f.name
	}
	return f.full()
}

// at is the function of a file that has this line, nil outside of all.
func (s source) at(file string, line int) *function {
	fs := s[file]
	i, _ := slices.BinarySearchFunc(fs, line, func(f *function, line int) int { return f.last - line })
	if i < len(fs) && fs[i].first <= line {
		return fs[i]
	}
	return nil
}
