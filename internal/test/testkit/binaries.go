package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// BinVar names a folder with ready-built gateway, worker, api and chatctl.
const BinVar = "CHAT_TEST_BIN"

// Root is the repository's root: the folder with go.mod above the test's.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = up
	}
}

// Binaries is a folder with the product's programs: the one that CHAT_TEST_BIN names, else bin/ of the repository, built
// now. Test packages that run at the same time build one after the other, so that none starts an incomplete program.
func Binaries(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv(BinVar); dir != "" {
		return dir
	}
	root := Root(t)
	dir := filepath.Join(root, "bin")
	Compile(t, root, dir)
	return dir
}

// Compile builds the product's programs from a source tree into a folder, with further flags of go build. Test packages that
// run at the same time build one after the other, so that none of them starts half a program.
func Compile(t testing.TB, root, dir string, flags ...string) {
	t.Helper()
	defer Lock(t, dir)()
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, flags...)
	build := exec.CommandContext(t.Context(), "go", append(args, "./cmd/gateway", "./cmd/worker", "./cmd/api", "./cmd/chatctl")...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
}

// Lock makes a folder where there is none, and keeps other processes that lock it waiting until unlock is called.
func Lock(t testing.TB, dir string) (unlock func()) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("lock %s: %v", lock.Name(), err)
	}
	return func() { _ = lock.Close() } // gives the lock back, too
}
