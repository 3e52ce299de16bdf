package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestVersionOf(t *testing.T) {
	for says, want := range map[string][]int{
		"HAProxy version 2.6.12-1+deb12u2 2025/04/16 - https://haproxy.org/": {2, 6, 12},
		"HAProxy version 3.2.26-1 2026/10/01":                                {3, 2, 26},
		"nginx version: nginx/1.22.1":                                        {1, 22, 1},
		"unknown option -v":                                                  nil,
	} {
		program := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(program, fmt.Appendf(nil, "#!/bin/sh\necho '%s' >&2\n", says), 0o700); err != nil {
			t.Fatal(err)
		}
		got := versionOf(t.Context(), program)
		if !slices.Equal(got, want) {
			t.Errorf("%q is version %v, want %v", says, got, want)
		}
		if enough := slices.Compare(got, proxyVersions["haproxy"]) >= 0; enough != (want != nil && want[0] == 3) {
			t.Errorf("%q is new enough: %v", says, enough)
		}
	}
}
