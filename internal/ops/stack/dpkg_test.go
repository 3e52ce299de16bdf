package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const elixirMachine = `Package: erlang-base
Version: 1

Package: elixir
Depends: erlang-base (>= 1:22) | esl-erlang
Version: 1

Package: redis-tools
Version: 1

Package: libc6
Version: 1
`

// TestAptSeesNoServersOnThisMachine: the private configuration is written from a machine's status that has all of them.
func TestAptSeesNoServersOnThisMachine(t *testing.T) {
	dir := t.TempDir()
	status := filepath.Join(dir, "status")
	if err := os.WriteFile(status, []byte(elixirMachine), 0o600); err != nil {
		t.Fatal(err)
	}
	a := newApt(dir, NewProgress(nil))
	a.etc, a.status = filepath.Join(dir, "etc"), status
	if err := os.MkdirAll(filepath.Join(a.etc, "sources.list.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.etc, "sources.list"), []byte("deb http://deb.debian.org/debian bookworm main\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.configure(filepath.Join(dir, "apt"), false); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "apt/state/status"))
	if err != nil || strings.Contains(string(b), "erlang") || strings.Contains(string(b), "redis") || !strings.Contains(string(b), "Package: libc6") {
		t.Errorf("apt takes for installed:\n%s%v", b, err)
	}
}
