// Package release builds the release before this tree, whose processes run beside this tree's in tests.
package release

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"chat-service/internal/test/testkit"
)

// before is the commit of the release before this tree. Its processes run beside this tree's on the same bus, Redis and schema.
// Whoever publishes a release sets it to that release's commit.
const before = "689962756911f6fa50814765610c118277e64f79"

// Before is the programs of the release before, with its configuration files. They are built from git by the first test that
// needs them on this machine, and kept below .run.
func Before(t testing.TB) testkit.Build {
	t.Helper()
	repo := testkit.Root(t)
	dir := filepath.Join(repo, ".run", "releases", before)
	b := testkit.Build{Bin: filepath.Join(dir, "bin"), Root: filepath.Join(dir, "tree")}
	defer testkit.Lock(t, dir)()
	done := filepath.Join(dir, "done")
	if _, err := os.Stat(done); err == nil {
		return b
	}
	if err := export(repo, b.Root); err != nil {
		t.Fatal(err)
	}
	testkit.Compile(t, b.Root, b.Bin, "-buildvcs=false") // the tree lies inside a repository at another commit
	if err := os.WriteFile(done, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// export writes the tree of the release before into a folder, anew.
func export(repo, dir string) error {
	git := exec.Command("git", "cat-file", "-e", before+"^{commit}")
	git.Dir = repo
	if out, err := git.CombinedOutput(); err != nil {
		return fmt.Errorf("the release before, commit %s, can't be read from git in %s (%w: %s). It is built from there and run beside this "+
			"tree's programs, so this test needs a clone with its history: run `git fetch --unshallow` in a shallow clone, `git fetch origin %s` "+
			"where only the commit is missing, and clone the repository in place of a source archive", before, repo, err, out, before)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	git, tar := exec.Command("git", "archive", before), exec.Command("tar", "-x", "-C", dir)
	git.Dir = repo
	git.Stderr, tar.Stderr = os.Stderr, os.Stderr
	var err error
	if tar.Stdin, err = git.StdoutPipe(); err != nil {
		return err
	}
	if err := errors.Join(git.Start(), tar.Run(), git.Wait()); err != nil {
		return fmt.Errorf("export commit %s: %w", before, err)
	}
	return nil
}
