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
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close() // unlocks it, too
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("lock %s: %v", lock.Name(), err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+string(filepath.Separator),
		"./cmd/gateway", "./cmd/worker", "./cmd/api", "./cmd/chatctl")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	return dir
}
