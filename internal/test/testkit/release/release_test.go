package release

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBuildBeforeIsMissing: in a clone without the commit the error says what to do.
func TestBuildBeforeIsMissing(t *testing.T) {
	t.Parallel()
	repo, dir := t.TempDir(), filepath.Join(t.TempDir(), "tree")
	if out, err := exec.Command("git", "init", "-q", repo).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	err := export(repo, dir)
	if err == nil || !strings.Contains(err.Error(), before) || !strings.Contains(err.Error(), "git fetch --unshallow") {
		t.Errorf("got %v, want an error that names the commit and the command", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the tree's folder: %v, want none", err)
	}
}
