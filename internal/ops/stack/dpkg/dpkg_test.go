package dpkg

import (
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
	for _, s := range stanzas(WithoutServers(elixirMachine)) {
		got = append(got, s.name)
	}
	if d := cmp.Diff([]string{"mail", "libsqlite3-0", "libc6"}, got); d != "" {
		t.Error(d)
	}
	if got := WithoutServers(elixirMachine); !strings.Contains(got, "\n Depends on nothing: really\n") {
		t.Errorf("stanzas are damaged:\n%s", got)
	}
}
