package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const elixirMachine = `Package: erlang-base
Status: install ok installed
Provides: erlang-abi-17.0
Depends: libc6 (>= 2.34), libtinfo6
Version: 1

Package: erlang-crypto
Status: install ok installed
Source: erlang (1:25)
Version: 1

Package: elixir
Status: install ok installed
Depends: erlang-base (>= 1:22) | esl-erlang, erlang-abi-17.0
Version: 1

Package: phoenix
Status: install ok installed
Depends: elixir:any
Version: 1

Package: libmariadb3
Status: install ok installed
Source: mariadb
Provides: libmariadb
Version: 1

Package: mail
Status: install ok installed
Depends: libmariadb3 | libsqlite3-0
Description: reads mail
 Depends on nothing: really
Version: 1

Package: libsqlite3-0
Status: install ok installed
Version: 1

Package: redis-tools
Status: install ok installed
Version: 1

Package: libc6
Status: install ok installed
Version: 1
`

func TestPrivateTreesAreWholeByThemselves(t *testing.T) {
	var got []string
	for _, s := range stanzas(withoutServers(elixirMachine)) {
		got = append(got, s.name)
	}
	if d := cmp.Diff([]string{"mail", "libsqlite3-0", "libc6"}, got); d != "" {
		t.Error(d)
	}
	if got := withoutServers(elixirMachine); !strings.Contains(got, "\n Depends on nothing: really\n") {
		t.Errorf("stanzas are damaged:\n%s", got)
	}
}

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
