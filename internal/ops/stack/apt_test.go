package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAptOutput(t *testing.T) {
	count, size := planned("Reading lists...\n'http://m.example/a.deb' a_1_amd64.deb 100 SHA256:00\nInst a\n'http://m.example/b.deb' b_1_all.deb 23 \n")
	if count != 2 || size != 123 {
		t.Errorf("planned = %d, %d, want 2, 123", count, size)
	}
	for deb, want := range map[string]bool{"libc6_2.36_amd64.deb": true, "libgcc-s1_12_amd64.deb": true, "libcap2_1_amd64.deb": false, "redis-tools_7_amd64.deb": false} {
		if cLibrary(deb) != want {
			t.Errorf("cLibrary(%s) = %v", deb, !want)
		}
	}
}

func TestRewriteErlang(t *testing.T) {
	tree := t.TempDir()
	files := []string{"usr/lib/erlang/bin/erl", "usr/lib/erlang/erts-13.1/bin/start"}
	for _, f := range files {
		p := filepath.Join(tree, f)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte("#!/bin/sh\nROOTDIR=/usr/lib/erlang\n  ROOTDIR=/usr/lib/erlang\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := rewriteErlang(tree, "/final"); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(tree, f))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(b), "ROOTDIR=/final/usr/lib/erlang\n") != 2 {
			t.Errorf("%s:\n%s", f, b)
		}
	}
}
