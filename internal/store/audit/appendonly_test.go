package audit

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRowsAreOnlyAdded: no statement of the product changes the trail, and one deletes from it, what is old. A database user without the
// right to do so is the other half: see docs/operations.md.
func TestRowsAreOnlyAdded(t *testing.T) {
	changes := regexp.MustCompile(`(?i)\b(UPDATE(\s+IGNORE)?|DELETE\s+FROM|REPLACE(\s+INTO)?|TRUNCATE(\s+TABLE)?|Table\()\s*"?audit\b`)
	var found []string
	root := filepath.Join("..", "..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return cmp.Or(err, fs.SkipDir)
		}
		if d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err == nil && changes.Match(b) {
			found = append(found, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || !strings.HasSuffix(found[0], "internal/store/operator/sweep.go") {
		t.Errorf("the trail is changed by %v, want only the sweep of what is old", found)
	}
}
